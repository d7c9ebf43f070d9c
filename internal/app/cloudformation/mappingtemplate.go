package cloudformation

import (
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// mappingTemplates reads what an integration of type AWS, HTTP or MOCK maps its messages
// and answers with, or why that cannot be known.
func (r *reader) mappingTemplates(x *resource, i *app.Integration, what string) (why string) {
	p := x.props
	i.TemplateSelection = r.text(p.Get("TemplateSelectionExpression"), "TemplateSelectionExpression of "+what)
	i.Passthrough = r.text(p.Get("PassthroughBehavior"), "PassthroughBehavior of "+what)
	i.ContentHandling = r.text(p.Get("ContentHandlingStrategy"), "ContentHandlingStrategy of "+what)
	i.ResponseSelection = r.text(p.Get("IntegrationResponseSelectionExpression"), "IntegrationResponseSelectionExpression of "+what)
	if i.Templates, why = r.templates(p.Get("RequestTemplates"), "RequestTemplates"); why != "" {
		return why
	}
	return r.integrationResponses(x, i)
}

// integrationResponses reads those of an integration. (AWS docs, API Gateway developer
// guide: "Set up a WebSocket API integration response".)
func (r *reader) integrationResponses(integration *resource, i *app.Integration) (why string) {
	for _, x := range r.each("AWS::ApiGatewayV2::IntegrationResponse") {
		of := r.eval(x.props.Get("IntegrationId"))
		if of.Kind != document.Scalar || of.Text != integration.id || !r.ofAPI(x) {
			continue
		}
		r.answers[x.id] = x
		p, what := x.props, "integration response "+document.Clip(x.id)
		one := app.IntegrationResponse{
			Key:               r.text(p.Get("IntegrationResponseKey"), "the key of "+what),
			TemplateSelection: r.text(p.Get("TemplateSelectionExpression"), "TemplateSelectionExpression of "+what),
			ContentHandling:   r.text(p.Get("ContentHandlingStrategy"), "ContentHandlingStrategy of "+what),
		}
		if v := p.Get("ResponseParameters"); !v.Empty() {
			r.Note(v.Where(), app.Warning, "ResponseParameters of %s are left out: a message to a client has no headers", what)
		}
		if one.Templates, why = r.templates(p.Get("ResponseTemplates"), "ResponseTemplates of "+what); why != "" {
			return why
		}
		i.Responses = append(i.Responses, one)
	}
	return ""
}

// templates are a map of mapping templates.
func (r *reader) templates(v *value, name string) (all map[string]string, why string) {
	e := r.eval(v)
	if e.Kind == document.Unknown {
		return nil, "its " + name + " are not known here: " + e.Text
	}
	for _, f := range e.Each() {
		text, why := r.must(f.Value, "template "+document.Clip(f.Key))
		if why != "" {
			return nil, why
		}
		if all == nil {
			all = map[string]string{}
		}
		all[f.Key] = text
	}
	return all, ""
}
