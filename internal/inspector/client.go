package inspector

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wirepost/wirepost/gateway"
)

const (
	maxClients = 50
	writeTime  = 10 * time.Second
)

// clients are those that the page has connected: WebSocket connections from this
// process to the gateway, so that they may send headers, which a browser's cannot.
// What they get is in the timeline, with all that others get.
type clients struct {
	mu     sync.Mutex
	closed bool
	last   int
	open   []*client
	reads  sync.WaitGroup
}

// client is one of them.
type client struct {
	n          int
	conn       net.Conn
	connection string // its connection ID
	query      string
	write      sync.Mutex
}

// clientInfo is a client as JSON.
type clientInfo struct {
	N          int    `json:"n"`
	Connection string `json:"connection"`
	Query      string `json:"query"`
}

func (c *client) info() clientInfo { return clientInfo{c.n, c.connection, c.query} }

func (all *clients) list() []clientInfo {
	all.mu.Lock()
	defer all.mu.Unlock()
	infos := []clientInfo{}
	for _, c := range all.open {
		infos = append(infos, c.info())
	}
	return infos
}

func (all *clients) byConnection() map[string]int {
	numbers := map[string]int{}
	for _, c := range all.list() {
		numbers[c.Connection] = c.N
	}
	return numbers
}

func (all *clients) get(n int) *client {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, c := range all.open {
		if c.n == n {
			return c
		}
	}
	return nil
}

// add keeps a client and reads what comes until its connection ends.
func (all *clients) add(c *client) error {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.closed || len(all.open) >= maxClients {
		c.conn.Close()
		return badRequest("there are %d clients of the page already; close some", len(all.open))
	}
	all.last++
	c.n = all.last
	all.open = append(all.open, c)
	all.reads.Go(func() { // ends with the connection, which close closes
		c.read()
		all.mu.Lock()
		defer all.mu.Unlock()
		all.open = slices.DeleteFunc(all.open, func(o *client) bool { return o == c })
	})
	return nil
}

func (all *clients) close() {
	all.mu.Lock()
	all.closed = true
	open := slices.Clone(all.open)
	all.mu.Unlock()
	for _, c := range open {
		c.goodbye()
	}
	all.reads.Wait()
}

// read discards messages, and answers pings and the close frame.
func (c *client) read() {
	defer c.conn.Close()
	for {
		// As wsutil.ReadServerData, but what answers does not race with sends.
		if _, _, err := wsutil.ReadServerData(locked{c.conn, &c.write}); err != nil {
			return
		}
	}
}

type locked struct {
	net.Conn
	mu *sync.Mutex
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Conn.Write(p)
}

func (c *client) send(text string) error {
	c.write.Lock()
	defer c.write.Unlock()
	c.conn.SetWriteDeadline(time.Now().Add(writeTime))
	defer c.conn.SetWriteDeadline(time.Time{})
	return wsutil.WriteClientText(c.conn, []byte(text))
}

func (c *client) goodbye() {
	c.write.Lock()
	c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	ws.WriteFrame(c.conn, ws.MaskFrameInPlace(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))
	c.write.Unlock()
	c.conn.SetReadDeadline(time.Now().Add(time.Second)) // for the gateway's own
}

func (i *Inspector) getClients(*http.Request) (any, error) { return i.clients.list(), nil }

// postClient connects a client. Only what is behind the question mark is the page's
// to say: a client goes to this gateway and nowhere else.
func (i *Inspector) postClient(r *http.Request) (any, error) {
	var ask struct {
		Query     string
		Headers   map[string]string
		Protocols []string
	}
	if err := i.readBody(r, &ask); err != nil {
		return nil, err
	}
	u, err := url.Parse(i.o.Connect)
	if err != nil {
		return nil, err
	}
	u.RawQuery = strings.TrimPrefix(ask.Query, "?")
	header := http.Header{}
	for name, value := range ask.Headers {
		if name == "" || strings.ContainsAny(name, ": \r\n\t") || strings.ContainsAny(value, "\r\n") {
			return nil, badRequest("%q is not a header", name)
		}
		header.Set(name, value)
	}
	if strings.ContainsAny(u.RawQuery, " \r\n\t#") {
		return nil, badRequest("the query %q has to be escaped, such as user=alice&topic=a%%20b", ask.Query)
	}
	for _, p := range ask.Protocols {
		if p == "" || strings.ContainsAny(p, " ,\r\n\t") {
			return nil, badRequest("%q is not a subprotocol", p)
		}
	}
	var local string
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header), Protocols: ask.Protocols, Timeout: doTime,
		NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, address)
			if err == nil {
				local = conn.LocalAddr().String()
			}
			return conn, err
		}}
	ctx, cancel := context.WithTimeout(r.Context(), doTime)
	defer cancel()
	conn, buffered, _, err := d.Dial(ctx, u.String())
	var status ws.StatusError
	if s, ok := err.(ws.StatusError); ok {
		status = s
		return nil, badRequest("the handshake was answered with %d %s", int(status), http.StatusText(int(status)))
	}
	if err != nil {
		return nil, badRequest("connect to %s: %v", i.o.Connect, err)
	}
	if buffered != nil {
		ahead, _ := buffered.Peek(buffered.Buffered())
		conn = &prefixed{Conn: conn, ahead: slices.Clone(ahead)}
		ws.PutReader(buffered)
	}
	c := &client{conn: conn, query: string(i.o.Recorder.mask.target("?" + u.RawQuery))[1:], connection: i.o.Recorder.connectionFrom(local)}
	if err := i.clients.add(c); err != nil {
		return nil, err
	}
	return c.info(), nil
}

// prefixed is a connection with what was read of it too early.
type prefixed struct {
	net.Conn
	ahead []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.ahead) > 0 {
		n := copy(b, p.ahead)
		p.ahead = p.ahead[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// connectionFrom is the connection that came from an address last: a client is not
// told its connection ID, but its own address it knows.
func (r *Recorder) connectionFrom(remote string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := r.normal.last; e != nil; e = e.prev {
		if e.record.Remote == remote && e.record.Kind == string(gateway.ObservedHandshake) {
			return e.record.Connection
		}
	}
	return ""
}

func (i *Inspector) client(r *http.Request) (*client, error) {
	n, _ := strconv.Atoi(r.PathValue("n"))
	c := i.clients.get(n)
	if c == nil {
		return nil, &problem{http.StatusNotFound, "this client's connection has ended"}
	}
	return c, nil
}

func (i *Inspector) postToClient(r *http.Request) (any, error) {
	var ask struct{ Text string }
	if err := i.readBody(r, &ask); err != nil {
		return nil, err
	}
	c, err := i.client(r)
	if err != nil {
		return nil, err
	}
	if err := c.send(ask.Text); err != nil {
		return nil, &problem{http.StatusNotFound, "the message was not sent: " + err.Error()}
	}
	return struct{}{}, nil
}

func (i *Inspector) deleteClient(r *http.Request) (any, error) {
	c, err := i.client(r)
	if err != nil {
		return nil, err
	}
	c.goodbye()
	return struct{}{}, nil
}
