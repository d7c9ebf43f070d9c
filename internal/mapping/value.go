package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
)

// form is how a value of the body becomes text.
type form int

const (
	asJSON form = iota // of $input.json
	asText             // of $input.path
)

// input is $input.json and $input.path.
type input struct {
	path []step
	as   form
}

// What there is not is "" as JSON and nothing as text (UNCERTAIN).
func (i input) value(_ *Input, data json.RawMessage) string {
	v := lookup(data, i.path)
	switch {
	case i.as == asJSON && v == nil:
		return `""`
	case i.as == asJSON:
		var out bytes.Buffer
		_ = json.Compact(&out, v) // it is JSON
		return out.String()
	}
	return textOf(v, 0)
}

// body is $input.body.
type body struct{}

func (body) value(in *Input, _ json.RawMessage) string { return string(in.Body) }

// member is $context.NAME and $stageVariables.NAME. What is not set is empty.
type member struct {
	root  string
	names []string
}

func (m member) value(in *Input, _ json.RawMessage) string {
	data := json.RawMessage(in.Context)
	if m.root == "stageVariables" {
		data = in.StageVariables
	}
	steps := make([]step, len(m.names))
	for i, name := range m.names {
		steps[i] = step{name, -1}
	}
	return textOf(lookup(data, steps), 0)
}

// constant is a text in quotes.
type constant string

func (c constant) value(*Input, json.RawMessage) string { return string(c) }

// escaped is $util.escapeJavaScript.
type escaped struct{ of reference }

// value escapes as Java's StringEscapeUtils.escapeJavaScript, whose rules AWS docs name:
// quotes, backslashes, slashes, control characters, and what is no ASCII.
func (e escaped) value(in *Input, data json.RawMessage) string {
	var out strings.Builder
	for _, r := range e.of.value(in, data) {
		switch {
		case r == '\'' || r == '"' || r == '\\' || r == '/':
			out.WriteByte('\\')
			out.WriteRune(r)
		case strings.ContainsRune("\b\t\n\f\r", r):
			out.WriteByte('\\')
			out.WriteByte("btn fr"[r-'\b'])
		case r < ' ' || r > '~':
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&out, `\u%04X`, unit)
			}
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

const maxDepth = 32

// textOf is a value as Velocity prints it: a string is its text, an object or a list is
// what Java prints of it, null is nothing (UNCERTAIN).
func textOf(v json.RawMessage, depth int) string {
	switch {
	case len(v) == 0 || v[0] == 'n':
		return ""
	case v[0] == '"':
		var text string
		_ = json.Unmarshal(v, &text) // it is JSON
		return text
	case v[0] == '{' || v[0] == '[':
		return javaText(v, depth)
	}
	return string(v)
}

// javaText prints a map as {a=1, b=2} and a list as [1,2]: the list is that of the
// library that API Gateway reads JSON with, which prints JSON (UNCERTAIN).
// Objects deeper than maxDepth are printed as JSON: each level costs another pass.
func javaText(v json.RawMessage, depth int) string {
	if v[0] == '[' || depth > maxDepth {
		var out bytes.Buffer
		_ = json.Compact(&out, v) // it is JSON
		return out.String()
	}
	d := json.NewDecoder(bytes.NewReader(v))
	_, _ = d.Token() // the brace
	var parts []string
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
		text := textOf(value, depth+1)
		if string(value) == "null" {
			text = "null"
		}
		parts = append(parts, fmt.Sprint(name)+"="+text)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
