package management

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// signer signs requests to one host for one region with Signature Version 4.
// The set of signed headers is fixed (host, x-amz-date and, with a session,
// x-amz-security-token), which makes a signature about a third of the work of
// AWS's general signer. A property test holds every signature against AWS's.
//
// Safe for concurrent use.
type signer struct {
	host   string
	region string
	key    atomic.Pointer[signingKey]
}

// signingKey is derived once a day and per secret.
type signingKey struct {
	day, accessKeyID, secret string
	scope                    string // day/region/execute-api/aws4_request
	// macs are HMACs with the key. One that has been used once remembers the key's
	// part of the work.
	macs sync.Pool
}

// Service is the name that calls are signed for.
const Service = "execute-api"

func (s *signer) signingKey(day string, c aws.Credentials) *signingKey {
	if k := s.key.Load(); k != nil && k.day == day && k.accessKeyID == c.AccessKeyID && k.secret == c.SecretAccessKey {
		return k
	}
	h := hmacSHA256([]byte("AWS4"+c.SecretAccessKey), day)
	for _, part := range [...]string{s.region, Service, "aws4_request"} {
		h = hmacSHA256(h, part)
	}
	k := &signingKey{day: day, accessKeyID: c.AccessKeyID, secret: c.SecretAccessKey,
		scope: day + "/" + s.region + "/" + Service + "/aws4_request"}
	k.macs.New = func() any { return hmac.New(sha256.New, h) }
	s.key.Store(k)
	return k
}

// sign puts the date, the session token and the signature into header.
// escapedPath is the path as it goes over the wire; the canonical path is that
// path with every byte outside the unreserved set escaped once more
// (aws/aws-sdk-go-v2 issue 889 shows it from a real client).
func (s *signer) sign(header http.Header, method, escapedPath, payloadHash string, c aws.Credentials, now time.Time) {
	var stamp [16]byte
	date := string(now.UTC().AppendFormat(stamp[:0], "20060102T150405Z"))
	k := s.signingKey(date[:8], c)

	signed := "host;x-amz-date"
	b := make([]byte, 0, 512+len(c.SessionToken))
	b = append(b, method...)
	b = append(b, '\n')
	b = appendEscapedPath(b, escapedPath)
	b = append(b, "\n\nhost:"...)
	b = append(b, s.host...)
	b = append(b, "\nx-amz-date:"...)
	b = append(b, date...)
	if c.SessionToken != "" {
		signed = "host;x-amz-date;x-amz-security-token"
		b = append(b, "\nx-amz-security-token:"...)
		b = append(b, strings.TrimSpace(c.SessionToken)...)
	}
	b = append(b, "\n\n"...)
	b = append(b, signed...)
	b = append(b, '\n')
	b = append(b, payloadHash...)
	canonical := sha256.Sum256(b)

	b = append(b[:0], "AWS4-HMAC-SHA256\n"...)
	b = append(b, date...)
	b = append(b, '\n')
	b = append(b, k.scope...)
	b = append(b, '\n')
	b = hex.AppendEncode(b, canonical[:])
	mac := k.macs.Get().(hash.Hash)
	mac.Write(b)
	var sum [sha256.Size]byte
	signature := mac.Sum(sum[:0])
	mac.Reset()
	k.macs.Put(mac)

	b = append(b[:0], "AWS4-HMAC-SHA256 Credential="...)
	b = append(b, c.AccessKeyID...)
	b = append(b, '/')
	b = append(b, k.scope...)
	b = append(b, ", SignedHeaders="...)
	b = append(b, signed...)
	b = append(b, ", Signature="...)
	b = hex.AppendEncode(b, signature)

	header["X-Amz-Date"] = []string{date}
	if c.SessionToken != "" {
		header["X-Amz-Security-Token"] = []string{c.SessionToken}
	}
	header["Authorization"] = []string{string(b)}
}

func hmacSHA256(key []byte, data string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(data))
	return m.Sum(nil)
}

// emptyPayloadHash is the SHA-256 of nothing.
const emptyPayloadHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func payloadHash(data []byte) string {
	if len(data) == 0 {
		return emptyPayloadHash
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

const upperHex = "0123456789ABCDEF"

// appendEscapedPath escapes every byte but RFC 3986's unreserved set and '/'.
func appendEscapedPath(b []byte, path string) []byte {
	for i := 0; i < len(path); i++ {
		if c := path[i]; unreserved(c) || c == '/' {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

// escapeSegment makes one path segment of a connection ID: as
// [appendEscapedPath], with '/' escaped too. It is what AWS's SDK puts on the
// wire for every ID.
func escapeSegment(s string) string {
	b := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); i++ {
		if c := s[i]; unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
}
