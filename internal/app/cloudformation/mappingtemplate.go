package cloudformation

import (
	"fmt"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// mappingTemplates reads what an integration of type AWS maps its messages and answers
// with, or why that cannot be known.
func (r *reader) mappingTemplates(x *resource, i *app.Integration, what string) (why string) {
	p := x.props
	i.TemplateSelection = r.text(p.Get("TemplateSelectionExpression"), "TemplateSelectionExpression of "+what)
	i.Passthrough = r.text(p.Get("PassthroughBehavior"), "PassthroughBehavior of "+what)
	if v := p.Get("ContentHandlingStrategy"); !v.Empty() {
		r.Note(v.Where(), app.Warning, "ContentHandlingStrategy of %s is not done: a message is given as the text that it is", what)
	}
	if i.Templates, why = r.templates(p.Get("RequestTemplates"), "RequestTemplates"); why != "" {
		return why
	}
	response := r.integrationResponse(x)
	if response == nil {
		return ""
	}
	all, why := r.templates(response.props.Get("ResponseTemplates"), "ResponseTemplates")
	if why != "" {
		return why
	}
	r.answers[x.id] = response
	if len(all) == 1 {
		for _, text := range all {
			i.AnswerTemplate = text
		}
		return ""
	}
	for _, key := range []string{"$default", `\$default`, "application/json"} {
		if text, ok := all[key]; ok {
			i.AnswerTemplate = text
			return ""
		}
	}
	if len(all) > 0 {
		return fmt.Sprintf("its integration response has %d templates, of which none is $default: which one is taken is not done here", len(all))
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

// integrationResponse is the one of an integration whose key is $default, or nil. (AWS
// docs, API Gateway developer guide: "Set up integration responses for WebSocket APIs";
// it is the one that is taken when no other matches.)
func (r *reader) integrationResponse(integration *resource) *resource {
	for _, x := range r.each("AWS::ApiGatewayV2::IntegrationResponse") {
		of := r.eval(x.props.Get("IntegrationId"))
		if of.Kind != document.Scalar || of.Text != integration.id || !r.ofAPI(x) {
			continue
		}
		if r.text(x.props.Get("IntegrationResponseKey"), "the key of integration response "+document.Clip(x.id)) == "$default" {
			return x
		}
	}
	return nil
}
