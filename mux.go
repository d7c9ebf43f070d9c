package wirepost

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// connectionLife is the longest that API Gateway keeps a connection (AWS,
// WebSocket quotas page: 2 hours), and expirySlack what a row outlives it by, so
// that clocks that differ never hide a live connection.
const (
	connectionLife = 2 * time.Hour
	expirySlack    = 5 * time.Minute
)

// stageRefresh is how old, by the gateway's clock, this process's last put of a
// stage record is when a $connect puts it again. The record may have been lost
// meanwhile, with a table that was made anew or a sweep, and the functions that
// learned it stay warm for hours: nobody else would notice. One write in ten
// minutes costs nothing, and $connect writes anyway.
const stageRefresh = 10 * time.Minute

// MuxOptions are all optional.
type MuxOptions struct {
	// Connect decides about a new connection: who its user is, which topics it
	// gets, which subprotocol is chosen. An error refuses it: with the status of
	// [Refuse], else with 500. It runs before anything is written, and a refusal
	// writes nothing. Nil accepts everybody, without a user.
	//
	// An Accept that cannot be kept, such as one with a topic that is no name, is a
	// mistake of the hook and refused with 500. A hook that takes names from the client
	// asks [Accept.Validate] and refuses with 400 itself.
	//
	// A browser sends cookies with every WebSocket handshake and no preflight: a
	// hook that trusts them has to check r.Header("Origin") itself.
	Connect func(ctx context.Context, r *ConnectRequest) (Accept, error)
	// Disconnect is told of connections that ended, after their rows were removed,
	// or could not be. With it each $disconnect reads the row first.
	// API Gateway does its best to deliver the event and promises nothing (AWS,
	// developer guide, "$disconnect").
	Disconnect func(ctx context.Context, e *DisconnectEvent)
	// Presence makes the protocol keep who is present in topics, for clients that ask for
	// it ([Mux.HandleProtocol]). With it each $disconnect reads the row first. The store has
	// to have a [Presence], and somebody has to call [Publisher.SweepPresence] every minute.
	// Nil: nobody is present anywhere.
	Presence *PresenceOptions
	// Endpoint is an explicit management endpoint to keep for the stage of every
	// event. Default: WIREPOST_ENDPOINT, then
	// AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI, then what the event says.
	Endpoint string
	// Region is used for events whose host does not name one. Default: AWS_REGION;
	// for a loopback host us-east-1.
	Region string
	// WriteTimeout bounds the store's work for one event. Default 5 s.
	WriteTimeout time.Duration
	// Publisher is what [Message.Post] and [Message.Close] send through. Default: that
	// of [Mux.HandleProtocol], or else one that is made at the first use, with the
	// credentials of the environment. It must be on the same store.
	Publisher *Publisher
	// Later hands the work of [Mux.HandleLong] on: the payload is to come to [Mux.Invoke]
	// of some process, once. It has 3 s. An error of the context, or with
	// [ProblemNoAnswer], says that the payload may have been taken. Default: Lambda's
	// asynchronous Invoke of the function that WIREPOST_LONG_FUNCTION names, by its ARN
	// with its alias or by its name, or else of this function itself. Its role needs
	// lambda:InvokeFunction for that.
	Later func(ctx context.Context, payload []byte) error
	// Stream are the options of the streams of HandleLong. ID, User and Key are those of
	// the message.
	Stream StreamOptions
	// Logger gets what went wrong and no payloads. Default: nothing.
	Logger *slog.Logger
}

// Mux is the handler of the WebSocket function: lambda.Start(mux) is all there
// is to do with it. It keeps the store in step with the events and calls the
// handler of a message's route. It may be called concurrently.
type Mux struct {
	store    Store
	o        MuxOptions
	handlers map[string]Handler // the program's
	protocol map[string]Handler // those of HandleProtocol, which give way to them
	around   []Middleware
	long     bool // there is a handler of HandleLong
	invoker  *invoker

	mu        sync.Mutex
	seen      map[Identity]seenStage
	warned    map[Identity]bool // of an endpoint that the environment overrides
	publisher *Publisher        // nil until there is one

	gathered gathering
}

// seenStage is the record of a stage as this process last saw it in the store.
type seenStage struct {
	record StageRecord
	put    time.Time // of the event that made this process put one, by the gateway's clock
}

// NewMux makes a Mux on a store; the options may be nil. It panics if the store is nil,
// or if the publisher of the options was not made by [NewPublisher]: otherwise the first
// event would.
func NewMux(store Store, o *MuxOptions) *Mux {
	if isNil(store) {
		panic("wirepost.NewMux: the store is nil; the error of its Open says why")
	}
	m := &Mux{store: store, handlers: map[string]Handler{}, seen: map[Identity]seenStage{}, warned: map[Identity]bool{}, invoker: newInvoker()}
	if o != nil {
		m.o = *o
	}
	if m.o.WriteTimeout <= 0 {
		m.o.WriteTimeout = 5 * time.Second
	}
	if m.o.Logger == nil {
		m.o.Logger = slog.New(slog.DiscardHandler)
	}
	if m.publisher = m.o.Publisher; m.publisher != nil {
		m.publisher.made("wirepost.NewMux")
	}
	return m
}

// made panics if the mux was not made by NewMux: it has no store.
func (m *Mux) made(caller string) {
	if m == nil || m.store == nil {
		panic(caller + ": the Mux was not made by NewMux")
	}
}

// response is what a proxy integration answers.
type response struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
}

// Invoke handles one event. It is what lambda.Start calls, and what a gateway in
// the same process calls. An error means that the payload is not a WebSocket
// event; everything else is an answer. A panic of a handler or hook is an answer
// too (500), with the stack in the log: it must not end the process, which
// aws-lambda-go would do.
//
// The payload {"wirepost":"routes"} is answered {"routes":[…]} with [Mux.RouteKeys]:
// 'wirepost dev' asks for them when it starts the function. With a handler of
// [Mux.HandleLong], {"wirepost":"long","stream":…,"event":…} is work that was handed on.
func (m *Mux) Invoke(ctx context.Context, payload []byte) (out []byte, err error) {
	m.made("wirepost: Mux.Invoke")
	if asksForRoutes(payload) {
		return json.Marshal(routesAnswer{m.RouteKeys()})
	}
	if m.long {
		if p, ok := asksForLong(payload); ok {
			return m.runLong(ctx, p)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, synchronousTime)
		defer cancel()
	}
	req, err := m.parse(payload)
	if err != nil {
		m.o.Logger.ErrorContext(ctx, "refused an event", "error", err)
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			m.o.Logger.ErrorContext(ctx, "a handler panicked", "routeKey", req.Event.RequestContext.RouteKey, "connectionId", req.ConnectionID, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			out, err = json.Marshal(response{StatusCode: http.StatusInternalServerError})
		}
	}()
	var answer response
	switch req.Event.RequestContext.EventType {
	case "CONNECT":
		answer = m.connect(ctx, &ConnectRequest{*req})
	case "DISCONNECT":
		answer = m.disconnect(ctx, req)
	default:
		answer = m.message(ctx, req)
	}
	return json.Marshal(answer)
}

// parse reads an event and says in one sentence what it lacks.
func (m *Mux) parse(payload []byte) (*Request, error) {
	malformed := func(format string, args ...any) error {
		return &Error{Problem: ProblemEventMalformed, Detail: fmt.Sprintf(format, args...)}
	}
	req := &Request{}
	if err := json.Unmarshal(payload, &req.Event); err != nil {
		return nil, malformed("the event is not the JSON of a WebSocket event: %s", jsonFault(err))
	}
	rc := &req.Event.RequestContext
	switch rc.EventType {
	case "CONNECT", "MESSAGE", "DISCONNECT":
	case "":
		return nil, malformed("the event has no requestContext.eventType: it does not come from a WebSocket API")
	default:
		return nil, malformed("the event's requestContext.eventType is %q; CONNECT, MESSAGE and DISCONNECT are known", clip(rc.EventType))
	}
	for _, f := range [...]struct{ name, value string }{
		{"connectionId", rc.ConnectionID}, {"apiId", rc.APIID}, {"stage", rc.Stage},
	} {
		if f.value == "" {
			return nil, malformed("the %s event has no requestContext.%s", rc.EventType, f.name)
		}
	}
	if err := ValidateConnectionID(rc.ConnectionID); err != nil {
		return nil, malformed("the %s event's %v", rc.EventType, err)
	}
	if rc.ConnectedAt <= 0 || rc.RequestTimeEpoch <= 0 {
		return nil, malformed("the %s event has no requestContext.connectedAt or requestTimeEpoch", rc.EventType)
	}
	region := m.o.Region
	if region == "" {
		region = os.Getenv("AWS_REGION")
	}
	ep, err := endpointFromEvent(rc.DomainName, rc.APIID, rc.Stage, region, endpointOverride(m.o.Endpoint, os.Getenv))
	if err != nil {
		return nil, fmt.Errorf("learn the endpoint of %s/%s: %w", clip(rc.APIID), clip(rc.Stage), err)
	}
	if m.o.Endpoint == "" {
		m.warnOfOverride(ep, rc.DomainName, region)
	}
	req.ConnectionID, req.Endpoint, req.raw = rc.ConnectionID, ep, payload
	req.ConnectedAt = time.UnixMilli(rc.ConnectedAt).UTC()
	req.Time = time.UnixMilli(rc.RequestTimeEpoch).UTC()
	return req, nil
}

// warnOfOverride logs, once a stage, that a variable of the environment and not
// the event decides where pushes go: left over from work on an emulator it sends
// them nowhere.
func (m *Mux) warnOfOverride(ep Endpoint, domainName, region string) {
	m.mu.Lock()
	warned := m.warned[ep.Identity]
	m.warned[ep.Identity] = true
	m.mu.Unlock()
	if warned {
		return
	}
	if own, err := endpointFromEvent(domainName, ep.APIID, ep.Stage, region, ""); err == nil && own.URL != ep.URL {
		m.o.Logger.Warn("an environment variable overrides the endpoint of the events", "problem", string(ProblemEndpointOverride), "endpoint", ep.URL, "event", own.URL, "fix", ProblemEndpointOverride.Fix())
	}
}

// learn keeps the endpoint of an event's stage. In the steady state it compares
// with what this process last saw, and neither reads nor writes the store, except
// at a $connect after stageRefresh.
func (m *Mux) learn(ctx context.Context, req *Request) error {
	r := StageRecord{Endpoint: req.Endpoint, EventTime: req.Time}
	m.mu.Lock()
	last, ok := m.seen[r.Identity]
	m.mu.Unlock()
	due := req.Event.RequestContext.EventType == "CONNECT" && req.Time.Sub(last.put) >= stageRefresh
	if ok && !due && (last.record.URL == r.URL || !r.Newer(last.record)) {
		return nil
	}
	stored, err := m.store.PutStage(ctx, r)
	if err != nil {
		return fmt.Errorf("keep the endpoint of %s: %w", r.Identity, err)
	}
	if ok && stored.URL != last.record.URL {
		m.o.Logger.InfoContext(ctx, "the endpoint of a stage has moved", "endpoint", r.Identity.String(), "from", last.record.URL, "to", stored.URL)
	}
	m.mu.Lock()
	m.seen[r.Identity] = seenStage{stored, req.Time}
	m.mu.Unlock()
	return nil
}

// lastSeen is the record of an event's stage as the store has last said it, and how
// long before this event that was.
func (m *Mux) lastSeen(r *Request) (record StageRecord, age time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen, ok := m.seen[r.Endpoint.Identity]
	return seen.record, max(r.Time.Sub(seen.put), 0), ok
}

func (m *Mux) connect(ctx context.Context, r *ConnectRequest) response {
	var accept Accept
	if m.o.Connect != nil {
		var err error
		accept, err = m.o.Connect(ctx, r)
		if err != nil {
			status := http.StatusInternalServerError
			var refused *refusal
			if errors.As(err, &refused) {
				status = refused.status
			}
			m.o.Logger.InfoContext(ctx, "refused a connection", "connectionId", r.ConnectionID, "status", status, "reason", err.Error())
			return response{StatusCode: status}
		}
	}
	c := Connection{ID: r.ConnectionID, Endpoint: r.Endpoint.Identity, User: accept.User, Claims: accept.Claims, Topics: slices.Clone(accept.Topics),
		ConnectedAt: r.ConnectedAt, ExpiresAt: r.ConnectedAt.Add(connectionLife + expirySlack)}
	slices.Sort(c.Topics)
	c.Topics = slices.Compact(c.Topics)
	if !accept.ExpiresAt.IsZero() && accept.ExpiresAt.Before(c.ExpiresAt) {
		c.ExpiresAt = accept.ExpiresAt
	}
	if !c.ExpiresAt.After(r.Time) {
		m.o.Logger.InfoContext(ctx, "refused a connection", "connectionId", r.ConnectionID, "status", http.StatusUnauthorized, "reason", "Accept.ExpiresAt is over already")
		return response{StatusCode: http.StatusUnauthorized}
	}
	if err := cmp.Or(c.Validate(), accept.Validate()); err != nil {
		m.o.Logger.ErrorContext(ctx, "refused a connection: the Connect hook returned what cannot be kept; names that a client chooses are for the hook to check", "connectionId", r.ConnectionID, "status", http.StatusInternalServerError, "error", err)
		return response{StatusCode: http.StatusInternalServerError}
	}
	write, cancel := context.WithTimeout(ctx, m.o.WriteTimeout)
	defer cancel()
	// The row decides: a client that is connected and cannot be reached is worse
	// than one that is refused and tries again.
	if err := m.store.Put(write, c); err != nil {
		m.o.Logger.ErrorContext(ctx, "refused a connection: its row could not be written", "connectionId", r.ConnectionID, "error", err)
		return response{StatusCode: http.StatusInternalServerError}
	}
	if err := m.learn(write, &r.Request); err != nil {
		m.o.Logger.ErrorContext(ctx, "accepted a connection whose endpoint could not be kept; the next event tries again", "connectionId", r.ConnectionID, "error", err)
	}
	answer := response{StatusCode: http.StatusOK}
	if accept.Subprotocol != "" {
		answer.Headers = map[string]string{"Sec-WebSocket-Protocol": accept.Subprotocol}
	}
	return answer
}

func (m *Mux) disconnect(ctx context.Context, r *Request) response {
	write, cancel := context.WithTimeout(ctx, m.o.WriteTimeout)
	defer cancel()
	status := http.StatusOK
	var row *Connection
	if m.o.Disconnect != nil || m.o.Presence != nil {
		switch c, err := m.store.Connection(write, r.ConnectionID); {
		case err == nil && r.Key().Matches(c):
			row = &c
		case err != nil && !errors.Is(err, ErrNotFound):
			m.o.Logger.ErrorContext(ctx, "the row of a connection that ended could not be read, so the Disconnect hook is not told whose it was, and whom it made present leaves when its lease ends", "connectionId", r.ConnectionID, "error", err)
		}
	}
	if _, err := m.store.Delete(write, r.Key()); err != nil {
		m.o.Logger.ErrorContext(ctx, "the row of a connection that ended could not be removed; the next publish to it does", "connectionId", r.ConnectionID, "error", err)
		status = http.StatusInternalServerError
	}
	if err := m.learn(write, r); err != nil {
		m.o.Logger.ErrorContext(ctx, "an endpoint could not be kept", "error", err)
	}
	e := &DisconnectEvent{Request: *r, Connection: row, Code: int(r.Event.RequestContext.DisconnectStatusCode)}
	if reason := r.Event.RequestContext.DisconnectReason; reason != nil {
		e.Reason = *reason
	}
	if row != nil {
		e.User = row.User
	}
	if row != nil && len(row.Marks) > 0 && saidGoodbye(e.Code, e.Reason) {
		m.endPresence(ctx, m.messagePublisher(), r, *row, sortedKeys(row.Marks))
	}
	if m.o.Disconnect != nil {
		m.o.Disconnect(ctx, e)
	}
	return response{StatusCode: status}
}

func (m *Mux) message(ctx context.Context, r *Request) response {
	write, cancel := context.WithTimeout(ctx, m.o.WriteTimeout)
	err := m.learn(write, r)
	cancel()
	if err != nil {
		m.o.Logger.ErrorContext(ctx, "an endpoint could not be kept", "error", err)
	}
	key, h := m.find(r.Event.RequestContext.RouteKey, []byte(r.Event.Body))
	if h == nil {
		m.o.Logger.ErrorContext(ctx, "no handler for a route that the API sends here", "routeKey", clip(key))
		return response{StatusCode: http.StatusNotFound}
	}
	began := time.Now()
	body, err := h(ctx, &Message{Request: *r, RouteKey: key, Body: []byte(r.Event.Body), mux: m})
	if took := time.Since(began); took >= synchronousTime {
		m.o.Logger.WarnContext(ctx, "a handler took longer than API Gateway waits for its answer", "problem", string(ProblemHandlerTooLong), "fix", ProblemHandlerTooLong.Fix(), "routeKey", key, "connectionId", r.ConnectionID, "took", took.Round(time.Millisecond).String())
	}
	if err != nil {
		m.o.Logger.ErrorContext(ctx, "a handler failed", "routeKey", key, "connectionId", r.ConnectionID, "error", err)
		return response{StatusCode: http.StatusInternalServerError}
	}
	if len(body) > MaxMessage {
		m.o.Logger.ErrorContext(ctx, "a handler's answer is longer than a message may be; on a route with a route response its client does not get it", "routeKey", key, "connectionId", r.ConnectionID, "bytes", len(body), "most", MaxMessage)
	}
	return response{StatusCode: http.StatusOK, Body: string(body)}
}
