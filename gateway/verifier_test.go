package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func TestAVerifierTakesWhatAWSsSignerSignedForItsServiceAndNothingElse(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	pair := Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost"}
	const body = `{"a":1}`
	request := func(service, region, secret string, at time.Time) *http.Request {
		r := httptest.NewRequest("POST", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Achat/invocations?Qualifier=live", strings.NewReader(body))
		sum := sha256.Sum256([]byte(body))
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: pair.AccessKeyID, SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), service, region, at); err != nil {
			t.Fatal(err)
		}
		return r
	}
	any := &Verifier{Service: "lambda", Credentials: []Credentials{pair}, Now: func() time.Time { return now }}
	for _, region := range []string{"eu-west-1", "us-east-1", "eu-west-1"} {
		if got, err := any.Verify(request("lambda", region, "wirepost", now), []byte(body)); err != nil || got != region {
			t.Errorf("signed for %s: %s, %v", region, got, err)
		}
	}
	own := &Verifier{Service: "lambda", Region: "eu-west-1", Credentials: []Credentials{pair}, Now: any.Now}
	for _, wrong := range []struct {
		name     string
		verifier *Verifier
		r        *http.Request
		body     string
		kind     string
	}{
		{"another service", any, request("execute-api", "eu-west-1", "wirepost", now), body, "InvalidSignatureException"},
		{"another region", own, request("lambda", "us-east-1", "wirepost", now), body, "InvalidSignatureException"},
		{"another secret", any, request("lambda", "eu-west-1", "guessed", now), body, "InvalidSignatureException"},
		{"another body", any, request("lambda", "eu-west-1", "wirepost", now), `{"a":2}`, "InvalidSignatureException"},
		{"an old signature", any, request("lambda", "eu-west-1", "wirepost", now.Add(-time.Hour)), body, "InvalidSignatureException"},
		{"no signature", any, httptest.NewRequest("POST", "/", nil), "", "MissingAuthenticationTokenException"},
	} {
		_, err := wrong.verifier.Verify(wrong.r, []byte(wrong.body))
		refused, ok := errors.AsType[*SignatureError](err)
		if !ok || refused.Type != wrong.kind || refused.Status != http.StatusForbidden || refused.Message == "" || refused.Why == "" {
			t.Errorf("%s: %+v", wrong.name, err)
		}
	}
}
