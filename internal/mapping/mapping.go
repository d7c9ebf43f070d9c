// Package mapping renders mapping templates of API Gateway, as far as they put values of
// a request into a text.
//
// What a template may have is $context.NAME, $stageVariables.NAME, $input.body,
// $input.json('PATH'), $input.path('PATH') and $util.escapeJavaScript of one of these or
// of 'TEXT', each also in braces or with a ! behind the dollar sign, and any other text
// as it is. Velocity's directives, such as #set and #foreach, and all else are errors of
// Parse, with the line. Facts come from the API Gateway developer guide ("AWS docs"),
// "API Gateway mapping template and access logging variable reference".
package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// maxTemplate is AWS's bound (AWS docs, quotas: 300 KB).
const maxTemplate = 300 << 10

// Input is what a template takes values from. Context and StageVariables are JSON
// objects, or nil. Body is the message, or the answer of an integration.
type Input struct {
	Body, Context, StageVariables []byte
}

// Template is a parsed template. It may be used concurrently.
type Template struct{ parts []part }

// part is a text, or what takes its place.
type part struct {
	text string
	from reference // nil: text
}

// reference is a value of an input as text. data is the body, if it is JSON.
type reference interface {
	value(in *Input, data json.RawMessage) string
}

// Parse reads a template. The error says what it has that is not done, on which line.
func Parse(text string) (*Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("the template has %d bytes, and may have %d", len(text), maxTemplate)
	}
	p := &parser{text: text}
	t := &Template{}
	for p.at < len(text) {
		rest := text[p.at:]
		next := strings.IndexAny(rest, "$#")
		if next < 0 {
			next = len(rest)
		}
		if next > 0 {
			t.parts = append(t.parts, part{text: rest[:next]})
			p.at += next
			continue
		}
		if rest[0] == '#' {
			if err := p.directive(); err != nil {
				return nil, err
			}
			t.parts = append(t.parts, part{text: "#"})
			p.at++
			continue
		}
		from, err := p.reference()
		if err != nil {
			return nil, err
		}
		if from == nil { // a dollar sign alone
			t.parts = append(t.parts, part{text: "$"})
			p.at++
			continue
		}
		t.parts = append(t.parts, part{from: from})
	}
	return t, nil
}

// Render is the template's text with the values of an input.
func (t *Template) Render(in Input) []byte {
	var data json.RawMessage
	if json.Valid(in.Body) {
		data = bytes.TrimSpace(in.Body)
	}
	var out []byte
	for _, p := range t.parts {
		if p.from == nil {
			out = append(out, p.text...)
			continue
		}
		out = append(out, p.from.value(&in, data)...)
	}
	return out
}
