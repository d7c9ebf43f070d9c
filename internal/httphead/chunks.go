package httphead

import "bytes"

// Chunks reads a body that comes in chunks, while its bytes arrive. The zero value is at
// the beginning of one. It takes neither extensions nor trailer fields.
type Chunks struct {
	at   int // in the bytes: where the next chunk begins
	size int // of what has been found of the body
}

// maxChunkLine is how long the line before a chunk may be: eight digits and CRLF.
const maxChunkLine = 10

// Scan looks at all bytes of the body that have come, among them those that it was given
// before. ok is false if they are not of the form, or if the body has more than most
// bytes. end is where the body ends in b, or 0 if that has not come.
func (c *Chunks) Scan(b []byte, most int) (end int, ok bool) {
	for {
		digits, size, whole := chunkLine(b[c.at:])
		switch {
		case !whole:
			return 0, len(b)-c.at < maxChunkLine && digits == len(bytes.TrimRight(b[c.at:], "\r"))
		case size < 0 || size > most-c.size:
			return 0, false
		}
		data := c.at + digits + 2
		after := data + size
		if len(b) < after+2 {
			return 0, len(b) <= after || b[after] == '\r'
		}
		if b[after] != '\r' || b[after+1] != '\n' {
			return 0, false // for the last chunk: a trailer field
		}
		c.at, c.size = after+2, c.size+size
		if size == 0 {
			return c.at, true
		}
	}
}

// Body is the body in bytes that Scan has found the end of, in memory of its own.
func (c *Chunks) Body(b []byte) []byte {
	body := make([]byte, 0, c.size)
	for {
		digits, size, _ := chunkLine(b)
		if size <= 0 {
			return body
		}
		body = append(body, b[digits+2:digits+2+size]...)
		b = b[digits+2+size+2:]
	}
}

// chunkLine reads the line before a chunk. Its size is -1 if it is not one; digits tells
// how many it begins with, and whole that it has come to its end.
func chunkLine(b []byte) (digits, size int, whole bool) {
	for digits < len(b) && digits < maxChunkLine-2 {
		d := hexDigit(b[digits])
		if d < 0 {
			break
		}
		size = size<<4 | d
		digits++
	}
	if len(b) < digits+2 {
		return digits, size, false
	}
	if digits == 0 || b[digits] != '\r' || b[digits+1] != '\n' {
		return digits, -1, true
	}
	return digits, size, true
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
