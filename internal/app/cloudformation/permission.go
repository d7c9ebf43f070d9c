package cloudformation

import (
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// indexPermissions finds the functions that API Gateway may invoke, by name. A
// permission that cannot be known is taken for one.
func (r *reader) indexPermissions() {
	for _, x := range r.each("AWS::Lambda::Permission") {
		principal, f := r.eval(x.props.Get("Principal")), r.eval(x.props.Get("FunctionName"))
		if principal.Kind == document.Unknown || f.Kind == document.Unknown || strings.HasPrefix(principal.Text, "apigateway.") {
			r.permitted[app.FunctionName(f.Text)] = true
		}
	}
}

// checkPermission notes, once for each function, that API Gateway may not invoke it:
// that fails on AWS only. A made integration comes with the permission, and one with
// credentials needs none.
func (r *reader) checkPermission(pos app.Position, function string, made bool, credentials *value) {
	x := r.resources[function]
	if made || x == nil || !credentials.Empty() || r.checked[function] {
		return
	}
	r.checked[function] = true
	if !r.permitted[r.physical(x, pos).Text] && !r.permitted[function] {
		r.Note(pos, app.Warning, "no AWS::Lambda::Permission lets apigateway.amazonaws.com invoke %s: it is invoked here, but not on AWS", document.Clip(function))
	}
}
