package template

import (
	"cmp"
	"strings"
)

// A service is what serverless.yml describes, as the CloudFormation that the
// framework would make of it: the same logical IDs, so that its resources can
// refer to them (Serverless Framework 3 docs, "AWS - Resources" and
// "Websocket").
type service struct {
	r         *reader
	x         *variables
	provider  *value
	name      string
	stage     string
	artifact  *value
	functions *value
	made      []field // Resources
	ids       map[string]bool
	sockets   int
}

func (r *reader) serverless(root *value) (*value, error) {
	x := &variables{r: r, root: root}
	x.files = &files{r: r, known: map[string]*value{}}
	s := &service{r: r, x: x, ids: map[string]bool{}, artifact: x.resolve(root.get("package")).get("artifact")}
	s.provider = x.resolve(root.get("provider"))
	if name := cmp.Or(s.string(s.provider.get("name")), s.string(s.provider)); name != "aws" {
		pos := s.provider.where()
		if pos.Line == 0 {
			pos = root.pos
		}
		return nil, mistake(pos, "is for provider %q: only aws has WebSocket APIs of API Gateway", clip(name))
	}
	s.stage = x.stage()
	r.templateRegion = cmp.Or(r.options.CLI["region"], s.string(s.provider.get("region")))
	named := x.resolve(root.get("service"))
	if named != nil && named.kind == mapping {
		named = named.get("name")
	}
	if s.name = s.string(named); s.name == "" {
		s.name = "service"
	}
	r.stack = cmp.Or(s.string(s.provider.get("stackName")), s.name+"-"+s.stage)
	s.functions = s.merged(x.resolve(root.get("functions")), "functions")
	for _, f := range s.functions.each() {
		s.function(f)
	}
	s.layers(x.resolve(root.get("layers")))
	s.api()
	s.unread(root)

	user := s.merged(x.resolve(root.get("resources")), "resources")
	if e := user.get("extensions"); e != nil {
		r.note(e.pos, Warning, "extensions of resources are not understood")
	}
	resources := merge(newMap(root.pos, s.made...), user.get("Resources"))
	if r.fatal != nil {
		return nil, r.fatal
	}
	return newMap(root.pos,
		field{key: "Parameters", value: user.get("Parameters")}, field{key: "Mappings", value: user.get("Mappings")},
		field{key: "Conditions", value: user.get("Conditions")}, field{key: "Transform", value: user.get("Transform")},
		field{key: "Resources", value: resources}), nil
}

// string is a scalar that has been resolved, or empty.
func (s *service) string(v *value) string {
	if v == nil || v.kind != scalar {
		return ""
	}
	return v.text
}

// merged is a section that may be a list of maps, as ${file()} makes them.
func (s *service) merged(v *value, what string) *value {
	if v == nil || v.kind == null {
		return nil
	}
	items := []*value{v}
	if v.kind == list {
		items = v.items
	}
	var out *value
	for _, item := range items {
		switch item.kind {
		case mapping:
			out = merge(out, item)
		case null:
		case unknown:
			s.r.fail(item.pos, "%s cannot be read: %s", what, item.text)
		default:
			s.r.note(item.pos, Warning, "a part of %s is not a map and is left out", what)
		}
	}
	return out
}

// unread names what changes a service and is not done here.
func (s *service) unread(root *value) {
	if p := root.get("plugins"); p != nil && (len(p.items) > 0 || p.kind != list) {
		s.r.note(p.pos, Info, "plugins are not run: what they change is not seen here")
	}
	if d := root.get("useDotenv"); d != nil && d.text == "true" {
		s.r.note(d.pos, Info, "useDotenv is not done: no .env file is read")
	}
	if id := s.provider.get("apiGateway", "websocketApiId"); id != nil {
		s.r.note(id.pos, Warning, "websocketApiId joins an API of another stack: here the routes have one of their own")
	}
}

// add makes a resource, under another logical ID if there is one of its own.
func (s *service) add(id, typ string, pos Position, condition *value, metadata *value, fields ...field) string {
	for s.ids[id] {
		id += "2"
	}
	s.ids[id] = true
	s.made = append(s.made, field{id, pos, newMap(pos,
		field{key: "Type", value: newText(pos, typ)}, field{key: "Properties", value: newMap(pos, fields...)},
		field{key: "Condition", value: condition}, field{key: "Metadata", value: metadata}, field{key: "made", value: newText(pos, "true")})})
	return id
}

// or is the function's own setting, or the provider's.
func (s *service) or(f *value, key string, otherwise *value) *value {
	if v := f.get(key); !v.empty() {
		return v
	}
	if v := s.provider.get(key); !v.empty() {
		return v
	}
	return otherwise
}

func (s *service) function(f field) {
	v := f.value
	if v.kind != mapping {
		s.r.note(f.pos, Warning, "function %s is not a map and is left out", clip(f.key))
		return
	}
	name := v.get("name")
	if name.empty() {
		name = newText(f.pos, s.name+"-"+s.stage+"-"+f.key)
	}
	code := newText(f.pos, ".")
	if a := v.get("package", "artifact"); !a.empty() {
		code = a
	} else if !s.artifact.empty() {
		code = s.artifact
	}
	var environment *value
	if e := merge(s.provider.get("environment"), v.get("environment")); e != nil && e.kind == mapping {
		environment = &value{kind: mapping, pos: e.pos}
		for _, variable := range e.fields {
			if variable.value.kind != null { // a function says null to be without it
				environment.fields = append(environment.fields, variable)
			}
		}
	} else if !e.empty() {
		environment = e
	}
	fields := []field{
		{key: "FunctionName", value: name}, {key: "Handler", value: v.get("handler")},
		{key: "Runtime", value: s.or(v, "runtime", nil)},
		{key: "Timeout", value: s.or(v, "timeout", newText(f.pos, "6"))},
		{key: "MemorySize", value: s.or(v, "memorySize", newText(f.pos, "1024"))},
		{key: "Layers", value: s.or(v, "layers", nil)},
	}
	if environment != nil {
		fields = append(fields, field{key: "Environment", value: newMap(f.pos, field{key: "Variables", value: environment})})
	}
	if a := s.or(v, "architecture", nil); a != nil {
		fields = append(fields, field{key: "Architectures", value: newList(a.pos, a)})
	}
	var metadata *value
	if image := v.get("image"); !image.empty() {
		code, metadata = s.image(image)
		fields = append(fields, field{key: "PackageType", value: newText(image.pos, "Image")})
		if c := image.get("command"); c != nil {
			fields = append(fields, field{key: "ImageConfig", value: newMap(c.pos, field{key: "Command", value: c})})
		}
	}
	fields = append(fields, field{key: "Code", value: code})
	id := s.add(normalized(f.key)+"LambdaFunction", "AWS::Lambda::Function", f.pos, v.get("condition"), metadata, fields...)
	s.events(f, id)
}

// image is a function's image: a URI, or an entry of provider.ecr.images.
func (s *service) image(v *value) (code, metadata *value) {
	uri := v
	if v.kind == mapping {
		uri = v.get("uri")
	}
	name := v.get("name")
	if v.kind == scalar && !strings.ContainsAny(v.text, "/.:@") {
		name = v
	}
	if made := s.provider.get("ecr", "images", s.string(name)); name != nil && made != nil {
		if uri = made.get("uri"); made.kind == scalar {
			uri = made
		}
		if p := made.get("path"); p != nil {
			file := made.get("file")
			if file.empty() {
				file = newText(p.pos, "Dockerfile")
			}
			return nil, newMap(p.pos, field{key: "Dockerfile", value: file}, field{key: "DockerContext", value: p})
		}
	}
	return newMap(v.pos, field{key: "ImageUri", value: uri}), nil
}

func (s *service) layers(v *value) {
	for _, f := range s.merged(v, "layers").each() {
		content := f.value.get("path")
		if a := f.value.get("package", "artifact"); !a.empty() {
			content = a
		}
		name := f.value.get("name")
		if name.empty() {
			name = newText(f.pos, f.key)
		}
		s.add(normalized(f.key)+"LambdaLayer", "AWS::Lambda::LayerVersion", f.pos, nil, nil,
			field{key: "LayerName", value: name}, field{key: "Content", value: content})
	}
}

const socketID = "WebsocketsApi"

func (s *service) api() {
	if s.sockets == 0 {
		return
	}
	pos := s.provider.where()
	selection := s.provider.get("websocketsApiRouteSelectionExpression")
	if selection.empty() {
		selection = newText(pos, "$request.body.action")
	}
	name := s.provider.get("websocketsApiName")
	if name.empty() {
		name = newText(pos, s.stage+"-"+s.name+"-websockets")
	}
	s.add(socketID, "AWS::ApiGatewayV2::Api", pos, nil, nil, field{key: "Name", value: name},
		field{key: "ProtocolType", value: newText(pos, "WEBSOCKET")}, field{key: "RouteSelectionExpression", value: selection})
	s.add("WebsocketsDeploymentStage", "AWS::ApiGatewayV2::Stage", pos, nil, nil,
		field{key: "ApiId", value: reference(pos, socketID)}, field{key: "StageName", value: newText(pos, s.stage)})
}

func (s *service) events(f field, id string) {
	events := f.value.get("events")
	if events == nil {
		return
	}
	if events.kind == unknown {
		s.r.note(events.pos, Warning, "the events of function %s are not known here: %s", clip(f.key), events.text)
	}
	integration := ""
	for _, event := range events.items {
		for _, e := range event.each() {
			if e.key != "websocket" {
				s.r.note(e.pos, Info, "event %s of function %s is not run here", clip(e.key), clip(f.key))
				continue
			}
			if integration == "" {
				integration = s.add(normalized(f.key)+"WebsocketsIntegration", "AWS::ApiGatewayV2::Integration", e.pos, f.value.get("condition"), nil,
					field{key: "ApiId", value: reference(e.pos, socketID)}, field{key: "IntegrationType", value: newText(e.pos, "AWS_PROXY")},
					field{key: "IntegrationUri", value: invocation(arnOf(e.pos, id))})
			}
			s.socket(f, e, integration)
		}
	}
}

// socket is one event 'websocket', which is a route key or a map with one.
func (s *service) socket(f, e field, integration string) {
	s.sockets++
	key := e.value
	if key.kind == mapping {
		key = key.get("route")
	}
	if key != nil && key.kind == unknown {
		s.r.fail(key.pos, "a websocket event of function %s has no route: %s", clip(f.key), key.text)
		return
	}
	if key.empty() || key.kind != scalar {
		s.r.fail(e.pos, "a websocket event of function %s has no route: write websocket: $connect or route: $connect", clip(f.key))
		return
	}
	id := reference(e.pos, socketID)
	fields := []field{
		{key: "ApiId", value: id}, {key: "RouteKey", value: key},
		{key: "Target", value: newText(e.pos, "integrations/"+integration)},
		{key: "RouteResponseSelectionExpression", value: e.value.get("routeResponseSelectionExpression")},
	}
	if a := e.value.get("authorizer"); !a.empty() {
		fields = append(fields, field{key: "AuthorizationType", value: newText(a.pos, "CUSTOM")},
			field{key: "AuthorizerId", value: reference(a.pos, s.authorizer(a))})
	}
	s.add("S"+plainName(key.text)+"WebsocketsRoute", "AWS::ApiGatewayV2::Route", e.pos, f.value.get("condition"), nil, fields...)
}

// authorizer is a function of the service, an ARN, or a map with one of them.
func (s *service) authorizer(v *value) string {
	name, arn := s.string(v), v.get("arn")
	if _, _, ok := v.intrinsic(); ok {
		arn = v
	}
	if n := v.get("name"); n != nil {
		name = s.string(n)
	}
	switch {
	case strings.HasPrefix(name, "arn:"):
		arn, name = newText(v.pos, name), functionName(name)
	case arn == nil && s.functions.get(name) != nil:
		arn = arnOf(v.pos, normalized(name)+"LambdaFunction")
	case arn == nil:
		arn = newUnknown(v.pos, "function "+clip(name)+" is not in the service")
	case name == "":
		name = "custom"
	}
	sources := v.get("identitySource")
	if sources.empty() {
		sources = newText(v.pos, "route.request.header.Auth") // the framework's default
	}
	id := normalized(name) + "WebsocketsAuthorizer"
	if s.ids[id] {
		return id
	}
	return s.add(id, "AWS::ApiGatewayV2::Authorizer", v.pos, nil, nil,
		field{key: "ApiId", value: reference(v.pos, socketID)}, field{key: "Name", value: newText(v.pos, name)},
		field{key: "AuthorizerType", value: newText(v.pos, "REQUEST")}, field{key: "IdentitySource", value: sources},
		field{key: "AuthorizerUri", value: invocation(arn)})
}

// normalized is how the framework makes a logical ID of a name.
func normalized(name string) string {
	name = strings.NewReplacer("-", "Dash", "_", "Underscore").Replace(name)
	if name == "" {
		return name
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
