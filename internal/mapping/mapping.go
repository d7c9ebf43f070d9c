// Package mapping renders mapping templates of API Gateway: templates of Velocity (package
// vtl) with the variables $input, $context, $stageVariables and $util. It also chooses a
// template, and says what happens without one, as an integration's settings have it.
// Facts come from the API Gateway developer guide ("AWS docs"), "API Gateway WebSocket
// API mapping template reference" and "Data transformations for WebSocket APIs".
package mapping

import (
	"context"
	"fmt"

	"github.com/wirepost/wirepost/internal/vtl"
)

// maxTemplate is AWS's bound (AWS docs, quotas: 300 KB).
const maxTemplate = 300 << 10

// Input is what a template takes values from.
type Input struct {
	// Body is the message, or the answer of an integration.
	Body []byte

	// Context and StageVariables are JSON objects, or nil.
	Context, StageVariables []byte

	// Event is that of a function, of which $input.params takes headers and query, or nil.
	Event []byte
}

// Template is a parsed template. It may be used concurrently.
type Template struct {
	text   string
	parsed *vtl.Template
}

// What has no value prints nothing: so of $context, and UNCERTAIN of others. The methods
// are those of $input and $util.
var options = vtl.Options{
	Quiet: true,
	Methods: []string{
		"json", "path", "params",
		"escapeJavaScript", "parseJson", "urlEncode", "urlDecode", "base64Encode", "base64Decode",
	},
}

// Parse reads a template. The error says what is wrong with it, in which line and column.
func Parse(text string) (*Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("the template has %d bytes, and may have %d", len(text), maxTemplate)
	}
	parsed, err := vtl.Parse(text, &options)
	if err != nil {
		return nil, err
	}
	return &Template{text, parsed}, nil
}

// Text is the template as it was written.
func (t *Template) Text() string { return t.text }

// Render is the template's text with the values of an input. The error says what failed,
// in which line and column.
func (t *Template) Render(ctx context.Context, in Input) ([]byte, error) {
	return t.parsed.Render(ctx, map[string]any{
		"input":          &input{in: &in},
		"context":        contextOf(in.Context),
		"stageVariables": objectOf(in.StageVariables),
		"util":           util{},
	})
}

// contextOf is $context, in which what an authorizer has returned are texts (AWS docs, the
// same page: "the stringified value").
func contextOf(data []byte) any {
	m := objectOf(data).(*vtl.Map)
	if said, ok := m.Get("authorizer").(*vtl.Map); ok {
		for _, e := range said.Entries() {
			switch e.Value.(type) {
			case nil, string, *vtl.Map, *vtl.List:
				continue
			}
			if text, err := vtl.Text(e.Value); err == nil {
				e.Value = text
			}
		}
	}
	return m
}

// objectOf is a JSON object as a template has it, empty if it is none.
func objectOf(data []byte) any {
	if d := newDocument(data); d != nil {
		if m, ok := d.value(d.root).(*vtl.Map); ok {
			return m
		}
	}
	return vtl.NewMap(nil)
}
