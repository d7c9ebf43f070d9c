package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// frameCase is a sequence of bytes after the handshake, and what is to come of it.
type frameCase struct {
	section string // of RFC 6455
	name    string
	send    []byte
	usual   bool     // to a gateway with the usual limits, not with small ones
	bodies  []string // of MESSAGE events, in any order
	pongs   []string
	code    int // of the gateway's close frame; 1005: an empty one
	event   int // disconnectStatusCode, if it is not the same
	reason  string
}

// The small limits.
const caseFrame, caseMessage = 200, 500

// frameCases are written from RFC 6455 and from AWS's rules: binary frames are
// 1003, what is too long is 1009 (AWS docs).
func frameCases() []*frameCase {
	var cases []*frameCase
	x := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	bye := masked(0x88, closePayload(1000, ""))
	add := func(c frameCase) { cases = append(cases, &c) }
	// good is a sequence that the client's close ends, bad one that the gateway ends.
	good := func(section, name string, bodies, pongs []string, parts ...[]byte) {
		add(frameCase{section: section, name: name, send: join(append(parts, bye)...), bodies: bodies, pongs: pongs, code: 1000})
	}
	bad := func(section, name string, code int, reason string, parts ...[]byte) {
		add(frameCase{section: section, name: name, send: join(parts...), code: code, reason: reason})
	}
	wrong := func(section, name string, parts ...[]byte) { bad(section, name, 1002, "protocol error", parts...) }
	one := func(body string) []string { return []string{body} }
	text := func(s string) []byte { return masked(0x81, []byte(s)) }

	// §5.2 Base framing: lengths.
	for _, n := range []int{0, 1, 125, 126, 127, 128, 199, 200} {
		good("5.2", fmt.Sprintf("a message of %d bytes", n), one(string(x(n))), nil, masked(0x81, x(n)))
	}
	for _, n := range []int{125, 126, 127, 32767, 32768} {
		c := frameCase{section: "5.2", name: fmt.Sprintf("a message of %d bytes under the usual limits", n), send: join(masked(0x81, x(n)), bye), usual: true, bodies: one(string(x(n))), code: 1000}
		add(c)
	}
	long := func(n int, payload []byte, size int) []byte {
		head := []byte{0x81}
		if size == 2 {
			head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(n))
		} else {
			head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(n))
		}
		return append(append(head, 0, 0, 0, 0), payload...)
	}
	good("5.2", "16 bits for a length that needs 7", one("hello"), nil, long(5, []byte("hello"), 2))
	good("5.2", "64 bits for a length that needs 7", one("hello"), nil, long(5, []byte("hello"), 8))
	good("5.2", "64 bits for the length 0", one(""), nil, long(0, nil, 8))
	wrong("5.2", "a length with its highest bit", append([]byte{0x81, 0xff, 0xff}, x(7+4)...))
	wrong("5.2", "the greatest length of 64 bits", append([]byte{0x81, 0xff}, bytes.Repeat([]byte{0xff}, 8+4)...))

	// §5.2 reserved bits and opcodes.
	for bits, name := range map[byte]string{0x40: "bit 1", 0x20: "bit 2", 0x10: "bit 3", 0x70: "bits 1, 2 and 3"} {
		wrong("5.2", "reserved "+name+" of a message", masked(0x81|bits, []byte("a")))
		wrong("5.2", "reserved "+name+" of a ping", masked(0x89|bits, nil))
	}
	wrong("5.2", "a reserved bit of a close", masked(0xc8, closePayload(1000, "")))
	wrong("5.2", "a reserved bit of a continuation", masked(0x01, []byte("a")), masked(0xc0, []byte("b")))
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		wrong("5.2", fmt.Sprintf("reserved opcode %#x", op), masked(0x80|op, []byte("a")))
	}
	wrong("5.2", "a reserved opcode after a message that is refused", masked(0x83, nil), text("a"))

	// §5.1, §5.3 masking.
	wrong("5.1", "a message without a mask", []byte{0x81, 1, 'x'})
	wrong("5.1", "a ping without a mask", []byte{0x89, 0})
	wrong("5.1", "a close without a mask", []byte{0x88, 0})
	wrong("5.1", "a continuation without a mask", masked(0x01, []byte("a")), []byte{0x80, 1, 'x'})
	good("5.3", "a mask of zeros", one("abc"), nil, append([]byte{0x81, 0x83, 0, 0, 0, 0}, "abc"...))
	good("5.3", "a mask of ones", one("abc"), nil, []byte{0x81, 0x83, 0xff, 0xff, 0xff, 0xff, ^byte('a'), ^byte('b'), ^byte('c')})
	good("5.3", "each frame with its own mask", one("abcabc"), nil, masked(0x01, []byte("abc")), append([]byte{0x80, 0x83, 0, 0, 0, 0}, "abc"...))

	// §5.4 fragmentation.
	good("5.4", "two messages at once", []string{"a", "b"}, nil, text("a"), text("b"))
	good("5.4", "three fragments", one("abc"), nil, masked(0x01, []byte("a")), masked(0x00, []byte("b")), masked(0x80, []byte("c")))
	good("5.4", "empty fragments", one(""), nil, masked(0x01, nil), masked(0x00, nil), masked(0x80, nil))
	good("5.4", "an empty fragment at the beginning", one("a"), nil, masked(0x01, nil), masked(0x80, []byte("a")))
	good("5.4", "an empty fragment at the end", one("a"), nil, masked(0x01, []byte("a")), masked(0x80, nil))
	good("5.4", "fifty fragments of one byte", one(string(x(50))), nil, masked(0x01, x(1)), bytes.Repeat(masked(0x00, x(1)), 48), masked(0x80, x(1)))
	good("5.4", "a message after a fragmented one", []string{"ab", "c"}, nil, masked(0x01, []byte("a")), masked(0x80, []byte("b")), text("c"))
	good("5.4", "two fragmented messages", []string{"ab", "cd"}, nil, masked(0x01, []byte("a")), masked(0x80, []byte("b")), masked(0x01, []byte("c")), masked(0x80, []byte("d")))
	good("5.4", "a ping between fragments", one("ab"), one("p"), masked(0x01, []byte("a")), masked(0x89, []byte("p")), masked(0x80, []byte("b")))
	good("5.4", "pings and pongs between all fragments", one("abc"), []string{"1", "2"}, masked(0x01, []byte("a")), masked(0x89, []byte("1")), masked(0x00, []byte("b")), masked(0x8a, nil), masked(0x89, []byte("2")), masked(0x80, []byte("c")))
	good("5.4", "a close between fragments", nil, nil, masked(0x01, []byte("a")))
	wrong("5.4", "a continuation of nothing", masked(0x80, []byte("a")))
	wrong("5.4", "a first continuation of nothing", masked(0x00, []byte("a")))
	add(frameCase{section: "5.4", name: "a continuation after a whole fragmented message", send: join(masked(0x01, []byte("a")), masked(0x80, nil), masked(0x80, nil)),
		bodies: one("a"), code: 1002, reason: "protocol error"})
	wrong("5.4", "a new message inside another", masked(0x01, []byte("a")), masked(0x81, []byte("b")))
	wrong("5.4", "a new fragmented message inside another", masked(0x01, []byte("a")), masked(0x01, []byte("b")))
	wrong("5.4", "a binary frame inside a text message", masked(0x01, []byte("a")), masked(0x82, []byte("b")))

	// §5.5 control frames.
	for first, name := range map[byte]string{0x08: "close", 0x09: "ping", 0x0a: "pong"} {
		wrong("5.5", "a fragmented "+name, masked(first, nil))
		wrong("5.5", "a "+name+" of 126 bytes", masked(0x80|first, append(closePayload(1000, ""), x(124)...)))
		wrong("5.5", "a "+name+" of 64 bits of length", append([]byte{0x80 | first, 0xff, 0, 0, 0, 0, 0, 1, 0, 0}, 0, 0, 0, 0))
	}
	good("5.5.2", "an empty ping", nil, one(""), masked(0x89, nil))
	good("5.5.2", "a ping of 125 bytes", nil, one(string(x(125))), masked(0x89, x(125)))
	good("5.5.2", "a ping of bytes that are no text", nil, one("\x00\xff\xfe"), masked(0x89, []byte("\x00\xff\xfe")))
	good("5.5.2", "ten pings", nil, strings.Split("0123456789", ""), func() (all []byte) {
		for i := range 10 {
			all = append(all, masked(0x89, []byte{'0' + byte(i)})...)
		}
		return all
	}())
	good("5.5.3", "a pong nobody asked for", nil, nil, masked(0x8a, []byte("p")))
	good("5.5.3", "a pong of 125 bytes", nil, nil, masked(0x8a, x(125)))
	good("5.5.3", "a ping after a pong nobody asked for", nil, one("p"), masked(0x8a, nil), masked(0x89, []byte("p")))

	// §5.5.1, §7 closing.
	add(frameCase{section: "5.5.1", name: "a close without a status", send: masked(0x88, nil), code: 1005, reason: noStatusReason})
	wrong("5.5.1", "a close of one byte", masked(0x88, []byte{3}))
	add(frameCase{section: "5.5.1", name: "a close with a reason of 123 bytes", send: masked(0x88, closePayload(1000, string(x(123)))), code: 1000, reason: string(x(123))})
	add(frameCase{section: "5.5.1", name: "a close with a reason in UTF-8", send: masked(0x88, closePayload(1000, "tschüß €😀")), code: 1000, reason: "tschüß €😀"})
	for _, reason := range []string{"\xff", "ok\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80"} {
		bad("8.1", fmt.Sprintf("a close with the reason %q", reason), 1007, "close reason is not UTF-8", masked(0x88, closePayload(1000, reason)))
	}
	good("5.5.1", "a message after a close", nil, nil, bye, text("a"))
	good("5.5.1", "a ping after a close", nil, nil, bye, masked(0x89, []byte("p")))
	add(frameCase{section: "5.5.1", name: "a second close", send: join(masked(0x88, closePayload(4000, "a")), masked(0x88, closePayload(4001, "b"))), code: 4000, reason: "a"})
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		add(frameCase{section: "7.4", name: fmt.Sprintf("a close with code %d", code), send: masked(0x88, closePayload(code, "why")), code: code, reason: "why"})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		wrong("7.4", fmt.Sprintf("a close with code %d, which must not be sent", code), masked(0x88, closePayload(code, "")))
	}

	// §5.6, §8.1 text and UTF-8.
	for name, s := range map[string]string{
		"U+0000": "\x00", "U+007F": "\x7f", "U+0080": "\u0080", "U+07FF": "\u07ff", "U+0800": "\u0800", "U+D7FF": "\ud7ff", "U+E000": "\ue000",
		"U+FEFF": "\ufeffbom", "U+FFFE": "\xef\xbf\xbe", "U+FFFF": "\xef\xbf\xbf", "U+10000": "\U00010000", "U+10FFFF": "\U0010ffff",
		"line ends, quotes and tabs": "{\r\n\t\"a\": 1\r\n}\\", "U+2028 and HTML": "\u2028<&>",
	} {
		good("5.6", "a message with "+name, one(s), nil, text(s))
	}
	const notUTF8 = "message is not UTF-8"
	for name, s := range map[string]string{
		"a lone continuation byte": "a\x80", "the continuation byte BF": "\xbf", "the byte FE": "\xfe", "the byte FF": "\xff", "a rune cut at the end": "a\xe2\x82",
		"a rune cut in the middle": "\xe2\x82a", "the surrogate U+D800": "\xed\xa0\x80", "the surrogate U+DFFF": "\xed\xbf\xbf", "a pair of surrogates": "\xed\xa0\x80\xed\xb0\x80",
		"a slash in 2 bytes": "\xc0\xaf", "U+0000 in 2 bytes": "\xc0\x80", "U+007F in 2 bytes": "\xc1\xbf", "U+07FF in 3 bytes": "\xe0\x9f\xbf", "U+FFFF in 4 bytes": "\xf0\x8f\xbf\xbf",
		"U+110000": "\xf4\x90\x80\x80", "5 bytes": "\xf8\x88\x80\x80\x80", "6 bytes": "\xfc\x84\x80\x80\x80\x80",
	} {
		bad("8.1", "a message with "+name, 1007, notUTF8, text(s), bye)
	}
	good("8.1", "a rune split over fragments", one("€"), nil, masked(0x01, []byte("\xe2\x82")), masked(0x80, []byte("\xac")))
	good("8.1", "a rune split into fragments of one byte", one("😀"), nil, masked(0x01, []byte("\xf0")), masked(0x00, []byte("\x9f")), masked(0x00, []byte("\x98")), masked(0x80, []byte("\x80")))
	good("8.1", "a rune split by a ping", one("é"), one("p"), masked(0x01, []byte("\xc3")), masked(0x89, []byte("p")), masked(0x80, []byte("\xa9")))
	bad("8.1", "a rune cut at the end of a fragmented message", 1007, notUTF8, masked(0x01, []byte("a")), masked(0x80, []byte("\xc3")), bye)
	bad("8.1", "a byte FF in the last fragment", 1007, notUTF8, masked(0x01, []byte("a")), masked(0x80, []byte("\xff")), bye)
	bad("8.1", "a good message after a bad one is not delivered", 1007, notUTF8, text("\xff"), text("good"), bye)

	// What AWS refuses.
	const binary = "binary frames are not supported"
	bad("5.6", "a binary frame", 1003, binary, masked(0x82, []byte("a")), bye)
	bad("5.6", "an empty binary frame", 1003, binary, masked(0x82, nil), bye)
	bad("5.6", "a fragmented binary message", 1003, binary, masked(0x02, []byte("a")), masked(0x80, []byte("b")), bye)
	bad("5.6", "messages and pings after a binary frame", 1003, binary, masked(0x82, []byte("a")), text("b"), masked(0x89, []byte("p")), bye)
	bad("7.4.1", "a frame over its limit", 1009, "frame too long", masked(0x81, x(caseFrame+1)), bye)
	bad("7.4.1", "a fragment over the limit of a frame", 1009, "frame too long", masked(0x01, x(1)), masked(0x80, x(caseFrame+1)), bye)
	bad("7.4.1", "a frame that claims to be huge", 1009, "frame too long", append([]byte{0x81, 0xff, 0x7f}, x(7+4)...))
	good("7.4.1", "a message at its limit", one(string(x(caseMessage))), nil, masked(0x01, x(200)), masked(0x00, x(200)), masked(0x80, x(100)))
	bad("7.4.1", "a message over its limit", 1009, "message too long", masked(0x01, x(200)), masked(0x00, x(200)), masked(0x80, x(101)), bye)
	bad("7.4.1", "a message over its limit before its end", 1009, "message too long", masked(0x01, x(200)), masked(0x00, x(200)), masked(0x00, x(101)), bye)
	add(frameCase{section: "7.4.1", name: "a frame of 32 KB and a byte under the usual limits", send: join(masked(0x81, x(32<<10+1)), bye), usual: true, code: 1009, reason: "frame too long"})
	add(frameCase{section: "7.4.1", name: "a message of 128 KB under the usual limits", usual: true, bodies: one(string(x(128 << 10))), code: 1000,
		send: join(masked(0x01, x(32<<10)), masked(0x00, x(32<<10)), masked(0x00, x(32<<10)), masked(0x80, x(32<<10)), bye)})
	add(frameCase{section: "7.4.1", name: "a message of 128 KB and a byte under the usual limits", usual: true, code: 1009, reason: "message too long",
		send: join(masked(0x01, x(32<<10)), masked(0x00, x(32<<10)), masked(0x00, x(32<<10)), masked(0x00, x(32<<10)), masked(0x80, x(1)), bye)})
	return cases
}
