package management

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
// x-amz-security-token), so all but the path and the hash of the payload is the same
// for each request of a second: a signature is two hashes and no allocation. A
// property test holds every signature against AWS's.
//
// Safe for concurrent use.
type signer struct {
	host   string
	region string
	last   atomic.Pointer[signingTime]
}

// signingTime is what the signatures of one second with the same credentials share.
type signingTime struct {
	second      int64
	credentials aws.Credentials
	key         *signingKey

	date, token   string
	canonical     []byte // of the canonical request: what is between the path and the hash of the payload
	toSign        []byte // of the string to sign: what is before the hash of the canonical request
	authorization []byte // the value of the header, up to the signature
	lines         []byte // of the request: the signed lines, up to the signature
}

// signingKey is derived once a day and per secret.
type signingKey struct {
	day, accessKeyID, secret string
	scope                    string // day/region/execute-api/aws4_request
	macs                     sync.Pool
}

// mac is an HMAC with the key, and what one signature needs. One that has been used
// once remembers the key's part of the work.
type mac struct {
	hash.Hash
	text []byte
	sum  [sha256.Size]byte
}

// Service is the name that calls are signed for.
const Service = "execute-api"

func newSigningKey(day, region string, c aws.Credentials) *signingKey {
	h := hmacSHA256([]byte("AWS4"+c.SecretAccessKey), day)
	for _, part := range [...]string{region, Service, "aws4_request"} {
		h = hmacSHA256(h, part)
	}
	k := &signingKey{day: day, accessKeyID: c.AccessKeyID, secret: c.SecretAccessKey,
		scope: day + "/" + region + "/" + Service + "/aws4_request"}
	k.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, h)} }
	return k
}

var errCredentials = errors.New("the access key ID or the session token has a byte that no header may have; it was cut or pasted wrongly")

// at is what the signatures of a time share. The error says that the credentials
// cannot be sent.
func (s *signer) at(now time.Time, c aws.Credentials) (*signingTime, error) {
	last := s.last.Load()
	if last != nil && last.second == now.Unix() && last.credentials.AccessKeyID == c.AccessKeyID &&
		last.credentials.SecretAccessKey == c.SecretAccessKey && last.credentials.SessionToken == c.SessionToken {
		return last, nil
	}
	token := strings.TrimSpace(c.SessionToken)
	if !headerValue(c.AccessKeyID) || !headerValue(token) {
		return nil, errCredentials
	}
	date := now.UTC().Format("20060102T150405Z")
	t := &signingTime{second: now.Unix(), credentials: c, date: date, token: token}
	if day := date[:8]; last != nil && last.key.day == day && last.key.accessKeyID == c.AccessKeyID && last.key.secret == c.SecretAccessKey {
		t.key = last.key
	} else {
		t.key = newSigningKey(day, s.region, c)
	}
	signed, lines := "host;x-amz-date", "X-Amz-Date: "+date+"\r\n"
	canonical := "\n\nhost:" + s.host + "\nx-amz-date:" + date
	if token != "" {
		signed += ";x-amz-security-token"
		canonical += "\nx-amz-security-token:" + token
		lines += "X-Amz-Security-Token: " + token + "\r\n"
	}
	authorization := "AWS4-HMAC-SHA256 Credential=" + c.AccessKeyID + "/" + t.key.scope + ", SignedHeaders=" + signed + ", Signature="
	t.canonical = []byte(canonical + "\n\n" + signed + "\n")
	t.toSign = []byte("AWS4-HMAC-SHA256\n" + date + "\n" + t.key.scope + "\n")
	t.authorization = []byte(authorization)
	t.lines = []byte(lines + "Authorization: " + authorization)
	s.last.Store(t)
	return t, nil
}

// appendSignature appends the signature of a request. escapedPath is the path as it
// goes over the wire; the canonical path is that path with every byte outside the
// unreserved set escaped once more (aws/aws-sdk-go-v2 issue 889 shows it from a real
// client).
func (t *signingTime) appendSignature(b []byte, method string, escapedPath []byte, payloadHash string) []byte {
	m := t.key.macs.Get().(*mac)
	text := append(m.text[:0], method...)
	text = append(text, '\n')
	text = appendEscapedPath(text, escapedPath)
	text = append(text, t.canonical...)
	text = append(text, payloadHash...)
	canonical := sha256.Sum256(text)

	text = append(text[:0], t.toSign...)
	text = hex.AppendEncode(text, canonical[:])
	m.Write(text)
	b = hex.AppendEncode(b, m.Sum(m.sum[:0]))
	m.Reset()
	m.text = text
	t.key.macs.Put(m)
	return b
}

// sign puts the date, the session token and the signature into header.
func (s *signer) sign(header http.Header, method, escapedPath, payloadHash string, c aws.Credentials, now time.Time) error {
	t, err := s.at(now, c)
	if err != nil {
		return err
	}
	header["X-Amz-Date"] = []string{t.date}
	if t.token != "" {
		header["X-Amz-Security-Token"] = []string{t.token}
	}
	header["Authorization"] = []string{string(t.appendSignature(bytes.Clone(t.authorization), method, []byte(escapedPath), payloadHash))}
	return nil
}

// headerValue reports whether text can be the value of a header.
func headerValue(text string) bool {
	for i := range len(text) {
		if !valueByte(text[i]) {
			return false
		}
	}
	return true
}

// valueByte reports whether a value of a header may have a byte, as net/http has it.
func valueByte(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }

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
func appendEscapedPath(b, path []byte) []byte {
	for _, c := range path {
		if unreserved[c] || c == '/' {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

// appendSegment appends one path segment of a connection ID: as
// [appendEscapedPath], with '/' escaped too. It is what AWS's SDK puts on the
// wire for every ID.
func appendSegment(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; unreserved[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

func escapeSegment(s string) string { return string(appendSegment(nil, s)) }

var unreserved = func() (set [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~") {
		set[c] = true
	}
	return set
}()
