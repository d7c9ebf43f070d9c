package wirepost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
)

// strangers are servers that are not API Gateway, and what they answer to a post.
var strangers = []struct {
	name         string
	status       int
	header       map[string]string
	body         string
	instead      Problem // what it would mean from API Gateway; empty: nothing
	shown        string  // of the body
	ofAWS, words string  // what AWS's client keeps of it, and the sentence
}{
	{"an emulator without @connections", 404, map[string]string{"Content-Type": "application/json"}, `{"error":"Unable to find integration for API /@connections/abc route ccc5dec4: "}`,
		ProblemUnexpected, `{"error":"Unable to find integration`, "", "by something that does not say what it is"},
	{"an emulator that fails", 500, map[string]string{"Content-Type": "application/json"}, `{"error":"x"}`, ProblemServerError, `{"error":"x"}`, "", "by something"},
	{"a framework that knows no such route", 404, map[string]string{"Content-Type": "application/json", "Server": "node"}, `{"message":"Route POST:/dev/@connections/abc not found","error":"Not Found","statusCode":404}`,
		ProblemUnexpected, `{"message":"Route POST`, "Route POST:/dev/@connections/abc not found", "by node: "},
	{"a WebSocket server, 400", 400, map[string]string{"Content-Type": "text/plain"}, "Failed to open a WebSocket connection: did not receive a valid HTTP request.\n",
		ProblemUnexpected, "Failed to open a WebSocket connection", "Failed to open a WebSocket connection", "by a WebSocket server"},
	{"a WebSocket server, 426", 426, map[string]string{"Upgrade": "websocket"}, "Upgrade Required", ProblemUnexpected, "Upgrade Required", "Upgrade Required", "by a WebSocket server"},
	{"a proxy with nothing behind it", 502, map[string]string{"Content-Type": "text/plain", "Server": "envoy"}, "upstream connect error", ProblemServerError, "upstream connect error", "upstream connect error", "by envoy: "},
	{"a page", 502, map[string]string{"Content-Type": "text/html", "Server": "nginx"}, "<html><h1>502 Bad\nGateway</h1>\x00</html>", "", "<html><h1>502 Bad Gateway</h1>", "<html><h1>502 Bad Gateway</h1>", "by nginx, not by API Gateway"},
	{"a firewall", 403, map[string]string{"Content-Type": "text/plain"}, "blocked", ProblemForbidden, "blocked", "blocked", "by something"},
	{"nothing but a status", 404, nil, "", ProblemUnexpected, "", "", "by something"},
	{"a proxy with a small limit", 413, map[string]string{"Content-Type": "text/plain"}, "too big", ProblemMessageSize, "too big", "too big", "by something"},
	{"a long answer", 404, map[string]string{"Content-Type": "text/plain"}, strings.Repeat("é", 2000), ProblemUnexpected, strings.Repeat("é", 100) + "…)", "éé", "by something"},
}

func TestWhatIsNotAPIGatewayIsNamedByWhatItsAnswerLacks(t *testing.T) {
	for _, tt := range strangers {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range tt.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}))
			defer s.Close()
			check := func(client string, err error, shown string) {
				t.Helper()
				e := Explain(err)
				if e == nil || e.Problem != ProblemNotAPIGateway || e.Status != tt.status || e.ConnectionID != "abc=" {
					t.Errorf("of %s client it says %v", client, e)
					return
				}
				var want []Problem
				if tt.instead != "" {
					want = []Problem{ProblemNotAPIGateway, tt.instead}
				}
				if !slices.Equal(e.Candidates, want) || !strings.Contains(e.Error(), tt.words) || !strings.Contains(e.Error(), shown) || strings.ContainsAny(e.Error(), "\x00\n") {
					t.Errorf("of %s client it says %q, %v, want %q, %q, %v", client, e.Error(), e.Candidates, tt.words, shown, want)
				}
				if !strings.HasPrefix(e.Fix(), "start the gateway with 'wirepost dev', or correct the port") {
					t.Errorf("the fix is %s", e.Fix())
				}
			}
			check("our", publisher(t, at(t, s.URL+"/dev", 1), &PublisherOptions{Endpoint: s.URL + "/dev"}).Post(t.Context(), "abc=", []byte("x")), tt.shown)
			_, err := awsClient(s.URL+"/dev").PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: aws.String("abc="), Data: []byte("x")})
			check("AWS's", err, tt.ofAWS)
			if dropped := strings.HasPrefix(tt.body, `{"error"`); strings.Contains(Explain(err).Fix(), "AWS's client drops what was said") != dropped {
				t.Errorf("the fix is %s", Explain(err).Fix())
			}
		})
	}
}

func awsClient(endpoint string) *apigatewaymanagementapi.Client {
	return apigatewaymanagementapi.New(apigatewaymanagementapi.Options{Region: "us-east-1", BaseEndpoint: &endpoint, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		})})
}

func TestAPIGatewayIsKnownByItsHeadersOrItsHost(t *testing.T) {
	const (
		executeAPI = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod"
		custom     = "https://ws.example.com/v1"
		lambda     = "https://abcdef.lambda-url.eu-west-1.on.aws/prod"
		queue      = "https://sqs.eu-west-1.amazonaws.com/prod"
	)
	for _, tt := range []struct {
		name, endpoint string
		status         int
		header, body   string
		want           Problem
	}{
		{"the host is execute-api's", executeAPI, 404, "", `{"x":1}`, ProblemUnexpected},
		{"the host is execute-api's, and it fails", executeAPI, 500, "", "", ProblemServerError},
		{"a custom domain with the ID of a request", custom, 404, "X-Amzn-Requestid", `{"x":1}`, ProblemUnexpected},
		{"a custom domain with API Gateway's ID", custom, 500, "X-Amz-Apigw-Id", "", ProblemServerError},
		{"a custom domain with the type of an error", custom, 403, "X-Amzn-Errortype", "", ProblemForbidden},
		{"a custom domain of an HTTP API", custom, 404, "Apigw-Requestid", `{"message":"Not Found"}`, ProblemUnexpected},
		{"a custom domain without headers", custom, 404, "", `{"x":1}`, ProblemNotAPIGateway},
		{"a custom domain without headers, 503", custom, 503, "", "no", ProblemNotAPIGateway},
		{"CloudFront's headers alone", custom, 403, "X-Amz-Cf-Id", "blocked", ProblemNotAPIGateway},
		{"a bucket's headers alone", custom, 403, "X-Amz-Request-Id", "<Error/>", ProblemNotAPIGateway},
		{"a redirect", custom, 302, "", "", ProblemNotAPIGateway},
		{"a function's own URL", lambda, 403, "X-Amzn-Requestid", `{"Message":null}`, ProblemNotAPIGateway},
		{"another service of AWS's", queue, 404, "X-Amzn-Requestid", "<ErrorResponse/>", ProblemNotAPIGateway},
		// API Gateway's own words, and statuses that mean the same of everybody.
		{"its words", custom, 403, "", `{"message":"Forbidden"}`, ProblemForbidden},
		{"its words, with spaces", custom, 500, "", `{"message": "Internal server error"}`, ProblemServerError},
		{"gone", custom, 410, "", "", ProblemConnectionGone},
		{"too many", custom, 429, "", "slow down", ProblemThrottled},
		{"a denial", custom, 403, "", `{"Message":"User: x is not authorized to perform: execute-api:ManageConnections on resource: y"}`, ProblemSendDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := url.Parse(tt.endpoint + "/@connections/abc%3D")
			if err != nil {
				t.Fatal(err)
			}
			resp := &http.Response{StatusCode: tt.status, Header: http.Header{}, Request: &http.Request{URL: u, Header: http.Header{
				"Authorization": {"AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/execute-api/aws4_request, SignedHeaders=host, Signature=0"}}}}
			if tt.header != "" {
				resp.Header.Set(tt.header, "x")
			}
			e := ExplainResponse(resp, []byte(tt.body))
			if e == nil || e.Problem != tt.want {
				t.Fatalf("it says %v, want %s", e, tt.want)
			}
			if tt.want == ProblemNotAPIGateway && (!strings.Contains(e.Error(), tt.body) || !strings.Contains(e.Fix(), "execute-api host")) {
				t.Errorf("it says %v: %s", e, e.Fix())
			}
		})
	}
	// Of a response without its request the host is not known.
	if e := ExplainResponse(&http.Response{StatusCode: 404, Header: http.Header{}}, []byte("x")); e.Problem != ProblemUnexpected {
		t.Errorf("of an answer that nobody knows the host of it says %v", e)
	}
}

func TestAnAnswerThatEchoesOurSignatureIsNotShown(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(404)
		fmt.Fprint(w, r.Header)
	}))
	defer s.Close()
	err := publisher(t, at(t, s.URL+"/dev", 1), &PublisherOptions{Endpoint: s.URL + "/dev"}).Post(t.Context(), "abc=", []byte("x"))
	var e *Error
	if !errors.As(err, &e) || e.Problem != ProblemNotAPIGateway || e.Body != "" || strings.Contains(err.Error(), "Signature=") {
		t.Errorf("it says %v", err)
	}
}

// A proxy may remove the headers: what follows a post is decided as if it had.
func TestAPostIsRepeatedAfterAFailureOfSomebodyElsesOnlyIfThatWasAskedFor(t *testing.T) {
	for _, tt := range []struct {
		least bool
		want  string
		calls int64
	}{{false, "sent 0, failed 1 (not-api-gateway)", 1}, {true, "sent 1", 3}} {
		m := newManager(t, func(n int64, _ string, w http.ResponseWriter, _ *http.Request) {
			if w.Header().Del("X-Amzn-Requestid"); n < 3 {
				w.WriteHeader(503)
			}
		})
		p := publisher(t, at(t, m.URL+"/dev", 1), &PublisherOptions{Random: func() float64 { return 0 }})
		r, err := p.Publish(t.Context(), Everyone(), []byte("x"), &PublishOptions{AtLeastOnce: tt.least})
		if err != nil || r.String() != tt.want || m.calls.Load() != tt.calls {
			t.Errorf("got %q after %d calls, %v (%v), want %q after %d", r.String(), m.calls.Load(), err, r.Errors, tt.want, tt.calls)
		}
	}
}
