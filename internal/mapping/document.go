package mapping

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strconv"

	"github.com/wirepost/wirepost/internal/jsontext"
	"github.com/wirepost/wirepost/internal/vtl"
)

// document is a JSON text that is read as far as it is wanted, and each object and list
// of it once.
type document struct {
	data []byte
	root span
	read map[int][]member
}

// span is where a value is in a document.
type span struct{ from, to int }

// member is a value with its name. Those of a list have none.
type member struct {
	name string
	at   span
}

// newDocument is nil for what is not JSON.
func newDocument(data []byte) *document {
	if !jsontext.Valid(data) {
		return nil
	}
	d := &document{data: data, read: map[int][]member{}}
	from := space(data, 0)
	d.root = span{from, skip(data, from)}
	return d
}

// space is behind the spaces at a place.
func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// skip is behind the value at a place.
func skip(data []byte, i int) int {
	switch data[i] {
	case '"':
		return skipString(data, i)
	case '{', '[':
		depth := 0
		for ; i < len(data); i++ {
			switch data[i] {
			case '"':
				i = skipString(data, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return i
	}
	for i < len(data) && bytes.IndexByte([]byte(",]} \n\t\r"), data[i]) < 0 {
		i++
	}
	return i
}

func skipString(data []byte, i int) int {
	for i++; ; i++ {
		n := bytes.IndexByte(data[i:], '"')
		i += n
		backslashes := 0
		for data[i-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i + 1
		}
	}
}

func (d *document) text(at span) []byte { return d.data[at.from:at.to] }

func (d *document) kind(at span) byte { return d.data[at.from] }

// members are those of an object or a list. Of several with one name the last counts, at
// the place of the first.
func (d *document) members(at span) []member {
	if all, ok := d.read[at.from]; ok {
		return all
	}
	var all []member
	var seen map[string]int
	object := d.kind(at) == '{'
	for i := space(d.data, at.from+1); i < at.to-1; {
		m := member{}
		if object {
			end := skipString(d.data, i)
			m.name = unquote(d.data[i:end])
			i = space(d.data, space(d.data, end)+1)
		}
		m.at = span{i, skip(d.data, i)}
		if i = space(d.data, m.at.to); i < at.to-1 {
			i = space(d.data, i+1)
		}
		if object {
			if seen == nil {
				seen = map[string]int{}
			}
			if before, twice := seen[m.name]; twice {
				all[before] = m
				continue
			}
			seen[m.name] = len(all)
		}
		all = append(all, m)
	}
	d.read[at.from] = all
	return all
}

func unquote(quoted []byte) string {
	return string(jsontext.AppendText(make([]byte, 0, len(quoted)), quoted))
}

// value is a value as a template has it.
func (d *document) value(at span) any {
	switch text := d.text(at); text[0] {
	case 'n':
		return nil
	case 't', 'f':
		return text[0] == 't'
	case '"':
		return unquote(text)
	case '{':
		return vtl.NewMap(func(m *vtl.Map) {
			for _, x := range d.members(at) {
				m.Put(x.name, d.value(x.at))
			}
		})
	case '[':
		all := d.members(at)
		l := &vtl.List{JSON: true, Items: make([]any, len(all))}
		for i, x := range all {
			l.Items[i] = d.value(x.at)
		}
		return l
	default:
		return number(text)
	}
}

// number is an Integer, a Long, a BigInteger or a Double.
func number(text []byte) any {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return n
	}
	if bytes.ContainsAny(text, ".eE") || len(text) > 1000 {
		f, _ := strconv.ParseFloat(string(text), 64)
		return f
	}
	n, _ := new(big.Int).SetString(string(text), 10)
	return n
}

// compact is a value as JSON without spaces.
func (d *document) compact(dst []byte, at span) []byte {
	var out bytes.Buffer
	_ = json.Compact(&out, d.text(at)) // it is valid
	return append(dst, out.Bytes()...)
}
