package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/jsontext"
)

// selection is a parsed route selection expression (AWS docs, "Working with
// routes for WebSocket APIs" and "Selection expressions"): literals and
// variables in turn, evaluated once and never recursively.
type selection []selectionPart

type selectionPart struct {
	literal string
	path    []step // of a variable; nil with variable set means the whole body
	isPath  bool
}

// step is one name or index of a JSON path.
type step struct {
	name  string
	index int // -1: name
}

const bodyVariable = "request.body"

// parseSelection parses an expression, once for each server.
func parseSelection(expression string) (selection, error) {
	var parts selection
	var literal strings.Builder
	for i := 0; i < len(expression); {
		switch {
		case strings.HasPrefix(expression[i:], `\$`):
			literal.WriteByte('$')
			i += 2
			continue
		case expression[i] != '$':
			literal.WriteByte(expression[i])
			i++
			continue
		}
		variable, size, err := cutVariable(expression[i:])
		if err != nil {
			return nil, err
		}
		path, err := parsePath(variable)
		if err != nil {
			return nil, err
		}
		if literal.Len() > 0 {
			parts = append(parts, selectionPart{literal: literal.String()})
			literal.Reset()
		}
		parts = append(parts, selectionPart{path: path, isPath: true})
		i += size
	}
	if literal.Len() > 0 {
		parts = append(parts, selectionPart{literal: literal.String()})
	}
	return parts, nil
}

// cutVariable returns the variable at the start of s, which begins with a
// dollar sign, without its dollar sign and braces, and its size in s.
func cutVariable(s string) (variable string, size int, err error) {
	if strings.HasPrefix(s, "${") {
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return "", 0, errors.New("a ${ is not closed by }")
		}
		return s[2:end], end + 1, nil
	}
	// Where a variable without braces ends is UNCERTAIN. A hyphen is taken as
	// part of a name, because JSON keys have hyphens.
	end := 1
	for end < len(s) {
		c := s[end]
		if c == '[' {
			bracket := strings.IndexByte(s[end:], ']')
			if bracket < 0 {
				return "", 0, errors.New("a [ is not closed by ]")
			}
			end += bracket + 1
			continue
		}
		if !isNameByte(c) && c != '.' {
			break
		}
		end++
	}
	if end == 1 {
		return "", 0, errors.New(`a $ begins no variable; write \$ for a dollar sign`)
	}
	return s[1:end], end, nil
}

func isNameByte(c byte) bool {
	return isAlphanumeric(c) || c == '_' || c == '-' || c >= 0x80
}

// parsePath parses request.body and the JSON path after it.
func parsePath(variable string) ([]step, error) {
	rest, ok := strings.CutPrefix(variable, bodyVariable)
	if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
		return nil, fmt.Errorf("unknown variable %q: a message is routed by $request.body.PATH", variable)
	}
	var path []step
	for rest != "" {
		if rest[0] == '[' {
			s, size, err := parseBracket(rest)
			if err != nil {
				return nil, err
			}
			path = append(path, s)
			rest = rest[size:]
			continue
		}
		if rest[0] != '.' {
			return nil, fmt.Errorf("%q in %q: a dot or a bracket is missing", rest, variable)
		}
		rest = rest[1:]
		end := strings.IndexAny(rest, ".[")
		if end < 0 {
			end = len(rest)
		}
		name := rest[:end]
		if name == "" {
			return nil, fmt.Errorf("%q has an empty name", variable)
		}
		if strings.ContainsAny(name, `*?@()]"' `) {
			return nil, fmt.Errorf("%q: only names and indexes are supported in a path", variable)
		}
		path = append(path, step{name: name, index: -1})
		rest = rest[end:]
	}
	return path, nil
}

// parseBracket parses [0], ['key'] or ["key"] at the start of s.
func parseBracket(s string) (step, int, error) {
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return step{}, 0, errors.New("a [ is not closed by ]")
	}
	inner := s[1:end]
	if n := len(inner); n >= 3 && (inner[0] == '\'' || inner[0] == '"') && inner[n-1] == inner[0] {
		return step{name: inner[1 : n-1], index: -1}, end + 1, nil
	}
	index, err := strconv.ParseUint(inner, 10, 31)
	if err != nil {
		return step{}, 0, fmt.Errorf("[%s] is neither an index nor a quoted name", inner)
	}
	return step{index: int(index)}, end + 1, nil
}

// key evaluates the expression for a message. It reports false if the message
// is not JSON but the expression asks for it: such a message goes to $default
// (AWS docs). The key may point into body.
func (s selection) key(body []byte) (key []byte, ok bool) {
	checked := false
	for _, part := range s {
		if !part.isPath {
			key = append(key, part.literal...)
			continue
		}
		if !checked && !jsontext.Valid(body) {
			return nil, false
		}
		checked = true
		value, found := lookup(body, part.path)
		if !found {
			continue // an absent property is the empty string
		}
		if len(s) == 1 && value[0] == '"' && bytes.IndexByte(value, '\\') < 0 {
			return value[1 : len(value)-1], true
		}
		key = appendText(key, value)
	}
	return key, true
}

// wholeBody reports whether the expression has the message itself in it.
func (s selection) wholeBody() bool {
	return slices.ContainsFunc(s, func(part selectionPart) bool { return part.isPath && len(part.path) == 0 })
}

// RouteOf is the key of the route that a message would select. ok is false if it would
// get the error frame Forbidden, or if the Server's configuration is wrong.
func (s *Server) RouteOf(message []byte) (key string, ok bool) {
	e, err := s.ready()
	if err != nil {
		return "", false
	}
	if r := e.find(message); r != nil {
		return r.key, true
	}
	return "", false
}

// find selects the route of a message, nil if there is none.
func (e *engine) find(body []byte) *route {
	if key, ok := e.selection.key(body); ok {
		if r := e.routes[string(key)]; r != nil {
			return r
		}
	}
	return e.fallback
}

// The functions below read JSON that jsontext.Valid has accepted, and so need no
// error paths. Each is one pass and builds nothing.

// lookup returns the raw value at path, without space around it. As in every
// common parser the last of several equal keys counts.
func lookup(doc []byte, path []step) (value []byte, found bool) {
	value, _ = cutValue(skipSpace(doc))
	for _, s := range path {
		if s.index >= 0 {
			value, found = element(value, s.index)
		} else {
			value, found = member(value, s.name)
		}
		if !found {
			return nil, false
		}
	}
	return value, true
}

func member(object []byte, name string) (value []byte, found bool) {
	if object[0] != '{' {
		return nil, false
	}
	eachMember(object, func(key, v []byte) {
		if keyIs(key, name) {
			value, found = v, true
		}
	})
	return value, found
}

func element(array []byte, index int) (value []byte, found bool) {
	if array[0] != '[' {
		return nil, false
	}
	i := 0
	eachElement(array, func(v []byte) {
		if i == index {
			value, found = v, true
		}
		i++
	})
	return value, found
}

// eachMember calls f with each key, in its quotes, and value of an object.
func eachMember(object []byte, f func(key, value []byte)) {
	rest := skipSpace(object[1:])
	for rest[0] != '}' {
		key, after := cutValue(rest)
		value, after := cutValue(skipSpace(skipSpace(after)[1:]))
		f(key, value)
		rest = skipComma(after)
	}
}

func eachElement(array []byte, f func(value []byte)) {
	rest := skipSpace(array[1:])
	for rest[0] != ']' {
		value, after := cutValue(rest)
		f(value)
		rest = skipComma(after)
	}
}

// keyIs compares a key in its quotes, escapes understood.
func keyIs(key []byte, name string) bool {
	raw := key[1 : len(key)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw) == name
	}
	return string(appendText(nil, key)) == name
}

func skipSpace(p []byte) []byte {
	i := 0
	for i < len(p) && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r') {
		i++
	}
	return p[i:]
}

func skipComma(p []byte) []byte {
	p = skipSpace(p)
	if p[0] == ',' {
		return skipSpace(p[1:])
	}
	return p
}

// cutValue splits off the value that p begins with.
func cutValue(p []byte) (value, rest []byte) {
	switch p[0] {
	case '"':
		n := stringSize(p)
		return p[:n], p[n:]
	case '{', '[':
		depth := 0
		for i := 0; ; i++ {
			switch p[i] {
			case '"':
				i += stringSize(p[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				depth--
				if depth == 0 {
					return p[:i+1], p[i+1:]
				}
			}
		}
	}
	for i, c := range p {
		switch c {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return p[:i], p[i:]
		}
	}
	return p, nil
}

// stringSize is the size of the string that p begins with, quotes included.
func stringSize(p []byte) int {
	for i := 1; ; i++ {
		switch p[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// appendText appends a value as text: a string is its content, an array is
// [item1, item2] (AWS docs), a number or a bool as it was sent, null is null
// (UNCERTAIN), an object is {key=value} as Java would print it (UNCERTAIN).
func appendText(dst, value []byte) []byte {
	switch value[0] {
	case '"':
		if bytes.IndexByte(value, '\\') < 0 {
			return append(dst, value[1:len(value)-1]...)
		}
		return jsontext.AppendText(dst, value)
	case '[', '{':
		// One pass over all levels, so that depth costs nothing.
		for i := 0; i < len(value); i++ {
			switch c := value[i]; c {
			case '"':
				n := stringSize(value[i:])
				dst = appendText(dst, value[i:i+n])
				i += n - 1
			case ',':
				dst = append(dst, ", "...)
			case ':':
				dst = append(dst, '=')
			case ' ', '\t', '\r', '\n':
			default:
				dst = append(dst, c)
			}
		}
		return dst
	}
	return append(dst, value...)
}
