package cloudformation

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// executeAPI is an address of an API, with or without a scheme, with the first segment
// of its path, which is the stage. What comes before it does not belong to the host name.
var executeAPI = regexp.MustCompile(`(^|[^A-Za-z0-9.-])(?:(https|wss|http|ws)://)?([A-Za-z0-9-]+)\.execute-api\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)(?::443)?(?:/([A-Za-z0-9_-]*))?`)

// executeAPIHost is the part of such an address that comes before the path.
var executeAPIHost = regexp.MustCompile(`^(?:[a-z]+://)?[^/]*`)

// lambdaURL is the address of a function.
var lambdaURL = regexp.MustCompile(`(?:(https|http)://)?([a-z0-9]+)\.lambda-url\.[a-z0-9-]+\.on\.aws`)

// httpAddress is the address here of the HTTP API or the REST API with that ID. A
// value that was given for it means the one on AWS.
func (r *reader) httpAddress(id string) (string, bool) {
	if r.names == nil || len(r.names.HTTPAPIs) == 0 {
		return "", false
	}
	for _, kind := range []app.HTTPKind{app.HTTPOfAPI, app.RESTAPI} {
		for logicalID, address := range r.names.HTTPAPIs[kind] {
			if _, given := r.options.Values[logicalID]; !given && r.apiID(logicalID) == id {
				return address, true
			}
		}
	}
	return "", false
}

// localURLs replaces the addresses of the template's functions.
func (r *reader) localURLs(s, what string, pos app.Position) string {
	said := r.rewritten[pos] == s
	r.rewritten[pos] = s
	return lambdaURL.ReplaceAllStringFunc(s, func(found string) string {
		m := lambdaURL.FindStringSubmatch(found)
		function, _ := r.functionOf(r.urlIDs[m[2]])
		here, ok := r.names.HTTPAPIs[app.FunctionURL][function]
		if !ok {
			return found
		}
		if here = withScheme(here, m[1]); !said {
			r.Note(pos, app.Info, "%s: %s is %s here", what, document.Clip(found), document.Clip(here))
		}
		return here
	})
}

// withScheme is a local address, without its scheme if there was none on AWS.
func withScheme(address, scheme string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok && scheme == "" {
		return rest
	}
	return address
}

// local replaces the addresses of the APIs and functions that are run by those of this
// machine, and says so; what names the variable. An address without a scheme stays without one:
// AWS's older clients add https, which the local port answers too. The same value at
// the same place, which several functions share, is told once.
func (r *reader) local(s, what string, pos app.Position) string {
	own := r.apiID(r.api.id)
	if strings.Contains(s, ".lambda-url.") {
		s = r.localURLs(s, what, pos)
	}
	if !strings.Contains(s, "execute-api.") {
		if _, http := r.httpAddress(s); s == own || http {
			r.Note(pos, app.Info, "%s is the ID of the API: a call of a function to an address that is made of it arrives here", what)
		}
		return s
	}
	said := r.rewritten[pos] == s
	r.rewritten[pos] = s
	note := func(s app.Severity, format string, args ...any) {
		if !said {
			r.Note(pos, s, format, args...)
		}
	}
	endpoint := r.apiNames().Endpoint
	return executeAPI.ReplaceAllStringFunc(s, func(found string) string {
		m := executeAPI.FindStringSubmatch(found)
		before, scheme, id, stage := m[1], m[2], m[3], m[4]
		address := strings.TrimPrefix(found, before)
		if here, ok := r.httpAddress(id); ok && id != own {
			host := executeAPIHost.FindString(address)
			here = withScheme(here, scheme)
			note(app.Info, "%s: %s is %s here", what, document.Clip(host), document.Clip(here))
			return before + here + strings.TrimPrefix(address, host)
		}
		if id != own {
			note(app.Warning, "%s is an address of another API, %s, and stays", what, document.Clip(id))
			return found
		}
		if endpoint == nil {
			note(app.Info, "%s is the address of the API on AWS and stays", what)
			return found
		}
		here := r.localEndpoint(endpoint, scheme, stage)
		if strings.HasSuffix(address, "/") && stage == "" {
			here += "/"
		}
		if stage != "" && stage != r.stage {
			note(app.Warning, "%s: %s is %s here, but the stage that runs is %s", what, document.Clip(address), document.Clip(here), document.Clip(r.stage))
		} else {
			note(app.Info, "%s: %s is %s here", what, document.Clip(address), document.Clip(here))
		}
		return before + here
	})
}

// localEndpoint is the address of a stage, or of the host if there is none, with the
// scheme that corresponds to the one on AWS, or none.
func (r *reader) localEndpoint(endpoint func(stage string) string, scheme, stage string) string {
	here := endpoint(cmp.Or(stage, r.stage))
	if stage == "" {
		if u, err := url.Parse(here); err == nil {
			here = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
		}
	}
	if scheme == "" {
		_, here, _ = strings.Cut(here, "://")
	}
	if strings.HasPrefix(scheme, "ws") {
		if rest, ok := strings.CutPrefix(here, "http"); ok { // https becomes wss
			here = "ws" + rest
		}
	}
	return here
}
