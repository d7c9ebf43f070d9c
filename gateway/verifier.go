package gateway

import (
	"net/http"
	"sync"
	"time"
)

// Verifier checks the signatures of requests to another service of AWS than the
// management API, as the gateway checks those. Its method may be called concurrently;
// its fields must not change after the first call.
type Verifier struct {
	// Service is the signing name of the service, such as lambda.
	Service string

	// Region that requests must be signed for. Empty means any.
	Region string

	// Credentials may sign.
	Credentials []Credentials

	// ClockSkew is how far a signature's time may be from Now. Zero means
	// DefaultClockSkew. Now nil means time.Now.
	ClockSkew time.Duration
	Now       func() time.Time

	once sync.Once
	keys *keyring
}

// A SignatureError is a request that was not signed, or wrongly. Type and Message are
// those by which AWS's services refuse it, with Status; Why is for people.
type SignatureError struct {
	Status             int
	Type, Message, Why string
}

// Error is Type, and Why.
func (e *SignatureError) Error() string { return e.Type + ": " + e.Why }

// Verify checks the signature of a request whose body has been read, and returns the
// region that it was signed for. An error is a *SignatureError. The body is hashed,
// whatever the request says of its hash.
func (v *Verifier) Verify(r *http.Request, body []byte) (region string, err error) {
	v.once.Do(func() {
		skew := v.ClockSkew
		if skew == 0 {
			skew = DefaultClockSkew
		}
		v.keys = newKeyring(v.Credentials, v.Region, skew)
		v.keys.service, v.keys.skewName = v.Service, "Verifier.ClockSkew"
	})
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	claim, refused := v.keys.check(r, v.Credentials, now())
	if refused == nil {
		refused = v.keys.verify(r, claim, body)
	}
	if refused != nil {
		return "", &SignatureError{refused.status, refused.errorType, refused.message(), refused.why}
	}
	return claim.region, nil
}
