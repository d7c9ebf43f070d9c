package mapping

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/vtl"
)

// selection is a parsed selection expression (AWS docs, "WebSocket selection
// expressions"): texts, and variables such as ${request.body.kind}.
type selection []selected

// selected is a text, or a variable.
type selected struct {
	text string
	of   string // request.body, status, header, multivalueheader, errorMessage; empty: text
	path *jsonPath
	name string
}

var selectionVariable = regexp.MustCompile(`^(?:\$\{([^}]*)\}|\$([A-Za-z][A-Za-z0-9_.\[\]'"-]*[A-Za-z0-9_\]]))`)

// parseSelection reads an expression. Variables of an answer are for those of responses.
func parseSelection(text string, answers bool) (selection, error) {
	var all selection
	for rest := text; rest != ""; {
		if after, ok := strings.CutPrefix(rest, `\$`); ok {
			all, rest = append(all, selected{text: "$"}), after
			continue
		}
		if rest[0] != '$' {
			n := strings.IndexAny(rest[1:], `$\`) + 1
			if n == 0 {
				n = len(rest)
			}
			all, rest = append(all, selected{text: rest[:n]}), rest[n:]
			continue
		}
		m := selectionVariable.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("the selection expression %s: a variable is written $NAME or ${NAME}, and a dollar sign \\$", clip(text))
		}
		s, err := variable(m[1]+m[2], answers)
		if err != nil {
			return nil, fmt.Errorf("the selection expression %s: %w", clip(text), err)
		}
		all, rest = append(all, s), rest[len(m[0]):]
	}
	return all, nil
}

func variable(name string, answers bool) (s selected, err error) {
	if after, ok := strings.CutPrefix(name, "request.body"); ok {
		s.of = "request.body"
		s.path, err = parsePath("$" + after)
		return s, err
	}
	of, isAnswer := strings.CutPrefix(name, "integration.response.")
	if !isAnswer {
		of, isAnswer = strings.CutPrefix(name, "response.") // as AWS's own samples have it
	}
	switch {
	case !isAnswer || !answers:
	case of == "statuscode":
		s.of = "status"
		return s, nil
	case of == "body.errorMessage": // not for templates: on AWS it does not work there
		s.of = "errorMessage"
		return s, nil
	default:
		for _, kind := range []string{"header", "multivalueheader"} {
			if after, ok := strings.CutPrefix(of, kind+"."); ok && after != "" {
				s.of, s.name = kind, after
				return s, nil
			}
		}
	}
	if answers {
		return s, fmt.Errorf("there is no variable %s; there are request.body.PATH, integration.response.statuscode, integration.response.header.NAME and integration.response.multivalueheader.NAME", clip(name))
	}
	return s, fmt.Errorf("there is no variable %s; there is request.body.PATH", clip(name))
}

// Answer is what an integration answered with.
type Answer struct {
	Status  int // zero: 200
	Header  http.Header
	Failure string // errorMessage of a function that failed
}

// key is what an expression selects. It is nothing if a value is missing.
func (s selection) key(message []byte, a *Answer) string {
	var out strings.Builder
	var d *document
	for _, part := range s {
		switch part.of {
		case "":
			out.WriteString(part.text)
		case "request.body":
			if d == nil {
				if d = newDocument(message); d == nil {
					return ""
				}
			}
			found, err := part.path.find(d)
			if err != nil || len(found) == 0 {
				return ""
			}
			text, err := vtl.Text(d.value(found[0]))
			if err != nil {
				return ""
			}
			out.WriteString(text)
		case "status":
			out.WriteString(strconv.Itoa(a.status()))
		case "errorMessage":
			out.WriteString(a.Failure)
		case "header":
			out.WriteString(a.Header.Get(part.name))
		case "multivalueheader":
			out.WriteString(strings.Join(a.Header.Values(part.name), ","))
		}
	}
	return out.String()
}

func (a *Answer) status() int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

// templateSet are the templates of a request or a response, by their keys.
type templateSet struct {
	all       map[string]*Template
	selection selection
}

func parseTemplates(texts map[string]string, expression string, answers bool) (s templateSet, err error) {
	if s.selection, err = parseSelection(expression, answers); err != nil {
		return s, err
	}
	s.all = make(map[string]*Template, len(texts))
	var wrong []error
	for key, text := range texts {
		t, err := Parse(text)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("template %s: %w", clip(key), err))
		}
		s.all[key] = t
	}
	return s, errors.Join(wrong...)
}

// choose is the template for a message or an answer: that whose key the expression gives;
// else $default; and without an expression also application/json, or the only one that
// there is (UNCERTAIN). It is nil if none fits.
func (s *templateSet) choose(message []byte, a *Answer) (key string, t *Template) {
	if len(s.selection) > 0 {
		key = s.selection.key(message, &Answer{Status: a.Status, Header: a.Header})
		if t := s.all[key]; key != "" && t != nil {
			return key, t
		}
	}
	for _, key := range []string{"$default", `\$default`} {
		if t := s.all[key]; t != nil {
			return key, t
		}
	}
	if len(s.selection) > 0 {
		return "", nil
	}
	if t := s.all["application/json"]; t != nil {
		return "application/json", t
	}
	if len(s.all) == 1 {
		for key, t := range s.all {
			return key, t
		}
	}
	return "", nil
}
