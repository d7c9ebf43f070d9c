package gateway

import (
	"encoding/base64"
	"encoding/hex"
	"io"
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
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i, b := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, []byte{b})
	}
	return string(text)
}

// newTraceID makes an X-Amzn-Trace-Id: Root=1-<8 hex of seconds>-<24 hex>.
func (e *engine) newTraceID(now time.Time) string {
	var raw [12]byte
	e.fill(raw[:])
	text := make([]byte, 0, 40)
	text = append(text, "Root=1-"...)
	seconds := strconv.FormatUint(uint64(uint32(now.Unix())), 16)
	for range 8 - len(seconds) {
		text = append(text, '0')
	}
	text = append(text, seconds...)
	text = append(text, '-')
	return string(hex.AppendEncode(text, raw[:]))
}
