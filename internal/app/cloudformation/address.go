package cloudformation

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// executeAPI is an address of an API, with the first segment of its path, which is
// the stage.
var executeAPI = regexp.MustCompile(`\b(https|wss|http|ws)://([A-Za-z0-9-]+)\.execute-api\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)(?::443)?(?:/([A-Za-z0-9_-]*))?`)

// local replaces the addresses of the API that is run by those of this machine, and
// says so; what names the variable. The same value at the same place, which several
// functions share, is told once.
func (r *reader) local(s, what string, pos app.Position) string {
	own := r.apiID(r.api.id)
	if !strings.Contains(s, "execute-api.") {
		if s == own {
			r.Note(pos, app.Warning, "%s is the ID of the API: an address that is made of it leads to AWS, not here", what)
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
	out := executeAPI.ReplaceAllStringFunc(s, func(address string) string {
		m := executeAPI.FindStringSubmatch(address)
		scheme, id, stage := m[1], m[2], m[3]
		if id != own {
			note(app.Warning, "%s is an address of another API, %s, and stays", what, document.Clip(id))
			return address
		}
		if endpoint == nil {
			note(app.Warning, "%s is the address of the API on AWS and stays", what)
			return address
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
		return here
	})
	if strings.Contains(executeAPI.ReplaceAllString(out, ""), own+".execute-api.") {
		note(app.Warning, "%s is an address of the API without a scheme and stays: the local one is not https", what)
	}
	return out
}

// localEndpoint is the address of a stage, or of the host if there is none, with the
// scheme that corresponds to the one on AWS.
func (r *reader) localEndpoint(endpoint func(stage string) string, scheme, stage string) string {
	here := endpoint(cmp.Or(stage, r.stage))
	if stage == "" {
		if u, err := url.Parse(here); err == nil {
			here = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
		}
	}
	if strings.HasPrefix(scheme, "ws") {
		if rest, ok := strings.CutPrefix(here, "http"); ok { // https becomes wss
			here = "ws" + rest
		}
	}
	return here
}
