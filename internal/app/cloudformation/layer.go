package cloudformation

import (
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// indexLayers finds the template's layers by the ARN that Ref gives.
func (r *reader) indexLayers() {
	for _, x := range r.each("AWS::Lambda::LayerVersion", "AWS::Serverless::LayerVersion") {
		if arn := r.physical(x, x.pos); arn.Kind == document.Scalar {
			r.layers[arn.Text] = x
		}
	}
}

// layersOf are the layers of a function.
func (r *reader) layersOf(x *resource, what string) []app.Layer {
	list := r.evalUnless(x.props.Get("Layers"), document.List)
	var out []app.Layer
	for _, item := range list.Items {
		if layer, ok := r.layer(item, what); ok {
			out = append(out, layer)
		}
	}
	return out
}

// layer is one of a function's layers: an ARN, or Ref of one of the template. One that
// cannot be known is left out.
func (r *reader) layer(item *value, what string) (app.Layer, bool) {
	e := r.eval(item)
	switch e.Kind {
	case document.Scalar:
	case document.Unknown:
		r.Note(e.Where(), app.Warning, "a layer of %s is left out: %s", what, e.Text)
		return app.Layer{}, false
	default:
		return app.Layer{}, false
	}
	if e.Text == "" {
		r.Note(e.Where(), app.Warning, "a layer of %s is left out: its ARN is empty", what)
		return app.Layer{}, false
	}
	x := r.layers[e.Text]
	if x == nil {
		r.Note(e.Where(), app.Warning, "layer %s of %s is only on AWS", document.Clip(e.Text), what)
		return app.Layer{ARN: e.Text, Position: e.Pos}, true
	}
	content := x.props.Get("Content")
	if x.typ == "AWS::Serverless::LayerVersion" {
		content = x.props.Get("ContentUri")
	}
	layer := app.Layer{LogicalID: x.id, ARN: e.Text, Position: x.pos, Build: r.text(x.metadata.Get("BuildMethod"), "BuildMethod of "+document.Clip(x.id))}
	if c := r.eval(content); c.Kind == document.Scalar && !strings.Contains(c.Text, "://") {
		layer.Content = r.path(c.Pos, c.Text)
	} else if layer.Content = r.asset(x.metadata, content.Get("S3Key")); layer.Content == "" {
		r.Note(x.pos, app.Warning, "the content of layer %s is not on this machine", document.Clip(x.id))
	}
	return layer, true
}
