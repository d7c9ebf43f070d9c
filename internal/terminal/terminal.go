// Package terminal prints text for people. It first makes text from outside harmless:
// text from clients, servers, functions, templates and stores.
//
// Terminals act on some characters. Escape sequences set the clipboard and the title,
// move the cursor and hide text. Other characters reverse the direction of text or have
// no width. A line end lets text pose as one of wirepost's own lines. This package drops
// none of these characters. It shows each one as Go writes it in a string: \x1b, \u202e,
// or \x9b for a byte of invalid UTF-8. It does not escape backslashes, so a \x1b in the
// output may also be text that somebody wrote. Colours are escape sequences and are
// shown in the same way.
//
// The output is the same for a terminal, a pipe and a file, because people print files
// and pipes on terminals. JSON keeps its exact value; see [JSON].
package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text makes s harmless and keeps its line ends and tabs.
func Text(s string) string { return clean(s, true) }

// Line makes s harmless within one line: it shows line ends and tabs as \n and \t.
func Line(s string) string { return clean(s, false) }

// Block makes s harmless as a text of several lines. It indents every line but the
// first by a tab, unless the line begins with a tab or a space, so that no line can pose
// as one of wirepost's own.
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

// isHarmless reports whether a terminal only shows a character. These are the letters,
// marks, numbers, punctuation, symbols and spaces of Unicode, except the invisible ones.
// Control and format characters, line and paragraph separators, surrogates, private and
// unassigned characters are not harmless.
func isHarmless(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~'
	}
	return unicode.IsGraphic(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// harmful returns the index of the first character that has to be escaped, or len(s).
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
