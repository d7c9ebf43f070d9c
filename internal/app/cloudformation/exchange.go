package cloudformation

import (
	"slices"

	"github.com/wirepost/wirepost/internal/app/document"
)

// Exchange says under which names a stack exports and imports values, as far as that is
// known from its own template. No name is there twice.
func Exchange(file string, root *document.Value, o Options) (exports, imports []string) {
	own := map[string]string{}
	for name, text := range o.Parameters {
		if root.Get("Parameters", name) != nil {
			own[name] = text // the others are of other stacks
		}
	}
	o.Parameters = own
	t := newTemplate(document.NewReading(file), o)
	if t.load(root) != nil {
		return nil, nil
	}
	for _, f := range t.outputs.Each() {
		if name := t.eval(f.Value.Get("Export", "Name")); name.Kind == document.Scalar && !slices.Contains(exports, name.Text) {
			exports = append(exports, name.Text)
		}
	}
	t.importsIn(root, 0, &imports)
	return exports, imports
}

// importsIn finds the names of all Fn::ImportValue in a value.
func (t *template) importsIn(v *value, depth int, names *[]string) {
	if v == nil || depth > document.MaxNesting {
		return
	}
	if name, argument, ok := v.Intrinsic(); ok && name == "Fn::ImportValue" {
		if name := t.eval(argument); name.Kind == document.Scalar && !slices.Contains(*names, name.Text) {
			*names = append(*names, name.Text)
		}
	}
	for _, item := range v.Items {
		t.importsIn(item, depth+1, names)
	}
	for _, f := range v.Fields {
		t.importsIn(f.Value, depth+1, names)
	}
}

// HasWebSocketAPI reports whether a template has a resource that may be a WebSocket API.
func HasWebSocketAPI(root *document.Value) bool {
	for _, f := range root.Get("Resources").Each() {
		switch f.Value.Get("Type").ScalarText() {
		case "AWS::Serverless::WebSocketApi":
			return true
		case "AWS::ApiGatewayV2::Api":
			if f.Value.Get("Properties", "ProtocolType").ScalarText() == "WEBSOCKET" {
				return true
			}
		}
	}
	return false
}
