package mapping

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
)

// ResponseSettings are what one integration response says.
type ResponseSettings struct {
	Settings

	// Key is $default, a status, or a pattern between slashes such as /4\d\d/ (AWS docs,
	// "Set up a WebSocket API integration response").
	Key string
}

// Responses makes of answers what clients get. It may be used concurrently.
type Responses struct {
	selection selection
	all       []response
}

type response struct {
	key             string
	pattern         *regexp.Regexp // nil: the key itself
	set             templateSet
	contentHandling string
}

// ParseResponses reads the integration responses of an integration. The expression is its
// IntegrationResponseSelectionExpression; empty means the one of its type, which is the
// error message of a function, and the status of everything else.
func ParseResponses(expression string, function bool, all []ResponseSettings) (*Responses, error) {
	r := &Responses{}
	if expression == "" || strings.Contains(expression, "$default") {
		expression = "${integration.response.statuscode}"
		if function {
			expression = "${integration.response.body.errorMessage}"
		}
	}
	var err error
	if r.selection, err = parseSelection(expression, true); err != nil {
		return nil, err
	}
	for _, s := range all {
		one := response{key: s.Key, contentHandling: s.ContentHandling}
		if n := len(s.Key); n > 2 && s.Key[0] == '/' && s.Key[n-1] == '/' {
			if one.pattern, err = regexp.Compile(`\A(?s:` + s.Key[1:n-1] + `)\z`); err != nil {
				return nil, fmt.Errorf("the key %s of an integration response is a pattern that is not supported here: %w", clip(s.Key), err)
			}
		}
		if err := checkContentHandling(s.ContentHandling); err != nil {
			return nil, err
		}
		if one.set, err = parseTemplates(s.Templates, s.Selection, true); err != nil {
			return nil, fmt.Errorf("integration response %s: %w", clip(s.Key), err)
		}
		r.all = append(r.all, one)
	}
	return r, nil
}

// choose is the response for an answer: that whose key is what the expression gives, or
// whose pattern is met by the whole of it; else that of $default, which does not take
// a function that failed. It is nil if none fits.
func (r *Responses) choose(message []byte, a *Answer) *response {
	key := r.selection.key(message, a)
	for i := range r.all {
		one := &r.all[i]
		if key != "" && (one.pattern == nil && one.key == key || one.pattern != nil && one.pattern.MatchString(key)) {
			return one
		}
	}
	for i := range r.all {
		if k := r.all[i].key; a.Failure == "" && (k == "$default" || k == `\$default`) {
			return &r.all[i]
		}
	}
	return nil
}

// Map makes of an answer, which is in.Body, what the client gets. The message is the one
// that was answered, or nil. An answer for which there is no response goes out as it is
// (UNCERTAIN); a function that failed is an error then.
func (r *Responses) Map(ctx context.Context, in Input, message []byte, a Answer) (*Mapped, error) {
	m := &Mapped{In: in.Body, Out: in.Body}
	one := r.choose(message, &a)
	switch {
	case one == nil && a.Failure != "":
		return nil, fmt.Errorf("the function failed, and no integration response has a pattern for it: %s", a.Failure)
	case one == nil:
		return m, nil
	}
	m.Key = one.key
	if one.contentHandling == "CONVERT_TO_TEXT" {
		in.Body = []byte(base64.StdEncoding.EncodeToString(in.Body))
		m.Out = in.Body
	}
	if key, t := one.set.choose(message, &a); t != nil {
		out, err := t.Render(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("integration response %s: template %s: %w", clip(one.key), clip(key), err)
		}
		m.Key, m.Template, m.Out = one.key+" "+key, t.text, out
	}
	if one.contentHandling == "CONVERT_TO_BINARY" {
		decoded, err := base64.StdEncoding.DecodeString(string(m.Out))
		if err != nil {
			return nil, fmt.Errorf("integration response %s: CONVERT_TO_BINARY: the answer is not base64: %w", clip(one.key), err)
		}
		m.Out = decoded
	}
	return m, nil
}
