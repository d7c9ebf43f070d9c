package dev

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/awslocal"
)

func TestARequestForAWSGoesAsItCameOrSignedAgain(t *testing.T) {
	var got *http.Request
	var body string
	o := onward{region: "eu-west-1", pair: func() gateway.Credentials {
		return gateway.Credentials{AccessKeyID: "AKIDOWN", SecretAccessKey: "secret", SessionToken: "session"}
	}, aws: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
	})}
	const came = "AWS4-HMAC-SHA256 Credential=AKIDOWN/20260101/ap-southeast-2/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
	for _, c := range []struct {
		service          awslocal.Service
		host, signature  string
		wantHost, wantIn string
	}{
		{awslocal.DynamoDB, "dynamodb.us-east-1.amazonaws.com", came, "dynamodb.us-east-1.amazonaws.com", came},
		{awslocal.DynamoDB, "127.0.0.1:4100", came, "dynamodb.ap-southeast-2.amazonaws.com", "Credential=AKIDOWN/"},
		{awslocal.Streams, "localhost:4100", came, "streams.dynamodb.ap-southeast-2.amazonaws.com", "/ap-southeast-2/dynamodb/aws4_request"},
		{awslocal.SQS, "[::1]:4100", "", "sqs.eu-west-1.amazonaws.com", "/eu-west-1/sqs/aws4_request"},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://"+c.host+"/", strings.NewReader(`{"a": 1}`))
		r.Header.Set("X-Amz-Target", "any")
		r.Header.Set("Authorization", c.signature)
		o.forward(c.service, httptest.NewRecorder(), r)
		if got == nil || got.Host != c.wantHost || !strings.Contains(got.Header.Get("Authorization"), c.wantIn) || got.Header.Get("X-Amz-Target") != "any" || body != `{"a": 1}` {
			t.Errorf("%s at %s is asked of %s, %s, %s", c.service, c.host, got.Host, got.Header, body)
		}
		if again := c.wantHost != c.host; again && (got.Header.Get("Authorization") == came || got.Header.Get("X-Amz-Security-Token") != "session" || got.URL.Scheme != "https") {
			t.Errorf("%s at %s is not signed again: %s %s", c.service, c.host, got.URL, got.Header)
		}
	}
}
