package vtl

import (
	"context"
	"math/big"
	"strconv"
	"strings"
)

// kind is which of Java's collections a List is.
type kind uint8

const (
	aList kind = iota
	aSet       // has no positions
	anArray
)

// List is a list of Java.
type List struct {
	Items []any

	// JSON has the list printed as JSON, as those lists are that API Gateway's reader of
	// JSON makes. Others are printed as [a, b].
	JSON bool

	kind kind
}

// Entry is a member of a Map.
type Entry struct{ Key, Value any }

// Map is a LinkedHashMap of Java: it keeps the order of its keys.
type Map struct {
	entries []*Entry
	index   map[any]int // once there are several
	fill    func(*Map)
}

// NewMap is a map that fill puts members into when one is first wanted. Nil leaves it
// empty.
func NewMap(fill func(*Map)) *Map { return &Map{fill: fill} }

const fewEntries = 8

func (m *Map) load() {
	if fill := m.fill; fill != nil {
		m.fill = nil
		fill(m)
	}
}

func (m *Map) find(key any) int {
	m.load()
	if b, ok := key.(*big.Int); ok {
		key = b.String()
	}
	if m.index != nil {
		if i, ok := m.index[key]; ok {
			return i
		}
		return -1
	}
	for i, e := range m.entries {
		if e.Key == key {
			return i
		}
	}
	return -1
}

// Get is the value of a key, nil if there is none.
func (m *Map) Get(key any) any {
	if i := m.find(key); i >= 0 {
		return m.entries[i].Value
	}
	return nil
}

// Put sets the value of a key and returns the one before.
func (m *Map) Put(key, value any) any {
	if i := m.find(key); i >= 0 {
		before := m.entries[i].Value
		m.entries[i].Value = value
		return before
	}
	m.entries = append(m.entries, &Entry{key, value})
	switch {
	case m.index != nil:
		m.index[key] = len(m.entries) - 1
	case len(m.entries) > fewEntries:
		m.reindex()
	}
	return nil
}

func (m *Map) reindex() {
	m.index = nil
	if len(m.entries) > fewEntries {
		m.index = make(map[any]int, 2*len(m.entries))
		for i, e := range m.entries {
			m.index[e.Key] = i
		}
	}
}

func (m *Map) remove(key any) any {
	i := m.find(key)
	if i < 0 {
		return nil
	}
	before := m.entries[i].Value
	m.entries = append(m.entries[:i:i], m.entries[i+1:]...)
	m.reindex()
	return before
}

// Len is how many members there are.
func (m *Map) Len() int {
	m.load()
	return len(m.entries)
}

// Entries are the members, which must not be changed.
func (m *Map) Entries() []*Entry {
	m.load()
	return m.entries
}

// text prints a value as Java does. It fails for what is too long or deep.
func (r *run) text(dst []byte, v any, depth int) ([]byte, error) {
	if len(dst) > MaxText {
		return nil, tooMuch("its text has more than %d bytes", MaxText)
	}
	if depth > maxDepth {
		return nil, tooMuch("a value is more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return append(dst, v...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return append(dst, javaDouble(v)...), nil
	case *big.Int:
		return v.Append(dst, 10), nil
	case *List:
		return r.listText(dst, v, depth)
	case *Map:
		dst = append(dst, '{')
		return r.sequence(dst, len(v.Entries()), ", ", '}', func(dst []byte, i int) ([]byte, error) {
			return r.text(dst, v.entries[i], depth+1)
		})
	case *Entry:
		dst, err := r.text(dst, v.Key, depth+1)
		if err != nil {
			return nil, err
		}
		return r.text(append(dst, '='), v.Value, depth+1)
	case *define:
		return r.defined(dst, v)
	case Object:
		return append(dst, v.String()...), nil
	}
	return dst, nil
}

func (r *run) listText(dst []byte, l *List, depth int) ([]byte, error) {
	switch {
	case l.JSON:
		return r.json(dst, l, depth)
	case l.kind == anArray:
		return append(dst, "[Ljava.lang.String;@0"...), nil // Java prints an address
	}
	dst = append(dst, '[')
	return r.sequence(dst, len(l.Items), ", ", ']', func(dst []byte, i int) ([]byte, error) {
		return r.text(dst, l.Items[i], depth+1)
	})
}

func (r *run) sequence(dst []byte, n int, between string, end byte, each func([]byte, int) ([]byte, error)) (_ []byte, err error) {
	for i := range n {
		if i > 0 {
			dst = append(dst, between...)
		}
		if err = r.step(1); err != nil {
			return nil, err
		}
		if dst, err = each(dst, i); err != nil {
			return nil, err
		}
	}
	return append(dst, end), nil
}

// json prints a value as JSON.
func (r *run) json(dst []byte, v any, depth int) ([]byte, error) {
	if len(dst) > MaxText || depth > maxDepth {
		return r.text(dst, v, depth)
	}
	switch v := v.(type) {
	case string:
		return AppendJSON(dst, v), nil
	case *List:
		return r.sequence(append(dst, '['), len(v.Items), ",", ']', func(dst []byte, i int) ([]byte, error) {
			return r.json(dst, v.Items[i], depth+1)
		})
	case *Map:
		return r.sequence(append(dst, '{'), len(v.Entries()), ",", '}', func(dst []byte, i int) ([]byte, error) {
			name, err := r.text(nil, v.entries[i].Key, depth+1)
			if err != nil {
				return nil, err
			}
			return r.json(append(AppendJSON(dst, string(name)), ':'), v.entries[i].Value, depth+1)
		})
	case nil, bool, int64, float64, *big.Int:
		return r.text(dst, v, depth)
	}
	text, err := r.text(nil, v, depth)
	return AppendJSON(dst, string(text)), err
}

// AppendJSON appends a string of JSON.
func AppendJSON(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= ' ':
			dst = append(dst, c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, '"')
}

// javaDouble prints a Double as Java's Double.toString does.
func javaDouble(f float64) string {
	switch {
	case f != f:
		return "NaN"
	case f > 1.7976931348623157e308:
		return "Infinity"
	case f < -1.7976931348623157e308:
		return "-Infinity"
	case f == 0 || f >= 1e-3 && f < 1e7 || f <= -1e-3 && f > -1e7:
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	s := strconv.FormatFloat(f, 'E', -1, 64)
	mantissa, exponent, _ := strings.Cut(s, "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}

// same reports whether two values are equal as Java's equals has it.
func (r *run) same(a, b any, depth int) (bool, error) {
	if depth > maxDepth {
		return false, tooMuch("a value is more than %d deep", maxDepth)
	}
	if err := r.step(1); err != nil {
		return false, err
	}
	switch a := a.(type) {
	case *List:
		b, ok := b.(*List)
		if !ok || len(a.Items) != len(b.Items) {
			return false, nil
		}
		for i := range a.Items {
			if ok, err := r.same(a.Items[i], b.Items[i], depth+1); !ok {
				return false, err
			}
		}
		return true, nil
	case *Map:
		b, ok := b.(*Map)
		if !ok || a.Len() != b.Len() {
			return false, nil
		}
		for _, e := range a.Entries() {
			if b.find(e.Key) < 0 {
				return false, nil
			}
			if ok, err := r.same(e.Value, b.Get(e.Key), depth+1); !ok {
				return false, err
			}
		}
		return true, nil
	case *big.Int:
		b, ok := b.(*big.Int)
		return ok && a.Cmp(b) == 0, nil
	}
	return a == b, nil
}

// Text is what a template prints of a value, nothing for nil.
func Text(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	r := &run{ctx: context.Background(), options: &Options{}}
	text, err := r.text(nil, v, 0)
	return string(text), err
}
