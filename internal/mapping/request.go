package mapping

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
)

// Settings are what an integration request, or an integration response, says of its
// templates. The words are those of API Gateway's API (AWS docs, "Integration" and
// "IntegrationResponse" of its version 2).
type Settings struct {
	Templates map[string]string
	Selection string // TemplateSelectionExpression

	// ContentHandling is CONVERT_TO_BINARY, which reads base64, CONVERT_TO_TEXT, which
	// writes it, or empty. A request's is done with the payload that its template has made,
	// and a text stays as it is under CONVERT_TO_TEXT; a response's CONVERT_TO_TEXT before
	// its template and CONVERT_TO_BINARY after it (UNCERTAIN).
	ContentHandling string

	// Passthrough is what happens to a message without a template that fits: WHEN_NO_MATCH,
	// which empty means, gives it as it is; WHEN_NO_TEMPLATES does that only if there are
	// none at all; NEVER fails. A message that is absent is given as {} (UNCERTAIN).
	// A response has none.
	Passthrough string
}

// Mapped tells what was made of what.
type Mapped struct {
	Key      string // of the template, or of the integration response and the template
	Template string // empty: none, what came in went out
	In, Out  []byte
}

// Request makes payloads of messages. It may be used concurrently.
type Request struct {
	set             templateSet
	passthrough     string
	contentHandling string
}

// ParseRequest reads the settings of an integration request. The error says what is wrong
// with each template.
func ParseRequest(s Settings) (*Request, error) {
	if !slices.Contains([]string{"", "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"}, s.Passthrough) {
		return nil, fmt.Errorf("the passthrough behaviour %q is none of WHEN_NO_MATCH, WHEN_NO_TEMPLATES and NEVER", s.Passthrough)
	}
	if err := checkContentHandling(s.ContentHandling); err != nil {
		return nil, err
	}
	set, err := parseTemplates(s.Templates, s.Selection, false)
	if err != nil {
		return nil, err
	}
	return &Request{set, s.Passthrough, s.ContentHandling}, nil
}

func checkContentHandling(s string) error {
	if !slices.Contains([]string{"", "CONVERT_TO_BINARY", "CONVERT_TO_TEXT"}, s) {
		return fmt.Errorf("the content handling strategy %q is neither CONVERT_TO_BINARY nor CONVERT_TO_TEXT", s)
	}
	return nil
}

// Map makes the payload of a message, whose Body is nil where there is none.
func (r *Request) Map(ctx context.Context, in Input) (*Mapped, error) {
	m := &Mapped{In: in.Body}
	key, t := r.set.choose(in.Body, &Answer{})
	switch {
	case t != nil:
		out, err := t.Render(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", clip(key), err)
		}
		m.Key, m.Template, m.Out = key, t.text, out
	case r.passthrough == "NEVER" || r.passthrough == "WHEN_NO_TEMPLATES" && len(r.set.all) > 0:
		return nil, fmt.Errorf("no request template fits the message, and the passthrough behaviour is %s; AWS answers it with 415", r.passthrough)
	case in.Body == nil:
		m.Out = []byte("{}")
	default:
		m.Out = in.Body
	}
	if r.contentHandling == "CONVERT_TO_BINARY" {
		decoded, err := base64.StdEncoding.DecodeString(string(m.Out))
		if err != nil {
			return nil, fmt.Errorf("CONVERT_TO_BINARY: the payload is not base64: %w", err)
		}
		m.Out = decoded
	}
	return m, nil
}
