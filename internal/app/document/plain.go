package document

import (
	"encoding/json"
	"strings"
)

// JSON is a value as JSON: numbers and booleans that were written without quotes are
// such, every other scalar is a string. What is not known is null.
func (v *Value) JSON() string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v.plain()); err != nil {
		return "null"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// plain is a value as encoding/json takes it.
func (v *Value) plain() any {
	switch {
	case v == nil:
	case v.Kind == Scalar && v.Bare:
		return json.RawMessage(v.Text)
	case v.Kind == Scalar:
		return v.Text
	case v.Kind == List:
		out := make([]any, 0, len(v.Items))
		for _, item := range v.Items {
			out = append(out, item.plain())
		}
		return out
	case v.Kind == Map:
		out := make(map[string]any, len(v.Fields))
		for _, f := range v.Fields {
			out[f.Key] = f.Value.plain()
		}
		return out
	}
	return nil
}
