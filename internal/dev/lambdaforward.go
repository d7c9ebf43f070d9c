package dev

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wirepost/wirepost/gateway"
)

// lambdaForward sends calls of Lambda's API to AWS, for functions that have the caller's
// own credentials. They were signed for this machine's address, so they are signed anew,
// with the same pair.
type lambdaForward struct {
	pair   gateway.Credentials
	client *http.Client
	base   string // of tests; empty: AWS in the region of the call
}

// newLambdaForward makes one for a pair.
func newLambdaForward(pair gateway.Credentials, by http.RoundTripper) *lambdaForward {
	return &lambdaForward{pair: pair, client: &http.Client{Transport: by, CheckRedirect: stay}}
}

var regionName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// maxForwarded bounds an answer of AWS's: Lambda's largest, and a little more.
const maxForwarded = 7 << 20

func (l *lambdaForward) forward(w http.ResponseWriter, r *http.Request, region string, body []byte) {
	answer, err := l.send(r, region, body)
	if err != nil {
		text, _ := json.Marshal(map[string]string{"Type": "Service", "Message": "wirepost could not call Lambda on AWS: " + err.Error()}) // strings only
		w.Header().Set("X-Amzn-Errortype", "ServiceException")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write(text)
		return
	}
	defer answer.Body.Close()
	for name, values := range answer.Header {
		if name != "Connection" && name != "Transfer-Encoding" && name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(answer.Body, maxForwarded)) // a caller that has gone needs nothing
}

func (l *lambdaForward) send(r *http.Request, region string, body []byte) (*http.Response, error) {
	base := l.base
	if !regionName.MatchString(region) {
		return nil, fmt.Errorf("%.40q is not a region", region)
	}
	if base == "" {
		base = fmt.Sprintf("https://lambda.%s.amazonaws.com", region)
		if strings.HasPrefix(region, "cn-") {
			base += ".cn"
		}
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, base+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && name != "X-Amz-Date" && name != "X-Amz-Security-Token" && name != "X-Amz-Content-Sha256" || name == "Content-Type" {
			out.Header[name] = values
		}
	}
	sum := sha256.Sum256(body)
	pair := aws.Credentials{AccessKeyID: l.pair.AccessKeyID, SecretAccessKey: l.pair.SecretAccessKey, SessionToken: l.pair.SessionToken}
	if err := v4.NewSigner().SignHTTP(r.Context(), pair, out, hex.EncodeToString(sum[:]), "lambda", region, time.Now()); err != nil {
		return nil, err
	}
	return l.client.Do(out)
}
