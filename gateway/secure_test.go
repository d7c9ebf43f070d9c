package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"
	"github.com/coder/websocket"
)

// testTLS is a configuration for a server on 127.0.0.1, and one that trusts it.
var testTLS = sync.OnceValues(func() (server, client *tls.Config) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
})

// rawDialTLS is rawDial over TLS.
func rawDialTLS(t testing.TB, host string) *tls.Conn {
	t.Helper()
	_, config := testTLS()
	nc := tls.Client(dialTCP(t, host), config)
	if err := rawHandshake(nc, "dev"); err != nil {
		t.Fatal(err)
	}
	return nc
}

// httpsClient trusts the test's certificate. Its connections end with the test.
func httpsClient(t testing.TB) *http.Client {
	_, config := testTLS()
	transport := &http.Transport{TLSClientConfig: config.Clone()}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func serverTLS() *tls.Config { config, _ := testTLS(); return config }

func TestPlainAndTLSShareAPort(t *testing.T) {
	f := newRecorder()
	host := serve(t, &Server{Function: f, TLS: serverTLS()})
	secure := httpsClient(t)
	for scheme, client := range map[string]*http.Client{"http": nil, "https": secure} {
		c, _, err := websocket.Dial(t.Context(), strings.Replace(scheme, "http", "ws", 1)+"://"+host+"/dev", &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		connect := f.next(t, "CONNECT")
		if got := connect.Headers["X-Forwarded-Proto"]; got != scheme {
			t.Errorf("X-Forwarded-Proto = %q, want %q", got, scheme)
		}
		if got := connect.RequestContext.DomainName; got != host {
			t.Errorf("domainName = %q", got)
		}
		id := connect.RequestContext.ConnectionID
		write(t, c, "hello")
		if e := f.next(t, "MESSAGE"); e.Body != "hello" {
			t.Errorf("body = %q", e.Body)
		}
		api := apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(scheme + "://" + host + "/dev"), RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost"}, nil
			}),
		}, func(o *apigatewaymanagementapi.Options) {
			if client != nil {
				o.HTTPClient = client
			}
		})
		ctx := t.Context()
		if _, err := api.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte("posted")}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, c); got != "posted" {
			t.Errorf("message = %q", got)
		}
		if out, err := api.GetConnection(ctx, &apigatewaymanagementapi.GetConnectionInput{ConnectionId: &id}); err != nil || *out.Identity.SourceIp != "127.0.0.1" {
			t.Errorf("get = %+v, %v", out, err)
		}
		if _, err := api.DeleteConnection(ctx, &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: &id}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != 1000 {
			t.Errorf("the client sees %v", err)
		}
		if d := f.next(t, "DISCONNECT").RequestContext; d.DisconnectStatusCode != 1000 || d.ConnectionID != id {
			t.Errorf("disconnect = %+v", d)
		}
		_, err = api.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte("x")})
		if _, ok := errors.AsType[*types.GoneException](err); !ok {
			t.Errorf("after the delete: %v", err)
		}
	}
}

func TestTLSOffersNoHTTP2(t *testing.T) {
	host := serve(t, &Server{Function: newRecorder(), TLS: serverTLS()})
	_, config := testTLS()
	config = config.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	nc := tls.Client(dialTCP(t, host), config)
	if err := nc.HandshakeContext(t.Context()); err != nil || nc.ConnectionState().NegotiatedProtocol != "http/1.1" {
		t.Errorf("negotiated %q, %v", nc.ConnectionState().NegotiatedProtocol, err)
	}
}

// Browsers open connections in advance and say nothing on them for minutes.
func TestConnectionsThatSayNothingDelayNobodyAndEndWithTheServer(t *testing.T) {
	for _, test := range []struct {
		name   string
		config *tls.Config
		said   string
		secure bool
	}{
		{"plain", nil, "", false}, {"plain, half a request", nil, "GET /dev HT", false}, {"plain or TLS", serverTLS(), "", false},
		{"half a TLS hello", serverTLS(), "\x16\x03\x01", false}, {"plain or TLS, half a request", serverTLS(), "GET", false},
		{"TLS and no request", serverTLS(), "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newRecorder()
			s := &Server{Function: f, TLS: test.config, CloseWait: 100 * time.Millisecond}
			host := serve(t, s)
			var silent []net.Conn
			for range 20 {
				nc := dialTCP(t, host)
				io.WriteString(nc, test.said)
				if test.secure {
					_, config := testTLS()
					secure := tls.Client(nc, config)
					if err := secure.HandshakeContext(t.Context()); err != nil {
						t.Fatal(err)
					}
					nc = secure
				}
				silent = append(silent, nc)
			}
			dial(t, host, nil)
			f.next(t, "CONNECT")
			if test.config != nil {
				rawDialTLS(t, host)
				f.next(t, "CONNECT")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // net/http alone would wait 5
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown = %v", err)
			}
			for _, nc := range silent {
				nc.SetReadDeadline(time.Now().Add(5 * time.Second))
				if n, err := nc.Read(make([]byte, 1)); n != 0 || errors.Is(err, context.DeadlineExceeded) || err == nil {
					t.Errorf("read %d bytes, %v", n, err)
				}
			}
		})
	}
}

func TestAConnectionThatSaysNothingIsClosedAfterTenSeconds(t *testing.T) {
	inFakeTime(t, &Server{TLS: serverTLS()}, func(t *testing.T, p *pipes, f *recorder) {
		nc, theirs := net.Pipe()
		p.Conns <- theirs
		start := time.Now()
		if _, err := nc.Read(make([]byte, 1)); err != io.EOF || time.Since(start) != headerTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		after, _ := p.dial(t)
		f.next(t, "CONNECT")
		after.Close()
	})
}

// oddListener gives what a test tells it to.
type oddListener struct {
	pipes
	errs chan error
	last net.Conn // accepted while it closes
}

func (l *oddListener) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, err
	case nc := <-l.Conns:
		return nc, nil
	case <-l.Done():
		if nc := l.last; nc != nil {
			l.last = nil
			return nc, nil
		}
		return nil, net.ErrClosed
	}
}

func TestTooManyOpenFilesDoNotEndTheListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newRecorder()
		l := &oddListener{pipes: *newPipes(), errs: make(chan error)}
		serveOn(t, &Server{Function: f, TLS: serverTLS()}, l)
		for range 3 {
			l.errs <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		nc, _ := l.dial(t)
		f.next(t, "CONNECT")
		nc.Close()
	})
}

func TestAConnectionAcceptedWhileTheListenerClosesIsClosedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, theirs := net.Pipe()
		l := newEitherListener(&oddListener{pipes: *newPipes(), last: theirs}, serverTLS())
		start := time.Now()
		l.Close()
		if _, err := nc.Read(make([]byte, 1)); err != io.EOF || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if _, err := l.Accept(); err != net.ErrClosed {
			t.Errorf("Accept = %v", err)
		}
	})
}

func TestAStuckReaderOverTLSGets429AndThenAllThatWasAccepted(t *testing.T) {
	f := newRecorder()
	s := &Server{Function: f, QueueBytes: 128 << 10, TLS: serverTLS()}
	host := serve(t, s)
	nc := rawDialTLS(t, host)
	c := engineOf(t, s).table.get(f.next(t, "CONNECT").RequestContext.ConnectionID)
	text := []byte(strings.Repeat("x", 16<<10))
	accepted := 0
	for ; accepted < 10_000; accepted++ {
		err := c.send(compileText(text, 32<<10))
		if err == errQueueFull {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	r := bufio.NewReader(nc)
	for i := range accepted {
		if got, err := readFrame(r); err != nil || string(got.payload) != string(text) {
			t.Fatalf("frame %d of %d: %d bytes, %v", i, accepted, len(got.payload), err)
		}
	}
	nc.Write(masked(0x88, nil))
	wantClose(t, r, nil)
	if d := f.next(t, "DISCONNECT").RequestContext; d.DisconnectStatusCode != 1005 {
		t.Errorf("disconnect = %+v", d)
	}
	if _, err := r.ReadByte(); err != io.EOF { // close_notify, not a cut
		t.Errorf("after the close frame: %v", err)
	}
}

// TLS says goodbye when it closes, for up to 5 seconds to a client that does not
// read. Such a one has had its time.
func TestAStuckReaderOverTLSIsCutOffWhenItsTimeIsOver(t *testing.T) {
	f := newRecorder()
	s := &Server{Function: f, TLS: serverTLS(), CloseWait: 50 * time.Millisecond}
	host := serve(t, s)
	rawDialTLS(t, host) // and reads nothing
	c := engineOf(t, s).table.get(f.next(t, "CONNECT").RequestContext.ConnectionID)
	for c.send(compileText(make([]byte, 64<<10), 32<<10)) == nil {
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	f.next(t, "DISCONNECT")
}

func TestAnAbortOverTLSIsAReset(t *testing.T) {
	f := newFaultyOver(t, serverTLS())
	for _, kind := range []CallKind{CallMessage, CallConnect} {
		f.next.Store(nil)
		nc := rawDialTLS(t, f.host)
		f.recorder.next(t, "CONNECT")
		f.set(kind, Fault{ResetBefore: true})
		if kind == CallMessage {
			nc.Write(masked(0x81, []byte("x")))
			f.recorder.next(t, "DISCONNECT")
		} else {
			_, config := testTLS()
			nc = tls.Client(dialTCP(t, f.host), config)
			io.WriteString(nc, "GET /dev HTTP/1.1\r\nHost: x\r\n"+handshakeFields+"\r\n")
		}
		nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := nc.NetConn().Read(make([]byte, 4096)); !errors.Is(err, syscall.ECONNRESET) {
			// What TLS had sent before may come first.
			if _, err = io.Copy(io.Discard, nc.NetConn()); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: the client sees %v", kind, err)
			}
		}
	}
}

func TestShutdownOverTLSClosesWithGoingAway(t *testing.T) {
	f := newRecorder()
	s := &Server{Function: f, TLS: serverTLS()}
	nc := rawDialTLS(t, serve(t, s))
	f.next(t, "CONNECT")
	done := make(chan error)
	go func() { done <- s.Shutdown(context.Background()) }()
	r := bufio.NewReader(nc)
	wantClose(t, r, closePayload(1001, "Going away"))
	nc.Write(masked(0x88, closePayload(1001, "")))
	if err := <-done; err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	if d := f.next(t, "DISCONNECT").RequestContext; d.DisconnectStatusCode != 1001 {
		t.Errorf("disconnect = %+v", d)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("after the close frame: %v", err)
	}
}
