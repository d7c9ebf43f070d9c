package cloudformation

import (
	"regexp"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

var (
	destination = regexp.MustCompile(`^integration\.request\.(header|querystring|path)\.(.+)$`)
	source      = regexp.MustCompile(`^(?:'.*'|context\.[A-Za-z0-9._-]+|stageVariables\.[A-Za-z0-9_]+|route\.request\.(?:multivalue)?(?:header|querystring)\.[a-zA-Z0-9._$-]+|route\.request\.body(?:[.\[].+)?)$`)
)

// requestParameters are what an integration's request gets in addition to the message. One
// whose destination or source is not one of API Gateway's is left out, with a note.
func (r *reader) requestParameters(x *resource, key, what string) []app.Parameter {
	all := r.eval(x.props.Get("RequestParameters"))
	if all.Kind == document.Unknown {
		r.Note(all.Where(), app.Warning, "RequestParameters of %s are left out: %s", what, all.Text)
	}
	var out []app.Parameter
	for _, f := range all.Each() {
		name := document.Clip(f.Key)
		to := destination.FindStringSubmatch(f.Key)
		if to == nil {
			r.Note(f.Pos, app.Warning, "parameter %s of %s is left out: a destination is integration.request.header.NAME, querystring.NAME or path.NAME", name, what)
			continue
		}
		from := r.text(f.Value, "parameter "+name+" of "+what)
		switch {
		case from == "":
			continue
		case strings.HasPrefix(from, "method.request."):
			r.Note(f.Pos, app.Warning, "parameter %s of %s is left out: for a WebSocket API its source begins with route.request, not with method.request", name, what)
			continue
		case !source.MatchString(from):
			r.Note(f.Pos, app.Warning, "parameter %s of %s is left out: %s is not a source; those are context.NAME, stageVariables.NAME, route.request.header.NAME, route.request.querystring.NAME, route.request.body and its fields, and 'TEXT'", name, what, document.Clip(from))
			continue
		case key != "$connect" && strings.HasPrefix(from, "route.request.") && !strings.HasPrefix(from, "route.request.body"):
			r.Note(f.Pos, app.Warning, "parameter %s of %s is empty on route %s: only $connect has headers and a query string", name, what, document.Clip(key))
		}
		out = append(out, app.Parameter{In: to[1], Name: to[2], Source: from})
	}
	return out
}
