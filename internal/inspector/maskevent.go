package inspector

import (
	"bytes"
	"encoding/json"
)

// event masks an event. In invalid JSON it masks everything that looks like a member: a
// session file may contain any text, and events that were cut.
func (m *masker) event(b []byte) []byte { return m.text(m.members(b)) }

// line masks a line of a log, which may contain an event.
func (m *masker) line(b []byte) []byte {
	if bytes.Contains(b, []byte(`":`)) || bytes.Contains(b, []byte(`" :`)) {
		b = m.members(b)
	}
	return m.text(b)
}

// members masks the values of the members of JSON.
func (m *masker) members(b []byte) []byte {
	var out []byte
	var objects []place // the open objects and lists
	from := 0
	for i := 0; i < len(b); {
		switch b[i] {
		case '{', '[':
			objects = append(objects, member)
			i++
		case '}', ']':
			objects = objects[:max(0, len(objects)-1)]
			i++
		case '"':
			name, end := stringAt(b, i)
			colon := skipSpace(b, end)
			if colon == len(b) || b[colon] != ':' {
				i = end
				continue
			}
			at := member
			if len(objects) > 0 {
				at = objects[len(objects)-1]
			}
			i = skipSpace(b, colon+1)
			switch {
			case i == len(b):
			case m.secret(name(), at):
				value, end := maskedValue(b, i)
				out = append(append(out, b[from:i]...), value...)
				i, from = end, end
			case b[i] == '{':
				objects = append(objects, placeIn(name()))
				i++
			}
		default:
			i++
		}
	}
	if out == nil {
		return b
	}
	return append(out, b[from:]...)
}

// placeIn returns the place of the names in an object with this name.
func placeIn(name string) place {
	switch name {
	case "headers", "multiValueHeaders":
		return header
	case "queryStringParameters", "multiValueQueryStringParameters":
		return query
	}
	return member
}

// stringAt returns the string that begins at i, and the index after it.
func stringAt(b []byte, i int) (text func() string, end int) {
	for end = i + 1; end < len(b) && b[end] != '"'; end++ {
		if b[end] == '\\' {
			end++
		}
	}
	end = min(end+1, len(b))
	return func() string {
		var s string
		if json.Unmarshal(b[i:end], &s) != nil {
			s = string(b[i:end])
		}
		return s
	}, end
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// maskedValue returns the replacement for the value that begins at i, and the index after
// the value. It keeps true, false and null.
func maskedValue(b []byte, i int) (value string, end int) {
	value = `"` + masked + `"`
	switch b[i] {
	case '"':
		_, end = stringAt(b, i)
		return value, end
	case '[', '{':
		if b[i] == '[' {
			value = "[" + value + "]"
		}
		return value, endOfNested(b, i)
	}
	for end = i; end < len(b) && !bytes.ContainsRune([]byte(",]} \t\r\n\""), rune(b[end])); end++ {
	}
	switch word := string(b[i:end]); word {
	case "true", "false", "null", "":
		return word, end
	}
	return value, end
}

// endOfNested returns the index after the list or object that begins at i.
func endOfNested(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			_, i = stringAt(b, i)
			continue
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return i
}
