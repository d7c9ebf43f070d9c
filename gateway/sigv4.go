package gateway

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The canonical form is written here from the rules of AWS docs ("Create a
// signed AWS API request"), and never by AWS's signer: a mistake that signer
// and checker share would be found by nobody. Tests hold it against AWS's SDK.

const (
	algorithm     = "AWS4-HMAC-SHA256"
	service       = "execute-api" // the SDK model's endpointPrefix, which is also the signing name
	terminator    = "aws4_request"
	amzDateLayout = "20060102T150405Z"
)

// authorization is a parsed Authorization header.
type authorization struct {
	accessKeyID, day, region, service, terminator string
	signedHeaders                                 string // a;b;c, sorted
	signature                                     [sha256.Size]byte
}

// parseAuthorization is strict: each part once, nothing else. ok is false for
// a header that is not that.
func parseAuthorization(header string) (a authorization, ok bool) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return a, false
	}
	var seen [3]bool
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		which := 0
		switch name {
		case "Credential":
			ok = a.parseCredential(value)
		case "SignedHeaders":
			which = 1
			a.signedHeaders, ok = value, validSignedHeaders(value)
		case "Signature":
			which = 2
			ok = a.parseSignature(value)
		default:
			ok = false
		}
		if !ok || seen[which] {
			return a, false
		}
		seen[which] = true
	}
	return a, seen[0] && seen[1] && seen[2]
}

func (a *authorization) parseCredential(value string) bool {
	var parts [5]string
	for i := range parts {
		part, rest, more := strings.Cut(value, "/")
		if part == "" || more != (i < len(parts)-1) {
			return false
		}
		parts[i], value = part, rest
	}
	a.accessKeyID, a.day, a.region, a.service, a.terminator = parts[0], parts[1], parts[2], parts[3], parts[4]
	return true
}

func (a *authorization) parseSignature(value string) bool {
	if len(value) != 2*sha256.Size || strings.ToLower(value) != value {
		return false
	}
	_, err := hex.Decode(a.signature[:], []byte(value))
	return err == nil
}

// validSignedHeaders accepts lower-case header names in strictly rising order.
func validSignedHeaders(list string) bool {
	previous := ""
	for name := range strings.SplitSeq(list, ";") {
		if name <= previous {
			return false
		}
		if name == authority {
			previous = name
			continue
		}
		for _, c := range []byte(name) {
			if !isAlphanumeric(c) && c != '-' && c != '_' && c != '.' || 'A' <= c && c <= 'Z' {
				return false
			}
		}
		previous = name
	}
	return true
}

// authority is what a client signs over HTTP/2 in the place of host (the AWS SDK for
// JavaScript with its NodeHttp2Handler, middleware-host-header). That API Gateway takes it
// is UNCERTAIN.
const authority = ":authority"

// signs reports whether a header is among the signed ones.
func (a *authorization) signs(name string) bool {
	for signed := range strings.SplitSeq(a.signedHeaders, ";") {
		if signed == name {
			return true
		}
	}
	return false
}

// keyring holds who may sign. Safe for concurrent use.
type keyring struct {
	configured bool
	listed     []Credentials
	service    string
	region     string // empty: that of each request
	skew       time.Duration
	skewName   string // by which people change it

	mu        sync.Mutex
	generated []Credentials
	signing   map[signingKeyID][sha256.Size]byte
}

// signingKeyID names a derived key. The service is the keyring's.
type signingKeyID struct{ secret, day, region string }

// maxSigningKeys bounds the cache. A key is derived for known secrets and days
// inside the skew only, so few are ever needed at one time.
const maxSigningKeys = 64

func newKeyring(listed []Credentials, region string, skew time.Duration) *keyring {
	return &keyring{
		configured: listed != nil, listed: slices.Clone(listed), service: service, region: region, skew: skew,
		signing: make(map[signingKeyID][sha256.Size]byte),
	}
}

// claim is a signature whose time, scope and key are right, but which has not
// been verified.
type claim struct {
	authorization
	credentials Credentials
	time        string // as it was signed, in amzDateLayout
}

// check refuses what can be refused without the request's body.
func (k *keyring) check(r *http.Request, credentials []Credentials, now time.Time) (*claim, *refusal) {
	header := r.Header["Authorization"]
	if len(header) == 0 {
		return nil, missingToken.because(causeUnsigned, "it has no Authorization header; sign it for %s in %s", k.service, cmp.Or(k.region, "any region"))
	}
	a, ok := parseAuthorization(header[0])
	switch {
	case len(header) > 1:
		return nil, incompleteSignature.because(causeAuthorization, "it has %d Authorization headers", len(header))
	case !ok && !strings.HasPrefix(header[0], algorithm+" "):
		return nil, incompleteSignature.because(causeAuthorization, "its Authorization header is not of %s", algorithm)
	case !ok:
		return nil, incompleteSignature.because(causeAuthorization, "its Authorization header does not have Credential, SignedHeaders in lower case and order, and Signature, each once and whole")
	}
	at, stamp, ok := signingTime(r, &a)
	switch {
	case !ok:
		return nil, incompleteSignature.because(causeAuthorization, "its time is missing, malformed or not signed: X-Amz-Date has to be like %s and among SignedHeaders", amzDateLayout)
	case !a.signs("host") && !(r.ProtoMajor == 2 && a.signs(authority)):
		return nil, incompleteSignature.because(causeAuthorization, "the header host is not signed")
	}
	i := slices.IndexFunc(credentials, func(c Credentials) bool { return c.AccessKeyID == a.accessKeyID })
	if i < 0 {
		return nil, unrecognizedClient.because(causeAccessKey, "it is signed with %s, which is not %s", maskedKeyID(a.accessKeyID), knownKeyIDs(credentials))
	}
	if token := credentials[i].SessionToken; token != "" {
		given := r.Header.Get("X-Amz-Security-Token")
		if subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			return nil, unrecognizedClient.because(causeSessionToken, "its X-Amz-Security-Token is missing or not that of the access key")
		}
	}
	if refused := k.checkScope(&a, stamp); refused != nil {
		return nil, refused
	}
	if refused := k.checkTime(at, now, stamp); refused != nil {
		return nil, refused
	}
	return &claim{a, credentials[i], stamp}, nil
}

// checkScope compares the credential's scope. Each wrong part adds a sentence
// and a space; the one about the service is recorded for PostToConnection
// (aws-sdk-js-v3#1831), the others are of other services (UNCERTAIN here).
func (k *keyring) checkScope(a *authorization, stamp string) *refusal {
	var wrong string
	var why []string
	if k.region != "" && a.region != k.region {
		wrong += "Credential should be scoped to a valid region, not '" + a.region + "'. "
		why = append(why, "it is signed for the region "+quoted(a.region)+", and this is "+k.region)
	}
	if a.service != k.service {
		wrong += "Credential should be scoped to correct service: '" + k.service + "'. "
		why = append(why, "it is signed for the service "+quoted(a.service)+", and this is "+k.service)
	}
	if a.terminator != terminator {
		wrong += "Credential should be scoped with a valid terminator: '" + terminator + "', not '" + a.terminator + "'. "
		why = append(why, "its scope ends in "+quoted(a.terminator)+" and not in "+terminator)
	}
	if day := stamp[:8]; a.day != day {
		wrong += "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
			a.day + "' != '" + day + "', from '" + stamp + "'. "
		why = append(why, "the day of its scope, "+quoted(a.day)+", is not that of its time")
	}
	if wrong != "" {
		return invalidSignature(wrong).because(causeScope, "%s", strings.Join(why, "; "))
	}
	return nil
}

// checkTime refuses what was signed too long ago or for later (texts UNCERTAIN).
func (k *keyring) checkTime(at, now time.Time, stamp string) *refusal {
	minutes := k.skew.String()
	if k.skew%time.Minute == 0 {
		minutes = strings.TrimSuffix(minutes, "m0s") + " min"
	}
	now = now.UTC()
	if limit := now.Add(-k.skew); at.Before(limit) {
		return invalidSignature("Signature expired: "+stamp+" is now earlier than "+
			limit.Format(amzDateLayout)+" ("+now.Format(amzDateLayout)+" - "+minutes+".)").
			because(causeTime, "it was signed %v ago, and %v are allowed: the clocks differ, or it was kept; %s changes that", now.Sub(at).Round(time.Second), k.skew, k.skewName)
	}
	if limit := now.Add(k.skew); at.After(limit) {
		return invalidSignature("Signature not yet current: "+stamp+" is still later than "+
			limit.Format(amzDateLayout)+" ("+now.Format(amzDateLayout)+" + "+minutes+".)").
			because(causeTime, "its time is %v ahead of this clock, and %v are allowed; %s changes that", at.Sub(now).Round(time.Second), k.skew, k.skewName)
	}
	return nil
}

// signingTime is the request's own time, which must be signed: X-Amz-Date or,
// without one, Date.
func signingTime(r *http.Request, a *authorization) (at time.Time, stamp string, ok bool) {
	if values := r.Header["X-Amz-Date"]; len(values) > 0 {
		at, err := time.Parse(amzDateLayout, values[0])
		return at, values[0], err == nil && len(values) == 1 && len(values[0]) == len(amzDateLayout) && a.signs("x-amz-date")
	}
	values := r.Header["Date"]
	if len(values) != 1 || !a.signs("date") {
		return at, "", false
	}
	at, err := time.Parse(amzDateLayout, values[0])
	if err != nil {
		at, err = http.ParseTime(values[0])
	}
	return at, at.UTC().Format(amzDateLayout), err == nil
}

// canonicalBuffers hold canonical requests while they are hashed.
var canonicalBuffers = sync.Pool{New: func() any { return new([]byte) }}

// verify recomputes the signature. The body is hashed, whatever
// X-Amz-Content-Sha256 claims.
func (k *keyring) verify(r *http.Request, c *claim, body []byte) *refusal {
	buffer := canonicalBuffers.Get().(*[]byte)
	defer canonicalBuffers.Put(buffer)
	sum := sha256.Sum256(body)
	canonical, ok := appendCanonicalRequest((*buffer)[:0], r, c.signedHeaders, sum)
	*buffer = canonical
	if !ok {
		return signatureMismatch.because(causeSignature, "a header that is signed is not there")
	}
	sum = sha256.Sum256(canonical)

	text := append(canonical[:0], algorithm...)
	text = append(text, '\n')
	text = append(text, c.time...)
	text = append(text, '\n')
	for _, part := range [...]string{c.day, c.region, k.service} {
		text = append(text, part...)
		text = append(text, '/')
	}
	text = append(text, terminator...)
	text = append(text, '\n')
	text = hex.AppendEncode(text, sum[:])
	*buffer = text

	key := k.signingKey(c.credentials.SecretAccessKey, c.day, c.region)
	expected := hmacSHA256(key[:], text)
	if subtle.ConstantTimeCompare(expected[:], c.signature[:]) != 1 {
		return signatureMismatch.because(causeSignature, "it is not that of the request: another secret access key, or the path, a signed header or the body changed on the way (the path is signed as it was sent, escaped once more)")
	}
	return nil
}

func (k *keyring) signingKey(secret, day, region string) [sha256.Size]byte {
	id := signingKeyID{secret, day, region}
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, known := k.signing[id]; known {
		return key
	}
	key := hmacSHA256([]byte("AWS4"+secret), []byte(day))
	key = hmacSHA256(key[:], []byte(region))
	key = hmacSHA256(key[:], []byte(k.service))
	key = hmacSHA256(key[:], []byte(terminator))
	if len(k.signing) >= maxSigningKeys {
		clear(k.signing)
	}
	// The map keeps its own copies: the request's are parts of a header.
	k.signing[signingKeyID{secret, strings.Clone(day), strings.Clone(region)}] = key
	return key
}

// hmacSHA256 is HMAC (RFC 2104) on Sum256, which allocates nothing for short
// texts where crypto/hmac would make two hashes.
func hmacSHA256(key, text []byte) [sha256.Size]byte {
	var block [sha256.BlockSize]byte
	if len(key) > len(block) {
		sum := sha256.Sum256(key)
		copy(block[:], sum[:])
	} else {
		copy(block[:], key)
	}
	var room [sha256.BlockSize + 256]byte
	inner := room[:0]
	for _, b := range block {
		inner = append(inner, b^0x36)
	}
	sum := sha256.Sum256(append(inner, text...))
	outer := room[:0]
	for _, b := range block {
		outer = append(outer, b^0x5c)
	}
	return sha256.Sum256(append(outer, sum[:]...))
}

// The answers to what is wrong with a signature. All are 403.
var (
	missingToken = &refusal{status: http.StatusForbidden, errorType: "MissingAuthenticationTokenException",
		body: messageBody("Missing Authentication Token")} // recorded on a REST API; UNCERTAIN here
	incompleteSignature = &refusal{status: http.StatusForbidden, errorType: "IncompleteSignatureException",
		body: messageBody("Authorization header requires 'Credential', 'SignedHeaders' with host and a date, and 'Signature' parameters of " + algorithm + ".")} // text UNCERTAIN
	unrecognizedClient = &refusal{status: http.StatusForbidden, errorType: "UnrecognizedClientException",
		body: messageBody("The security token included in the request is invalid.")}
	signatureMismatch = invalidSignature("The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
)

func invalidSignature(message string) *refusal {
	return &refusal{status: http.StatusForbidden, errorType: "InvalidSignatureException", body: messageBody(message)}
}

// maskedKeyID is an access key ID as far as its owner needs it to know it again.
func maskedKeyID(id string) string {
	if id == DevelopmentCredentials().AccessKeyID {
		return "the development pair"
	}
	if len(id) < 8 {
		return "another access key"
	}
	return "the access key that ends in " + quoted(id[len(id)-4:])
}

// knownKeyIDs names who may sign.
func knownKeyIDs(credentials []Credentials) string {
	var names []string
	for _, c := range credentials {
		if c == DevelopmentCredentials() {
			names = append(names, "the development pair, wirepost and wirepost")
			continue
		}
		names = append(names, maskedKeyID(c.AccessKeyID))
	}
	if names == nil {
		return "known: no access key is"
	}
	return strings.Join(names, " or ")
}
