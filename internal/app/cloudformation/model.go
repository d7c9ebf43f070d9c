package cloudformation

import (
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// models reads what a route holds its messages against. (AWS docs, API Gateway developer
// guide: "Request validation for WebSocket APIs in API Gateway".)
func (r *reader) models(x *resource, route *app.Route) {
	p, what := x.props, "route "+document.Clip(route.Key)
	named := r.eval(p.Get("RequestModels"))
	route.ModelSelection = r.text(p.Get("ModelSelectionExpression"), "ModelSelectionExpression of "+what)
	switch {
	case route.ModelSelection == "":
		if !p.Get("RequestModels").Empty() {
			r.Note(p.Get("RequestModels").Where(), app.Warning, "%s has RequestModels and no ModelSelectionExpression, without which nothing is checked", what)
		}
		return
	case named.Kind == document.Unknown:
		r.Note(named.Where(), app.Warning, "the models of %s are not known here, so its messages are not checked: %s", what, named.Text)
		route.ModelSelection = ""
		return
	}
	route.Models = map[string]string{}
	for _, f := range named.Each() {
		name := r.text(f.Value, "model "+document.Clip(f.Key)+" of "+what)
		schema, found := r.schema(name)
		if !found {
			r.Note(f.Pos, app.Warning, "model %s of %s is not in the template, so what it would check is accepted unchecked", document.Clip(name), what)
			schema = "{}"
		}
		route.Models[f.Key] = schema
	}
}

// schema is that of a model, by its name.
func (r *reader) schema(name string) (schema string, found bool) {
	for _, x := range r.each("AWS::ApiGatewayV2::Model") {
		if !r.ofAPI(x) || r.text(x.props.Get("Name"), "the name of "+document.Clip(x.id)) != name && x.id != name {
			continue
		}
		v := r.final(x.props.Get("Schema"))
		if v.Kind == document.Scalar {
			return v.Text, true
		}
		return v.JSON(), v.Kind == document.Map
	}
	return "", false
}
