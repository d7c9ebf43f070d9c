package management

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
)

// body is what is read of a body: what is kept of it, and whether it ended as it
// said, so that the next answer begins behind it.
type body struct {
	said  []byte
	whole bool
	wire  int // bytes of it that came, with the lengths of chunks
}

// body reads the body of an answer. The error says that less than what would be kept
// came.
func (a *answers) body(h head) (body, error) {
	var b body
	var err error
	switch {
	case h.chunked:
		err = a.chunks(&b)
	case h.length >= 0:
		err = a.take(&b, h.length)
		b.whole = err == nil
	default:
		if err = a.take(&b, maxAnswer+maxDrain); err == io.ErrUnexpectedEOF {
			err = nil // so it ends
		}
	}
	if err != nil && len(b.said) == maxAnswer {
		err = nil // what is kept is there
	}
	return b, err
}

// take reads n bytes of a body, or as many as it may have.
func (a *answers) take(b *body, n int64) error {
	for n > 0 {
		if b.wire >= maxAnswer+maxDrain {
			return errTooMuch
		}
		if a.r == a.w {
			if err := a.fill(); err != nil {
				return unexpected(err)
			}
		}
		part := a.buf[a.r:a.w]
		if int64(len(part)) > n {
			part = part[:n]
		}
		b.said = append(b.said, part[:min(len(part), maxAnswer-len(b.said))]...)
		a.r += len(part)
		b.wire += len(part)
		n -= int64(len(part))
	}
	return nil
}

var errChunk = errors.New("malformed answer: a chunk of the body")

// chunks reads a chunked body. Trailers are not read: the connection is not used
// again after them.
func (a *answers) chunks(b *body) error {
	for {
		n, err := a.chunkLength(b)
		if err != nil {
			return err
		}
		if n == 0 {
			if err := a.more(2); err != nil {
				return err
			}
			b.whole = string(a.buf[a.r:a.r+2]) == "\r\n"
			if b.whole {
				a.r += 2
			}
			return nil
		}
		if err := a.take(b, n); err != nil {
			return err
		}
		if err := a.more(2); err != nil {
			return err
		}
		if string(a.buf[a.r:a.r+2]) != "\r\n" {
			return errChunk
		}
		a.r += 2
		b.wire += 2
	}
}

// chunkLength reads the line before a chunk. What an extension says is left out.
func (a *answers) chunkLength(b *body) (int64, error) {
	for {
		line := a.buf[a.r:a.w]
		i := bytes.IndexByte(line, '\n')
		if i >= maxLine || i < 0 && len(line) >= maxLine {
			return 0, errChunk
		}
		if i < 0 {
			if err := a.more(len(line) + 1); err != nil {
				return 0, unexpected(err)
			}
			continue
		}
		line = line[:i]
		a.r += i + 1
		if b.wire += i + 1; b.wire > maxAnswer+maxDrain {
			return 0, errTooMuch
		}
		if bytes.IndexByte(line, '\r') != i-1 || i == 0 {
			return 0, errChunk
		}
		digits, _, _ := bytes.Cut(bytes.TrimRight(line[:i-1], " \t"), []byte(";"))
		if len(digits) == 0 || len(digits) > 16 {
			return 0, errChunk
		}
		for _, c := range digits {
			if !digit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0, errChunk
			}
		}
		n, err := strconv.ParseUint(string(digits), 16, 64)
		return int64(min(n, math.MaxInt64)), err // more than is ever read
	}
}
