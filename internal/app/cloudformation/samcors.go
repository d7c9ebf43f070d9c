package cloudformation

import (
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app/document"
)

// A samPath is a path of a REST API of SAM.
type samPath struct {
	path    string
	methods []string
	first   event
	at      *value // ID of its resource
}

// has keeps that an event is a method on a path. An API that is not SAM's is nil.
func (a *samAPI) has(path, method string, v event, at *value) {
	if a == nil || a.typ != "AWS::Serverless::Api" || a.props.Get("Cors").Empty() || path == "" {
		return
	}
	i := slices.IndexFunc(a.paths, func(p *samPath) bool { return p.path == path })
	if i < 0 {
		a.paths = append(a.paths, &samPath{path: path, first: v, at: at})
		i = len(a.paths) - 1
	}
	a.paths[i].methods = append(a.paths[i].methods, method)
}

// preflights makes the OPTIONS methods of the REST APIs that have Cors, as SAM does: one
// for each path that has none, of type MOCK. (AWS docs, SAM developer guide:
// sam-property-api-corsconfiguration.)
func (e *events) preflights() {
	for _, x := range slices.Clone(e.order) {
		a := e.apis[x.id]
		if a == nil {
			continue
		}
		for _, p := range a.paths {
			if !slices.Contains(p.methods, "OPTIONS") { // else its function answers
				e.preflight(a, p)
			}
		}
	}
}

func (e *events) preflight(a *samAPI, p *samPath) {
	cors, pos := a.props.Get("Cors"), p.first.pos
	text := func(s string) *value { return document.NewText(pos, s) }
	origin, methods, headers, age := cors, (*value)(nil), (*value)(nil), (*value)(nil)
	credentials := ""
	if _, _, ok := cors.Intrinsic(); !ok && cors.Kind == document.Map {
		origin, methods, headers, age = cors.Get("AllowOrigin"), cors.Get("AllowMethods"), cors.Get("AllowHeaders"), cors.Get("MaxAge")
		credentials = e.eval(cors.Get("AllowCredentials")).Text
	}
	if methods.Empty() { // those of the path
		all := append(slices.Clone(p.methods), "OPTIONS")
		if slices.Contains(p.methods, "ANY") {
			all = []string{"OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}
		}
		slices.Sort(all)
		methods = text("'" + strings.Join(slices.Compact(all), ",") + "'")
	}
	const header = "method.response.header.Access-Control-"
	parameters := []field{{Key: header + "Allow-Origin", Value: origin}, {Key: header + "Allow-Methods", Value: methods}, {Key: header + "Allow-Headers", Value: headers}, {Key: header + "Max-Age", Value: age}}
	if credentials == "true" {
		parameters = append(parameters, field{Key: header + "Allow-Credentials", Value: text("'true'")})
	}
	response := document.NewMap(pos, field{Key: "StatusCode", Value: text("200")}, field{Key: "ResponseParameters", Value: document.NewMap(pos, parameters...)})
	fields := []field{
		{Key: "RestApiId", Value: document.Ref(pos, a.id)}, {Key: "ResourceId", Value: p.at}, {Key: "HttpMethod", Value: text("OPTIONS")},
		{Key: "Integration", Value: document.NewMap(pos, field{Key: "Type", Value: text("MOCK")}, field{Key: "IntegrationResponses", Value: document.NewList(pos, response)})},
	}
	// By default the preflight is asked for what a browser never sends with it.
	if e.eval(a.props.Get("Auth", "AddDefaultAuthorizerToCorsPreflight")).Text != "false" {
		fields = append(fields, e.guard(event{function: p.first.function, pos: pos}, a)...)
	}
	e.make(p.first.function, p.first.id()+"Options", "AWS::ApiGateway::Method", pos, fields...)
}
