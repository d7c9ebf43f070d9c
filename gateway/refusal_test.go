package gateway

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// reasons keeps what people are told, and what an observer sees of it.
type reasons struct {
	mu            sync.Mutex
	told, details []string
	more          chan struct{}
}

func newReasons() *reasons { return &reasons{more: make(chan struct{}, 1000)} }

func (r *reasons) say(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, line)
	r.more <- struct{}{}
}

func (r *reasons) Observe(o Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.details = append(r.details, fmt.Sprintf("%s %d %s", o.Kind, o.Status, o.Detail))
	r.more <- struct{}{}
}

func (r *reasons) Invoke(ctx context.Context, o Observation) (context.Context, func([]byte, error)) {
	return ctx, func(_ []byte, err error) {
		if err != nil {
			r.Observe(Observation{Kind: o.Kind, Detail: err.Error()})
		}
	}
}

// await waits for a line that begins and has something in it.
func (r *reasons) await(t *testing.T, of *[]string, begin, want string) {
	t.Helper()
	for {
		r.mu.Lock()
		all := slices.Clone(*of)
		r.mu.Unlock()
		for _, line := range all {
			if strings.HasPrefix(line, begin) && strings.Contains(line, want) {
				return
			}
		}
		select {
		case <-r.more:
		case <-time.After(10 * time.Second):
			t.Fatalf("no line %q... %q in %q", begin, want, all)
		}
	}
}

// refusalCase is a way to meet a cause.
type refusalCase struct {
	cause  cause
	server *Server
	do     func(t *testing.T, host string, s *Server)
	why    string // in what people are told, or in the observation where that is quiet
	seen   string // kind and status of the observation; empty: there is none
}

func refusalCases() []refusalCase {
	const some = "L0SM9cOFvHcCIhw="
	shakes := func(target, header string) func(*testing.T, string, *Server) {
		return func(t *testing.T, host string, _ *Server) { shake(t, host, target, header) }
	}
	sends := func(request string) func(*testing.T, string, *Server) {
		return func(t *testing.T, host string, _ *Server) { httpRaw(t, host, request) }
	}
	calls := func(method, path, body string) func(*testing.T, string, *Server) {
		return func(t *testing.T, host string, _ *Server) { mustManage(t, method, host, path, body) }
	}
	signed := func(c Credentials, region, service string, change func(*http.Request)) func(*testing.T, string, *Server) {
		return func(t *testing.T, host string, _ *Server) {
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+host+pathOf(some), strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			signedBy(t, r, []byte("x"), c, region, service, time.Now())
			if change != nil {
				change(r)
			}
			response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
	}
	frames := func(all ...[]byte) func(*testing.T, string, *Server) {
		return func(t *testing.T, host string, _ *Server) {
			nc := rawDial(t, host)
			for _, frame := range all {
				nc.Write(frame)
			}
			nc.Close()
		}
	}
	ours := DevelopmentCredentials()
	say := func(message string) func(*testing.T, string, *Server) { return frames(masked(0x81, []byte(message))) }
	fails := func(answer string, err error) Function {
		return FunctionFunc(func(context.Context, []byte) ([]byte, error) { return []byte(answer), err })
	}
	authorized := func(f Function, sources ...string) *Server {
		return &Server{APIID: "ihd9y8pe0l", AccountID: "123456781380", Routes: map[string]Route{"$connect": {Authorizer: &Authorizer{Function: f, IdentitySources: sources}}}}
	}
	connecting := func(f Function) *Server { return &Server{Routes: map[string]Route{"$connect": {Function: f}}} }
	header := "GET /dev HTTP/1.1\r\nHost: x\r\n" + handshakeFields
	unauthorized := func(value string) func(*testing.T, string, *Server) {
		return signed(ours, "us-east-1", "execute-api", func(r *http.Request) { r.Header["Authorization"] = strings.Split(value, "\n") })
	}
	restPolicy := policyOf("Allow", "arn:aws:execute-api:us-east-1:123456781380:ihd9y8pe0l/dev/*/*", "{}")
	ids, answered := make(chan string, 1), make(chan struct{})
	waits := FunctionFunc(func(_ context.Context, event []byte) ([]byte, error) {
		_, id, _ := strings.Cut(string(event), `"connectionId":"`)
		id, _, _ = strings.Cut(id, `"`)
		ids <- id
		<-answered
		return []byte(`{"statusCode":200}`), nil
	})
	return []refusalCase{
		{causeHandshakeURL, &Server{URLBytes: 100}, shakes("/dev?"+strings.Repeat("a", 100), ""), "the URL has 105 bytes; 100 are allowed, see Server.URLBytes", "handshake 414"},
		{causeHandshakePath, &Server{Domain: "localhost:3001"}, shakes("/prod", ""), `the path "/prod" does not begin with the stage dev; connect to ws://localhost:3001/dev`, "handshake 403"},
		{causeHandshakePath, &Server{Domain: "localhost:3001"}, shakes("/", ""), "the URL has no stage; connect to ws://localhost:3001/dev", "handshake 403"},
		{causeHandshakePath, &Server{Domain: "localhost:3001"}, shakes("/dev/chat", ""), `the path "/dev/chat" goes on after the stage; connect to ws://localhost:3001/dev`, "handshake 403"},
		{causeHandshakePath, &Server{Domain: "localhost:3001"}, shakes("/a/b/@connections/x", ""), "management calls go to http://localhost:3001/dev/@connections/ID", "handshake 403"},
		{causeNoUpgrade, &Server{}, sends("GET /dev HTTP/1.1\r\nHost: x\r\n\r\n"), "the request asks for no upgrade", "handshake 426"},
		{causeVersion, &Server{}, sends(strings.Replace(header, "Version: 13", "Version: 8", 1) + "\r\n"), `Sec-WebSocket-Version is "8"; only 13 is supported`, "handshake 400"},
		{causeHandshakeForm, &Server{}, sends(strings.Replace(header, "GET", "POST", 1) + "\r\n"), "its method is POST, and not GET", "handshake 400"},
		{causeHandshakeForm, &Server{}, sends(strings.Replace(header, "HTTP/1.1", "HTTP/1.0", 1) + "\r\n"), "it is of HTTP/1.0", "handshake 400"},
		{causeHandshakeForm, &Server{}, sends(strings.Replace(header, "Key: ", "Key: x", 1) + "\r\n"), "Sec-WebSocket-Key is not 16 bytes in base64", "handshake 400"},
		{causeHandshakeBody, &Server{}, shakes("/dev", "Content-Length: 3\r\n"), "it has a body", "handshake 400"},
		{causeOrigin, &Server{Origin: func(string) bool { return false }}, shakes("/dev", "Origin: https://a.test\r\n"), `it is from a page of another origin, "https://a.test"`, "handshake 403"},
		{causeConnectRate, &Server{ConnectRate: 1, Settings: map[string]string{"ConnectRate": "--connect-rate"}}, func(t *testing.T, host string, _ *Server) {
			for range 20 { // a second may pass between two
				if status, _, _ := shake(t, host, "/dev", ""); status == 429 {
					return
				}
			}
		}, "more than 1 new connections a second, as on AWS; --connect-rate changes it", "handshake 429"},
		{causeUpgrade, &Server{}, func(t *testing.T, _ string, s *Server) {
			r := httptest.NewRequest("GET", "/dev", nil)
			for name, value := range map[string]string{"Connection": "upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
				r.Header.Set(name, value)
			}
			s.ServeHTTP(httptest.NewRecorder(), r)
		}, "the HTTP server cannot hand over connections", "handshake 500"},
		{causeConnectStatus, connecting(fails(`{"statusCode":418}`, nil)), shakes("/dev", ""), "the function of $connect answered with 418", "handshake 418"},
		{causeConnectAnswer, connecting(fails(`null`, nil)), shakes("/dev", ""), "the handler returned nothing: is its promise returned or awaited?", "handshake 502"},
		{causeConnectFailed, connecting(fails("", errors.New("it broke"))), shakes("/dev", ""), "the function of $connect failed: it broke", "handshake 502"},
		{causeConnectFailed, connecting(&Unavailable{"Java does not run here"}), shakes("/dev", ""), "the function of $connect cannot run here: Java does not run here", "handshake 500"},
		{causeConnectTimeout, &Server{Routes: map[string]Route{"$connect": {IntegrationTimeout: 50 * time.Millisecond, Function: FunctionFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})}}}, shakes("/dev", ""), "did not return within the integration timeout", "handshake 504"},
		{causeHandshakeAtEnd, &Server{}, func(t *testing.T, _ string, s *Server) {
			s.Shutdown(t.Context())
			r := httptest.NewRequest("GET", "/dev", nil)
			for name, value := range map[string]string{"Connection": "upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
				r.Header.Set(name, value)
			}
			s.ServeHTTP(httptest.NewRecorder(), r)
		}, "the server is ending", "handshake 503"},

		{causeIdentitySource, authorized(newRecorder(), "route.request.header.X", "route.request.querystring.token"), shakes("/dev", "X: 1\r\n"), "authorizer not asked: route.request.querystring.token is missing", "handshake 401"},
		{causeIdentitySource, authorized(newRecorder(), "route.request.querystring.token"), shakes("/dev?token=", ""), "authorizer not asked: route.request.querystring.token is empty", "handshake 401"},
		{causeIdentitySource, authorized(newRecorder(), "route.request.querystring.token"), shakes("/dev?Token=x", ""), "there is one whose name differs in case", "handshake 401"},
		{causePolicy, authorized(fails(restPolicy, nil)), shakes("/dev", ""), "no statement allows execute-api:Invoke on " + connectARN + " (statement 1: arn:aws:execute-api:us-east-1:123456781380:ihd9y8pe0l/dev/*/*); the ARN of a WebSocket route ends in STAGE/ROUTE, without a method", "handshake 403"},
		{causePolicy, authorized(fails(policyOf("Deny", "*", "{}"), nil)), shakes("/dev", ""), "statement 1 denies execute-api:Invoke on " + connectARN + " (*)", "handshake 403"},
		{causeUnauthorized, authorized(fails("", ErrUnauthorized)), shakes("/dev", ""), "the authorizer failed with Unauthorized", "handshake 401"},
		{causeAuthorizerResult, authorized(fails(`{"statusCode":401}`, nil)), shakes("/dev", ""), "an authorizer refuses with the error Unauthorized (401) or a Deny (403), not with a status", "handshake 500"},
		{causeAuthorizerFailed, authorized(fails("", errors.New("it broke"))), shakes("/dev", ""), "the authorizer failed: it broke", "handshake 500"},
		{causeUnavailable, authorized(&Unavailable{"Java does not run here"}), shakes("/dev", ""), "the authorizer of $connect: Java does not run here", "handshake 500"},

		{causeCallURL, &Server{URLBytes: 100}, calls("POST", pathOf(strings.Repeat("x", 100)), ""), "the URL has 118 bytes; 100 are allowed", "post 414"},
		{causeHost, &Server{Hosts: []string{"a.test"}, Domain: "a.test"}, calls("POST", pathOf(some), "x"), "which is not this gateway's; call http://a.test/dev, or see Server.Hosts", "post 403"},
		{causeCallRate, &Server{RequestRate: 1, RequestBurst: 1, Settings: map[string]string{"RequestRate": "--request-rate"}}, func(t *testing.T, host string, _ *Server) {
			for range 20 {
				if a := mustManage(t, "GET", host, pathOf(some), ""); a.status == 429 {
					return
				}
			}
		}, "more than 1 messages and management calls a second, and 1 at once, as on AWS; --request-rate and Server.RequestBurst change it", "get 429"},
		{causeCallStage, &Server{Domain: "localhost:3001"}, calls("POST", "/@connections/x", "x"), "the call has no stage; write http://localhost:3001/dev as the endpoint", "post 403"},
		{causeCallStage, &Server{Domain: "localhost:3001"}, calls("POST", "//@connections/x", "x"), "the path begins with two slashes", "post 403"},
		{causeCallStage, &Server{Domain: "localhost:3001"}, calls("POST", "/prod/@connections/x", "x"), `the call is to the stage "prod", and this is dev; write http://localhost:3001/dev as the endpoint`, "post 403"},
		{causeUnsigned, &Server{}, signed(ours, "us-east-1", "execute-api", func(r *http.Request) { r.Header.Del("Authorization") }), "it has no Authorization header; sign it for execute-api in us-east-1", "post 403"},
		{causeAuthorization, &Server{}, unauthorized("Bearer x"), "its Authorization header is not of AWS4-HMAC-SHA256", "post 403"},
		{causeAuthorization, &Server{}, unauthorized("a\nb"), "it has 2 Authorization headers", "post 403"},
		{causeAuthorization, &Server{}, unauthorized("AWS4-HMAC-SHA256 Credential=x"), "does not have Credential, SignedHeaders in lower case and order, and Signature", "post 403"},
		{causeAuthorization, &Server{}, signed(ours, "us-east-1", "execute-api", func(r *http.Request) { r.Header.Del("X-Amz-Date") }), "its time is missing, malformed or not signed", "post 403"},
		{causeAuthorization, &Server{}, signed(ours, "us-east-1", "execute-api", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;", "", 1))
		}), "the header host is not signed", "post 403"},
		{causeAccessKey, &Server{}, signed(Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "x"}, "us-east-1", "execute-api", nil), `it is signed with the access key that ends in "MPLE", which is not the development pair, wirepost and wirepost`, "post 403"},
		{causeAccessKey, &Server{Credentials: []Credentials{{AccessKeyID: "AKIAIOSFODNN7EXAMPLE"}}}, signed(ours, "us-east-1", "execute-api", nil), `it is signed with the development pair, which is not the access key that ends in "MPLE"`, "post 403"},
		{causeSessionToken, &Server{Credentials: []Credentials{{AccessKeyID: "a", SecretAccessKey: "b", SessionToken: "c"}}}, signed(Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, "us-east-1", "execute-api", nil), "its X-Amz-Security-Token is missing or not that of the access key", "post 403"},
		{causeScope, &Server{}, signed(ours, "eu-west-1", "apigateway", nil), `it is signed for the region "eu-west-1", and this is us-east-1; it is signed for the service "apigateway", and this is execute-api`, "post 403"},
		{causeTime, &Server{Now: func() time.Time { return time.Now().Add(time.Hour) }}, calls("POST", pathOf(some), "x"), "ago, and 5m0s are allowed: the clocks differ, or it was kept; Server.ClockSkew changes that", "post 403"},
		{causeTime, &Server{Now: func() time.Time { return time.Now().Add(-time.Hour) }}, calls("POST", pathOf(some), "x"), "ahead of this clock, and 5m0s are allowed", "post 403"},
		{causeSignature, &Server{}, signed(Credentials{AccessKeyID: "wirepost", SecretAccessKey: "x"}, "us-east-1", "execute-api", nil), "it is not that of the request: another secret access key", "post 403"},
		{causeSignature, &Server{}, signed(ours, "us-east-1", "execute-api", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";x-amz-date", ";x-amz-date;x-none", 1))
		}), "a header that is signed is not there", "post 403"},
		{causeCallBody, &Server{MessageBytes: 3}, calls("POST", pathOf(some), "long"), "the message has 4 bytes; 3 are allowed, see Server.MessageBytes", "post 413"},
		{causeBrokenBody, &Server{}, func(t *testing.T, host string, _ *Server) {
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+host+pathOf(some), strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			signedBy(t, r, []byte("x"), ours, "us-east-1", "execute-api", time.Now())
			nc := dialTCP(t, host)
			fmt.Fprintf(nc, "POST %s HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\nContent-Length: 9\r\n\r\nx", pathOf(some), host, r.Header.Get("X-Amz-Date"), r.Header.Get("Authorization"))
			nc.Close()
		}, "its body ended before all of it had come", "post 400"},
		{causeCallRoute, &Server{}, calls("POST", "/dev/@connections/x/y", ""), `POST of "@connections/x/y"; there are POST, GET and DELETE of @connections/ID`, "post 404"},
		{causeCallRoute, &Server{}, calls("PUT", pathOf(some), ""), "PUT of ", ""}, // which is none of the three kinds
		{causeConnectionID, &Server{}, calls("POST", pathOf("x"), ""), `"x" is not the form of a connection ID`, "post 400"},
		{causeGone, &Server{}, calls("POST", pathOf(some), ""), "no open connection has this ID", "post 410"},
		{causeTooEarly, connecting(waits), func(t *testing.T, host string, _ *Server) {
			fmt.Fprint(dialTCP(t, host), header+"\r\n")
			mustManage(t, "POST", host, pathOf(<-ids), "x")
			close(answered)
		}, "the $connect of this connection is not answered yet", "post 410"},
		{causeQueueFull, &Server{QueueBytes: 1, CloseWait: 10 * time.Millisecond}, func(t *testing.T, host string, s *Server) {
			rawDial(t, host) // which reads nothing
			id := s.Connections()[0].ID
			for range 1000 {
				if a := mustManage(t, "POST", host, pathOf(id), strings.Repeat("x", 100<<10)); a.status == 429 {
					return
				}
			}
		}, "the client does not read: 1 bytes wait for it, and Server.QueueBytes bounds that", "post 429"},

		{causeMessageRate, &Server{RequestRate: 1, RequestBurst: 1}, frames(slices.Repeat([][]byte{masked(0x81, []byte("x"))}, 20)...), "more than 1 messages and management calls a second", "message 0"},
		{causeNoRoute, &Server{Routes: map[string]Route{"join": {}}}, say(`{"action":"jion"}`), `$request.body.action is "jion", which is no route, and there is no $default route`, "message 0"},
		{causeNoRoute, &Server{Routes: map[string]Route{"join": {}}}, say(`{"type":"join"}`), "$request.body.action is not in the message, or is empty, and there is no $default route", "message 0"},
		{causeNoRoute, &Server{Routes: map[string]Route{"join": {}}}, say(`join`), "the message is not JSON, so that $request.body.action selects nothing", "message 0"},
		{causeNoRoute, &Server{Routes: map[string]Route{"join": {}, "$connect": {}}}, say(`{"action":"$connect"}`), `$request.body.action is "$connect", which no message can name`, "message 0"},
		{causeNoRoute, &Server{Routes: map[string]Route{"join": {}}, RouteSelection: "$request.body"}, say(`"secret"`), "$request.body selects no route, and there is no $default route", "message 0"},
		{causeNoAnswer, &Server{Routes: map[string]Route{"$default": {Function: fails("null", nil), RouteResponse: true}}}, say("x"), "route $default has a route response: the handler returned nothing: is its promise returned or awaited?", "frame 0"},
		{causeInvocation, &Server{Routes: map[string]Route{"$default": {Function: fails("", errors.New("it broke"))}}}, say("x"), "it broke", "frame 0"},
		{causeUnavailable, &Server{Routes: map[string]Route{"$default": {Function: &Unavailable{"Java does not run here"}}}}, say("x"), "route $default: Java does not run here", "frame 0"},
		{causeUnavailable, &Server{Routes: map[string]Route{"$disconnect": {Function: &Unavailable{"Java does not run here"}}}}, frames(), "route $disconnect: Java does not run here", "invocation 0"},

		{causeBinary, &Server{}, frames(masked(0x82, []byte("x"))), "the client sent a binary frame; API Gateway takes text only", "close 1003"},
		{causeFrameSize, &Server{FrameBytes: 3}, frames(masked(0x81, []byte("long"))), "the client sent a frame of 4 bytes; 3 are allowed in one, and 131072 in a message of several, see Server.FrameBytes", "close 1009"},
		{causeMessageSize, &Server{MessageBytes: 3}, frames(masked(0x81, []byte("long"))), "the client sent a message of 4 bytes or more; 3 are allowed, see Server.MessageBytes", "close 1009"},
		{causeText, &Server{}, frames(masked(0x81, []byte("\xff"))), "the client sent a message that is not UTF-8", "close 1007"},
		{causeText, &Server{}, frames(masked(0x88, []byte("\x03\xe8\xff"))), "the reason of the client's close frame is not UTF-8", "close 1007"},
		{causeProtocol, &Server{}, frames([]byte{0x81, 1, 'x'}), "masked", "close 1002"},
		{causeProtocol, &Server{}, frames(masked(0x88, []byte{3, 0xed})), "the client's close frame has the code 1005, which no frame may have", "close 1002"},
		{causeProtocol, &Server{}, frames(masked(0x88, []byte{3})), "the client's close frame has half a code", "close 1002"},
	}
}

func TestEveryRefusalLeavesItsReason(t *testing.T) {
	met := map[cause]bool{}
	for _, c := range refusalCases() {
		met[c.cause] = true
		t.Run(fmt.Sprintf("%s %s: %.50s", c.cause.of(), c.cause.name(), c.why), func(t *testing.T) {
			r := newReasons()
			c.server.Notice, c.server.Observer = r.say, r
			if c.server.Function == nil {
				c.server.Function = FunctionFunc(func(context.Context, []byte) ([]byte, error) { return []byte(`{"statusCode":200}`), nil })
			}
			host := serve(t, c.server)
			c.do(t, host, c.server)
			why := c.why
			if !c.cause.quiet() {
				r.await(t, &r.told, c.cause.of()+": ", c.why)
				if c.cause == causeUnavailable {
					_, why, _ = strings.Cut(why, ": ")
				}
			}
			if c.seen != "" {
				r.await(t, &r.details, c.seen+" ", why)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if c.cause.quiet() && slices.ContainsFunc(r.told, func(line string) bool { return strings.Contains(line, c.why) }) {
				t.Errorf("people were told %q", r.told)
			}
		})
	}
	for c := causeNone + 1; c < causes; c++ {
		if !met[c] {
			t.Errorf("no case for the cause %d: %s, %s", c, c.of(), c.name())
		}
		if c.of() == "" || c.name() == "" {
			t.Errorf("the cause %d has no words", c)
		}
	}
}

// A new refusal has to go through refuse, with a cause. Faults are what somebody asked
// for, and a Server that is not configured has no engine.
func TestNothingIsRefusedWithoutACause(t *testing.T) {
	may := map[string][]string{
		"answer":    {"refuse", "answerFault", "ServeHTTP", "open", "perform", "invocation"}, // the last three: of a connection, of a call that succeeded
		"sendError": {"dispatch", "invocation", "sendFault"},
		"close":     {"Shutdown", "start", "effect", "perform", "open", "dispatchFaulty", "deliver"},
		"closeWith": {"close", "closeFor", "tick", "peerCloses"},
	}
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	found := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				s, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if allowed, watched := may[s.Sel.Name]; watched {
					found++
					if !slices.Contains(allowed, f.Name.Name) {
						t.Errorf("%s calls %s: refuse, or closeFor, with a cause instead", f.Name.Name, s.Sel.Name)
					}
				}
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "e" && s.Sel.Name == "refuse" {
					found++
					reason := call.Args[1]
					if id, ok := reason.(*ast.Ident); ok && id.Name == "refused" {
						return true // what a check gave, each of whose results has a cause
					}
					text := new(strings.Builder)
					ast.Fprint(text, nil, reason, nil)
					if !strings.Contains(text.String(), `"because"`) && !strings.Contains(text.String(), `"noRoute"`) {
						t.Errorf("%s refuses without a cause", f.Name.Name)
					}
				}
				return true
			})
			// A check that gives a refusal gives its cause.
			ast.Inspect(f.Body, func(n ast.Node) bool {
				r, ok := n.(*ast.ReturnStmt)
				if !ok {
					return true
				}
				for _, result := range r.Results {
					id, ok := result.(*ast.Ident)
					if ok && slices.Contains([]string{"forbidden", "badRequest", "uriTooLong", "payloadTooLarge", "tooManyRequests", "limitExceeded", "unavailable", "timedOut",
						"internalError", "badGateway", "unauthorized", "authorizerError", "missingToken", "incompleteSignature", "unrecognizedClient", "signatureMismatch"}, id.Name) && f.Name.Name != "refusalOf" {
						t.Errorf("%s returns %s without a cause", f.Name.Name, id.Name)
					}
				}
				return true
			})
		}
	}
	if found < 40 {
		t.Errorf("only %d calls were found", found)
	}
}
