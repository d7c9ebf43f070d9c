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

// local replaces the addresses of the API that is run by those of this machine, and
// says so; what names the variable. An address without a scheme stays without one:
// AWS's older clients add https, which the local port answers too. The same value at
// the same place, which several functions share, is told once.
func (r *reader) local(s, what string, pos app.Position) string {
	own := r.apiID(r.api.id)
	if !strings.Contains(s, "execute-api.") {
		if s == own {
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
