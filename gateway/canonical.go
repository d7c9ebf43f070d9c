package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// appendCanonicalRequest appends the canonical request of SigV4. It reports
// false if a header that is said to be signed is not there.
func appendCanonicalRequest(dst []byte, r *http.Request, signedHeaders string, bodySum [sha256.Size]byte) ([]byte, bool) {
	path, query := requestTarget(r)
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	dst = appendCanonicalPath(dst, path)
	dst = append(dst, '\n')
	dst = appendCanonicalQuery(dst, query)
	dst = append(dst, '\n')
	for name := range strings.SplitSeq(signedHeaders, ";") {
		dst = append(dst, name...)
		dst = append(dst, ':')
		var ok bool
		if dst, ok = appendCanonicalHeader(dst, r, name); !ok {
			return dst, false
		}
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	dst = append(dst, signedHeaders...)
	dst = append(dst, '\n')
	return hex.AppendEncode(dst, bodySum[:]), true
}

// requestTarget is the path and the query as they were received.
func requestTarget(r *http.Request) (path, query string) {
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") {
		// Absolute form, or a request that no server has read.
		return r.URL.EscapedPath(), r.URL.RawQuery
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query
}

const upperHex = "0123456789ABCDEF"

func isUnreserved(c byte) bool {
	return isAlphanumeric(c) || c == '-' || c == '_' || c == '.' || c == '~'
}

// appendCanonicalPath encodes the received path, which is encoded already,
// once more: every service but S3 wants that (measured with AWS's SDK, and in
// aws/aws-sdk-go-v2#889). A raw @ becomes %40 and %40 becomes %2540.
func appendCanonicalPath(dst []byte, path string) []byte {
	if path == "" {
		return append(dst, '/')
	}
	for _, c := range []byte(path) {
		if c == '/' || isUnreserved(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// appendCanonicalQuery decodes, encodes again and sorts. A plus is a space, as
// for every SDK that builds a query.
func appendCanonicalQuery(dst []byte, query string) []byte {
	if query == "" {
		return dst
	}
	type pair struct{ name, value string }
	var pairs []pair
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, pair{canonicalQueryPart(name), canonicalQueryPart(value)})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if order := strings.Compare(a.name, b.name); order != 0 {
			return order
		}
		return strings.Compare(a.value, b.value)
	})
	for i, p := range pairs {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, p.name...)
		dst = append(dst, '=')
		dst = append(dst, p.value...)
	}
	return dst
}

func canonicalQueryPart(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		s = decoded
	}
	dst := make([]byte, 0, len(s)+8)
	for _, c := range []byte(s) {
		if isUnreserved(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(dst)
}

// appendCanonicalHeader appends the values of one header: trimmed, inner runs
// of spaces collapsed, several joined by commas. The three that net/http takes
// out of the header map are looked up where it puts them.
func appendCanonicalHeader(dst []byte, r *http.Request, name string) ([]byte, bool) {
	if name == "host" || name == authority && r.ProtoMajor == 2 {
		return append(dst, r.Host...), true
	}
	var room [64]byte
	key := append(room[:0], name...)
	upper := true
	for i, c := range key {
		if upper && 'a' <= c && c <= 'z' {
			key[i] = c - 'a' + 'A'
		}
		upper = c == '-'
	}
	values := r.Header[string(key)]
	if len(values) == 0 {
		switch {
		case name == "content-length" && r.ContentLength >= 0:
			return strconv.AppendInt(dst, r.ContentLength, 10), true
		case name == "transfer-encoding" && len(r.TransferEncoding) > 0:
			return append(dst, strings.Join(r.TransferEncoding, ",")...), true
		}
		return dst, false
	}
	for i, value := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		space := false
		for _, c := range []byte(strings.Trim(value, " \t")) {
			if c == ' ' {
				space = true
				continue
			}
			if space {
				dst = append(dst, ' ')
				space = false
			}
			dst = append(dst, c)
		}
	}
	return dst, true
}
