package cloudformation

import (
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// integration is what a route invokes. If there is none the route is left out, with a
// note or as a mistake.
func (r *reader) integration(route *resource, key string) (app.Integration, bool) {
	x, ok := r.target(route, key)
	if !ok {
		return app.Integration{}, false
	}
	p, what := x.props, "integration "+document.Clip(x.id)
	kind, ok := r.need(p.Get("IntegrationType"), x.pos, "IntegrationType of "+what)
	if !ok {
		return app.Integration{}, false
	}
	i := app.Integration{Kind: app.IntegrationKind(kind), Timeout: r.integrationTimeout(x, what), Position: x.pos}
	r.checkIntegration(x, i.Kind, what)
	switch i.Kind {
	case app.Mock:
		i.Answer = r.answer(x)
	case app.HTTPProxy, app.HTTP:
		i.URL, ok = r.need(p.Get("IntegrationUri"), x.pos, "IntegrationUri of "+what)
		i.Method = r.text(p.Get("IntegrationMethod"), "IntegrationMethod of "+what)
	case app.AWS, app.AWSProxy:
		i.Function, ok = r.integratedFunction(x, i.Kind, key, what)
	default:
		r.Fail(x.pos, "%s has type %s, which a WebSocket API does not have", what, document.Clip(kind))
		ok = false
	}
	return i, ok
}

// target is the integration that a route names.
func (r *reader) target(route *resource, key string) (*resource, bool) {
	target := route.props.Get("Target")
	if target.Empty() {
		r.Note(route.pos, app.Warning, "%s has no Target and is left out", key)
		return nil, false
	}
	s, ok := r.need(target, route.pos, "the target of "+key)
	if !ok {
		return nil, false
	}
	id, ok := strings.CutPrefix(s, "integrations/")
	x, why := r.resource(id)
	switch {
	case !ok:
		r.Fail(target.Pos, "%s has target %s, which is not integrations/ID", key, document.Clip(s))
	case x == nil:
		r.Fail(target.Pos, "%s has an integration that cannot be used: %s", key, why)
	case x.typ != "AWS::ApiGatewayV2::Integration":
		r.Fail(target.Pos, "%s has target %s, which is of type %s and not an integration", key, document.Clip(id), document.Clip(x.typ))
	case !r.ofAPI(x):
		r.Fail(target.Pos, "%s has integration %s, which belongs to another API", key, document.Clip(id))
	default:
		return x, true
	}
	return nil, false
}

func (r *reader) integrationTimeout(x *resource, what string) time.Duration {
	v := x.props.Get("TimeoutInMillis")
	ms := r.text(v, "TimeoutInMillis of "+what)
	if ms == "" {
		return 0
	}
	n, err := strconv.Atoi(ms)
	if err != nil || n < 50 || n > 29000 {
		r.Note(v.Pos, app.Warning, "TimeoutInMillis of %s is not between 50 and 29000 and is left out", what)
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

// checkIntegration notes what is different on AWS, and what is not done here.
func (r *reader) checkIntegration(x *resource, kind app.IntegrationKind, what string) {
	p := x.props
	if v := r.text(p.Get("PayloadFormatVersion"), "PayloadFormatVersion of "+what); v != "" && v != "1.0" {
		r.Note(p.Get("PayloadFormatVersion").Pos, app.Warning, "%s has payload format %s: AWS refuses anything but 1.0 for a WebSocket API", what, document.Clip(v))
	}
	for _, name := range []string{"RequestTemplates", "RequestParameters", "TemplateSelectionExpression"} {
		if v := p.Get(name); !v.Empty() && kind != app.Mock {
			r.Note(v.Pos, app.Warning, "%s of %s is not done: there are no mapping templates here", name, what)
		}
	}
}

// integratedFunction is the logical ID of the function that an integration of type
// AWS or AWS_PROXY invokes. It is empty for another service of AWS.
func (r *reader) integratedFunction(x *resource, kind app.IntegrationKind, key, what string) (string, bool) {
	v := x.props.Get("IntegrationUri")
	uri, ok := r.need(v, x.pos, "IntegrationUri of "+what)
	if !ok {
		return "", false
	}
	if kind == app.AWS {
		r.Note(x.pos, app.Warning, "%s is of type AWS, which is not AWS_PROXY: its mapping templates are not done here", what)
		if strings.HasPrefix(uri, "arn:") && !strings.Contains(uri, ":lambda:") {
			return "", true
		}
	}
	function, why := r.functionOf(uri)
	if why != "" {
		r.Fail(v.Where(), "%s cannot be run: %s", key, why)
		return "", false
	}
	if !strings.Contains(uri, "/functions/arn:") || !strings.HasSuffix(uri, "/invocations") {
		r.Note(v.Where(), app.Warning, "%s has a URI that AWS refuses for a WebSocket API: it is arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations", what)
	}
	r.checkPermission(x.pos, function, x.made, x.props.Get("CredentialsArn"))
	return function, true
}

// answer is what an integration of type MOCK answers with: the template of its
// integration response, if that is plain text. (AWS docs, API Gateway developer
// guide: "Set up integration responses for WebSocket APIs"; the key $default is the
// one that is taken when no other matches.)
func (r *reader) answer(integration *resource) (answer string) {
	for _, x := range r.each("AWS::ApiGatewayV2::IntegrationResponse") {
		if of := r.eval(x.props.Get("IntegrationId")); of.Kind != document.Scalar || of.Text != integration.id || !r.ofAPI(x) {
			continue
		}
		what := "integration response " + document.Clip(x.id)
		templates := r.eval(x.props.Get("ResponseTemplates"))
		key := r.text(x.props.Get("IntegrationResponseKey"), "the key of "+what)
		if key != "$default" || len(templates.Each()) != 1 || templates.Fields[0].Value.Kind != document.Scalar {
			continue
		}
		text := templates.Fields[0].Value.Text
		if strings.ContainsAny(text, "$#") {
			continue // a mapping template
		}
		answer, r.answers[integration.id] = text, x
	}
	return answer
}
