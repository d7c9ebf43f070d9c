package wireposttest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
)

// Gateway is an API Gateway of a test. Its server's fields may be read.
type Gateway struct {
	// Server is the running gateway. Its Fault field is the place for the failures
	// that a test wants; set it in the configure function of [NewGateway].
	Server *gateway.Server
	// URL is where clients connect: ws://127.0.0.1:PORT/STAGE.
	URL string
	// Endpoint is where publishers post: http://localhost:PORT/STAGE.
	Endpoint string

	listener *listener
}

// NewGateway runs a gateway with one function on a free loopback port until the
// test ends. The routes are $connect, $disconnect and $default, and those that the
// function says it has, as a [wirepost.Mux] does with RouteKeys: these have a route
// response, so that what a handler returns reaches the client.
//
// The work of handlers of [wirepost.Mux.HandleLong] runs in this process, unless
// MuxOptions.Later says otherwise; what still runs when the gateway stops is ended.
//
// configure may be nil; it changes the server before it starts, the routes too. No rate
// is throttled unless configure sets ConnectRate or RequestRate. The
// development key pair (wirepost, wirepost, us-east-1) signs.
func NewGateway(t testing.TB, function gateway.Function, configure func(*gateway.Server)) *Gateway {
	t.Helper()
	g, stop, err := StartGateway(function, configure)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return g
}

// StartGateway is [NewGateway] for programs and examples without a testing.TB.
// stop ends every connection, lets each $disconnect run, and returns within 10 s.
func StartGateway(function gateway.Function, configure func(*gateway.Server)) (g *Gateway, stop func(), err error) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("listen for a test gateway: %w", err)
	}
	l := &listener{Listener: tcp, slow: map[string]bool{}}
	port := l.Addr().(*net.TCPAddr).Port
	own, stopLong := inProcess(function)
	s := &gateway.Server{Function: own, Stage: "dev", Domain: fmt.Sprintf("localhost:%d", port), ConnectRate: -1, RequestRate: -1, Routes: routesOf(function)}
	if configure != nil {
		configure(s)
	}
	if err := s.Validate(); err != nil {
		l.Close()
		stopLong()
		return nil, nil, err
	}
	g = &Gateway{Server: s, URL: fmt.Sprintf("ws://127.0.0.1:%d/%s", port, s.Stage), Endpoint: fmt.Sprintf("http://%s/%s", s.Domain, s.Stage), listener: l}
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(l) })
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		serving.Wait()
		stopLong()
	})
	return g, stop, nil
}

// routesOf are the routes of a function that says which it has; nil, which is the
// gateway's default, otherwise.
func routesOf(function gateway.Function) map[string]gateway.Route {
	if mux, ok := function.(*wirepost.Mux); ok && mux == nil {
		return nil
	}
	said, ok := function.(interface{ RouteKeys() []string })
	if !ok {
		return nil
	}
	routes := map[string]gateway.Route{"$connect": {}, "$disconnect": {}, "$default": {}}
	for _, key := range said.RouteKeys() {
		routes[key] = gateway.Route{RouteResponse: key != "$connect" && key != "$disconnect"}
	}
	return routes
}

// Client is a WebSocket client. One goroutine may send while another receives.
type Client struct {
	conn net.Conn
	read io.Reader
	// Subprotocol is what the server chose.
	Subprotocol string
}

// HandshakeError is a refused handshake.
type HandshakeError struct{ Status int }

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("the handshake was answered with %d", e.Status)
}

// CloseError is the close frame that ended a connection. Code 1006 means that
// there was none.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string { return fmt.Sprintf("closed with %d %q", e.Code, e.Reason) }

// Dial connects a client. header may be nil; a refused handshake is a
// [*HandshakeError]. The caller closes the client.
func Dial(ctx context.Context, url string, header http.Header) (*Client, error) {
	return dial(ctx, url, header, nil)
}

func dial(ctx context.Context, url string, header http.Header, via func(context.Context, string, string) (net.Conn, error)) (*Client, error) {
	c := &Client{}
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header), Timeout: 30 * time.Second, NetDial: via}
	if p := header.Get("Sec-WebSocket-Protocol"); p != "" {
		header = header.Clone()
		header.Del("Sec-WebSocket-Protocol")
		d.Header = ws.HandshakeHeaderHTTP(header)
		for part := range strings.SplitSeq(p, ",") {
			d.Protocols = append(d.Protocols, strings.TrimSpace(part))
		}
	}
	conn, br, hs, err := d.Dial(ctx, url)
	if err != nil {
		var status ws.StatusError
		if s, ok := err.(ws.StatusError); ok {
			status = s
			return nil, &HandshakeError{int(status)}
		}
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	c.conn, c.read, c.Subprotocol = conn, conn, hs.Protocol
	if br != nil && br.Buffered() > 0 {
		c.read = io.MultiReader(io.LimitReader(br, int64(br.Buffered())), conn)
	}
	c.read = bufio.NewReaderSize(c.read, 4<<10)
	return c, nil
}

// Send sends a text message in one frame.
func (c *Client) Send(text string) error {
	// One write, as browsers do it.
	frame, err := ws.CompileFrame(ws.MaskFrameInPlace(ws.NewTextFrame([]byte(text))))
	if err != nil {
		return err
	}
	_, err = c.conn.Write(frame)
	return err
}

// Receive waits for the next text message until the context ends. When the
// connection has ended the error is a [*CloseError].
func (c *Client) Receive(ctx context.Context) (string, error) {
	stop := context.AfterFunc(ctx, func() { c.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() {
			c.conn.SetReadDeadline(time.Time{})
		}
	}()
	data, _, err := wsutil.ReadServerData(readWriter{c.read, c.conn})
	if err == nil {
		return string(data), nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if closed, ok := err.(wsutil.ClosedError); ok {
		return "", &CloseError{int(closed.Code), closed.Reason}
	}
	return "", &CloseError{Code: 1006, Reason: err.Error()}
}

// Close says goodbye with code 1000 and ends the connection.
func (c *Client) Close() error {
	ws.WriteFrame(c.conn, ws.MaskFrameInPlace(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))
	return c.conn.Close()
}

// Cut ends the TCP connection without a close frame, as a lost network does.
func (c *Client) Cut() error { return c.conn.Close() }

type readWriter struct {
	io.Reader
	io.Writer
}
