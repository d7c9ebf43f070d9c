// Package terminal prints for people, and makes what others have written harmless
// first: clients, servers, functions, templates and rows of a store.
//
// A terminal acts on some characters. Escape sequences set its clipboard and its
// title, move the cursor and hide text; a line end begins what may look like a line
// of wirepost's own; other characters turn the direction of text or have no width.
// None of them is dropped: each is shown as Go would write it in a string, such as
// \x1b, \u202e or, for a byte that is no UTF-8, \x9b. A backslash stays as it is, so
// that \x1b may also be what somebody wrote. Colours are escape sequences too, and
// are shown.
//
// What is printed is the same for a terminal, a pipe and a file: output is piped into
// terminals, and files are shown there. JSON stays exact all the same, by the escapes
// of its own: see [JSON].
package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s as it may be printed, in its lines: line ends and tabs stay.
func Text(s string) string { return clean(s, true) }

// Line returns s as it may be printed within one line: line ends and tabs are shown
// as \n and \t.
func Line(s string) string { return clean(s, false) }

// Block returns s as it may be printed in lines of its own behind a beginning of
// wirepost's: every line but the first begins with a tab or a space, so that none can
// be taken for wirepost's.
func Block(s string) string {
	first, rest, more := strings.Cut(Text(s), "\n")
	if !more {
		return first
	}
	var b strings.Builder
	b.WriteString(first)
	for line := range strings.SplitSeq(rest, "\n") {
		b.WriteByte('\n')
		if line != "" && line[0] != '\t' && line[0] != ' ' {
			b.WriteByte('\t')
		}
		b.WriteString(line)
	}
	return b.String()
}

// isHarmless reports whether a terminal shows a character and does nothing else:
// letters, marks, numbers, punctuation, symbols and spaces as Unicode has them, but
// for those that are shown as nothing. Control and format characters, line and
// paragraph separators, surrogates, and what Unicode has not assigned are none.
func isHarmless(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~'
	}
	return unicode.IsGraphic(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// harmful is where the first character of s that has to be escaped begins; len(s) if
// there is none.
func harmful(s string, lines bool) int {
	for i := 0; i < len(s); {
		if c := s[i]; ' ' <= c && c <= '~' || lines && (c == '\n' || c == '\t') {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !isHarmless(r) {
			return i
		}
		i += size
	}
	return len(s)
}

func clean(s string, lines bool) string {
	at := harmful(s, lines)
	if at == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for {
		b.WriteString(s[:at])
		if s = s[at:]; s == "" {
			return b.String()
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		s = s[size:]
		at = harmful(s, lines)
	}
}
