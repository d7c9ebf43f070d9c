package template

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// indexFunctions prepares functionOf.
func (r *reader) indexFunctions() {
	r.functionIDs, r.permitted, r.hasUnchecked = map[string][]string{}, map[string]bool{}, map[string]bool{}
	for _, x := range r.each("AWS::Lambda::Function", "AWS::Serverless::Function") {
		if name := r.physical(x, x.pos); name.kind == scalar {
			r.functionIDs[name.text] = append(r.functionIDs[name.text], x.id)
		} else {
			r.note(x.pos, Warning, "the name of function %s is not known here and is its logical ID: %s", clip(x.id), name.text)
			x.name = newText(x.pos, x.id)
			r.functionIDs[x.id] = append(r.functionIDs[x.id], x.id)
		}
	}
	for _, x := range r.each("AWS::Lambda::Permission") {
		principal, f := r.eval(x.props.get("Principal")), r.eval(x.props.get("FunctionName"))
		if principal.kind == unknown || f.kind == unknown || strings.HasPrefix(principal.text, "apigateway.") {
			r.permitted[functionName(f.text)] = true
		}
	}
}

var stageVariable = regexp.MustCompile(`\$\{stageVariables\.([A-Za-z0-9_]+)\}`)

// functionOf is the logical ID of the function that a URI, an ARN or a name
// means, or why there is none.
func (r *reader) functionOf(uri string) (id, why string) {
	uri = stageVariable.ReplaceAllStringFunc(uri, func(m string) string {
		return r.stageVariables[stageVariable.FindStringSubmatch(m)[1]]
	})
	name := functionName(uri)
	ids := r.functionIDs[name]
	switch {
	case len(ids) == 1:
		return ids[0], ""
	case len(ids) > 1:
		return "", "function name " + clip(name) + " is that of " + clip(strings.Join(ids, " and of "))
	}
	if x, _ := r.resource(name); x != nil && (x.typ == "AWS::Lambda::Function" || x.typ == "AWS::Serverless::Function") {
		return x.id, ""
	}
	return "", "function " + clip(name) + " is not in the template"
}

// checkPermission says what would fail on AWS only.
func (r *reader) checkPermission(pos Position, function string, made bool, credentials *value) {
	x := r.resources[function]
	if made || x == nil || !credentials.empty() || r.hasUnchecked[function] {
		return
	}
	r.hasUnchecked[function] = true
	if !r.permitted[r.physical(x, pos).text] && !r.permitted[function] {
		r.note(pos, Warning, "no AWS::Lambda::Permission lets apigateway.amazonaws.com invoke %s: it is invoked here, but not on AWS", clip(function))
	}
}

func (r *reader) authorizers() []Authorizer {
	var out []Authorizer
	for _, x := range r.each("AWS::ApiGatewayV2::Authorizer") {
		if !r.ofAPI(x) {
			continue
		}
		what := "authorizer " + clip(x.id)
		a := Authorizer{LogicalID: x.id, Name: x.id, Position: x.pos, IdentitySources: r.texts(x.props.get("IdentitySource"), "the identity source of "+what)}
		if name := r.text(x.props.get("Name"), "the name of "+what); name != "" {
			a.Name = name
		}
		if typ := r.text(x.props.get("AuthorizerType"), "AuthorizerType of "+what); typ != "REQUEST" {
			r.note(x.pos, Warning, "%s is of type %q: a WebSocket API has REQUEST authorizers only", what, clip(typ))
		}
		for _, s := range a.IdentitySources {
			if strings.HasPrefix(s, "$") {
				r.note(x.pos, Warning, "%s has identity source %s, which AWS refuses for a WebSocket API: write route.request.header.NAME or route.request.querystring.NAME", what, clip(s))
			}
		}
		if !x.props.get("AuthorizerResultTtlInSeconds").empty() {
			r.note(x.props.get("AuthorizerResultTtlInSeconds").pos, Info, "results of %s are not cached: AWS does so for HTTP APIs only", what)
		}
		if uri, ok := r.need(x.props.get("AuthorizerUri"), x.pos, "AuthorizerUri of "+what); ok {
			id, why := r.functionOf(uri)
			if why != "" {
				r.fail(x.props.get("AuthorizerUri").where(), "%s cannot be run: %s", what, why)
			}
			a.Function = id
			r.checkPermission(x.pos, id, x.made, x.props.get("AuthorizerCredentialsArn"))
		}
		out = append(out, a)
	}
	return out
}

func (r *reader) routes(authorizers []Authorizer) []Route {
	var out []Route
	at := map[string]Position{}
	answered := map[string]bool{}
	for _, x := range r.each("AWS::ApiGatewayV2::RouteResponse") {
		if id := r.eval(x.props.get("RouteId")); id.kind == scalar && r.ofAPI(x) {
			answered[id.text] = true
			if key := r.text(x.props.get("RouteResponseKey"), "RouteResponseKey of "+clip(x.id)); key != "$default" {
				r.note(x.pos, Warning, "%s has the key %q: the only one that AWS takes is $default", clip(x.id), clip(key))
			}
		}
	}
	for _, x := range r.each("AWS::ApiGatewayV2::Route") {
		if !r.ofAPI(x) {
			continue
		}
		key, ok := r.need(x.props.get("RouteKey"), x.pos, "the route key of "+clip(x.id))
		if !ok {
			return nil
		}
		if before, twice := at[key]; twice {
			r.fail(x.pos, "route %s is there already, on line %d", clip(key), before.Line)
			return nil
		}
		at[key] = x.pos
		route := Route{Key: key, Position: x.pos}
		if !r.integrate(x, &route) {
			continue
		}
		r.authorize(x, &route, authorizers)
		p := x.props
		expression := r.text(p.get("RouteResponseSelectionExpression"), "RouteResponseSelectionExpression of route "+clip(key))
		route.TwoWay = expression != "" || answered[x.id]
		route.APIKeyRequired = r.text(p.get("ApiKeyRequired"), "ApiKeyRequired of route "+clip(key)) == "true"
		if route.APIKeyRequired {
			r.note(p.get("ApiKeyRequired").pos, Warning, "route %s needs an API key: which keys there are is not in a template", clip(key))
		}
		if !p.get("RequestModels").empty() || !p.get("ModelSelectionExpression").empty() {
			r.note(x.pos, Warning, "the models of route %s are not checked here", clip(key))
		}
		if strings.HasPrefix(key, "$") && !slices.Contains([]string{"$connect", "$disconnect", "$default"}, key) {
			r.fail(x.pos, "route key %s begins with a dollar sign: only $connect, $disconnect and $default may", clip(key))
		}
		out = append(out, route)
	}
	if len(out) == 0 && r.fatal == nil {
		r.fail(r.selected.pos, "API %s has no routes", clip(r.selected.id))
	}
	return out
}

func (r *reader) authorize(x *resource, route *Route, authorizers []Authorizer) {
	p, what := x.props, "route "+clip(route.Key)
	route.Authorization = r.text(p.get("AuthorizationType"), "AuthorizationType of "+what)
	if route.Authorization == "" {
		route.Authorization = "NONE"
	}
	switch route.Authorization {
	case "NONE":
		if !p.get("AuthorizerId").empty() {
			r.note(p.get("AuthorizerId").pos, Warning, "%s has an authorizer, which is not asked: its AuthorizationType is not CUSTOM", what)
		}
		return
	case "AWS_IAM":
		r.note(p.get("AuthorizationType").where(), Warning, "%s needs a signature of AWS IAM, which is not checked here", what)
	case "CUSTOM":
		id, ok := r.need(p.get("AuthorizerId"), x.pos, "the authorizer of "+what)
		if !ok {
			return
		}
		if !slices.ContainsFunc(authorizers, func(a Authorizer) bool { return a.LogicalID == id }) {
			r.fail(p.get("AuthorizerId").where(), "%s has authorizer %s, which is not one of this API in the template", what, clip(id))
			return
		}
		route.Authorizer = id
	default:
		r.note(p.get("AuthorizationType").where(), Warning, "%s has AuthorizationType %s, which a WebSocket API does not have", what, clip(route.Authorization))
	}
	if route.Key != "$connect" {
		r.note(x.pos, Warning, "%s has authorization, which only $connect can have: AWS refuses it", what)
	}
}

// integrate finds what a route invokes. It is false for a route that does
// nothing.
func (r *reader) integrate(x *resource, route *Route) bool {
	what := "route " + clip(route.Key)
	target := x.props.get("Target")
	if target.empty() {
		r.note(x.pos, Warning, "%s has no Target and is left out", what)
		return false
	}
	s, ok := r.need(target, x.pos, "the target of "+what)
	if !ok {
		return false
	}
	id, ok := strings.CutPrefix(s, "integrations/")
	i, why := r.resource(id)
	switch {
	case !ok:
		r.fail(target.pos, "%s has target %s, which is not integrations/ID", what, clip(s))
		return false
	case i == nil:
		r.fail(target.pos, "%s has an integration that cannot be used: %s", what, why)
		return false
	case i.typ != "AWS::ApiGatewayV2::Integration":
		r.fail(target.pos, "%s has target %s, which is of type %s and not an integration", what, clip(id), clip(i.typ))
		return false
	case !r.ofAPI(i):
		r.fail(target.pos, "%s has integration %s, which belongs to another API", what, clip(id))
		return false
	}
	p, what := i.props, "integration "+clip(id)
	if route.Integration, ok = r.need(p.get("IntegrationType"), i.pos, "IntegrationType of "+what); !ok {
		return false
	}
	if ms := r.text(p.get("TimeoutInMillis"), "TimeoutInMillis of "+what); ms != "" {
		n, err := strconv.Atoi(ms)
		if err != nil || n < 50 || n > 29000 {
			r.note(p.get("TimeoutInMillis").pos, Warning, "TimeoutInMillis of %s is not between 50 and 29000 and is left out", what)
		} else {
			route.Timeout = time.Duration(n) * time.Millisecond
		}
	}
	if v := r.text(p.get("PayloadFormatVersion"), "PayloadFormatVersion of "+what); v != "" && v != "1.0" {
		r.note(p.get("PayloadFormatVersion").pos, Warning, "%s has payload format %s: AWS refuses anything but 1.0 for a WebSocket API", what, clip(v))
	}
	for _, name := range []string{"RequestTemplates", "RequestParameters", "TemplateSelectionExpression"} {
		if v := p.get(name); !v.empty() && route.Integration != "MOCK" {
			r.note(v.pos, Warning, "%s of %s is not done: there are no mapping templates here", name, what)
		}
	}
	uri := p.get("IntegrationUri")
	switch route.Integration {
	case "MOCK":
		r.answer(i, route)
		return true
	case "HTTP_PROXY", "HTTP":
		route.URL, ok = r.need(uri, i.pos, "IntegrationUri of "+what)
		route.Method = r.text(p.get("IntegrationMethod"), "IntegrationMethod of "+what)
		return ok
	case "AWS", "AWS_PROXY":
	default:
		r.fail(i.pos, "%s has type %s, which a WebSocket API does not have", what, clip(route.Integration))
		return false
	}
	s, ok = r.need(uri, i.pos, "IntegrationUri of "+what)
	if !ok {
		return false
	}
	if route.Integration == "AWS" {
		r.note(i.pos, Warning, "%s is of type AWS, which is not AWS_PROXY: its mapping templates are not done here", what)
		if strings.HasPrefix(s, "arn:") && !strings.Contains(s, ":lambda:") {
			return true // another service of AWS
		}
	}
	if route.Function, why = r.functionOf(s); why != "" {
		r.fail(uri.where(), "route %s cannot be run: %s", clip(route.Key), why)
		return false
	}
	if !strings.Contains(s, "/functions/arn:") || !strings.HasSuffix(s, "/invocations") {
		r.note(uri.where(), Warning, "%s has a URI that AWS refuses for a WebSocket API: it is arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations", what)
	}
	r.checkPermission(i.pos, route.Function, i.made, p.get("CredentialsArn"))
	return true
}

// answer finds what an integration of type MOCK answers with: the template of its
// integration response, if that is a plain text. (AWS docs, API Gateway developer
// guide: "Set up integration responses for WebSocket APIs"; the key $default is the
// one that is taken when no other matches.)
func (r *reader) answer(integration *resource, route *Route) {
	for _, x := range r.each("AWS::ApiGatewayV2::IntegrationResponse") {
		if of := r.eval(x.props.get("IntegrationId")); of.kind != scalar || of.text != integration.id || !r.ofAPI(x) {
			continue
		}
		what := "integration response " + clip(x.id)
		templates := r.eval(x.props.get("ResponseTemplates"))
		key := r.text(x.props.get("IntegrationResponseKey"), "the key of "+what)
		if key != "$default" || len(templates.each()) != 1 || templates.fields[0].value.kind != scalar {
			continue
		}
		text := templates.fields[0].value.text
		if strings.ContainsAny(text, "$#") {
			continue // a mapping template
		}
		route.Answer, r.answers[integration.id] = text, x
	}
}
