package dynamodb

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// decoder reads rows from an answer. encoding/json takes three times as long for a
// page, which is much of a publish to a large audience. It is as strict, and a fuzz
// test holds it against that; null is as good as absent.
type decoder struct {
	b []byte
	i int
	// values has room for the strings of the next values, which are many and small.
	values []string
	last   string // of the values, because all rows of a page have one partition key
}

// maxDepth bounds how deep an answer may be nested; DynamoDB allows 32 levels of
// attributes (AWS, developer guide, "Service, account, and table quotas").
const maxDepth = 100

// decodes is an output that reads itself.
type decodes interface{ decode(*decoder) error }

func (o *GetItemOutput) decode(d *decoder) error {
	return d.object(0, func(name string) (err error) {
		if name == "Item" {
			o.Item, err = d.item(1)
			return err
		}
		return d.skip(1)
	})
}

func (o *WriteOutput) decode(d *decoder) error {
	return d.object(0, func(name string) (err error) {
		if name == "Attributes" {
			o.Attributes, err = d.item(1)
			return err
		}
		return d.skip(1)
	})
}

func (p *Page) decode(d *decoder) error {
	return d.object(0, func(name string) (err error) {
		switch name {
		case "Items":
			p.Items = nil
			return d.array(1, func() error {
				it, err := d.item(2)
				p.Items = append(p.Items, it)
				return err
			})
		case "LastEvaluatedKey":
			p.LastEvaluatedKey, err = d.item(1)
			return err
		}
		return d.skip(1)
	})
}

// whole reads an answer to its end.
func (d *decoder) whole(out decodes) error {
	if err := out.decode(d); err != nil {
		return err
	}
	if d.space(); d.i < len(d.b) {
		return d.wrong("its end")
	}
	return nil
}

func (d *decoder) item(depth int) (Item, error) {
	var it Item
	err := d.object(depth, func(name string) error {
		if it == nil {
			it = make(Item, 4)
		}
		v, err := d.value(depth + 1)
		it[name] = v
		return err
	})
	return it, err
}

// attributes is an item that is there even if it is empty.
func (d *decoder) attributes(depth int) (*map[string]Value, error) {
	if d.null() {
		return nil, nil
	}
	m, err := d.item(depth)
	if m == nil {
		m = Item{}
	}
	return &m, err
}

func (d *decoder) value(depth int) (v Value, err error) {
	err = d.object(depth, func(name string) (err error) {
		switch name {
		case "S":
			v.S, err = d.text()
		case "N":
			v.N, err = d.text()
		case "M":
			v.M, err = d.attributes(depth + 1)
		default:
			err = d.skip(depth + 1)
		}
		return err
	})
	return v, err
}

// text is a string that is kept, or nil for null.
func (d *decoder) text() (*string, error) {
	if d.null() {
		return nil, nil
	}
	raw, plain, err := d.quoted()
	if err != nil {
		return nil, err
	}
	var s string
	switch {
	case !plain:
		s, err = unquote(raw)
	case string(raw[1:len(raw)-1]) == d.last:
		s = d.last
	default:
		s = string(raw[1 : len(raw)-1])
	}
	if len(d.values) == 0 {
		d.values = make([]string, 64)
	}
	p := &d.values[0]
	d.values = d.values[1:]
	*p, d.last = s, s
	return p, err
}

func unquote(raw []byte) (s string, err error) {
	err = json.Unmarshal(raw, &s)
	return s, err
}

func (d *decoder) space() {
	for d.i < len(d.b) && (d.b[d.i] == ' ' || d.b[d.i] == '\n' || d.b[d.i] == '\r' || d.b[d.i] == '\t') {
		d.i++
	}
}

// wrong is the error of an answer that has something else at this place.
func (d *decoder) wrong(want string) error {
	if d.i >= len(d.b) {
		return fmt.Errorf("it ends where %s should be", want)
	}
	return fmt.Errorf("byte %d is %q where %s should be", d.i, d.b[d.i], want)
}

// take steps over c if that is next.
func (d *decoder) take(c byte) bool {
	d.space()
	if d.i < len(d.b) && d.b[d.i] == c {
		d.i++
		return true
	}
	return false
}

func (d *decoder) null() bool {
	d.space()
	return d.literal("null")
}

func (d *decoder) literal(word string) bool {
	if len(d.b)-d.i < len(word) || string(d.b[d.i:d.i+len(word)]) != word {
		return false
	}
	d.i += len(word)
	return true
}

// object calls member for each name, to read its value. Null has none.
func (d *decoder) object(depth int, member func(name string) error) error {
	if depth > maxDepth {
		return fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	if d.null() {
		return nil
	}
	if !d.take('{') {
		return d.wrong("an object")
	}
	if d.take('}') {
		return nil
	}
	for {
		d.space()
		raw, plain, err := d.quoted()
		if err != nil {
			return err
		}
		var name string
		if plain {
			name = string(raw[1 : len(raw)-1])
		} else if name, err = unquote(raw); err != nil {
			return err
		}
		if !d.take(':') {
			return d.wrong("a colon")
		}
		if err := member(name); err != nil {
			return err
		}
		if d.take('}') {
			return nil
		}
		if !d.take(',') {
			return d.wrong("a comma or a brace")
		}
	}
}

// array calls element for each of them.
func (d *decoder) array(depth int, element func() error) error {
	if depth > maxDepth {
		return fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	if d.null() {
		return nil
	}
	if !d.take('[') {
		return d.wrong("an array")
	}
	if d.take(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if d.take(']') {
			return nil
		}
		if !d.take(',') {
			return d.wrong("a comma or a bracket")
		}
	}
}

// quoted is a string with its quotes. A plain one is what it says: it has no escapes,
// and is UTF-8.
func (d *decoder) quoted() (raw []byte, plain bool, err error) {
	if d.i >= len(d.b) || d.b[d.i] != '"' {
		return nil, false, d.wrong("a string")
	}
	start := d.i
	ascii, escaped := true, false
	for d.i++; d.i < len(d.b); d.i++ {
		switch c := d.b[d.i]; {
		case c == '"':
			d.i++
			raw = d.b[start:d.i]
			return raw, !escaped && (ascii || utf8.Valid(raw)), nil
		case c == '\\':
			escaped = true
			d.i++
		case c < ' ':
			return nil, false, d.wrong("a character of a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false, d.wrong("the end of a string")
}

// skip steps over a value that nobody wants.
func (d *decoder) skip(depth int) error {
	d.space()
	if d.i >= len(d.b) {
		return d.wrong("a value")
	}
	switch c := d.b[d.i]; {
	case c == '{':
		return d.object(depth, func(string) error { return d.skip(depth + 1) })
	case c == '[':
		return d.array(depth, func() error { return d.skip(depth + 1) })
	case c == '"':
		raw, plain, err := d.quoted()
		if err == nil && !plain {
			_, err = unquote(raw)
		}
		return err
	case c == '-' || '0' <= c && c <= '9':
		return d.number()
	case d.literal("true"), d.literal("false"), d.literal("null"):
		return nil
	}
	return d.wrong("a value")
}

func (d *decoder) number() error {
	if d.b[d.i] == '-' {
		d.i++
	}
	if d.i < len(d.b) && d.b[d.i] == '0' {
		d.i++
	} else if !d.digits() {
		return d.wrong("a digit")
	}
	if d.i < len(d.b) && d.b[d.i] == '.' {
		if d.i++; !d.digits() {
			return d.wrong("a digit")
		}
	}
	if d.i < len(d.b) && d.b[d.i]|0x20 == 'e' {
		if d.i++; d.i < len(d.b) && (d.b[d.i] == '+' || d.b[d.i] == '-') {
			d.i++
		}
		if !d.digits() {
			return d.wrong("a digit")
		}
	}
	return nil
}

func (d *decoder) digits() bool {
	start := d.i
	for d.i < len(d.b) && '0' <= d.b[d.i] && d.b[d.i] <= '9' {
		d.i++
	}
	return d.i > start
}
