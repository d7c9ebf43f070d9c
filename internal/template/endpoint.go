package template

import (
	"net/url"
	"regexp"
	"strings"
)

// An address of an API, with the first segment of its path, which is the stage.
var executeAPI = regexp.MustCompile(`\b(https|wss|http|ws)://([A-Za-z0-9-]+)\.execute-api\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)(?::443)?(?:/([A-Za-z0-9_-]*))?`)

// local replaces the addresses of the API that is run by those of this machine
// and says so; what names the name of the variable.
func (r *reader) local(s, what string, pos Position) string {
	if !strings.Contains(s, "execute-api.") {
		if s == r.options.LocalAPIID {
			r.note(pos, Warning, "%s is the ID of the API: an address that is made of it leads to AWS, not here", what)
		}
		return s
	}
	said := r.rewritten[pos] == s
	r.rewritten[pos] = s
	note := func(pos Position, s Severity, format string, args ...any) {
		if !said {
			r.note(pos, s, format, args...)
		}
	}
	out := executeAPI.ReplaceAllStringFunc(s, func(address string) string {
		m := executeAPI.FindStringSubmatch(address)
		scheme, id, stage := m[1], m[2], m[3]
		if id != r.options.LocalAPIID {
			note(pos, Warning, "%s is an address of another API, %s, and stays", what, clip(id))
			return address
		}
		if r.options.LocalEndpoint == nil {
			note(pos, Warning, "%s is the address of the API on AWS and stays", what)
			return address
		}
		here := r.localEndpoint(scheme, stage)
		if strings.HasSuffix(address, "/") && stage == "" {
			here += "/"
		}
		if stage != "" && stage != r.stage {
			note(pos, Warning, "%s: %s is %s here, but the stage that runs is %s", what, clip(address), clip(here), clip(r.stage))
		} else {
			note(pos, Info, "%s: %s is %s here", what, clip(address), clip(here))
		}
		return here
	})
	if strings.Contains(executeAPI.ReplaceAllString(out, ""), r.options.LocalAPIID+".execute-api.") {
		note(pos, Warning, "%s is an address of the API without a scheme and stays: the local one is not https", what)
	}
	return out
}

// localEndpoint is the address of a stage, or of the host if there is none,
// with the scheme that belongs to the one on AWS.
func (r *reader) localEndpoint(scheme, stage string) string {
	here := r.options.LocalEndpoint(stage)
	if stage == "" {
		here = r.options.LocalEndpoint(r.stage)
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

// variables resolves a map of strings: an environment, or stage variables.
func (r *reader) variables(v *value, kindOf, owner string) map[string]string {
	out := map[string]string{}
	if v != nil && v.kind == mapping {
		if _, _, ok := v.intrinsic(); ok {
			v = r.eval(v)
		}
	}
	if v != nil && v.kind == unknown {
		r.note(v.pos, Warning, "every %s of %s is left out: %s", kindOf, clip(owner), v.text)
	}
	for _, f := range v.each() {
		what := kindOf + " " + clip(f.key) + " of " + clip(owner)
		clear(r.placeholders)
		e := r.eval(f.value)
		if e.kind == unknown && r.leftOut[f.pos] == f.key {
			continue // said of another function already: Globals, provider.environment
		}
		for id, x := range r.placeholders {
			if e.kind == unknown {
				break
			}
			r.note(f.pos, Warning, "%s names %s, of type %s, which is not run here: its logical ID stands for it", what, clip(id), clip(x.typ))
		}
		switch {
		case e.kind == absent:
		case e.kind == null:
			out[f.key] = ""
		case e.kind == unknown:
			r.leftOut[f.pos] = f.key
			r.note(f.pos, Warning, "%s is left out: %s", what, e.text)
		case e.kind != scalar:
			r.note(f.pos, Warning, "%s is left out: it is not a string", what)
		case len(e.text) > maxString:
			r.note(f.pos, Warning, "%s is left out: it is too long", what)
		case strings.Contains(e.text, "{{resolve:"):
			r.note(f.pos, Warning, "%s is left out: a dynamic reference is resolved by AWS", what)
		case !r.spend(f.pos, len(e.text)):
			return out
		default:
			out[f.key] = r.local(e.text, what, f.pos)
		}
	}
	return out
}
