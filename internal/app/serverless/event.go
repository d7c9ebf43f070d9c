package serverless

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

const socketID = "WebsocketsApi"

func (s *service) api() {
	if s.sockets == 0 {
		return
	}
	pos := s.provider.Where()
	selection := s.provider.Get("websocketsApiRouteSelectionExpression")
	if selection.Empty() {
		selection = document.NewText(pos, "$request.body.action")
	}
	name := s.provider.Get("websocketsApiName")
	if name.Empty() {
		name = document.NewText(pos, s.stage+"-"+s.name+"-websockets")
	}
	s.add(socketID, "AWS::ApiGatewayV2::Api", pos, nil, nil, field{Key: "Name", Value: name},
		field{Key: "ProtocolType", Value: document.NewText(pos, "WEBSOCKET")}, field{Key: "RouteSelectionExpression", Value: selection})
	s.add("WebsocketsDeploymentStage", "AWS::ApiGatewayV2::Stage", pos, nil, nil,
		field{Key: "ApiId", Value: document.Ref(pos, socketID)}, field{Key: "StageName", Value: document.NewText(pos, s.stage)})
}

func (s *service) events(f field, id string) {
	events := f.Value.Get("events")
	if events == nil {
		return
	}
	if events.Kind == document.Unknown {
		s.Note(events.Pos, app.Warning, "the events of function %s are not known here: %s", document.Clip(f.Key), events.Text)
	}
	integration := ""
	for _, event := range events.Items {
		if event.Kind != document.Map {
			s.Note(event.Pos, app.Warning, "an event of function %s is not a map and is left out", document.Clip(f.Key))
		}
		if !s.checkIndentation(event, "websocket", "route", "authorizer", "routeResponseSelectionExpression") {
			return
		}
		for _, e := range event.Each() {
			if e.Key != "websocket" {
				s.otherEvent(trigger{function: f, id: id, name: e.Key, pos: e.Pos, value: e.Value})
				continue
			}
			if !s.checkIndentation(e.Value, "authorizer", "name", "arn", "identitySource") {
				return
			}
			if integration == "" {
				integration = s.add(normalized(f.Key)+"WebsocketsIntegration", "AWS::ApiGatewayV2::Integration", e.Pos, f.Value.Get("condition"), nil,
					field{Key: "ApiId", Value: document.Ref(e.Pos, socketID)}, field{Key: "IntegrationType", Value: document.NewText(e.Pos, "AWS_PROXY")},
					field{Key: "IntegrationUri", Value: document.InvocationURI(document.ARN(e.Pos, id))})
			}
			s.socket(f, e, integration)
		}
	}
}

// checkIndentation fails if what belongs under a key is next to it, as it is when its
// lines are not indented: the framework would deploy without it.
func (s *service) checkIndentation(v *value, key string, inside ...string) bool {
	under := v.Get(key)
	if under == nil {
		return true
	}
	first, from, to := "", 0, 0
	var pos app.Position
	for _, f := range v.Each() {
		if f.Key == key {
			pos = f.Pos
		}
		if !slices.Contains(inside, f.Key) {
			continue
		}
		if first == "" {
			first, from = f.Key, f.Pos.Line
		}
		to = max(to, f.Pos.Line, lastLine(f.Value, 0))
	}
	if first == "" {
		return true
	}
	lines := fmt.Sprintf("lines %d-%d", from, to)
	if from == to {
		lines = fmt.Sprintf("line %d", from)
	}
	if under.Empty() {
		s.Fail(pos, "%s is next to %s, not under it: indent %s by two more spaces", first, key, lines)
		return false
	}
	s.Fail(pos, "%s is next to %s, not under it: write a map under %s, and put %s into it", first, key, key, lines)
	return false
}

// lastLine is the last line of a value in its own file.
func lastLine(v *value, depth int) int {
	if v == nil || depth > document.MaxNesting {
		return 0
	}
	last := v.Pos.Line
	for _, item := range v.Items {
		if item.Pos.File == v.Pos.File {
			last = max(last, lastLine(item, depth+1))
		}
	}
	for _, f := range v.Fields {
		if f.Pos.File == v.Pos.File {
			last = max(last, f.Pos.Line, lastLine(f.Value, depth+1))
		}
	}
	return last
}

// socket is one event 'websocket', which is a route key or a map with one.
func (s *service) socket(f, e field, integration string) {
	s.sockets++
	key := e.Value
	if key.Kind == document.Map {
		key = key.Get("route")
	}
	name := key.ScalarText()
	if key != nil && key.Kind == document.Unknown {
		name = f.Key // its reader says what is unknown
	} else if key.Empty() || key.Kind != document.Scalar {
		s.Fail(e.Pos, "a websocket event of function %s has no route: write websocket: $connect or route: $connect", document.Clip(f.Key))
		return
	}
	id := document.Ref(e.Pos, socketID)
	fields := []field{
		{Key: "ApiId", Value: id}, {Key: "RouteKey", Value: key},
		{Key: "Target", Value: document.NewText(e.Pos, "integrations/"+integration)},
		{Key: "RouteResponseSelectionExpression", Value: e.Value.Get("routeResponseSelectionExpression")},
	}
	if a := e.Value.Get("authorizer"); !a.Empty() {
		fields = append(fields, field{Key: "AuthorizationType", Value: document.NewText(a.Pos, "CUSTOM")},
			field{Key: "AuthorizerId", Value: document.Ref(a.Pos, s.authorizer(a))})
	}
	s.add("S"+document.LogicalID(name)+"WebsocketsRoute", "AWS::ApiGatewayV2::Route", e.Pos, f.Value.Get("condition"), nil, fields...)
}

// lastOf is the name that the framework takes for the authorizer of an ARN.
func lastOf(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// authorizer is a function of the service, an ARN, or a map with one of them.
func (s *service) authorizer(v *value) string {
	name, arn := v.ScalarText(), v.Get("arn")
	if _, _, ok := v.Intrinsic(); ok || v.Kind == document.Unknown {
		arn = v
	}
	if n := v.Get("name"); n != nil {
		name = n.ScalarText()
	}
	switch {
	case strings.Contains(name, ":"):
		arn, name = document.NewText(v.Pos, name), lastOf(name)
	case arn.ScalarText() != "":
		name = lastOf(arn.Text)
	case arn == nil && s.functions.Get(name) != nil:
		arn = document.ARN(v.Pos, normalized(name)+"LambdaFunction")
	case arn == nil:
		arn = document.NewUnknown(v.Pos, "function "+document.Clip(name)+" is not in the service")
	case name == "":
		name = "custom"
	}
	sources := v.Get("identitySource")
	if sources.Empty() {
		sources = document.NewText(v.Pos, "route.request.header.Auth") // the framework's default
	}
	id := normalized(name) + "WebsocketsAuthorizer"
	if s.ids[id] {
		return id
	}
	return s.add(id, "AWS::ApiGatewayV2::Authorizer", v.Pos, nil, nil,
		field{Key: "ApiId", Value: document.Ref(v.Pos, socketID)}, field{Key: "Name", Value: document.NewText(v.Pos, name)},
		field{Key: "AuthorizerType", Value: document.NewText(v.Pos, "REQUEST")}, field{Key: "IdentitySource", Value: sources},
		field{Key: "AuthorizerUri", Value: document.InvocationURI(arn)})
}
