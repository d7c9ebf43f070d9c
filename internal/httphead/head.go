// Package httphead reads requests of HTTP/1.1 in the one form in which programs send
// them. It says of any other that it is not of that form, whether it is wrong or only
// unusual: net/http is to judge it, with the bytes that have been read. So a server that
// answers the ordinary request itself behaves as net/http's in all other cases.
//
// Whatever it takes, net/http takes too, and reads the same in it; fuzz targets hold the
// two against each other.
package httphead

import (
	"bytes"
	"strings"
)

// MaxBytes is how long a head may be. A longer one is not of the form.
const MaxBytes = 16 << 10

// Chunked is the Length of a request whose body comes in chunks.
const Chunked = -1

// Request is the head of a request. Its parts share the bytes that were parsed and are
// valid as long as these are. It may be used for one request after another.
type Request struct {
	Method string // GET, POST, PUT or DELETE
	// Target is the path and what follows it, as it was sent.
	Target []byte
	Host   []byte
	// Length is that of the body in bytes, or Chunked.
	Length int
	Fields []Field // all of them, in order
}

// Field is one header field, its name as it was sent.
type Field struct{ Name, Value []byte }

// Get is the value of the first field of a name, in whatever case, or nil.
func (r *Request) Get(name string) []byte {
	for i := range r.Fields {
		if fold(r.Fields[i].Name, name) {
			return r.Fields[i].Value
		}
	}
	return nil
}

// Parse reads the head at the beginning of b. ok tells whether it is of the form as far
// as it has come. size is its length with the empty line at its end, or 0 if that has
// not come: then the rest of r has no meaning.
func (r *Request) Parse(b []byte) (size int, ok bool) {
	end := bytes.Index(b, crlf2)
	if end < 0 {
		return 0, len(b) < MaxBytes
	}
	size = end + len(crlf2)
	if size > MaxBytes {
		return size, false
	}
	line, rest := cutLine(b[:end+2])
	if !r.parseLine(line) {
		return size, false
	}
	r.Host, r.Length, r.Fields = nil, 0, r.Fields[:0]
	var seen [specials]bool
	for len(rest) > 0 {
		line, rest = cutLine(rest)
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			return size, false
		}
		f := Field{line[:colon], bytes.Trim(line[colon+1:], " \t")}
		if !isToken(f.Name) || !isText(f.Value) || !r.special(f, &seen) {
			return size, false
		}
		r.Fields = append(r.Fields, f)
	}
	return size, r.Host != nil && !(seen[length] && seen[transfer]) && (!seen[trailer] || seen[transfer])
}

var crlf2 = []byte("\r\n\r\n")

// cutLine takes the first line of text of which each ends in CRLF.
func cutLine(text []byte) (line, rest []byte) {
	i := bytes.IndexByte(text, '\r')
	if i+1 < len(text) && text[i+1] == '\n' {
		return text[:i], text[i+2:]
	}
	return text, nil // its CR is not allowed anywhere, which the caller finds
}

var version = []byte(" HTTP/1.1")

func (r *Request) parseLine(line []byte) bool {
	line, ok := bytes.CutSuffix(line, version)
	space := bytes.IndexByte(line, ' ')
	if !ok || space < 0 {
		return false
	}
	switch string(line[:space]) { // none of them is allocated
	case "GET":
		r.Method = "GET"
	case "POST":
		r.Method = "POST"
	case "PUT":
		r.Method = "PUT"
	case "DELETE":
		r.Method = "DELETE"
	default:
		return false
	}
	r.Target = line[space+1:]
	if len(r.Target) == 0 || r.Target[0] != '/' || len(r.Target) > 1 && r.Target[1] == '/' {
		return false
	}
	return isTarget(r.Target)
}

// isTarget reports whether a target is printable and each percent sign has its two digits.
func isTarget(target []byte) bool {
	for i, c := range target {
		if c <= ' ' || c >= 0x7f || c == '%' && (i+2 >= len(target) || hexDigit(target[i+1]) < 0 || hexDigit(target[i+2]) < 0) {
			return false
		}
	}
	return true
}

// The fields that say what a request is. Each may be there once.
const (
	host = iota
	length
	transfer
	connection
	trailer
	specials
)

// special reads a field that means something to HTTP itself, and reports whether it is
// of the form.
func (r *Request) special(f Field, seen *[specials]bool) bool {
	once := func(which int) bool {
		first := !seen[which]
		seen[which] = true
		return first
	}
	switch len(f.Name) {
	case len("Host"):
		if fold(f.Name, "Host") {
			r.Host = f.Value
			return once(host) && isHost(f.Value)
		}
	case len("Expect"): // and Pragma, of which net/http makes another field
		return !fold(f.Name, "Expect") && !fold(f.Name, "Pragma")
	case len("Upgrade"): // and Trailer
		if fold(f.Name, "Trailer") {
			return once(trailer) && isTrailer(f.Value)
		}
		return !fold(f.Name, "Upgrade")
	case len("Connection"):
		if fold(f.Name, "Connection") {
			return once(connection) && fold(f.Value, "keep-alive")
		}
	case len("Content-Length"):
		if fold(f.Name, "Content-Length") {
			var ok bool
			r.Length, ok = decimal(f.Value)
			return once(length) && ok
		}
	case len("Transfer-Encoding"):
		if fold(f.Name, "Transfer-Encoding") {
			r.Length = Chunked
			return once(transfer) && fold(f.Value, "chunked")
		}
	}
	return true
}

// fold is bytes.EqualFold for a name of ASCII.
func fold(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i, c := range b {
		if lower(c) != lower(name[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// decimal reads a length of at most nine digits.
func decimal(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
		if n >= 1e9 {
			return 0, false
		}
	}
	return n, len(b) > 0 && len(b) < 10
}

// isTrailer reports whether the names of trailer fields are names, and none of a field
// that may not be there.
func isTrailer(value []byte) bool {
	for name := range bytes.SplitSeq(value, []byte(",")) {
		name = bytes.Trim(name, " \t")
		if !isToken(name) || fold(name, "Transfer-Encoding") || fold(name, "Trailer") || fold(name, "Content-Length") {
			return false
		}
	}
	return true
}

func isToken(name []byte) bool {
	for _, c := range name {
		if !tokens[c] {
			return false
		}
	}
	return len(name) > 0
}

// tokens are the characters of RFC 9110 §5.6.2.
var tokens = tableOf("!#$%&'*+-.^_`|~" + letters)

// hosts are those of a name or an address with a port.
var hosts = tableOf("-._:[]" + letters)

const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func tableOf(characters string) (table [256]bool) {
	for i := range table {
		table[i] = strings.IndexByte(characters, byte(i)) >= 0
	}
	return table
}

func isHost(value []byte) bool {
	for _, c := range value {
		if !hosts[c] {
			return false
		}
	}
	return len(value) > 0
}

// isText reports whether a value is printable ASCII, with tabs.
func isText(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}
