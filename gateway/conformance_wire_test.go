package gateway

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/mapping"
)

func wireRows() []row {
	upgrade := func(t *testing.T, header string) answerOf {
		return httpRaw(t, newLab(t, &Server{}).host, "GET /dev HTTP/1.1\r\nHost: x\r\n"+handshakeFields+header+"\r\n")
	}
	closes := func(s *Server, frame string, do func(l *lab, c *rawClient)) func(*testing.T) {
		return func(t *testing.T) {
			l := newLab(t, &Server{IdleTimeout: s.IdleTimeout, MaxAge: s.MaxAge})
			c := l.connect(t)
			if do != nil {
				do(l, c)
			}
			want(t, c.closed(), frame)
		}
	}
	return []row{
		{id: "4 the 101 answer has these headers", status: "TRACE", source: "python-websockets#1065", check: func(t *testing.T) {
			a := upgrade(t, "")
			is(t, a.status == 101 && a.header.Get("Date") != "" && strings.EqualFold(a.header.Get("Connection"), "upgrade") && strings.EqualFold(a.header.Get("Upgrade"), "websocket"), a)
			want(t, a.header.Get("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
		}},
		{id: "4 the upgrade waits for $connect", status: "DOC", source: "DG", check: func(t *testing.T) {
			release := make(chan struct{})
			l := &lab{recorder: newRecorder(), server: &Server{}}
			l.answer = func(e event) ([]byte, error) {
				if e.RequestContext.EventType == "CONNECT" {
					<-release
				}
				return []byte(`{"statusCode":200}`), nil
			}
			l.server.Function = l.recorder
			l.host = serve(t, l.server)
			nc := dialTCP(t, l.host)
			io.WriteString(nc, "GET /dev HTTP/1.1\r\nHost: x\r\n"+handshakeFields+"\r\n"+string(masked(0x81, []byte("early"))))
			id := l.next(t, "CONNECT").RequestContext.ConnectionID
			// Nothing can be sent to it, and what it sends waits.
			is(t, mustManage(t, "POST", l.host, pathOf(id), "x").status == 410)
			is(t, len(l.events) == 0)
			close(release)
			want(t, l.next(t, "MESSAGE").Body, "early")
		}},
		{id: "4 no subprotocol is chosen for the function", status: "DOC", source: "DG; serverless-offline#1176", check: func(t *testing.T) {
			a := upgrade(t, "Sec-WebSocket-Protocol: a, b\r\n")
			is(t, a.status == 101 && a.header.Get("Sec-WebSocket-Protocol") == "", a)
		}},
		{id: "4 the function chooses the subprotocol by its answer's header", status: "DOC", source: "DG", check: func(t *testing.T) {
			f := newRecorder()
			f.answer = func(event) ([]byte, error) {
				return []byte(`{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"b"}}`), nil
			}
			a := httpRaw(t, serve(t, &Server{Function: f}), "GET /dev HTTP/1.1\r\nHost: x\r\n"+handshakeFields+"Sec-WebSocket-Protocol: a, b\r\n\r\n")
			want(t, a.header.Get("Sec-WebSocket-Protocol"), "b")
		}},
		{id: "4 permessage-deflate is negotiated", status: "UNCERTAIN", source: "python-websockets#1065 (2021), and what followed was broken", here: "declined, which is always legal (RFC 7692)", check: func(t *testing.T) {
			for _, offer := range []string{"permessage-deflate", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"} {
				a := upgrade(t, "Sec-WebSocket-Extensions: "+offer+"\r\n")
				is(t, a.status == 101 && a.header.Get("Sec-WebSocket-Extensions") == "", a)
			}
		}},
		{id: "4 the gateway sends no pings", status: "ISSUE", source: "andyrichardson/subscriptionless#3", check: closes(&Server{IdleTimeout: 50 * time.Millisecond}, "1001 Going away", nil)},
		{id: "4 a client's ping is answered", status: "UNCERTAIN", source: "reports conflict; RFC 6455 asks for it", here: "answered", check: func(t *testing.T) { newLab(t, &Server{}).connect(t).silent() }},
		{id: "4 a ping does not reset the idle timer", status: "UNCERTAIN", source: "reports conflict", here: "it does not; Server.PingKeepsAlive changes that", check: func(t *testing.T) {
			s := &Server{}
			inFakeTime(t, s, func(t *testing.T, p *pipes, f *recorder) {
				start := time.Now()
				nc, r := p.dial(t)
				time.Sleep(9 * time.Minute)
				nc.Write(masked(0x89, nil))
				readFrame(r)
				wantClose(t, r, closePayload(1001, "Going away"))
				is(t, time.Since(start) == 10*time.Minute, time.Since(start))
				nc.Close()
			})
		}},
		{id: "4 pings reach no route", status: "UNCERTAIN", source: "no source, and no report of one that did", here: "they reach none", check: func(t *testing.T) {
			l := newLab(t, &Server{})
			c := l.connect(t)
			l.next(t, "CONNECT")
			c.silent()
			c.Write(masked(0x8a, nil))
			c.silent()
			is(t, len(l.events) == 0)
		}},
		{id: "4 messages in either direction reset the idle timer", status: "ISSUE", source: "hotsock.io; subscriptionless#3", check: func(t *testing.T) {
			s := &Server{}
			inFakeTime(t, s, func(t *testing.T, p *pipes, f *recorder) {
				nc, r := p.dial(t)
				id := f.next(t, "CONNECT").RequestContext.ConnectionID
				time.Sleep(9 * time.Minute)
				nc.Write(masked(0x81, []byte("in")))
				f.next(t, "MESSAGE")
				time.Sleep(9 * time.Minute)
				s.engine.effect(s.engine.table.get(id), Call{Kind: CallPost}, body{make([]byte, headerRoom), nil})
				start := time.Now()
				wantClose(t, r, closePayload(1001, "Going away"))
				is(t, time.Since(start) == 10*time.Minute, time.Since(start))
				nc.Close()
			})
		}},
		{id: "4 a binary frame is 1003", status: "DOC", source: "DG", check: closes(&Server{}, "1003 binary frames are not supported", func(_ *lab, c *rawClient) { c.Write(masked(0x82, nil)) })},
		{id: "4 a message over 128 KB is 1009", status: "DOC", source: "quotas page", check: closes(&Server{}, "1009 message too long", func(_ *lab, c *rawClient) {
			c.Write(masked(0x01, make([]byte, 32<<10)))
			for range 4 {
				c.Write(masked(0x00, make([]byte, 32<<10)))
			}
		})},
		{id: "4 a frame over 32 KB is 1009", status: "DOC", source: "quotas page", check: closes(&Server{}, "1009 frame too long", func(_ *lab, c *rawClient) { c.Write(masked(0x81, make([]byte, 32<<10+1))) })},
		{id: "4 ten idle minutes are 1001 Going away", status: "TRACE", source: "T-CUSTOM has it in the event", check: closes(&Server{IdleTimeout: 20 * time.Millisecond}, "1001 Going away", nil)},
		{id: "4 the limit of two hours closes with 1001", status: "UNCERTAIN", source: "other emulators only", here: "1001 `Going away`", check: closes(&Server{MaxAge: 20 * time.Millisecond}, "1001 Going away", nil)},
		{id: "4 DELETE closes with 1000", status: "ISSUE", source: "aws/chalice#2060", check: closes(&Server{}, "1000 Connection Closed Normally", func(l *lab, c *rawClient) { manage(c.t, "DELETE", l.host, pathOf(c.id), "") })},
		{id: "4 what a client sees when the service ends", status: "UNCERTAIN", source: "no source; a deployment closes nothing", here: "1001 `Going away`", check: closes(&Server{}, "1001 Going away", func(l *lab, c *rawClient) {
			done := make(chan struct{})
			c.t.Cleanup(func() { <-done })
			go func() { l.server.Shutdown(c.t.Context()); close(done) }()
		})},
		{id: "4 a backend cannot choose a close code", status: "ISSUE", source: "aws/aws-sdk-js#3636", check: closes(&Server{}, "1000 Connection Closed Normally", func(l *lab, c *rawClient) {
			manage(c.t, "DELETE", l.host, pathOf(c.id)+"?code=4000", `{"code":4000}`)
		})},
	}
}

func quotaRows() []row {
	const page = "quotas page"
	defaults := func(ok func(e *engine) bool) func(*testing.T) {
		return func(t *testing.T) { is(t, ok(engineOf(t, &Server{Function: newRecorder()}))) }
	}
	routes := func(n int) map[string]Route {
		m := map[string]Route{}
		for i := range n {
			m[strings.Repeat("r", i+1)] = Route{}
		}
		return m
	}
	valid := func(s *Server) bool {
		s.Function = newRecorder()
		return s.Validate() == nil
	}
	return []row{
		{id: "5 500 new connections a second", status: "DOC", source: page, check: defaults(func(e *engine) bool { return e.connects.rate == 500 })},
		{id: "5 no bound of connections at one time", status: "DOC", source: page, check: func(t *testing.T) {
			l := newLab(t, &Server{})
			for range 100 {
				l.connect(t)
			}
			is(t, l.server.ConnectionCount() == 100)
		}},
		{id: "5 a connection lasts two hours", status: "DOC", source: page, check: defaults(func(e *engine) bool { return e.maxAge == 2*time.Hour })},
		{id: "5 the idle timeout is ten minutes", status: "DOC", source: page, check: defaults(func(e *engine) bool { return e.idleTimeout == 10*time.Minute })},
		{id: "5 a message has 128 KB", status: "DOC", source: page, check: defaults(func(e *engine) bool { return e.messageBytes == 131_072 })},
		{id: "5 a frame has 32 KB", status: "DOC", source: page, check: defaults(func(e *engine) bool { return e.frameBytes == 32_768 })},
		{id: "5 KB is 1,024", status: "UNCERTAIN", source: "assumed", here: "1,024: a message of 131,072 bytes is accepted, one more is not", check: func(t *testing.T) {
			l := newLab(t, &Server{})
			c := l.connect(t)
			is(t, mustManage(t, "POST", l.host, pathOf(c.id), strings.Repeat("x", 131_072)).status == 200)
			is(t, mustManage(t, "POST", l.host, pathOf(c.id), strings.Repeat("x", 131_073)).status == 413)
		}},
		{id: "5 an integration takes 50 ms to 29 s", status: "DOC", source: page, check: defaults(func(e *engine) bool {
			return e.integrationTimeout == 29*time.Second && minIntegration == 50*time.Millisecond
		})},
		{id: "5 an API has ten authorizers", status: "DOC", source: page, here: "one: only $connect can have one", deviation: true, check: func(t *testing.T) {
			a := &Authorizer{Function: newRecorder()}
			is(t, valid(&Server{Routes: map[string]Route{"$connect": {Authorizer: a}}}) && !valid(&Server{Routes: map[string]Route{"$connect": {Authorizer: a}, "x": {Authorizer: a}}}))
		}},
		{id: "5 an authorizer's result has 8 KB", status: "DOC", source: page, check: func(t *testing.T) {
			fit := strings.Replace(policyOf("Allow", "*", `{"a":"X"}`), "X", strings.Repeat("x", 8192-len(policyOf("Allow", "*", `{"a":""}`))), 1)
			for result, ok := range map[string]bool{fit: true, fit + " ": false} {
				_, _, err := parseAuthorizerResult([]byte(result), connectARN, 0)
				is(t, (err == nil) == ok, len(result), err)
			}
		}},
		{id: "5 an API has 300 routes", status: "DOC", source: page, check: func(t *testing.T) {
			is(t, valid(&Server{Routes: routes(300)}) && !valid(&Server{Routes: routes(301)}))
		}},
		{id: "5 an API has 300 integrations", status: "DOC", source: page, here: "no more than it has routes: integrations are not objects of their own", deviation: true, check: func(t *testing.T) { is(t, !valid(&Server{Routes: routes(301)})) }},
		{id: "5 an API has ten stages", status: "DOC", source: page, here: "one for each Server; several Servers are several stages", deviation: true, check: func(t *testing.T) {
			host := newLab(t, &Server{Stage: "one"}).host
			want(t, httpStatus(t, host, "/one"), "101", httpStatus(t, host, "/two"), "403")
		}},
		{id: "5 a URL has 4,096 characters", status: "DOC", source: page, check: func(t *testing.T) {
			host := newLab(t, &Server{}).host
			want(t, httpStatus(t, host, "/dev?"+strings.Repeat("a", 4091)), "101")
			is(t, httpStatus(t, host, "/dev?"+strings.Repeat("a", 4092)) != "101")
		}},
		{id: "5 what a longer URL gets", status: "UNCERTAIN", source: "no source", here: "414", check: func(t *testing.T) {
			want(t, httpStatus(t, newLab(t, &Server{}).host, "/dev?"+strings.Repeat("a", 5000)), "414")
		}},
		{id: "5 a mapping template has 300 KB", status: "DOC", source: page, check: func(t *testing.T) {
			_, err := mapping.Parse(strings.Repeat("x", 300<<10))
			_, tooLong := mapping.Parse(strings.Repeat("x", 300<<10+1))
			is(t, err == nil && tooLong != nil)
		}},
		{id: "5 an access log's template has 3 KB", status: "DOC", source: page, here: "no access logs; Server.Logger has what an operator wants to know", deviation: true, check: hasNoFields("AccessLog", "AccessLogFormat", "AccessLogSettings")},
		{id: "5 10,000 requests a second with a burst of 5,000", status: "DOC", source: page, check: defaults(func(e *engine) bool { return e.requests.rate == 10_000 && e.requests.burst == 5_000 })},
		{id: "5 2,500 and 1,250 in Cape Town and Milan", status: "DOC", source: page, check: func(t *testing.T) {
			for _, region := range []string{"af-south-1", "eu-south-1"} {
				e := engineOf(t, &Server{Function: newRecorder(), Region: region})
				is(t, e.requests.rate == 2_500 && e.requests.burst == 1_250, region)
			}
		}},
		{id: "5 messages and @connections calls share one bucket", status: "DOC", source: page + "; DG, limits.md", check: func(t *testing.T) {
			l := newLab(t, &Server{RequestRate: 1, RequestBurst: 3})
			c := l.connect(t)
			for range 20 {
				c.send("x")
			}
			want(t, c.error(), "Too Many Requests")
			is(t, mustManage(t, "GET", l.host, pathOf(c.id), "").status == 429)
		}},
		{id: "5 all headers of a handshake together", status: "UNCERTAIN", source: "no WebSocket figure; 10,240 bytes for REST and HTTP APIs", here: "64 KB", check: func(t *testing.T) {
			host := newLab(t, &Server{}).host
			status, _, _ := shake(t, host, "/dev", "X-Long: "+strings.Repeat("x", 20_000)+"\r\n")
			is(t, status == 101, status)
			status, _, _ = shake(t, host, "/dev", "X-Long: "+strings.Repeat("x", 80_000)+"\r\n")
			is(t, status == 431, status)
		}},
		{id: "5 a stage's name has 1 to 128 letters, digits, hyphens and underscores", status: "DOC", source: page, check: func(t *testing.T) {
			for name, ok := range map[string]bool{"A-z_0": true, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false, "a.b": false, "é": false, "$default": false} {
				is(t, valid(&Server{Stage: name}) == ok, name)
			}
		}},
		{id: "5 /ping and /sping are reserved on custom domains", status: "DOC", source: page, here: "no custom domains: they are stages as any other", deviation: true, check: func(t *testing.T) {
			want(t, httpStatus(t, newLab(t, &Server{Stage: "ping"}).host, "/ping"), "101")
		}},
	}
}
