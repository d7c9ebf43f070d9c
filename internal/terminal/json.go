package terminal

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON returns a JSON text as it may be printed: a text of the same value, in which
// the characters that a terminal acts on are written as JSON's \u escapes. Line ends
// and tabs between values stay, carriage returns there go. A byte that is no UTF-8
// becomes \ufffd, which is what decoders make of it. b has to be valid JSON, and is
// not changed.
func JSON(b []byte) []byte {
	out := make([]byte, 0, len(b)+16)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && size == 1:
			out = append(out, `\ufffd`...)
		case isHarmless(r) || r == '\n' || r == '\t':
			out = append(out, b[:size]...)
		case r == '\r': // it can only be between values
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
