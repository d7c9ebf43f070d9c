package eventpattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// operators make a test of what a pattern has under their names.
var operators map[string]func(v any) (test, error)

func init() { // anythingBut refers to the table
	operators = map[string]func(v any) (test, error){
		"prefix":             affix(strings.HasPrefix),
		"suffix":             affix(strings.HasSuffix),
		"equals-ignore-case": ignoringCase,
		"exists":             exists,
		"numeric":            numeric,
		"anything-but":       anythingBut,
		"wildcard":           wildcard,
		"cidr":               cidr,
	}
}

func parseTests(path string, list []any) ([]test, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%sthe list has no values", at(path))
	}
	tests := make([]test, 0, len(list))
	for _, v := range list {
		t, err := parseTest(v)
		if err != nil {
			return nil, fmt.Errorf("%s%w", at(path), err)
		}
		tests = append(tests, t)
	}
	return tests, nil
}

func parseTest(v any) (test, error) {
	switch v := v.(type) {
	case []any:
		return nil, errors.New("a list has another list in it")
	case map[string]any:
		if len(v) != 1 {
			return nil, errors.New("an object in a list has to have one operator")
		}
		for name, operand := range v {
			make := operators[name]
			if make == nil {
				return nil, fmt.Errorf("there is no operator %q", name)
			}
			t, err := make(operand)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return t, nil
		}
	}
	return exactly(v), nil
}

// exactly compares numbers as they are written, too: 300, 300.0 and 3.0e2 are not the
// same (AWS docs, EventBridge user guide, "Event patterns").
func exactly(want any) test { return func(v any) bool { return v == want } }

func exists(v any) (test, error) {
	want, ok := v.(bool)
	if !ok {
		return nil, errors.New("it takes true or false")
	}
	return func(v any) bool { return (v != absent{}) == want }, nil
}

func ignoringCase(v any) (test, error) {
	want, ok := v.(string)
	if !ok {
		return nil, errors.New("it takes a string")
	}
	return func(v any) bool { s, ok := v.(string); return ok && strings.EqualFold(s, want) }, nil
}

// affix is the operator prefix or suffix, of a string or of {"equals-ignore-case": …}.
func affix(has func(s, part string) bool) func(any) (test, error) {
	return func(v any) (test, error) {
		fold := func(s string) string { return s }
		if m, ok := v.(map[string]any); ok && len(m) == 1 && m["equals-ignore-case"] != nil {
			fold, v = strings.ToLower, m["equals-ignore-case"]
		}
		want, ok := v.(string)
		if !ok {
			return nil, errors.New("it takes a string")
		}
		want = fold(want)
		return func(v any) bool { s, ok := v.(string); return ok && has(fold(s), want) }, nil
	}
}

// anythingBut takes values, or one of the operators of strings with one string or a list.
func anythingBut(v any) (test, error) {
	var but []test
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) == 0 {
		return nil, errors.New("the list has no values")
	}
	for _, one := range list {
		switch one := one.(type) {
		case string, json.Number:
			but = append(but, exactly(one))
		case map[string]any:
			inner, err := butOperator(one)
			if err != nil {
				return nil, err
			}
			but = append(but, inner...)
		default:
			return nil, errors.New("it takes strings, numbers, or an operator of strings")
		}
	}
	return func(v any) bool {
		if (v == absent{}) {
			return false
		}
		for _, t := range but {
			if t(v) {
				return false
			}
		}
		return true
	}, nil
}

func butOperator(m map[string]any) (all []test, err error) {
	for name, operand := range m {
		switch name {
		case "prefix", "suffix", "equals-ignore-case", "wildcard":
		default:
			return nil, fmt.Errorf("it does not take the operator %q", name)
		}
		list, ok := operand.([]any)
		if !ok {
			list = []any{operand}
		}
		for _, one := range list {
			t, err := operators[name](one)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all = append(all, t)
		}
	}
	if len(m) != 1 || len(all) == 0 {
		return nil, errors.New("it takes one operator with a string or a list")
	}
	return all, nil
}

// maxNumber bounds the numbers that are compared (AWS docs, "Comparison operators",
// numeric matching).
const maxNumber = 5e9

func numeric(v any) (test, error) {
	list, ok := v.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return nil, errors.New(`it takes one or two comparisons, such as [">", 0, "<=", 5]`)
	}
	var all []func(float64) bool
	for i := 0; i < len(list); i += 2 {
		operator, _ := list[i].(string)
		bound, ok := number(list[i+1])
		if !ok {
			return nil, fmt.Errorf("%s is not a number between -5e9 and 5e9", written(list[i+1]))
		}
		compare := map[string]func(float64) bool{
			"=": func(f float64) bool { return f == bound }, "<": func(f float64) bool { return f < bound }, "<=": func(f float64) bool { return f <= bound },
			">": func(f float64) bool { return f > bound }, ">=": func(f float64) bool { return f >= bound },
		}[operator]
		if compare == nil || len(list) == 4 && operator == "=" {
			return nil, fmt.Errorf("%s is not a comparison that it takes", written(list[i]))
		}
		all = append(all, compare)
	}
	return func(v any) bool {
		f, ok := number(v)
		for _, compare := range all {
			ok = ok && compare(f)
		}
		return ok
	}, nil
}

func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(n), 64)
	return f, err == nil && f >= -maxNumber && f <= maxNumber
}

// wildcard takes a string in which * stands for any text, and \* and \\ for themselves.
func wildcard(v any) (test, error) {
	s, ok := v.(string)
	if !ok {
		return nil, errors.New("it takes a string")
	}
	parts := []string{""}
	for i := 0; i < len(s); i++ {
		last := &parts[len(parts)-1]
		switch {
		case s[i] == '*' && i+1 < len(s) && s[i+1] == '*':
			return nil, errors.New("two * follow each other")
		case s[i] == '*':
			parts = append(parts, "")
		case s[i] == '\\' && (i+1 == len(s) || s[i+1] != '*' && s[i+1] != '\\'):
			return nil, errors.New(`\ stands before something else than * and \`)
		case s[i] == '\\':
			i++
			*last += string(s[i])
		default:
			*last += s[i : i+1]
		}
	}
	return func(v any) bool { s, ok := v.(string); return ok && glob(parts, s) }, nil
}

// glob reports whether s is the parts with any text between them.
func glob(parts []string, s string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}

func cidr(v any) (test, error) {
	s, _ := v.(string)
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, fmt.Errorf("%s is not a block of addresses, such as 10.0.0.0/24", written(v))
	}
	p = p.Masked()
	return func(v any) bool {
		s, _ := v.(string)
		a, err := netip.ParseAddr(s)
		return err == nil && p.Contains(a.Unmap())
	}, nil
}
