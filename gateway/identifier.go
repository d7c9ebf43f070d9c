package gateway

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Connection, request and message IDs are 11 bytes in base64url, which is 15
// characters and one equals sign. In recorded events byte 8 tells them apart
// (bref, lambda-go and LocalStack samples); that is an observation, not a contract.
const (
	connectionMark = 0x02
	requestMark    = 0x05
)

// fill reads randomness. A source that fails is a broken machine: no ID could
// be trusted after it, so it is not survivable.
func (e *engine) fill(p []byte) {
	if _, err := io.ReadFull(e.random, p); err != nil {
		panic("gateway: read randomness: " + err.Error())
	}
}

// identifier makes an ID. A message's ID ends in the same three bytes as its
// connection's, which the caller gives as tail.
func (e *engine) identifier(mark byte, tail string) string {
	var raw [11]byte
	e.fill(raw[:])
	raw[8] = mark
	var text [16]byte
	base64.URLEncoding.Encode(text[:], raw[:])
	// Bytes 9 and 10 are the last group, and the low bits of byte 8 the
	// character before it; its high bits are those of the mark, which is the same.
	copy(text[16-len(tail):], tail)
	return string(text[:])
}

func (e *engine) newConnectionID() string { return e.identifier(connectionMark, "") }

func (e *engine) newRequestID() string { return e.identifier(requestMark, "") }

func (e *engine) newMessageID(connectionID string) string {
	return e.identifier(connectionMark, connectionID[11:])
}

// validConnectionID draws the line between 400 and 410. Where AWS draws it is
// UNCERTAIN.
func validConnectionID(id string) bool {
	if len(id) != 16 || id[15] != '=' {
		return false
	}
	for i := range 15 {
		if c := id[i]; !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

const lowerAlphanumerics = "abcdefghijklmnopqrstuvwxyz0123456789"

func (e *engine) newAPIID() string {
	var raw [10]byte
	e.fill(raw[:])
	for i, b := range raw {
		raw[i] = lowerAlphanumerics[int(b)%len(lowerAlphanumerics)]
	}
	return string(raw[:])
}

// newUUID makes the x-amzn-requestid of a management answer (bref's recorded
// answers: a UUID there, unlike in events).
func (e *engine) newUUID() string {
	var raw [16]byte
	e.fill(raw[:])
	return string(appendUUID(make([]byte, 0, 36), &raw))
}

func appendUUID(text []byte, raw *[16]byte) []byte {
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	for _, group := range [...][]byte{raw[:4], raw[4:6], raw[6:8], raw[8:10]} {
		text = append(hex.AppendEncode(text, group), '-')
	}
	return hex.AppendEncode(text, raw[10:])
}

// appendTraceID appends an X-Amzn-Trace-Id: Root=1-<8 hex of seconds>-<24 hex>.
func appendTraceID(text []byte, raw *[12]byte, now time.Time) []byte {
	text = append(text, "Root=1-"...)
	seconds := strconv.FormatUint(uint64(uint32(now.Unix())), 16)
	for range 8 - len(seconds) {
		text = append(text, '0')
	}
	text = append(text, seconds...)
	return hex.AppendEncode(append(text, '-'), raw[:])
}

func (e *engine) newTraceID(now time.Time) string {
	var raw [12]byte
	e.fill(raw[:])
	return string(appendTraceID(make([]byte, 0, 40), &raw, now))
}

// markCall names a management call in the header of its answer. It is one read of
// randomness and three allocations, for what is a good part of a post.
func (e *engine) markCall(header http.Header, now time.Time) {
	var raw struct{ all [16 + 11 + 12]byte }
	e.fill(raw.all[:])
	raw.all[16+8] = requestMark
	text := make([]byte, 0, 36+16+44)
	text = appendUUID(text, (*[16]byte)(raw.all[:16]))
	text = base64.URLEncoding.AppendEncode(text, raw.all[16:27])
	text = appendTraceID(text, (*[12]byte)(raw.all[27:]), now)
	all := string(text)
	values := &[3]string{all[:36], all[36:52], all[52:]}
	header["X-Amzn-Requestid"] = values[0:1:1]
	header["X-Amz-Apigw-Id"] = values[1:2:2]
	header["X-Amzn-Trace-Id"] = values[2:3:3]
	header["X-Wirepost-Api"] = e.name
}
