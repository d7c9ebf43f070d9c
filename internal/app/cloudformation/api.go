package cloudformation

import (
	"cmp"
	"fmt"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// selectAPI finds the WebSocket API, or the one that was asked for.
func (r *reader) selectAPI() bool {
	found := r.webSocketAPIs()
	var names []string
	for _, x := range found {
		name := r.apiName(x)
		if r.options.API != "" && (r.options.API == x.id || r.options.API == name) || r.options.API == "" && len(found) == 1 {
			r.api = x
			r.apiIDs[x.id] = cmp.Or(r.apiNames().ID, "local")
			return true
		}
		if name == x.id {
			names = append(names, document.Clip(x.id))
		} else {
			names = append(names, fmt.Sprintf("%s (%s)", document.Clip(x.id), document.Clip(name)))
		}
	}
	file := app.Position{File: r.File()}
	switch {
	case len(found) == 0:
		r.Fail(file, "has no WebSocket API: nothing of type AWS::ApiGatewayV2::Api with ProtocolType WEBSOCKET, no AWS::Serverless::WebSocketApi and no websocket event")
	case r.options.API == "":
		r.Fail(found[1].pos, "has several WebSocket APIs: give --api NAME with one of %s", app.Few(names))
	default:
		r.Fail(file, "has no WebSocket API %s: give --api NAME with one of %s", document.Clip(r.options.API), app.Few(names))
	}
	return false
}

func (r *reader) webSocketAPIs() []*resource {
	var found []*resource
	for _, x := range r.each("AWS::ApiGatewayV2::Api", "AWS::Serverless::WebSocketApi") {
		protocol := "WEBSOCKET"
		if x.typ == "AWS::ApiGatewayV2::Api" {
			protocol = r.text(x.props.Get("ProtocolType"), "ProtocolType of "+document.Clip(x.id))
		}
		if protocol == "HTTP" {
			continue // httpAPIs reads it
		}
		if protocol != "WEBSOCKET" {
			r.Note(x.pos, app.Info, "API %s is not a WebSocket API and is left out", document.Clip(x.id))
			continue
		}
		found = append(found, x)
	}
	return found
}

func (r *reader) apiName(x *resource) string {
	return cmp.Or(r.text(x.props.Get("Name"), "the name of "+document.Clip(x.id)), x.id)
}

// apiNames is how the API that is run is reached, if that is known yet.
func (r *reader) apiNames() app.APIName {
	if r.names == nil {
		return app.APIName{}
	}
	return r.names.APIs[r.api.id]
}

// describe is the API with one stage, which may be nil, without its routes.
func (r *reader) describe(stage *resource) app.API {
	x := r.api
	api := app.API{
		LogicalID: x.id, Name: r.apiName(x), Stage: r.stage, Position: x.pos,
		DisabledEndpoint: r.text(x.props.Get("DisableExecuteApiEndpoint"), "DisableExecuteApiEndpoint of "+document.Clip(x.id)) == "true",
		RouteSelection:   r.text(x.props.Get("RouteSelectionExpression"), "the route selection expression of "+document.Clip(x.id)),
	}
	if api.RouteSelection == "" {
		api.RouteSelection = "$request.body.action"
		r.Note(x.pos, app.Warning, "API %s has no RouteSelectionExpression, without which AWS refuses it: %s is used", document.Clip(x.id), api.RouteSelection)
	}
	if api.DisabledEndpoint {
		r.Note(x.pos, app.Warning, "the execute-api endpoint of %s is disabled: on AWS only a custom domain leads to it, here only the local address does", document.Clip(x.id))
	}
	if stage != nil {
		r.stageVariables = r.variables(stage.props.Get("StageVariables"), "stage variable", x.id, nil)
	}
	if r.names != nil {
		api.StageVariables = r.stageVariables
	}
	return api
}

// ofAPI reports whether a resource belongs to the API that is run.
func (r *reader) ofAPI(x *resource) bool {
	id := r.eval(x.props.Get("ApiId"))
	if id.Kind == document.Scalar {
		return id.Text == r.apiID(r.api.id)
	}
	if id.Kind == document.Unknown {
		r.Note(x.pos, app.Warning, "%s is left out, as its API is not known here: %s", document.Clip(x.id), id.Text)
	} else {
		r.Note(x.pos, app.Warning, "%s is left out, as it has no ApiId", document.Clip(x.id))
	}
	return false
}
