package terminal

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON makes valid JSON harmless without changing its value: it writes the characters
// that a terminal acts on as \u escapes. It keeps line ends and tabs between values and
// removes carriage returns there. A byte of invalid UTF-8 becomes \ufffd, as it does in
// decoders. JSON does not change b.
func JSON(b []byte) []byte {
	out := make([]byte, 0, len(b)+16)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && size == 1:
			out = append(out, `\ufffd`...)
		case isHarmless(r) || r == '\n' || r == '\t':
			out = append(out, b[:size]...)
		case r == '\r': // only between values
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[size:]
	}
	return out
}
