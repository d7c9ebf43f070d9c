package cloudformation

import (
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// functionURL reads the URL of a function. It is false if there is no such function
// in the template, which is said.
func (r *reader) functionURL(x *resource) (app.HTTPAPI, bool) {
	p, what := x.props, "function URL "+document.Clip(x.id)
	function, why := r.sourceFunction(p.Get("TargetFunctionArn"), "TargetFunctionArn")
	if why != "" {
		part := &app.Unrunnable{What: what, Why: why, Position: x.pos}
		r.Add(part.Note(true))
		return app.HTTPAPI{}, false
	}
	u := app.HTTPAPI{LogicalID: function, Name: function, Kind: app.FunctionURL, Stage: defaultStage, Position: x.pos, CORS: r.cors(p.Get("Cors"), "Cors of "+what)}
	route := app.HTTPRoute{Function: function, Payload: "2.0", Position: x.pos}
	if r.text(p.Get("AuthType"), "AuthType of "+what) == "AWS_IAM" {
		route.AuthorizerKind = "AWS_IAM"
		r.Note(r.whereOr(p.Get("AuthType"), x.pos), app.Warning, "%s needs a signature of AWS IAM, which is not checked here", what)
	}
	u.InvokeMode = r.text(p.Get("InvokeMode"), "InvokeMode of "+what)
	if v := p.Get("InvokeMode"); u.InvokeMode == "RESPONSE_STREAM" {
		r.Note(r.whereOr(v, x.pos), app.Warning, "%s streams its answers on AWS: here they come as a whole", what)
	}
	if r.names != nil {
		u.StageVariables = map[string]string{}
	}
	r.addHTTPRoute(&u, route, "$default", x.pos, "")
	return u, true
}

// urlOf is the attribute FunctionUrl: made up, but of AWS's form. (AWS docs, Lambda
// developer guide: "Creating and managing Lambda function URLs".)
func (t *template) urlOf(x *resource, pos app.Position) *value {
	f := t.eval(x.props.Get("TargetFunctionArn"))
	if f.Kind != document.Scalar {
		return document.OrUnknown(f, pos, "the function of "+document.Clip(x.id)+" is not known")
	}
	id := strings.ToLower(document.LogicalID(x.id))
	t.urlIDs[id] = app.FunctionName(f.Text)
	return document.NewText(pos, "https://"+id+".lambda-url."+t.options.Region+".on.aws/")
}
