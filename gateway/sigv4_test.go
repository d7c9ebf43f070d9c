package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/smithy-go"
)

// vectors are two requests of AWS's Go SDK v1.38.0 as they were measured.
var vectors = []struct {
	name, method, body, signature string
	at                            string
	header                        map[string]string
}{
	{
		name: "a post", method: "POST", body: "hello", at: "20261123T041322Z",
		signature: "356d94a98e9d0893f3e2786c671ea84d87bcba49d3a0540197b5086e5d8bb53c",
		header: map[string]string{
			"Amz-Sdk-Invocation-Id": "073aef45-d8ef-4f9a-9c41-172369bcb9a6", "Amz-Sdk-Request": "attempt=1; max=3",
			"Content-Length": "5", "Content-Type": "application/octet-stream",
		},
	},
	{
		name: "a get", method: "GET", at: "20261123T041334Z",
		signature: "cc9362cdcb923079fa6576d02883461223a00c6d7edc1eca6507c55498e55514",
		header: map[string]string{
			"Amz-Sdk-Invocation-Id": "13a3fdc7-1917-48b6-8024-db7cc2887d39", "Amz-Sdk-Request": "attempt=1; max=3",
		},
	},
}

func TestTheMeasuredSignaturesOfTheSDKAreRight(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			r := httptest.NewRequest(v.method, "/prod/@connections/L0SM9cOFvHcCIhw%3D", strings.NewReader(v.body))
			r.Host = "127.0.0.1:33527"
			names := []string{}
			for name, value := range v.header {
				r.Header.Set(name, value)
			}
			r.Header.Set("X-Amz-Date", v.at)
			for _, name := range []string{"amz-sdk-invocation-id", "amz-sdk-request", "content-length", "content-type", "host", "x-amz-date"} {
				if r.Header.Get(name) != "" || name == "host" {
					names = append(names, name)
				}
			}
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/execute-api/aws4_request, SignedHeaders="+
				strings.Join(names, ";")+", Signature="+v.signature)
			k := newKeyring(nil, "us-east-1", 5*time.Minute)
			now, _ := time.Parse(amzDateLayout, v.at)
			claim, refused := k.check(r, []Credentials{{AccessKeyID: "AKID", SecretAccessKey: "SECRET"}}, now)
			if refused != nil {
				t.Fatalf("check: %s", refused.body)
			}
			if refused := k.verify(r, claim, []byte(v.body)); refused != nil {
				t.Errorf("verify: %s", refused.body)
			}
			if refused := k.verify(r, claim, []byte(v.body+"!")); refused == nil || refused.body != signatureMismatch.body {
				t.Errorf("verify of another body: %v", refused)
			}
		})
	}
}

// signedBy is AWS's signer as the SDK's client uses it.
func signedBy(t testing.TB, r *http.Request, body []byte, c Credentials, region, service string, at time.Time) {
	t.Helper()
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hex.EncodeToString(sum[:]), service, region, at); err != nil {
		t.Fatal(err)
	}
}

func TestEveryWrongSignatureIsRefusedWithItsOwnAnswer(t *testing.T) {
	now := time.Date(2026, 11, 23, 4, 13, 22, 0, time.UTC)
	good := Credentials{AccessKeyID: "AKID", SecretAccessKey: "SECRET"}
	token := Credentials{AccessKeyID: "ASIA", SecretAccessKey: "SECRET", SessionToken: "TOKEN"}
	s := &Server{Function: newRecorder(), Credentials: []Credentials{good, token}, Now: func() time.Time { return now }}
	host := serve(t, s)
	const path = "/dev/@connections/L0SM9cOFvHcCIhw%3D"
	const mismatch = `{"message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}`
	type request struct {
		credentials     Credentials
		region, service string
		at              time.Time
		path            string
		header          http.Header
	}
	for _, test := range []struct {
		name   string
		sign   func(*request)
		change func(*http.Request)
		status int
		kind   string
		body   string
	}{
		{name: "a right one reaches the connection, which is gone", status: 410, kind: "GoneException"},
		{name: "a right one with %40connections", sign: func(r *request) { r.path = "/dev/%40connections/L0SM9cOFvHcCIhw%3D" }, status: 410, kind: "GoneException"},
		{name: "a right one with a query", sign: func(r *request) { r.path += "?b=2&a=x%20y&a=%2F&c" }, status: 410, kind: "GoneException"},
		{name: "a right one at the edge of the skew", sign: func(r *request) { r.at = now.Add(-5 * time.Minute) }, status: 410, kind: "GoneException"},
		{name: "a right one with a session token", sign: func(r *request) { r.credentials = token }, status: 410, kind: "GoneException"},
		{name: "a right one with odd spaces in a header", sign: func(r *request) { r.header.Set("X-Amz-Meta", "a   b  c") }, status: 410, kind: "GoneException"},
		{name: "a right one that claims a body hash", sign: func(r *request) { r.header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, status: 410, kind: "GoneException"},
		{name: "unsigned", change: func(r *http.Request) { r.Header.Del("Authorization") },
			status: 403, kind: "MissingAuthenticationTokenException", body: `{"message":"Missing Authentication Token"}`},
		{name: "another scheme", change: func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") },
			status: 403, kind: "IncompleteSignatureException"},
		{name: "two authorizations", change: func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) },
			status: 403, kind: "IncompleteSignatureException"},
		{name: "a wrong secret", sign: func(r *request) { r.credentials.SecretAccessKey = "OTHER" }, status: 403, kind: "InvalidSignatureException", body: mismatch},
		{name: "an unknown access key", sign: func(r *request) { r.credentials.AccessKeyID = "OTHER" },
			status: 403, kind: "UnrecognizedClientException", body: `{"message":"The security token included in the request is invalid."}`},
		{name: "a wrong session token", sign: func(r *request) { r.credentials = token; r.credentials.SessionToken = "OTHER" },
			status: 403, kind: "UnrecognizedClientException"},
		{name: "a wrong region", sign: func(r *request) { r.region = "eu-west-1" },
			status: 403, kind: "InvalidSignatureException", body: `{"message":"Credential should be scoped to a valid region, not 'eu-west-1'. "}`},
		{name: "a wrong service", sign: func(r *request) { r.service = "apigateway" },
			status: 403, kind: "InvalidSignatureException", body: `{"message":"Credential should be scoped to correct service: 'execute-api'. "}`},
		{name: "too late", sign: func(r *request) { r.at = now.Add(-5*time.Minute - time.Second) },
			status: 403, kind: "InvalidSignatureException",
			body: `{"message":"Signature expired: 20261123T040821Z is now earlier than 20261123T040822Z (20261123T041322Z - 5 min.)"}`},
		{name: "too early", sign: func(r *request) { r.at = now.Add(5*time.Minute + time.Second) },
			status: 403, kind: "InvalidSignatureException",
			body: `{"message":"Signature not yet current: 20261123T041823Z is still later than 20261123T041822Z (20261123T041322Z + 5 min.)"}`},
		{name: "another day in the scope", change: func(r *http.Request) { replaceAuthorization(r, "/20261123/", "/20261122/") },
			status: 403, kind: "InvalidSignatureException"},
		{name: "a changed body", change: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("jello")) }, status: 403, kind: "InvalidSignatureException", body: mismatch},
		{name: "a changed path", change: func(r *http.Request) {
			r.URL.Opaque = ""
			r.URL.RawPath = ""
			r.URL.Path = "/dev/@connections/L0SM9cOFvHcCIhx="
		},
			status: 403, kind: "InvalidSignatureException", body: mismatch},
		{name: "a changed query", change: func(r *http.Request) { r.URL.RawQuery = "a=1" }, status: 403, kind: "InvalidSignatureException", body: mismatch},
		{name: "a changed method", change: func(r *http.Request) { r.Method = "DELETE" }, status: 403, kind: "InvalidSignatureException", body: mismatch},
		{name: "a changed host", change: func(r *http.Request) { r.Host = "elsewhere.test" }, status: 403, kind: "InvalidSignatureException", body: mismatch},
		{name: "a changed signed header", change: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, status: 403, kind: "InvalidSignatureException", body: mismatch},
		{name: "a missing signed header", change: func(r *http.Request) { r.Header.Del("Content-Type") }, status: 403, kind: "InvalidSignatureException", body: mismatch},
		{name: "a date that is not signed", change: func(r *http.Request) { replaceAuthorization(r, ";x-amz-date", "") }, status: 403, kind: "IncompleteSignatureException"},
		{name: "a host that is not signed", change: func(r *http.Request) { replaceAuthorization(r, "host;", "") }, status: 403, kind: "IncompleteSignatureException"},
		{name: "a signature in capitals", change: func(r *http.Request) {
			a := r.Header.Get("Authorization")
			i := strings.LastIndex(a, "=")
			r.Header.Set("Authorization", a[:i]+strings.ToUpper(a[i:]))
		}, status: 403, kind: "IncompleteSignatureException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := request{good, "us-east-1", "execute-api", now, path, http.Header{"Content-Type": {"application/octet-stream"}}}
			if test.sign != nil {
				test.sign(&q)
			}
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+host+q.path, strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = q.header
			signedBy(t, r, []byte("hello"), q.credentials, q.region, q.service, q.at)
			if test.change != nil {
				test.change(r)
			}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != test.status || response.Header.Get("x-amzn-errortype") != test.kind {
				t.Errorf("answer = %d %s %s, want %d %s", response.StatusCode, response.Header.Get("x-amzn-errortype"), body, test.status, test.kind)
			}
			if test.body != "" && string(body) != test.body {
				t.Errorf("body = %s\nwant   %s", body, test.body)
			}
			if bytes.Contains(body, []byte("SECRET")) {
				t.Errorf("the answer shows a secret")
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()
}

func replaceAuthorization(r *http.Request, old, new string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
}

// client is AWS's own management client.
func client(host string, c Credentials) *apigatewaymanagementapi.Client {
	return apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + host + "/dev"), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, nil
		}),
	})
}

func TestAWSsOwnClientIsUnderstoodAndRefused(t *testing.T) {
	host := serve(t, &Server{Function: newRecorder()})
	post := func(c Credentials) error {
		_, err := client(host, c).PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{
			ConnectionId: aws.String("L0SM9cOFvHcCIhw="), Data: []byte("hello")})
		return err
	}
	for _, test := range []struct {
		name        string
		credentials Credentials
		code        string
	}{
		{"the development pair", DevelopmentCredentials(), "GoneException"},
		{"a session token that nobody asked for", Credentials{"wirepost", "wirepost", "T"}, "GoneException"},
		{"a wrong secret", Credentials{"wirepost", "x", ""}, "InvalidSignatureException"},
		{"a wrong access key", Credentials{"x", "wirepost", ""}, "UnrecognizedClientException"},
	} {
		err := post(test.credentials)
		if apiError, ok := errors.AsType[smithy.APIError](err); !ok || apiError.ErrorCode() != test.code {
			t.Errorf("%s: %v, want %s", test.name, err, test.code)
		}
	}
}

func TestSigningKeysAreCachedWithinABound(t *testing.T) {
	k := newKeyring(nil, "us-east-1", time.Minute)
	first := k.signingKey("SECRET", "20261123", "us-east-1")
	for i := range 3 * maxSigningKeys {
		k.signingKey("SECRET", time.Unix(int64(i)*86400, 0).Format("20060102"), "us-east-1")
	}
	if n := len(k.signing); n > maxSigningKeys {
		t.Errorf("%d keys are cached, want at most %d", n, maxSigningKeys)
	}
	if k.signingKey("SECRET", "20261123", "us-east-1") != first {
		t.Error("the key of a day changed")
	}
}

func signedRequest(t testing.TB, now time.Time) *http.Request {
	r := httptest.NewRequest("POST", "/dev/@connections/L0SM9cOFvHcCIhw%3D", strings.NewReader("hello"))
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("Amz-Sdk-Invocation-Id", "073aef45-d8ef-4f9a-9c41-172369bcb9a6")
	r.Header.Set("Amz-Sdk-Request", "attempt=1; max=3")
	signedBy(t, r, []byte("hello"), DevelopmentCredentials(), "us-east-1", "execute-api", now)
	return r
}

// BenchmarkVerify is one check of a signature. Goal: at most 6 µs.
func BenchmarkVerify(b *testing.B) {
	now := time.Now()
	r := signedRequest(b, now)
	k := newKeyring(nil, "us-east-1", DefaultClockSkew)
	credentials := []Credentials{DevelopmentCredentials()}
	b.ReportAllocs()
	for b.Loop() {
		claim, refused := k.check(r, credentials, now)
		if refused == nil {
			refused = k.verify(r, claim, []byte("hello"))
		}
		if refused != nil {
			b.Fatal(refused.body)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	now := time.Date(2026, 11, 23, 4, 13, 22, 0, time.UTC)
	good := signedRequest(f, now)
	f.Add(good.Header.Get("Authorization"))
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=00")
	f.Add("AWS4-HMAC-SHA256 ,=,=")
	k := newKeyring(nil, "us-east-1", DefaultClockSkew)
	f.Fuzz(func(t *testing.T, header string) {
		r := good.Clone(context.Background())
		r.Header.Set("Authorization", header)
		claim, refused := k.check(r, []Credentials{DevelopmentCredentials()}, now)
		if refused == nil {
			refused = k.verify(r, claim, []byte("hello"))
		}
		if refused != nil {
			if refused.status != 403 || refused.errorType == "" {
				t.Errorf("refused with %+v", refused)
			}
			return
		}
		// Accepted: then it says the same as the good one.
		want, _ := parseAuthorization(good.Header.Get("Authorization"))
		if claim.authorization != want {
			t.Errorf("accepted %q", header)
		}
	})
}
