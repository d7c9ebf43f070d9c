package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Models say which messages a route takes. They may be used concurrently.
type Models struct {
	selection selection
	all       map[string]*jsonschema.Schema
}

// maxSchema bounds a model (AWS docs, quotas: 400 KB).
const maxSchema = 400 << 10

// ParseModels reads a route's models, which are JSON schemas of draft 4 by model key, and
// its ModelSelectionExpression. (AWS docs, "Request validation for WebSocket APIs in API
// Gateway".) A schema reaches no other: a $ref out of it is an error.
func ParseModels(expression string, schemas map[string]string) (*Models, error) {
	m := &Models{all: map[string]*jsonschema.Schema{}}
	var err error
	if m.selection, err = parseSelection(expression, false); err != nil {
		return nil, err
	}
	var wrong []error
	for key, text := range schemas {
		if m.all[key], err = compileSchema(text); err != nil {
			wrong = append(wrong, fmt.Errorf("model %s: %w", clip(key), err))
		}
	}
	return m, errors.Join(wrong...)
}

// alone refuses to load what a schema refers to.
type alone struct{}

func (alone) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %s, and other models are not read here", clip(url))
}

func compileSchema(text string) (*jsonschema.Schema, error) {
	if len(text) > maxSchema {
		return nil, fmt.Errorf("it has %d bytes, and may have %d", len(text), maxSchema)
	}
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("its schema is not JSON: %w", err)
	}
	if object, ok := schema.(map[string]any); ok {
		delete(object, "$schema") // draft 4 is what API Gateway reads
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(alone{})
	const name = "mem:///model"
	if err := c.AddResource(name, schema); err != nil {
		return nil, oneLine(err)
	}
	compiled, err := c.Compile(name)
	return compiled, oneLine(err)
}

func oneLine(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "mem:///model", "")), " "))
}

// Check is an error for a message that the model does not take that the expression
// chooses, or $default; and if there is no such model. What is not JSON no model takes
// (UNCERTAIN).
func (m *Models) Check(message []byte) error {
	key := m.selection.key(message, nil)
	schema := m.all[key]
	for _, other := range []string{"$default", `\$default`} {
		if schema == nil {
			schema = m.all[other]
		}
	}
	if schema == nil {
		return fmt.Errorf("there is no model %q, and none for $default", clip(key))
	}
	if !json.Valid(message) {
		return errors.New("the message is not JSON")
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(message))
	if err != nil {
		return fmt.Errorf("read the message: %w", err)
	}
	return oneLine(schema.Validate(v))
}
