package cloudformation

import (
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// restAPI reads a REST API with its methods. (AWS docs, CloudFormation template
// reference: AWS::ApiGateway::RestApi, Resource, Method, Stage, Deployment and
// Authorizer.)
func (r *reader) restAPI(x *resource) app.HTTPAPI {
	api := app.HTTPAPI{LogicalID: x.id, Name: r.apiName(x), Kind: app.RESTAPI, Position: x.pos}
	api.BinaryTypes = r.texts(x.props.Get("BinaryMediaTypes"), "BinaryMediaTypes of "+document.Clip(x.id))
	stage := r.httpStage(&api, r.ofHTTP(x, "RestApiId", "AWS::ApiGateway::Stage", "AWS::ApiGateway::Deployment"), r.stage)
	if stage != nil && stage.typ == "AWS::ApiGateway::Deployment" {
		r.httpStageVariables(&api, stage, "StageDescription", "Variables")
	} else {
		r.httpStageVariables(&api, stage, "Variables")
	}
	variables := r.stageVariables
	r.stageVariables = r.httpVariables
	for _, m := range r.ofHTTP(x, "RestApiId", "AWS::ApiGateway::Method") {
		r.method(x, m, &api)
	}
	r.stageVariables = variables
	r.noRoutes(x, &api)
	return api
}

// method reads one method of a REST API.
func (r *reader) method(x, m *resource, api *app.HTTPAPI) {
	out := app.HTTPRoute{Position: m.pos, Payload: "1.0"}
	method, why := r.must(m.props.Get("HttpMethod"), "HttpMethod")
	out.Method = strings.ToUpper(method)
	if why == "" {
		out.Path, why = r.restPath(x, m.props.Get("ResourceId"))
	}
	key := out.Method + " " + out.Path
	if out.Path == "" {
		key = m.id
	}
	name := document.Clip(key) + " of REST API " + document.Clip(x.id)
	if why == "" {
		why = r.restIntegration(m, &out)
	}
	if why == "" {
		why = r.restAuthorize(m, &out, name)
	}
	if v := m.props.Get("ApiKeyRequired"); r.text(v, "ApiKeyRequired of route "+name) == "true" {
		r.Note(r.whereOr(v, m.pos), app.Warning, "route %s needs an API key, which is not checked here", name)
	}
	r.addHTTPRoute(api, out, key, m.pos, why)
}

// restPath is the path of a resource, from its parts up to the root, or why it is not
// known.
func (r *reader) restPath(api *resource, v *value) (path, why string) {
	root := r.rootResource(api)
	for depth := 0; ; depth++ {
		id, why := r.must(v, "ResourceId")
		switch {
		case why != "":
			return "", why
		case id == root && path == "":
			return "/", ""
		case id == root:
			return path, ""
		case depth > maxChain:
			return "", "its path leads back to itself"
		}
		x, why := r.resource(id)
		if x != nil && x.typ != "AWS::ApiGateway::Resource" {
			why = document.Clip(id) + " is of type " + document.Clip(x.typ)
		}
		if why != "" {
			return "", "its path is not known here: " + why
		}
		part, why := r.must(x.props.Get("PathPart"), "PathPart")
		if why != "" {
			return "", "its path is not known here: resource " + document.Clip(x.id) + ": " + why
		}
		path, v = "/"+part+path, x.props.Get("ParentId")
	}
}

// rootResource is the attribute RootResourceId of a REST API.
func (t *template) rootResource(api *resource) string { return t.apiID(api.id) + "-root" }

// restIntegration reads what a method invokes, or why it cannot be run.
func (r *reader) restIntegration(m *resource, out *app.HTTPRoute) (why string) {
	i := r.eval(m.props.Get("Integration"))
	kind, why := r.must(i.Get("Type"), "integration type")
	switch {
	case i.Empty():
		return "it has no Integration"
	case i.Kind == document.Unknown:
		return "its Integration is not known here: " + i.Text
	case why != "":
		return why
	case kind == "MOCK":
		out.Answer, why = r.mockAnswer(i, "the integration of "+document.Clip(m.id))
		return why
	case kind != "AWS_PROXY":
		return "its integration is of type " + document.Clip(kind) + ", and only AWS_PROXY with a function, and MOCK, are run here"
	}
	uri, why := r.must(i.Get("Uri"), "Uri")
	if why != "" {
		return why
	}
	if out.Function, why = r.functionOf(uri); why != "" {
		return why
	}
	const limit = 300000 // AWS docs, "Quotas for configuring and running a REST API": more than 29 s after a request
	if n := r.whole(i.Get("TimeoutInMillis"), 50, limit, "TimeoutInMillis of "+document.Clip(m.id)); n != nil {
		out.Timeout = time.Duration(*n) * time.Millisecond
	}
	return ""
}
