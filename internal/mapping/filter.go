package mapping

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// filter is what stands behind a question mark: comparisons, with && that binds before ||.
type filter struct{ any [][]comparison }

type comparison struct {
	not         bool
	left, right operand
	sign        string // empty: the left is there
}

// operand is a path from the element or the root, or a value.
type operand struct {
	path    *jsonPath
	rooted  bool
	literal []byte // JSON
}

var comparing = regexp.MustCompile(`^\s*(==|!=|<=|>=|<|>)\s*`)

func parseFilter(s string) (*filter, error) {
	inner, ok := strings.CutPrefix(s, "(")
	if !ok || !strings.HasSuffix(inner, ")") {
		return nil, fmt.Errorf("a filter is written [?(@.name == 'value')]")
	}
	inner = inner[:len(inner)-1]
	f := &filter{any: [][]comparison{nil}}
	for {
		c, left, err := parseComparison(strings.TrimSpace(inner))
		if err != nil {
			return nil, err
		}
		last := len(f.any) - 1
		f.any[last] = append(f.any[last], c)
		left = strings.TrimSpace(left)
		switch {
		case left == "":
			return f, nil
		case strings.HasPrefix(left, "&&"):
		case strings.HasPrefix(left, "||"):
			f.any = append(f.any, nil)
		default:
			return nil, fmt.Errorf("%s in a filter is not supported here: comparisons, && and || are", clip(left))
		}
		inner = left[2:]
	}
}

func parseComparison(s string) (c comparison, left string, err error) {
	if after, ok := strings.CutPrefix(s, "!"); ok {
		c.not, s = true, strings.TrimSpace(after)
	}
	if c.left, left, err = parseOperand(s); err != nil {
		return c, "", err
	}
	m := comparing.FindStringSubmatch(left)
	if m == nil {
		if c.left.path == nil {
			return c, "", fmt.Errorf("a filter compares something")
		}
		return c, left, nil
	}
	c.sign = m[1]
	c.right, left, err = parseOperand(left[len(m[0]):])
	return c, left, err
}

var (
	filterPath    = regexp.MustCompile(`^[@$](?:\.[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]+\]|\['[^'\]]*'\]|\["[^"\]]*"\]|\.(?:length|size)\(\))*`)
	filterLiteral = regexp.MustCompile(`^(?:-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)`)
)

func parseOperand(s string) (o operand, left string, err error) {
	switch {
	case s == "":
		return o, "", fmt.Errorf("a filter lacks a value")
	case s[0] == '@' || s[0] == '$':
		text := filterPath.FindString(s)
		o.rooted = s[0] == '$'
		o.path, err = parsePath("$" + text[1:])
		return o, s[len(text):], err
	case s[0] == '\'' || s[0] == '"':
		text, left, ok := cutQuoted(s)
		if !ok {
			return o, "", fmt.Errorf("a text in a filter is not closed")
		}
		o.literal = appendJSON(nil, text)
		return o, left, nil
	}
	text := filterLiteral.FindString(s)
	if text == "" {
		return o, "", fmt.Errorf("%s in a filter is not supported here", clip(s))
	}
	o.literal = []byte(text)
	return o, s[len(text):], nil
}

func (f *filter) holds(d *document, at span) bool {
	for _, all := range f.any {
		ok := true
		for i := range all {
			ok = ok && all[i].holds(d, at) != all[i].not
		}
		if ok {
			return true
		}
	}
	return false
}

func (c *comparison) holds(d *document, at span) bool {
	left, ok := c.left.value(d, at)
	if c.sign == "" {
		return ok
	}
	right, ok2 := c.right.value(d, at)
	if !ok || !ok2 {
		return c.sign == "!=" && ok != ok2
	}
	order, comparable := compareJSON(left, right)
	switch c.sign {
	case "==":
		return comparable && order == 0
	case "!=":
		return !comparable || order != 0
	case "<":
		return comparable && order < 0
	case "<=":
		return comparable && order <= 0
	case ">":
		return comparable && order > 0
	}
	return comparable && order >= 0
}

func (o *operand) value(d *document, at span) ([]byte, bool) {
	if o.path == nil {
		return o.literal, true
	}
	if o.rooted {
		at = d.root
	}
	found, err := o.path.from(d, at)
	if err != nil || len(found) == 0 {
		return nil, false
	}
	if n := len(o.path.steps); n > 0 && o.path.steps[n-1].length {
		return []byte(d.length(found[0])), true
	}
	return d.text(found[0]), true
}

// length is that of a list, an object or a text, null for others.
func (d *document) length(at span) string {
	switch d.kind(at) {
	case '[', '{':
		return strconv.Itoa(len(d.members(at)))
	case '"':
		return strconv.Itoa(len([]rune(unquote(d.text(at)))))
	}
	return "null"
}

// compareJSON compares two values of one kind.
func compareJSON(a, b []byte) (order int, comparable bool) {
	switch {
	case a[0] == '"' && b[0] == '"':
		return strings.Compare(unquote(a), unquote(b)), true
	case isNumber(a) && isNumber(b):
		x, _ := strconv.ParseFloat(string(a), 64)
		y, _ := strconv.ParseFloat(string(b), 64)
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	return 0, bytes.Equal(a, b)
}

func isNumber(a []byte) bool { return a[0] == '-' || a[0] >= '0' && a[0] <= '9' }
