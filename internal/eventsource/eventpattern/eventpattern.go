// Package eventpattern decides whether an event fits a pattern, as the FilterCriteria of
// Lambda's event source mappings and EventBridge's rules have them: exact values, prefix,
// suffix, anything-but, numeric, exists, equals-ignore-case, wildcard, cidr and $or.
//
// The syntax: AWS docs, Lambda developer guide, "Control which events Lambda sends to
// your function", and EventBridge user guide, "Comparison operators". Lambda's page lists
// fewer operators than EventBridge's; whether Lambda takes wildcard, cidr, and anything-but
// with another operator is UNCERTAIN, and they are taken here.
package eventpattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// MaxLength is how many bytes a pattern may have (AWS docs, Lambda API reference, Filter).
const MaxLength = 4096

// Pattern is a pattern that was read. It may be used concurrently.
type Pattern struct{ root *object }

// object is what a pattern demands of an object: all of its fields, and one of each of
// its choices.
type object struct {
	fields  map[string]field
	choices [][]*object // each is a $or
}

// field demands an object of a value, or that one of the tests fits it.
type field struct {
	object *object
	tests  []test
}

// test is one condition for a value: a string, a json.Number, a bool, nil, or absent{}.
type test func(value any) bool

// absent is the value of a field that the event does not have.
type absent struct{}

// Parse reads a pattern. The error is one clause that names the field.
func Parse(text string) (*Pattern, error) {
	if len(text) > MaxLength {
		return nil, fmt.Errorf("the pattern has %d characters and may have %d", len(text), MaxLength)
	}
	v, err := Decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("the pattern is not JSON: %w", err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the pattern is not a JSON object")
	}
	root, err := parseObject("", m)
	if err != nil {
		return nil, err
	}
	return &Pattern{root}, nil
}

// Decode reads JSON as Match wants it: numbers are of type json.Number.
func Decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more after the value")
	}
	return v, nil
}

// Match reports whether an event, as Decode gives it, fits the pattern.
func (p *Pattern) Match(event any) bool { return p.root.match(event) }

// Object reports whether the pattern demands that a field of the event is an object, and
// Value whether it demands that it is a plain value.
func (p *Pattern) Object(name string) bool { return p.root.fields[name].object != nil }

// Value: see Object.
func (p *Pattern) Value(name string) bool { return p.root.fields[name].tests != nil }

func parseObject(path string, m map[string]any) (*object, error) {
	if len(m) == 0 {
		return nil, fmt.Errorf("%san object of a pattern has no fields", at(path))
	}
	o := &object{fields: map[string]field{}}
	for name, v := range m {
		inner := strings.TrimPrefix(path+"."+name, ".")
		if name == "$or" {
			if all, ok, err := parseOr(path, v); err != nil {
				return nil, err
			} else if ok {
				o.choices = append(o.choices, all)
				continue
			}
		}
		var f field
		var err error
		switch v := v.(type) {
		case map[string]any:
			f.object, err = parseObject(inner, v)
		case []any:
			f.tests, err = parseTests(inner, v)
		default:
			err = fmt.Errorf("%sa value of a pattern has to be in a list, such as [%s]", at(inner), written(v))
		}
		if err != nil {
			return nil, err
		}
		o.fields[name] = f
	}
	return o, nil
}

// parseOr reads the list of $or. A list with anything but objects is that of a field
// with this name.
func parseOr(path string, v any) (all []*object, is bool, err error) {
	list, ok := v.([]any)
	if !ok || len(list) < 2 {
		return nil, false, nil
	}
	for _, one := range list {
		m, ok := one.(map[string]any)
		if !ok || len(m) == 1 && isOperator(m) {
			return nil, false, nil
		}
		o, err := parseObject(path, m)
		if err != nil {
			return nil, false, err
		}
		all = append(all, o)
	}
	return all, true, nil
}

func isOperator(m map[string]any) bool {
	for name := range m {
		if operators[name] != nil {
			return true
		}
	}
	return false
}

func (o *object) match(v any) bool {
	if list, ok := v.([]any); ok {
		return slices.ContainsFunc(list, o.match)
	}
	m, _ := v.(map[string]any)
	for name, f := range o.fields {
		inner, ok := m[name]
		if !ok {
			inner = absent{}
		}
		if f.object != nil && !f.object.match(inner) || f.object == nil && !matchTests(f.tests, inner) {
			return false
		}
	}
	for _, choice := range o.choices {
		if !slices.ContainsFunc(choice, func(o *object) bool { return o.match(v) }) {
			return false
		}
	}
	return true
}

// matchTests tests a value: of a list one has to fit, and an object is not there, since
// tests are for the leaves of an event (AWS docs, "Comparison operators", exists).
func matchTests(tests []test, v any) bool {
	switch v := v.(type) {
	case []any:
		if len(v) > 0 {
			return slices.ContainsFunc(v, func(one any) bool { return matchTests(tests, one) })
		}
		return matchTests(tests, absent{})
	case map[string]any:
		return matchTests(tests, absent{})
	}
	return slices.ContainsFunc(tests, func(t test) bool { return t(v) })
}

func at(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

func written(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
