package cloudformation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// A permission lets API Gateway invoke a function. What cannot be known of it counts
// as given.
type permission struct {
	function string // name, or empty if it is not known
	source   string // SourceArn, or empty: whatever calls
}

// A call is one that API Gateway makes.
type call struct {
	function string // logical ID
	resource string // of the caller's ARN, behind the API's ID
	caller   string // such as route $connect
	pos      app.Position
}

// indexPermissions finds what API Gateway may invoke.
func (r *reader) indexPermissions() {
	for _, x := range r.each("AWS::Lambda::Permission") {
		principal, f := r.eval(x.props.Get("Principal")), r.eval(x.props.Get("FunctionName"))
		action := r.eval(x.props.Get("Action"))
		if action.Kind == document.Scalar && action.Text != "lambda:InvokeFunction" && action.Text != "lambda:*" {
			continue
		}
		if principal.Kind != document.Unknown && !strings.HasPrefix(principal.Text, "apigateway.") {
			continue
		}
		p := permission{function: app.FunctionName(f.Text)}
		if f.Kind == document.Unknown {
			p.function = ""
		}
		if source := r.eval(x.props.Get("SourceArn")); source.Kind == document.Scalar {
			p.source = source.Text
		}
		r.permissions = append(r.permissions, p)
	}
}

// called keeps a call that needs a permission. A made integration comes with it, and
// one with credentials needs none.
func (r *reader) called(c call, made bool, credentials *value) {
	if x := r.resources[c.function]; !made && x != nil && credentials.Empty() {
		r.calls = append(r.calls, c)
	}
}

// checkPermissions notes, once for each function, the calls that no permission
// allows: they fail on AWS only.
func (r *reader) checkPermissions() {
	var order []string
	refused := map[string][]call{}
	for _, c := range r.calls {
		x := r.resources[c.function]
		name := r.physical(x, c.pos).Text
		if any, allowed := r.allowed(c, name); allowed {
			continue
		} else if !any {
			r.Note(c.pos, app.Warning, "no AWS::Lambda::Permission lets apigateway.amazonaws.com invoke %s: it is invoked here, but not on AWS", document.Clip(c.function))
			continue
		}
		if refused[c.function] == nil {
			order = append(order, c.function)
		}
		refused[c.function] = append(refused[c.function], c)
	}
	for _, function := range order {
		first, more := refused[function][0], ""
		if n := len(refused[function]) - 1; n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		r.Note(first.pos, app.Warning, "no AWS::Lambda::Permission of %s has a SourceArn for %s%s, which calls as arn:%s:execute-api:%s:%s:${%s}/%s: it is invoked here, but not on AWS",
			document.Clip(function), first.caller, more, r.partition(), r.options.Region, r.options.Account, document.Clip(r.api.id), document.Clip(first.resource))
	}
}

// allowed reports whether a permission allows a call, and whether the function has any.
func (r *reader) allowed(c call, name string) (has, allowed bool) {
	for _, p := range r.permissions {
		if p.function != "" && p.function != name && p.function != c.function {
			continue
		}
		if has = true; p.source == "" || r.matches(p.source, c.resource) {
			return true, true
		}
	}
	return has, false
}

// matches holds a SourceArn against the ARN of a caller, part by part, with * and ? as
// wildcards. Region and account are not compared, for they may be those of a stack on
// AWS, and so may be an ID that is not that of an API of the template. (AWS docs,
// Lambda API reference, "AddPermission": SourceArn is compared with StringLike; API
// Gateway developer guide: "API Gateway Amazon Resource Name (ARN) reference".)
func (r *reader) matches(source, resource string) bool {
	own := r.apiID(r.api.id)
	resource = own + "/" + resource
	parts := strings.SplitN(source, ":", 6)
	if len(parts) < 6 {
		return wildcard(source, "arn:aws:execute-api:"+r.options.Region+":"+r.options.Account+":"+resource)
	}
	if !wildcard(parts[2], "execute-api") {
		return false
	}
	id, rest, ok := strings.Cut(parts[5], "/")
	if _, other := r.resource(id); ok && !strings.ContainsAny(id, "*?") && other != "" {
		id = own
	}
	if stage, key, ok := strings.Cut(rest, "/"); ok && !r.staged && stage != "authorizers" {
		rest = "*/" + key // the name of the stage is not in the template
	}
	if !ok {
		return wildcard(parts[5], resource)
	}
	return wildcard(id+"/"+rest, resource)
}

// wildcard reports whether a text matches a pattern of * and ?.
func wildcard(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	i, j, star, from := 0, 0, -1, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	return !slices.ContainsFunc(p[i:], func(c rune) bool { return c != '*' })
}
