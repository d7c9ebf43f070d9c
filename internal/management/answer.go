package management

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// The bounds of an answer, however long its sender goes on. API Gateway's header has
// less than 1 KiB, its body is empty or one sentence.
const (
	maxHead    = 16 << 10 // of the header
	maxInterim = 8        // answers 1xx before the one that counts
	maxAnswer  = 2 << 10  // of the body, what is kept
	maxDrain   = 64 << 10 // of the body, what is read so that the connection can be used again
	maxLine    = 4 << 10  // of the length of a chunk, as net/http has it
	// bodyTime is how long the body may take that comes with a known status.
	bodyTime = time.Second
)

// answers reads answers from a connection, one for each request. The table in
// docs/benchmarks.md says what comes of each kind; a fuzz test holds them against
// net/http's.
type answers struct {
	src  io.Reader
	buf  []byte // what was read and not used yet is buf[r:w]
	r, w int
	err  error // of the last read: what was read before is used first

	server, api string // of the answer before: they are the same again
}

// head is what counts of the header of an answer.
type head struct {
	Answer
	seen    field
	keep    bool // the connection may be used again
	chunked bool
	length  int64 // of the body; -1: to the end of the connection
}

var (
	errHeadTooLong = fmt.Errorf("the header of the answer has more than %d KB", maxHead>>10)
	errInterim     = fmt.Errorf("more than %d answers 1xx, and none that counts", maxInterim)
	errCut         = fmt.Errorf("the connection was closed before the answer: %w", io.ErrUnexpectedEOF)
	errTooMuch     = errors.New("the body of the answer does not end")
)

// malformed is an answer that is not HTTP.
func malformed(what string, line []byte) error {
	return fmt.Errorf("malformed answer: %s: %q", what, line[:min(len(line), 80)])
}

// fill reads at least one more byte, into a buffer that grows up to what a header may
// have.
func (a *answers) fill() error {
	if a.err != nil {
		return a.err
	}
	switch {
	case a.r == a.w:
		a.r, a.w = 0, 0
	case a.w < len(a.buf):
	case a.r > 0:
		a.w = copy(a.buf, a.buf[a.r:a.w])
		a.r = 0
	case len(a.buf) >= maxHead:
		return errHeadTooLong
	default:
		a.buf = append(a.buf, make([]byte, len(a.buf))...)
	}
	for range 100 { // as bufio has it
		var n int
		n, a.err = a.src.Read(a.buf[a.w:])
		if a.w += n; n > 0 {
			return nil
		}
		if a.err != nil {
			return a.err
		}
	}
	a.err = io.ErrNoProgress
	return a.err
}

// more waits until n bytes are there.
func (a *answers) more(n int) error {
	for a.w-a.r < n {
		if err := a.fill(); err != nil {
			return unexpected(err)
		}
	}
	return nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// begun reports whether a byte of an answer is there.
func (a *answers) begun() bool { return a.w > a.r }

// head reads the header of an answer, those of interim answers before it left out.
func (a *answers) head(local bool) (head, error) {
	for range maxInterim + 1 {
		lines, err := a.lines()
		if err != nil {
			return head{}, err
		}
		h, err := a.parse(lines, local)
		if err != nil {
			return head{}, err
		}
		if h.Status/100 != 1 || h.Status == http.StatusSwitchingProtocols {
			return h, nil
		}
	}
	return head{}, errInterim
}

// lines reads up to the empty line at the end of a header, which is left out. What it
// returns is good until the next read.
func (a *answers) lines() ([]byte, error) {
	seen := 0 // of what is there, whole lines
	for {
		for {
			rest := a.buf[a.r+seen : a.w]
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			if seen+i+1 > maxHead {
				return nil, errHeadTooLong
			}
			if seen > 0 && len(cutReturn(rest[:i])) == 0 {
				lines := a.buf[a.r : a.r+seen]
				a.r += seen + i + 1
				return lines, nil
			}
			seen += i + 1
		}
		if a.w-a.r >= maxHead {
			return nil, errHeadTooLong
		}
		if err := a.fill(); err == io.EOF {
			return nil, errCut
		} else if err != nil {
			return nil, err
		}
	}
}

func cutReturn(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

func nextLine(lines []byte) (line, rest []byte) {
	i := bytes.IndexByte(lines, '\n') // each has one
	return cutReturn(lines[:i]), lines[i+1:]
}

// fields collects what frames the body.
type fields struct {
	length       []byte
	hasLength    bool
	encodings    int
	chunked      bool
	close, alive bool
}

// parse reads the lines of a header. local says that the gateway's name for itself
// is believed.
func (a *answers) parse(lines []byte, local bool) (h head, err error) {
	line, lines := nextLine(lines)
	minor, err := h.status(line)
	if err != nil {
		return h, err
	}
	var f fields
	for len(lines) > 0 {
		line, lines = nextLine(lines)
		name, value, ok := bytes.Cut(line, []byte(":"))
		if value = trim(value); !ok || !token(name) || !headerBytes(value) {
			return h, malformed("a line of the header", line)
		}
		if err := a.field(&h, &f, name, value, local); err != nil {
			return h, err
		}
	}
	if h.Status/100 == 2 {
		h.Mark = NoMark
	}
	return h, h.frame(f, minor)
}

// status reads the first line of an answer.
func (h *head) status(line []byte) (minor byte, err error) {
	const version = "HTTP/1."
	if len(line) < len(version)+2 || string(line[:len(version)]) != version || line[len(version)+1] != ' ' || !digit(line[len(version)]) {
		return 0, malformed("it does not begin with a version and a status", line)
	}
	code, _, _ := bytes.Cut(bytes.TrimLeft(line[len(version)+1:], " "), []byte(" "))
	if len(code) != 3 || !digit(code[0]) || code[0] == '0' || !digit(code[1]) || !digit(code[2]) {
		return 0, malformed("it has no status", line)
	}
	h.Status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	return line[len(version)] - '0', nil
}

// field is a set of the lines of which the first counts.
type field int

const (
	server field = 1 << iota
	contentType
	errorType
	requestID
	apiGatewayID
	apiID
	api
	date
)

// first reports whether a line is the first of its name.
func (h *head) first(f field) bool {
	first := h.seen&f == 0
	h.seen |= f
	return first
}

// field keeps what counts of one line of the header.
func (a *answers) field(h *head, f *fields, name, value []byte, local bool) error {
	switch {
	case is(name, "content-length"):
		if f.hasLength && !bytes.Equal(f.length, value) {
			return malformed("two lengths", value)
		}
		f.length, f.hasLength = value, true
	case is(name, "transfer-encoding"):
		f.encodings++
		f.chunked = is(value, "chunked")
	case is(name, "connection"):
		for part := range bytes.SplitSeq(value, []byte(",")) {
			part = trim(part)
			f.close = f.close || is(part, "close")
			f.alive = f.alive || is(part, "keep-alive")
		}
	case is(name, "server") && h.first(server):
		h.Server = same(&a.server, value)
	case is(name, "content-type") && h.first(contentType):
		h.HTML = bytes.HasPrefix(value, []byte("text/html"))
	case is(name, "x-amzn-errortype") && h.first(errorType) && len(value) > 0:
		before, _, _ := bytes.Cut(value, []byte(":"))
		h.ErrorType, h.Mark = string(before), max(h.Mark, MarkOfAWS)
	case is(name, "x-amzn-requestid") && h.first(requestID) && len(value) > 0:
		h.Mark = max(h.Mark, MarkOfAWS)
	case is(name, "x-amz-apigw-id") && h.first(apiGatewayID) && len(value) > 0, is(name, "apigw-requestid") && h.first(apiID) && len(value) > 0:
		h.Mark = MarkOfAPIGateway
	case local && is(name, "x-wirepost-api") && h.first(api):
		h.API = same(&a.api, value)
	case is(name, "date") && h.first(date) && (h.Status == http.StatusGone || h.Status == http.StatusForbidden):
		h.Date, _ = http.ParseTime(string(value))
	}
	return nil
}

// same is value as a string, which is mostly the one before.
func same(before *string, value []byte) string {
	if string(value) != *before {
		*before = string(value)
	}
	return *before
}

// frame says how long the body is, and whether the connection outlives it.
func (h *head) frame(f fields, minor byte) error {
	if minor == 0 { // which knows no chunks
		f.encodings, f.chunked = 0, false
	}
	if f.encodings > 1 || f.encodings == 1 && !f.chunked {
		return malformed("a transfer encoding that is not known", nil)
	}
	h.keep = !f.close && (minor > 0 || f.alive)
	h.length = -1
	if f.hasLength && !f.chunked {
		n, err := strconv.ParseUint(string(f.length), 10, 63)
		if err != nil {
			return malformed("the length", f.length)
		}
		h.length = int64(n)
	}
	switch {
	case h.Status/100 == 1:
		h.length, h.keep = 0, false
	case h.Status == http.StatusNoContent, h.Status == http.StatusNotModified:
		h.length = 0
	case f.chunked:
		h.chunked = true
	case h.length < 0:
		h.keep = false
	}
	return nil
}

func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t") }

func digit(c byte) bool { return '0' <= c && c <= '9' }

// token reports whether a name is one: a space in it, or a line that continues the
// one before, is refused.
func token(name []byte) bool {
	for _, c := range name {
		if !unreserved[c] && bytes.IndexByte([]byte("!#$%&'*+^`|"), c) < 0 {
			return false
		}
	}
	return len(name) > 0
}

func headerBytes(value []byte) bool {
	for _, c := range value {
		if !valueByte(c) {
			return false
		}
	}
	return true
}
