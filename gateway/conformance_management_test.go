package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	api "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"
	"github.com/aws/smithy-go"
)

// called is a check of a signed call's answer to a connection that is there.
func called(method, path, body string, status int, check func(t *testing.T, c *rawClient, a answerOf)) func(*testing.T) {
	return func(t *testing.T) {
		l := newLab(t, &Server{})
		c := l.connect(t)
		a := mustManage(t, method, l.host, strings.ReplaceAll(path, "ID", url.QueryEscape(c.id)), body)
		is(t, a.status == status, a)
		if check != nil {
			check(t, c, a)
		}
	}
}

func managementRows() []row {
	const bref, sdk = "recorded answers (BREF)", "SDK"
	// signedWith signs a POST by hand over some canonical path and tells the status.
	signedWith := func(t *testing.T, target, canonical string) int {
		l := newLab(t, &Server{})
		now := time.Now().UTC()
		stamp, day := now.Format(amzDateLayout), now.Format("20060102")
		empty := sha256.Sum256(nil)
		text := "GET\n" + canonical + "\n\nhost:x\nx-amz-date:" + stamp + "\n\nhost;x-amz-date\n" + hex.EncodeToString(empty[:])
		sum := sha256.Sum256([]byte(text))
		key := []byte("AWS4wirepost")
		for _, part := range []string{day, "us-east-1", "execute-api", "aws4_request", "AWS4-HMAC-SHA256\n" + stamp + "\n" + day + "/us-east-1/execute-api/aws4_request\n" + hex.EncodeToString(sum[:])} {
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(part))
			key = mac.Sum(nil)
		}
		return httpRaw(t, l.host, "GET "+target+" HTTP/1.1\r\nHost: x\r\nX-Amz-Date: "+stamp+"\r\nAuthorization: AWS4-HMAC-SHA256 Credential=wirepost/"+day+
			"/us-east-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature="+hex.EncodeToString(key)+"\r\n\r\n").status
	}
	const target = "/dev/@connections/L0SM9cOFvHcCIhw%3D"
	delivered := func(t *testing.T, c *rawClient, a answerOf) { want(t, c.read(), "hello") }
	stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	return []row{
		{id: "6.1 POST delivers the body as it is", status: "DOC", source: sdk, check: called("POST", "/dev/@connections/ID", "hello", 200, delivered)},
		{id: "6.1 the at sign may be encoded", status: "DOC", source: "AWS docs tell users to", check: called("POST", "/dev/%40connections/ID", "hello", 200, delivered)},
		{id: "6.1 AWS's SDK sends a raw at sign and %3D", status: "DOC", source: "measured, SDK v1.38.0", check: func(t *testing.T) {
			var line string
			f := newRecorder()
			s := &Server{Function: f}
			_ = engineOf(t, s)
			host := serve(t, s)
			c := client(host, DevelopmentCredentials())
			_, err := c.GetConnection(t.Context(), &api.GetConnectionInput{ConnectionId: aws.String("L0SM9cOFvHcCIhw=")}, func(o *api.Options) {
				o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
					line = r.URL.RequestURI()
					return http.DefaultClient.Do(r)
				})
			})
			want(t, line, target)
			_, gone := errors.AsType[*types.GoneException](err)
			is(t, gone, err)
		}},
		{id: "6.1 the canonical path is the sent one encoded once more", status: "DOC", source: "aws/aws-sdk-go-v2#889; recomputed", check: func(t *testing.T) {
			is(t, signedWith(t, target, "/dev/%40connections/L0SM9cOFvHcCIhw%253D") == 410)
		}},
		{id: "6.1 other encodings of the path fail", status: "DOC", source: "recomputed: three others fail", check: func(t *testing.T) {
			for _, path := range []string{target, "/dev/%40connections/L0SM9cOFvHcCIhw%3D", "/dev/@connections/L0SM9cOFvHcCIhw%253D", "/dev/@connections/L0SM9cOFvHcCIhw="} {
				is(t, signedWith(t, target, path) == 403, path)
			}
		}},
		{id: "6.1 the measured signatures are right", status: "DOC", source: "measured, SDK v1.38.0", check: TestTheMeasuredSignaturesOfTheSDKAreRight},
		{id: "6.1 over HTTP/2 :authority may be signed in the place of host", status: "UNCERTAIN", source: "AWS SDK for JavaScript, NodeHttp2Handler", here: "taken, by those who bring HTTP/2 to a Server", check: TestOverHTTP2TheAuthorityMayBeSignedInThePlaceOfTheHost},
		{id: "6.1 the signing name is execute-api", status: "DOC", source: "SDK model", check: called("GET", "/dev/@connections/ID", "", 200, nil)},
		{id: "6.1 a retried request is signed anew", status: "DOC", source: "measured", check: func(t *testing.T) {
			faults := NewFaults(1, nil, mustRules(t, "get:500:n=1")...)
			l := newLab(t, &Server{Fault: faults.Ask})
			c := l.connect(t)
			_, err := sdkOf(l.host, 3, nil).GetConnection(t.Context(), &api.GetConnectionInput{ConnectionId: &c.id})
			is(t, err == nil, err)
		}},
		{id: "6.1 SigV4a is not supported", status: "DOC", source: "AWS, What's New 2025-08-19", check: func(t *testing.T) {
			a := httpRaw(t, newLab(t, &Server{}).host, "GET "+target+" HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-ECDSA-P256-SHA256 Credential=wirepost/20261123/execute-api/aws4_request, SignedHeaders=host, Signature=00\r\n\r\n")
			is(t, a.status == 403, a)
		}},

		{id: "6.2 POST: 200 with its headers and no body", status: "TRACE", source: bref, check: called("POST", "/dev/@connections/ID", "x", 200, func(t *testing.T, _ *rawClient, a answerOf) {
			want(t, a.body, "", a.header.Get("Content-Type"), "application/json", a.header.Get("Content-Length"), "0")
			is(t, regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(a.header.Get("x-amzn-requestid")) && idForm.MatchString(a.header.Get("x-amz-apigw-id")) &&
				strings.HasPrefix(a.header.Get("x-amzn-trace-id"), "Root=1-"), a.header)
		})},
		{id: "6.2 GET: 200 with its layout to the byte", status: "TRACE", source: bref, check: func(t *testing.T) {
			l := newLab(t, &Server{Now: func() time.Time { return time.Now() }})
			c := l.connectWith(t, "/dev", "User-Agent: agent\r\n")
			a := mustManage(t, "GET", l.host, pathOf(c.id), "")
			layout := regexp.MustCompile("^{\n  \"identity\" : {\n    \"sourceIp\" : \"127.0.0.1\",\n    \"userAgent\" : \"agent\"\n  },\n  \"connectedAt\" : \"([^\"]*)\",\n  \"lastActiveAt\" : \"([^\"]*)\"\n}$").FindStringSubmatch(a.body)
			is(t, a.status == 200 && len(layout) == 3 && a.header.Get("Content-Type") == "application/json", a)
		}},
		{id: "6.2 DELETE: 204 without a content type", status: "TRACE", source: bref, check: called("DELETE", "/dev/@connections/ID", "", 204, func(t *testing.T, _ *rawClient, a answerOf) {
			want(t, a.body, "", a.header.Get("Content-Type"), "")
			is(t, a.header.Get("x-amzn-requestid") != "" && a.header.Get("x-amz-apigw-id") != "" && a.header.Get("x-amzn-trace-id") != "", a.header)
		})},
		{id: "6.2 times are ISO 8601 in UTC with milliseconds", status: "TRACE", source: bref, check: called("GET", "/dev/@connections/ID", "", 200, func(t *testing.T, _ *rawClient, a answerOf) {
			d := docOf(t, []byte(a.body))
			is(t, stamp.MatchString(d.at("connectedAt")) && stamp.MatchString(d.at("lastActiveAt")), a.body)
		})},
		{id: "6.2 what sets lastActiveAt", status: "UNCERTAIN", source: "no source", here: "a message in either direction", check: func(t *testing.T) {
			var now = time.Now()
			s := &Server{Now: func() time.Time { return now }}
			l := newLab(t, s)
			c := l.connect(t)
			l.next(t, "CONNECT")
			last := func() string { return docOf(t, engineOf(t, s).table.get(c.id).describe()).at("lastActiveAt") }
			before := last()
			now = now.Add(time.Second)
			mustManage(t, "POST", l.host, pathOf(c.id), "x")
			is(t, last() == now.UTC().Format("2006-01-02T15:04:05.000Z") && last() != before, last())
		}},

		{id: "6.5 a POST while $connect runs is 410", status: "DOC", source: "AWS re:Post, 410-gone-api-gateway", check: TestAConnectionIsGoneWhileItsConnectRuns},
		{id: "6.5 DELETE runs $disconnect", status: "ISSUE", source: "aws/chalice#2060; DG", check: func(t *testing.T) {
			l := newLab(t, &Server{})
			c := l.connect(t)
			l.event(t)
			mustManage(t, "DELETE", l.host, pathOf(c.id), "")
			c.closed()
			want(t, l.event(t).context("routeKey"), "$disconnect")
		}},
		{id: "6.5 $disconnect is best effort", status: "DOC", source: "DG", here: "it runs exactly once for each connection that was accepted; the fault `disconnect:drop` loses it", deviation: true, check: func(t *testing.T) {
			faults := NewFaults(1, nil, mustRules(t, "disconnect:drop:n=1")...)
			l := newLab(t, &Server{Fault: faults.Ask})
			for range 2 {
				c := l.connect(t)
				l.next(t, "CONNECT")
				c.Write(masked(0x88, nil))
				c.closed()
			}
			l.next(t, "DISCONNECT") // of one of them
			is(t, l.server.Shutdown(t.Context()) == nil && len(l.events) == 0)
		}},
		{id: "6.5 200 means accepted, not delivered", status: "UNCERTAIN", source: "inferred from the buffer-full error", here: "accepted into the connection's queue", check: func(t *testing.T) {
			l := newLab(t, &Server{})
			c := l.connect(t) // and reads nothing yet
			for range 10 {
				is(t, mustManage(t, "POST", l.host, pathOf(c.id), strings.Repeat("x", 100<<10)).status == 200)
			}
		}},
		{id: "6.5 posts one after another arrive in order", status: "UNCERTAIN", source: "presumed", here: "in order", check: func(t *testing.T) {
			l := newLab(t, &Server{})
			c := l.connect(t)
			for i := range 20 {
				mustManage(t, "POST", l.host, pathOf(c.id), fmt.Sprint(i))
			}
			for i := range 20 {
				want(t, c.read(), fmt.Sprint(i))
			}
		}},
		{id: "6.5 a post is a text frame", status: "UNCERTAIN", source: "text in every trace", here: "text", check: called("POST", "/dev/@connections/ID", "hello", 200, func(t *testing.T, c *rawClient, _ answerOf) {
			in, err := readFrame(c.r)
			is(t, err == nil && in.first == 0x81, in.first, err)
		})},
		{id: "6.5 a post that is not UTF-8", status: "UNCERTAIN", source: "no source", here: "passed on in a text frame", check: called("POST", "/dev/@connections/ID", "a\xff", 200, func(t *testing.T, c *rawClient, _ answerOf) { want(t, c.read(), "a\xff") })},
		{id: "6.5 a post over 32 KB", status: "UNCERTAIN", source: "the quotas page bounds frames", here: "split into frames of 32 KB", check: called("POST", "/dev/@connections/ID", strings.Repeat("x", 100<<10), 200, func(t *testing.T, c *rawClient, _ answerOf) {
			for i, size := range []int{32 << 10, 32 << 10, 32 << 10, 4 << 10} {
				in, err := readFrame(c.r)
				is(t, err == nil && len(in.payload) == size && (in.first&0x80 != 0) == (i == 3), i, len(in.payload), err)
			}
		})},
	}
}

// doer is an HTTP client made of a function.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// sdkOf is AWS's client with that many attempts and no pause between them; count,
// if not nil, counts them.
func sdkOf(host string, attempts int, count *int) *api.Client {
	return api.New(api.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + host + "/dev"),
		HTTPClient: doer(func(r *http.Request) (*http.Response, error) {
			if count != nil {
				*count++
			}
			return http.DefaultClient.Do(r)
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost"}, nil
		}),
	})
}

func sdkRows() []row {
	const measured = "measured, SDK v1.38.0"
	// understood is a check of what AWS's client makes of a fault.
	understood := func(fault Fault, code, message string, attempts int, typed func(error) bool) func(*testing.T) {
		return func(t *testing.T) {
			l := newLab(t, &Server{Fault: func(c Call) Fault {
				if c.Kind == CallPost {
					return fault
				}
				return Fault{}
			}})
			c := l.connect(t)
			count := 0
			_, err := sdkOf(l.host, 3, &count).PostToConnection(t.Context(), &api.PostToConnectionInput{ConnectionId: &c.id, Data: []byte("x")})
			known, _ := errors.AsType[smithy.APIError](err)
			is(t, known != nil && known.ErrorCode() == code && strings.HasPrefix(known.ErrorMessage(), message) && count == attempts, err, count)
			is(t, typed(err), err)
		}
	}
	generic := func(err error) bool { _, ok := errors.AsType[*smithy.GenericAPIError](err); return ok }
	at := func(suffix, id string, status int) func(*testing.T) {
		return func(t *testing.T) {
			l := newLab(t, &Server{})
			c := l.connect(t)
			if id == "" {
				id = c.id
			}
			_, err := sdkOf(l.host, 1, nil).GetConnection(t.Context(), &api.GetConnectionInput{ConnectionId: aws.String(strings.TrimSpace(id))}, func(o *api.Options) {
				o.BaseEndpoint = aws.String("http://" + l.host + suffix)
			})
			var response interface{ HTTPStatusCode() int }
			got := 200
			if errors.As(err, &response) {
				got = response.HTTPStatusCode()
			}
			is(t, got == status, got, err)
		}
	}
	isA := func(f func(error) bool) func(error) bool { return f }
	return []row{
		{id: "6.4 410 is GoneException without a message, once", status: "DOC", source: measured, check: understood(Fault{Status: 410}, "GoneException", "", 1, isA(func(err error) bool { _, ok := errors.AsType[*types.GoneException](err); return ok }))},
		{id: "6.4 403 ForbiddenException is typed, its message is lost", status: "DOC", source: measured, check: understood(Fault{Status: 403}, "ForbiddenException", "", 1, isA(func(err error) bool { _, ok := errors.AsType[*types.ForbiddenException](err); return ok }))},
		{id: "6.4 403 AccessDeniedException is generic, its message is kept", status: "DOC", source: measured, check: understood(Fault{Status: 403, ErrorType: "AccessDeniedException"}, "AccessDeniedException", "User: arn:aws:", 1, generic)},
		{id: "6.4 403 MissingAuthenticationTokenException is generic", status: "DOC", source: measured, check: understood(Fault{Status: 403, ErrorType: "MissingAuthenticationTokenException"}, "MissingAuthenticationTokenException", "Missing Authentication Token", 1, generic)},
		{id: "6.4 400 BadRequestException is generic", status: "DOC", source: measured, check: understood(Fault{Status: 400}, "BadRequestException", "Bad Request", 1, generic)},
		{id: "6.4 413 PayloadTooLargeException is typed", status: "DOC", source: measured, check: understood(Fault{Status: 413}, "PayloadTooLargeException", "Request Too Long", 1, isA(func(err error) bool { _, ok := errors.AsType[*types.PayloadTooLargeException](err); return ok }))},
		{id: "6.4 429 LimitExceededException is typed, after three attempts", status: "DOC", source: measured, check: understood(Fault{Status: 429}, "LimitExceededException", "", 3, isA(func(err error) bool { _, ok := errors.AsType[*types.LimitExceededException](err); return ok }))},
		{id: "6.4 429 TooManyRequestsException is generic, after three attempts", status: "DOC", source: measured, check: understood(Fault{Status: 429, ErrorType: "TooManyRequestsException"}, "TooManyRequestsException", "Too Many Requests", 3, generic)},
		{id: "6.4 500 is generic, after three attempts", status: "DOC", source: measured, check: understood(Fault{Status: 500}, "InternalServerErrorException", "Internal server error", 3, generic)},
		{id: "6.4 every error answer has x-amzn-errortype", status: "DOC", source: measured + ": without it nothing is typed", check: func(t *testing.T) {
			l := newLab(t, &Server{})
			for path, method := range map[string]string{"/dev/@connections/x": "POST", "/prod/@connections/x": "GET", "/dev/@connections/": "POST", "/dev/@connections/L0SM9cOFvHcCIhw%3D": "DELETE"} {
				is(t, mustManage(t, method, l.host, path, "").header.Get("x-amzn-errortype") != "", path)
			}
		}},
		{id: "6.4 an endpoint without a stage", status: "DOC", source: measured + "; AWS answers 403", check: at("", "", 403)},
		{id: "6.4 an endpoint with a slash at its end", status: "DOC", source: measured, check: at("/dev/", "", 200)},
		{id: "6.4 the console's callback URL as an endpoint", status: "UNCERTAIN", source: measured + " what it calls; AWS's status is unknown", here: "404", check: at("/dev/@connections", "", 404)},
		{id: "6.4 an empty connection ID", status: "UNCERTAIN", source: measured + ": it is called; AWS's status is unknown", here: "404", check: at("/dev", " ", 404)},
	}
}
