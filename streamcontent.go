package wirepost

import (
	"encoding/json"
	"unicode/utf8"
)

const (
	// streamFrame is how many bytes a frame of a stream has at most, as it is sent,
	// unless a single item is larger: API Gateway meters messages in units of 32 KB
	// (AWS, API Gateway pricing).
	streamFrame = 32 << 10
	// streamOverhead is what a frame has around its text or items, at most: type, ID, at,
	// end or the code of an error.
	streamOverhead = 320
	// maxStreamItem is how many bytes an item may have, as JSON: it is in a frame and in
	// the log, whole.
	maxStreamItem = MaxKept - streamOverhead
)

// StreamPiece is what a stream's readers get in one frame.
type StreamPiece struct {
	// At is where it begins: how many UTF-16 code units of text, or items, are before it.
	At int64
	// Text or Items are what it has, each of them empty if the stream is of the other kind.
	Text  string
	Items []json.RawMessage
	// End is true in the last piece of a stream that was closed.
	End bool
	// Error is the code of a stream that ends here otherwise, or of why this reader gets
	// no more of it.
	Error string
}

// streamPieceFrame is a piece on the wire and in the log, and the order of its members.
type streamPieceFrame struct {
	Type  string            `json:"type"`
	ID    string            `json:"id"`
	At    int64             `json:"at"`
	Text  string            `json:"text,omitempty"`
	Items []json.RawMessage `json:"items,omitempty"`
	End   bool              `json:"end,omitempty"`
	Error string            `json:"error,omitempty"`
}

func (p StreamPiece) frame(id string) ([]byte, error) {
	return encodeFrame(streamPieceFrame{"stream", id, p.At, p.Text, p.Items, p.End, p.Error})
}

// streamPlace is a place in a stream: behind so many units, which have so many bytes.
type streamPlace struct{ at, bytes int64 }

// streamContent is what was written to a stream and somebody still lacks.
type streamContent struct {
	text      []byte            // of a stream of text, from base on
	items     []json.RawMessage // of one of items
	base, end streamPlace
}

// addText adds whole characters.
func (c *streamContent) addText(b []byte) {
	c.text = append(c.text, b...)
	c.end.bytes += int64(len(b))
	c.end.at += utf16Len(b)
}

func (c *streamContent) addItem(item json.RawMessage) {
	c.items = append(c.items, item)
	c.end.bytes += int64(len(item)) + 1
	c.end.at++
}

// take is what comes behind a place, as far as it fits into so many bytes of JSON. It is
// at least one character or item if there is any.
func (c *streamContent) take(from streamPlace, most int) (p StreamPiece, to streamPlace) {
	p.At, to = from.at, from
	if c.items != nil {
		size := 0
		for _, item := range c.items[from.at-c.base.at:] {
			if size += len(item) + 1; size > most && len(p.Items) > 0 {
				break
			}
			p.Items = append(p.Items, item)
			to.at++
			to.bytes += int64(len(item)) + 1
		}
		return p, to
	}
	rest := c.text[from.bytes-c.base.bytes:]
	n, size := 0, 0
	for n < len(rest) {
		length, units, escaped := measure(rest[n:])
		if size += escaped; size > most && n > 0 {
			break
		}
		n += length
		to.at += units
	}
	to.bytes += int64(n)
	p.Text = string(rest[:n])
	return p, to
}

// drop forgets what is before a place.
func (c *streamContent) drop(before streamPlace) {
	n := before.bytes - c.base.bytes
	if n < 4<<10 || n < (c.end.bytes-c.base.bytes)/2 { // so that each byte is moved once at most
		return
	}
	if c.items != nil {
		c.items = append([]json.RawMessage{}, c.items[before.at-c.base.at:]...)
	} else {
		c.text = append([]byte{}, c.text[n:]...)
	}
	c.base = before
}

// measure is how many bytes the first character of valid UTF-8 has, how many UTF-16
// code units, and how many bytes in JSON as encodeFrame writes it.
func measure(b []byte) (length int, units int64, escaped int) {
	switch c := b[0]; {
	case c >= utf8.RuneSelf:
	case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
		return 1, 1, 2
	case c < ' ':
		return 1, 1, 6
	default:
		return 1, 1, 1
	}
	r, n := utf8.DecodeRune(b)
	switch {
	case r == '\u2028' || r == '\u2029': // which encoding/json escapes
		return n, 1, 6
	case r >= 0x10000:
		return n, 2, n
	}
	return n, 1, n
}

// utf16Len is the number of UTF-16 code units of valid UTF-8: what JavaScript's length is.
func utf16Len[T string | []byte](s T) (n int64) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0xF0: // the first of four bytes
			n += 2
		case c < 0x80 || c >= 0xC0:
			n++
		}
	}
	return n
}

// utf16Cut is the part of a text behind so many UTF-16 code units. It reports false if
// that is inside a character, or behind the end.
func utf16Cut(s string, units int64) (string, bool) {
	for i, r := range s {
		if units <= 0 {
			return s[i:], units == 0
		}
		if units--; r >= 0x10000 {
			units--
		}
	}
	return "", units == 0
}

// wholeCharacters divides bytes into whole characters of UTF-8, the beginning of one that
// is not complete, of three bytes at most, and what is no UTF-8.
func wholeCharacters(b []byte) (whole, half, bad []byte) {
	if utf8.Valid(b) {
		return b, nil, nil
	}
	i := 0
	for i < len(b) {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			break
		}
		i += n
	}
	if !utf8.FullRune(b[i:]) {
		return b[:i], b[i:], nil
	}
	return b[:i], nil, b[i:]
}
