package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// frameOf is the error frame that a message gets from such a server.
func frameOf(t *testing.T, s *Server, answer string, err error) (frame, connectionID string) {
	t.Helper()
	l := answering(t, s, answer, err)
	c := l.connect(t)
	c.send(`{"action":"x"}`)
	return c.read(), c.id
}

func errorRows() []row {
	frame := func(s *Server, answer string, err error, message string) func(*testing.T) {
		return func(t *testing.T) {
			own := Server{Routes: s.Routes, Fault: s.Fault}
			text, id := frameOf(t, &own, answer, err)
			is(t, strings.HasPrefix(text, `{"message": "`+message+`", "connectionId":"`+id+`", "requestId":"`), text)
		}
	}
	both := map[string]Route{"$connect": {}, "$default": {RouteResponse: true}}
	return []row{
		{id: "3.1 an error frame has these bytes and this space", status: "TRACE", source: "5 recorded frames; simple-websockets-chat-app#42, mangum#128", check: func(t *testing.T) {
			text, id := frameOf(t, &Server{Routes: map[string]Route{"$connect": {}}}, "", nil)
			requestID := strings.TrimSuffix(strings.TrimPrefix(text, `{"message": "Forbidden", "connectionId":"`+id+`", "requestId":"`), `"}`)
			is(t, idForm.MatchString(requestID), text)
		}},
		{id: "3.1 the connection stays open", status: "TRACE", source: "recorded frames", check: func(t *testing.T) {
			l := newLab(t, &Server{Routes: map[string]Route{"$connect": {}}})
			c := l.connect(t)
			for range 3 {
				c.send("x")
				want(t, c.error(), "Forbidden")
			}
		}},
		{id: "3.1 Forbidden: no route and no $default", status: "TRACE", source: "several recorded frames", check: frame(&Server{Routes: map[string]Route{"$connect": {}}}, "", nil, "Forbidden")},
		{id: "3.1 Internal server error: the function throws", status: "ISSUE", source: "simple-websockets-chat-app#42", check: frame(&Server{Routes: both}, "", io.ErrUnexpectedEOF, "Internal server error")},
		{id: "3.1 Internal server error: the function times out by itself", status: "ISSUE", source: "#42; SLSOFF", check: frame(&Server{Routes: both}, "", context.DeadlineExceeded, "Internal server error")},
		{id: "3.1 Internal server error: the function cannot be invoked", status: "ISSUE", source: "#42; SLSOFF", check: func(t *testing.T) {
			l := newLab(t, &Server{Routes: map[string]Route{"$default": {Function: &LambdaEndpoint{URL: "http://127.0.0.1:1", Name: "f"}}}})
			c := l.connect(t)
			c.send("x")
			want(t, c.error(), "Internal server error")
		}},
		{id: "3.1 Internal server error: the answer is malformed", status: "ISSUE", source: "#42; SLSOFF", check: frame(&Server{Routes: both}, "no JSON", nil, "Internal server error")},
		{id: "3.1 Endpoint request timed out: the integration's timeout", status: "ISSUE", source: "mangum#128", check: func(t *testing.T) {
			hangs := FunctionFunc(func(ctx context.Context, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() })
			l := newLab(t, &Server{Routes: map[string]Route{"$default": {Function: hangs, IntegrationTimeout: 50 * time.Millisecond}}})
			c := l.connect(t)
			c.send("x")
			want(t, c.error(), "Endpoint request timed out")
		}},
		{id: "3.1 Bad request body: a model is not met", status: "DOC", source: "DG; it shows messageId where all recorded frames have requestId", check: TestAMessageThatAModelDoesNotTakeIsABadRequestBody},
		{id: "3.1 a model and a message that is not JSON, or of $connect", status: "UNCERTAIN", source: "no source", here: "`Bad request body`; $connect and $disconnect have no body and are not checked", check: TestAMessageThatAModelDoesNotTakeIsABadRequestBody},
		{id: "3.1 what a throttled message gets", status: "UNCERTAIN", source: "none found", here: "`Too Many Requests`", check: func(t *testing.T) {
			l := newLab(t, &Server{RequestRate: 1, RequestBurst: 1})
			c := l.connect(t)
			for range 5 {
				c.send("x")
			}
			text := c.read()
			is(t, strings.HasPrefix(text, `{"message": "Too Many Requests", "connectionId":"`+c.id+`", "requestId":"`), text)
		}},
	}
}

func handshakeRows() []row {
	// refused is a check of a handshake that is refused.
	refused := func(status int, header string, s func() *Server, answer string, err error) func(*testing.T) {
		return func(t *testing.T) {
			own := s()
			function := FunctionFunc(func(context.Context, []byte) ([]byte, error) { return []byte(answer), err })
			connect := own.Routes["$connect"]
			if connect.Authorizer != nil && connect.Authorizer.Function == nil {
				connect.Authorizer.Function, connect.Function = function, newRecorder()
			} else if connect.Function == nil {
				connect.Function = function
			}
			own.Routes = map[string]Route{"$connect": connect}
			host := serve(t, own)
			got, _, body := shake(t, host, "/dev", header)
			is(t, got == status, got, body)
		}
	}
	plain := func() *Server { return &Server{} }
	authorizer := func(sources ...string) func() *Server {
		return func() *Server {
			return &Server{Routes: map[string]Route{"$connect": {Authorizer: &Authorizer{IdentitySources: sources}}}}
		}
	}
	path := func(target string, status int) func(*testing.T) {
		return func(t *testing.T) { want(t, httpStatus(t, newLab(t, &Server{}).host, target), fmt.Sprint(status)) }
	}
	return []row{
		{id: "3.2 401: an identity source is missing or empty", status: "DOC", source: "DG; SDK", check: refused(401, "X-Token: \r\n", authorizer("route.request.header.X-Token"), policyOf("Allow", "*", "{}"), nil)},
		{id: "3.2 401: the authorizer throws Unauthorized", status: "VALIDATED", source: "LSTEST; DG's sample", check: refused(401, "", authorizer(), "", errors.New("Unauthorized"))},
		{id: "3.2 403: the authorizer's policy denies", status: "DOC", source: "DG: 401 or 403", check: refused(403, "", authorizer(), policyOf("Deny", "*", "{}"), nil)},
		{id: "3.2 403: a wrong stage", status: "UNCERTAIN", source: "DG and re:Post name the cause, not the status", here: "403", check: path("/prod", 403)},
		{id: "3.2 403: no stage", status: "UNCERTAIN", source: "DG and re:Post name the cause, not the status", here: "403", check: path("/", 403)},
		{id: "3.2 403: the default endpoint is disabled", status: "UNCERTAIN", source: "re:Post", here: "there is one endpoint, which cannot be disabled", deviation: true, check: path("/dev", 101)},
		{id: "3.2 403: IAM authorization of $connect fails", status: "DOC", source: "DG", here: "IAM authorization of $connect is not emulated: a signature in a handshake is a header as any other", deviation: true, check: func(t *testing.T) {
			status, _, _ := shake(t, newLab(t, &Server{}).host, "/dev", "Authorization: AWS4-HMAC-SHA256 Credential=x\r\n")
			is(t, status == 101, status)
		}},
		{id: "3.2 500: the authorizer's result is malformed", status: "ISSUE", source: "serverless/examples#557", check: refused(500, "", authorizer(), `{"statusCode":401}`, nil)},
		{id: "3.2 500: the function of $connect cannot be invoked", status: "ISSUE", source: "terraform-aws-apigateway-v2#8: a wrong URI or a missing permission", here: "500 for an Unavailable function; another that cannot be reached is 502, as one that fails: here there are no permissions, and the cause is in the log", deviation: true, check: func(t *testing.T) {
			for status, f := range map[int]Function{500: &Unavailable{Reason: "it is Java"}, 502: &LambdaEndpoint{URL: "http://127.0.0.1:1", Name: "f"}} {
				refused(status, "", func() *Server { return &Server{Routes: map[string]Route{"$connect": {Function: f}}} }, "", nil)(t)
			}
		}},
		{id: "3.2 a $connect whose answer has a body that is no string", status: "UNCERTAIN", source: "502 for REST APIs", here: "the body is not looked at", check: refused(101, "", plain, `{"statusCode":200,"body":{}}`, nil)},
		{id: "3.2 a $connect whose answer names statusCode in other letters", status: "UNCERTAIN", source: "no source; JSON's names know case", here: "502", check: refused(502, "", plain, `{"StatusCode":200}`, nil)},
		{id: "3.2 502: the function of $connect throws", status: "ISSUE", source: "serverless-websockets-plugin#13; guide#644", check: refused(502, "", plain, "", io.ErrUnexpectedEOF)},
		{id: "3.2 504: $connect exceeds the integration's timeout", status: "UNCERTAIN", source: "by analogy with REST APIs", here: "504", check: refused(504, "", func() *Server {
			hangs := FunctionFunc(func(ctx context.Context, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() })
			return &Server{Routes: map[string]Route{"$connect": {Function: hangs, IntegrationTimeout: 50 * time.Millisecond}}}
		}, "", nil)},
		{id: "3.2 429: too many new connections", status: "DOC", source: "DG; ServerlessNetworkingClients#3", check: func(t *testing.T) {
			l := newLab(t, &Server{ConnectRate: 1})
			l.connect(t)
			status := ""
			for i := 0; i < 100 && status != "429"; i++ { // a second may pass between two
				status = httpStatus(t, l.host, "/dev")
			}
			want(t, status, "429")
		}},
		{id: "3.2 429: a stage whose throttle is 0", status: "ISSUE", source: "terraform-aws-apigateway-v2#8", here: "stages have no throttles of their own; Server.ConnectRate 0 is the account's default", deviation: true, check: func(t *testing.T) {
			newLab(t, &Server{ConnectRate: 0, RequestRate: 0}).connect(t)
		}},
		{id: "3.2 a statusCode of $connect other than 2xx is the handshake's", status: "DOC", source: "DG, subprotocols: 400", check: refused(418, "", plain, `{"statusCode":418}`, nil)},
		{id: "3.2 426: a plain request", status: "UNCERTAIN", source: "SLSOFF", here: "426", check: func(t *testing.T) {
			a := httpRaw(t, newLab(t, &Server{}).host, "GET /dev HTTP/1.1\r\nHost: x\r\n\r\n")
			is(t, a.status == 426, a)
		}},
		{id: "3.2 400: a handshake with a body", status: "UNCERTAIN", source: "no source", here: "400 at once", check: func(t *testing.T) {
			status, _, _ := shake(t, newLab(t, &Server{}).host, "/dev", "Content-Length: 9\r\n")
			is(t, status == 400, status)
		}},
		{id: "3.2 headers and body of a refused handshake", status: "UNCERTAIN", source: "recorded nowhere", here: "as of other execute-api errors: `{\"message\":…}`, content-type, x-amzn-requestid, x-amz-apigw-id, x-amzn-errortype", check: func(t *testing.T) {
			a := httpRaw(t, newLab(t, &Server{}).host, "GET /prod HTTP/1.1\r\nHost: x\r\n"+handshakeFields+"\r\n")
			want(t, a.body, `{"message":"Forbidden"}`, a.header.Get("Content-Type"), "application/json", a.header.Get("x-amzn-errortype"), "ForbiddenException")
			is(t, len(a.header.Get("x-amzn-requestid")) == 36 && idForm.MatchString(a.header.Get("x-amz-apigw-id")), a.header)
		}},
		{id: "3.2 of $connect's answer only Sec-WebSocket-Protocol reaches the client", status: "ISSUE", source: "aws/chalice#1768", check: func(t *testing.T) {
			for status, code := range map[int]string{101: "200", 401: "401"} {
				host := serve(t, &Server{Function: FunctionFunc(func(context.Context, []byte) ([]byte, error) {
					return []byte(`{"statusCode":` + code + `,"headers":{"X-Mine":"1","Sec-WebSocket-Protocol":"p"},"body":"mine"}`), nil
				})})
				a := httpRaw(t, host, "GET /dev HTTP/1.1\r\nHost: x\r\n"+handshakeFields+"\r\n")
				is(t, a.status == status && a.header.Get("X-Mine") == "" && !strings.Contains(a.body, "mine"), a)
				is(t, a.header.Get("Sec-WebSocket-Protocol") == map[int]string{101: "p"}[status], a)
			}
		}},
	}
}
