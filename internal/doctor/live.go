package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wirepost/wirepost"
)

// receiveTime is how long a message may take to its client.
const receiveTime = 2 * time.Second

// Live connects a client of its own, learns its connection ID, and lets a message
// travel the whole way. Nobody else is sent to.
func Live(ctx context.Context, d *run) {
	names := []string{"connect", "subprotocol", "connection-id", "live-get", "receive", "live-delete"}
	skip := func(from int, reason string) {
		for _, n := range names[from:] {
			d.skip(n, reason)
		}
	}
	if d.url == nil || !d.answering && d.gone != "" {
		skip(0, orElse(d.gone, "there is no endpoint"))
		return
	}
	before := d.recordNow(ctx)
	c, status := d.connectClient(ctx)
	if c == nil {
		d.add(status)
		skip(1, "no client could connect")
		return
	}
	defer c.conn.Close()
	d.add(status)
	switch {
	case d.o.Subprotocol == "":
		d.skip("subprotocol", "none was asked for")
	case c.subprotocol == "":
		d.fail("subprotocol", wirepost.ProblemSubprotocol, fmt.Sprintf("the subprotocol %q was requested and not returned; browsers will close the connection", d.o.Subprotocol), "")
	default:
		d.ok("subprotocol", c.subprotocol)
	}
	if !d.trusted || d.gone != "" {
		skip(2, orElse(d.gone, "no signed request may go there"))
		return
	}
	id := d.learnID(ctx, c)
	d.movedMeanwhile(before, d.recordNow(ctx))
	if id == "" {
		// Whose function keeps its connections elsewhere has done nothing wrong; where
		// the store has others of this stage, this one is missing.
		sentence := "the client is connected, and its connection ID could not be learned: "
		status := Warn
		switch {
		case d.o.Store == nil:
			sentence += "there is no store to look into, and no frame told it"
		case d.hasRows(ctx):
			sentence, status = sentence+"the store has no row of it, and has others of this stage", Fail
		default:
			sentence += "the store has no row of it, nor of any other connection of this stage"
		}
		d.add(found("connection-id", status, wirepost.ProblemConnectionUnknown, sentence, ""))
		skip(3, "the connection ID is not known")
		return
	}
	d.ok("connection-id", id)
	if info, verdict, err := d.info(ctx, id); err != nil || verdict != nil {
		d.liveRefused("live-get", Warn, verdict, err)
	} else {
		d.ok("live-get", "connected at "+info.ConnectedAt.UTC().Format(time.RFC3339))
	}
	d.roundTrip(ctx, c, id)
	verdict, err := d.call(ctx, http.MethodDelete, id)
	if err != nil || verdict != nil {
		d.liveRefused("live-delete", Warn, verdict, err)
		return
	}
	if code := c.closed(ctx); code != 0 {
		d.ok("live-delete", fmt.Sprintf("closed with %d", code))
	} else {
		d.warn("live-delete", wirepost.ProblemUnexpected, "API Gateway took the DELETE and the connection stays open", "look for a proxy between the client and API Gateway")
	}
}

func (d *run) liveRefused(name string, s Status, verdict *wirepost.Error, err error) {
	if verdict == nil {
		verdict = d.unanswered(err)
	}
	d.add(explained(name, s, verdict))
}

// client is the doctor's own WebSocket client.
type client struct {
	conn        net.Conn
	meter       *meteredConn // below conn
	read        io.Reader
	subprotocol string
	nonce       string // in its User-Agent, by which GET tells it from all others
	began       time.Time
	took        time.Duration
}

// clientURL is where the client connects.
func (d *run) clientURL() string {
	if d.connect != "" {
		return d.connect
	}
	return "ws" + strings.TrimPrefix(d.endpoint.URL, "http")
}

func (d *run) connectClient(ctx context.Context) (*client, Check) {
	c := &client{nonce: "wirepost-doctor/" + rand.Text()[:16], began: d.o.Now()}
	header := d.o.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("User-Agent", c.nonce)
	status, requestID := 0, ""
	dialer := ws.Dialer{
		Timeout: d.o.Step * 2, // a cold $connect function takes its time
		Header:  ws.HandshakeHeaderHTTP(header),
		NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := d.dialName(ctx, network, address)
			if err != nil {
				return nil, err
			}
			c.meter = &meteredConn{Conn: conn, left: maxHandshake}
			return c.meter, nil
		},
		TLSConfig: &tls.Config{RootCAs: d.o.Roots, MinVersion: tls.VersionTLS12},
		OnStatusError: func(code int, _ []byte, _ io.Reader) {
			status = code
		},
		OnHeader: func(key, value []byte) error {
			if strings.EqualFold(string(key), "X-Amzn-Requestid") {
				requestID = string(value)
			}
			return nil
		},
	}
	if d.o.Subprotocol != "" {
		dialer.Protocols = []string{d.o.Subprotocol}
	}
	began := time.Now()
	conn, br, hs, err := dialer.Dial(ctx, d.clientURL())
	var refused ws.StatusError
	if errors.As(err, &refused) {
		status = int(refused)
	}
	log := ""
	if requestID != "" {
		log = ", request ID " + requestID
	}
	switch {
	case err == nil:
	case status == http.StatusTooManyRequests:
		return nil, found("connect", Fail, wirepost.ProblemConnectThrottled, "connect was answered with 429", "")
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusBadRequest:
		return nil, found("connect", Fail, wirepost.ProblemConnectRefused, fmt.Sprintf("connect was answered with %d: the $connect function or its authorizer refused this client%s", status, log), "")
	case status == http.StatusBadGateway:
		return nil, found("connect", Fail, wirepost.ProblemConnectFailed, "connect was answered with 502: the $connect function panicked, took too long or returned no statusCode"+log, "")
	case status >= 500:
		return nil, found("connect", Fail, wirepost.ProblemConnectFailed, fmt.Sprintf("connect was answered with %d: the $connect function failed, or API Gateway may not invoke it%s", status, log), "run with --control-plane, which tells whether the function may be invoked, and look at the log of the $connect function")
	case status/100 == 2, status/100 == 3:
		return nil, found("connect", Fail, wirepost.ProblemNotAPIGateway, fmt.Sprintf("connect was answered with %d and no WebSocket: it is not a WebSocket API that answers", status), d.another())
	case status == http.StatusNotFound:
		return nil, found("connect", Fail, wirepost.ProblemConnectRefused, "connect was answered with 404: there is nothing at this path", "correct the path of the URL: it is the stage, or the mapping key of a custom domain")
	case status != 0:
		return nil, found("connect", Fail, wirepost.ProblemConnectRefused, fmt.Sprintf("connect was answered with %d", status), "")
	case d.proxy != nil:
		return nil, Check{Name: "connect", Status: Skip, Sentence: fmt.Sprintf("the doctor's client goes past the proxy %s, and could not connect: %s", d.proxy.Host, cause(err))}
	default:
		return nil, d.notConnected(err)
	}
	c.conn, c.read, c.subprotocol, c.took = conn, conn, hs.Protocol, time.Since(began)
	if br != nil && br.Buffered() > 0 {
		c.read = io.MultiReader(io.LimitReader(br, int64(br.Buffered())), conn)
	}
	return c, Check{Name: "connect", Status: OK, Sentence: fmt.Sprintf("a client connected to %s in %s", shownURL(d.clientURL()), c.took.Round(time.Millisecond))}
}

// notConnected says why a handshake got no answer.
func (d *run) notConnected(err error) Check {
	e := explain(err)
	switch {
	case e.Problem == wirepost.ProblemNoAnswer && timedOut(err):
		return found("connect", Fail, wirepost.ProblemConnectFailed, fmt.Sprintf("connect was not answered within %s: the $connect function, or its authorizer, takes too long", d.o.Step*2), "look at the log of the $connect function, and at what it waits for")
	case e.Problem == wirepost.ProblemNoAnswer:
		return found("connect", Fail, wirepost.ProblemNoAnswer, "the handshake was cut off: "+cause(err), "look for what stands between a client and API Gateway and does not let WebSocket connections through")
	}
	return explained("connect", Fail, e)
}

// learnID finds the client's own connection ID: among the youngest rows of the store
// the one whose User-Agent, as GET tells it, is ours; without a store, from an error
// frame, which API Gateway signs with the connection ID.
func (d *run) learnID(ctx context.Context, c *client) string {
	if d.o.Store == nil {
		return c.idFromFrame(ctx)
	}
	step, cancel := d.step(ctx)
	defer cancel()
	asked := 0
	for l, err := range d.o.Store.Connections(step, wirepost.Everyone(), wirepost.ListOptions{}) {
		if err != nil || asked == 50 {
			break
		}
		// The gateway's clock is not ours.
		if l.ConnectedAt.Before(c.began.Add(-clockFail)) || d.endpoint.APIID != "" && l.Endpoint.APIID != d.endpoint.APIID {
			continue
		}
		asked++
		if info, verdict, err := d.info(step, l.ID); err == nil && verdict == nil && info.Identity.UserAgent == c.nonce {
			return l.ID
		}
	}
	return c.idFromFrame(ctx)
}

// hasRows reports whether the store has any connection of the endpoint's stage.
func (d *run) hasRows(ctx context.Context) bool {
	step, cancel := d.step(ctx)
	defer cancel()
	for l, err := range d.o.Store.Connections(step, wirepost.Everyone(), wirepost.ListOptions{}) {
		if err != nil {
			return false
		}
		if l.Endpoint.Stage == d.endpoint.Stage && (d.endpoint.APIID == "" || l.Endpoint.APIID == d.endpoint.APIID) {
			return true
		}
	}
	return false
}

// info is GET of a connection.
func (d *run) info(ctx context.Context, id string) (info wirepost.ConnectionInfo, verdict *wirepost.Error, err error) {
	step, cancel := d.step(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(step, http.MethodGet, d.callURL(id), nil)
	if err != nil {
		return info, nil, err
	}
	resp, err := d.do(req, "execute-api", nil)
	if err != nil {
		return info, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return info, nil, err
	}
	if e := wirepost.ExplainResponse(resp, body); e != nil {
		return info, e, nil
	}
	return info, nil, json.Unmarshal(body, &info)
}

// idFromFrame provokes an error frame, which has the connection ID in it.
func (c *client) idFromFrame(ctx context.Context) string {
	if err := wsutil.WriteClientText(c.conn, []byte(`{"action":"wirepost-doctor"}`)); err != nil {
		return ""
	}
	id := ""
	c.receive(ctx, func(text []byte) bool {
		var frame struct {
			ConnectionID string `json:"connectionId"`
		}
		if json.Unmarshal(text, &frame) == nil {
			id = frame.ConnectionID
		}
		return id != ""
	})
	return id
}

// receive reads messages until one is what was waited for, for two seconds.
func (c *client) receive(ctx context.Context, wanted func([]byte) bool) error {
	deadline := time.Now().Add(receiveTime)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	c.conn.SetReadDeadline(deadline)
	defer c.conn.SetReadDeadline(time.Time{})
	for {
		c.meter.left = maxMessage
		data, _, err := wsutil.ReadServerData(readWriter{c.read, c.conn})
		if err != nil {
			return err
		}
		if wanted(data) {
			return nil
		}
	}
}

// closed waits for the close frame; 0 if there is none.
func (c *client) closed(ctx context.Context) int {
	err := c.receive(ctx, func([]byte) bool { return false })
	var code wsutil.ClosedError
	if errors.As(err, &code) {
		return int(code.Code)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return 0
	}
	return 1006
}

type readWriter struct {
	io.Reader
	io.Writer
}

// roundTrip posts to the client's own connection and waits for the message there.
func (d *run) roundTrip(ctx context.Context, c *client, id string) {
	step, cancel := d.step(ctx)
	defer cancel()
	body, _ := json.Marshal(map[string]string{"wirepost": "doctor", "id": rand.Text()})
	req, err := http.NewRequestWithContext(step, http.MethodPost, d.callURL(id), nil)
	if err != nil {
		d.skip("receive", err.Error())
		return
	}
	began := time.Now()
	resp, err := d.do(req, "execute-api", body)
	if err != nil {
		d.liveRefused("receive", Fail, nil, err)
		return
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	resp.Body.Close()
	if e := wirepost.ExplainResponse(resp, said); e != nil {
		d.liveRefused("receive", Fail, e, nil)
		return
	}
	if err := c.receive(ctx, func(text []byte) bool { return string(text) == string(body) }); err != nil {
		d.fail("receive", wirepost.ProblemMessageLost, fmt.Sprintf("the message was accepted (%d) and not received within %s", resp.StatusCode, receiveTime), "")
		return
	}
	d.ok("receive", fmt.Sprintf("round trip %.1f ms", float64(time.Since(began).Microseconds())/1000))
}

// recordNow is the stage record of the endpoint as the store has it now.
func (d *run) recordNow(ctx context.Context) *wirepost.StageRecord {
	if d.o.Store == nil || d.record == nil {
		return nil
	}
	step, cancel := d.step(ctx)
	defer cancel()
	r, err := d.o.Store.Stage(step, d.record.Identity)
	if err != nil {
		return nil
	}
	return &r
}

// movedMeanwhile says that the client's own $connect event had another endpoint than
// the store.
func (d *run) movedMeanwhile(before, after *wirepost.StageRecord) {
	c := d.report.check("store-moved")
	if c == nil || before == nil || after == nil || before.URL == after.URL {
		return
	}
	*c = found("store-moved", Warn, wirepost.ProblemStoreMoved, fmt.Sprintf("the endpoint in the store differed from that of a live event (%s → %s); wirepost has updated it", before.URL, after.URL),
		"nothing: the store is up to date now")
}
