// Package jsontext says whether bytes are JSON, some times faster than encoding/json does:
// messages of 128 KB are looked at more than once on their way.
package jsontext

import (
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is that of encoding/json.
const maxDepth = 10000

// plain marks the bytes of a string that stand for themselves.
var plain = func() (table [256]bool) {
	for c := range table {
		table[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return table
}()

// Valid is encoding/json's Valid.
func Valid(data []byte) bool {
	i := value(data, space(data, 0), 0)
	return i >= 0 && space(data, i) == len(data)
}

func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// value is behind the value at a place, -1 if there is none.
func value(data []byte, i, depth int) int {
	if i >= len(data) {
		return -1
	}
	switch c := data[i]; {
	case c == '"':
		return text(data, i)
	case (c == '{' || c == '[') && depth == maxDepth:
		return -1
	case c == '{':
		return object(data, i, depth+1)
	case c == '[':
		return list(data, i, depth+1)
	case c == 't':
		return word(data, i, "true")
	case c == 'f':
		return word(data, i, "false")
	case c == 'n':
		return word(data, i, "null")
	}
	return number(data, i)
}

func word(data []byte, i int, want string) int {
	if len(data)-i < len(want) || string(data[i:i+len(want)]) != want {
		return -1
	}
	return i + len(want)
}

func text(data []byte, i int) int {
	for i++; i < len(data); i++ {
		if plain[data[i]] {
			continue
		}
		switch data[i] {
		case '"':
			return i + 1
		case '\\':
			if i = escape(data, i+1); i < 0 {
				return -1
			}
		default:
			return -1
		}
	}
	return -1
}

// escape is the last byte of what stands behind a backslash.
func escape(data []byte, i int) int {
	if i >= len(data) {
		return -1
	}
	switch data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		for n := 1; n <= 4; n++ {
			if i+n >= len(data) {
				return -1
			}
			c := data[i+n]
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return -1
			}
		}
		return i + 4
	}
	return -1
}

func object(data []byte, i, depth int) int {
	if i = space(data, i+1); i < len(data) && data[i] == '}' {
		return i + 1
	}
	for i < len(data) && data[i] == '"' {
		if i = text(data, i); i < 0 {
			return -1
		}
		if i = space(data, i); i >= len(data) || data[i] != ':' {
			return -1
		}
		if i = value(data, space(data, i+1), depth); i < 0 {
			return -1
		}
		if i = space(data, i); i >= len(data) {
			return -1
		}
		if data[i] == '}' {
			return i + 1
		}
		if data[i] != ',' {
			return -1
		}
		i = space(data, i+1)
	}
	return -1
}

func list(data []byte, i, depth int) int {
	if i = space(data, i+1); i < len(data) && data[i] == ']' {
		return i + 1
	}
	for {
		if i = value(data, i, depth); i < 0 {
			return -1
		}
		if i = space(data, i); i >= len(data) {
			return -1
		}
		if data[i] == ']' {
			return i + 1
		}
		if data[i] != ',' {
			return -1
		}
		i = space(data, i+1)
	}
}

func digits(data []byte, i int) int {
	began := i
	for i < len(data) && data[i] >= '0' && data[i] <= '9' {
		i++
	}
	if i == began {
		return -1
	}
	return i
}

func number(data []byte, i int) int {
	if data[i] == '-' {
		i++
	}
	first := i
	if i = digits(data, i); i < 0 || data[first] == '0' && i > first+1 {
		return -1
	}
	if i < len(data) && data[i] == '.' {
		if i = digits(data, i+1); i < 0 {
			return -1
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		i = digits(data, i)
	}
	return i
}

// AppendText appends the text of a string of JSON, which has to be valid, quotes and all.
// Invalid UTF-8 and half surrogates become U+FFFD, as in encoding/json.
func AppendText(dst, quoted []byte) []byte {
	s := quoted[1 : len(quoted)-1]
	for i := 0; i < len(s); {
		began := i
		for i < len(s) && s[i] < utf8.RuneSelf && s[i] != '\\' {
			i++
		}
		dst = append(dst, s[began:i]...)
		if i == len(s) {
			break
		}
		if s[i] != '\\' {
			r, size := utf8.DecodeRune(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		c := s[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r := unit(s[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				both := rune(utf8.RuneError)
				if len(s)-i >= 6 && s[i] == '\\' && s[i+1] == 'u' {
					both = utf16.DecodeRune(r, unit(s[i+2:]))
				}
				if r = both; r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// unit is what four digits say.
func unit(s []byte) (r rune) {
	for _, c := range s[:4] {
		switch {
		case c <= '9':
			r = r<<4 | rune(c-'0')
		default:
			r = r<<4 | rune(c|0x20-'a'+10)
		}
	}
	return r
}
