package wirepost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// A LongHandler answers a message with a stream, for as long as it takes. The context
// ends when nothing more needs to be written ([Stream].Context).
type LongHandler func(ctx context.Context, m *Message, s *Stream) error

const (
	// synchronousTime is how long a function may take for an event of the API: API
	// Gateway waits 29 s (AWS, WebSocket quotas page, "Integration timeout").
	synchronousTime = 28 * time.Second
	// laterTime is how long handing work on may take.
	laterTime = 3 * time.Second
)

// HandleLong sets the handler of a route, as [Mux.Handle] does, for answers that take
// longer than the 29 s that API Gateway waits for. The client is answered at once with
// the stream that its answer will be, {"type":"ack","ref":…,"stream":…,"key":…}; the
// work is handed on to another invocation ([MuxOptions].Later), which calls handle with
// the stream. Middleware runs around both.
//
// The stream is the sender's, and is closed when handle returns: by Close, or after an
// error or a panic by CloseWithError("internal"), with the error in the log. handle runs
// once for each message if the store has a log; an event that Lambda delivers twice
// finds the stream begun.
//
// The answer is the error "not-sent" if the work was not handed on, and "internal" if that
// is not known, or took more than 3 s. With a long handler each event of the API has 28 s
// at most, because the function's own timeout is that of the long ones.
func (m *Mux) HandleLong(routeKey string, handle LongHandler) {
	if handle == nil {
		m.Handle(routeKey, nil) // which says so
	}
	m.Handle(routeKey, func(ctx context.Context, msg *Message) ([]byte, error) {
		if run, ok := ctx.Value(longKey{}).(*longRun); ok {
			run.handled = true
			return nil, handle(ctx, msg, run.stream)
		}
		return m.handOn(ctx, msg)
	})
	m.long = true
}

// longKey finds the longRun of a context; laterKey the function of ContextWithLater.
type (
	longKey  struct{}
	laterKey struct{}
)

type longRun struct {
	stream  *Stream
	handled bool
}

// longPayload is what work is handed on with.
type longPayload struct {
	Wirepost string          `json:"wirepost"` // "long"
	Stream   string          `json:"stream"`
	Event    json.RawMessage `json:"event"` // as it came
}

// ContextWithLater makes a context whose events are handed on by a function of the
// caller's, unless [MuxOptions].Later is set: for a gateway in the same process, such as
// that of package wireposttest. The function gets the payload for [Mux.Invoke].
func ContextWithLater(ctx context.Context, later func(ctx context.Context, payload []byte) error) context.Context {
	return context.WithValue(ctx, laterKey{}, later)
}

// longNames are the ID of the stream of an event, and its key. The ID is the same when
// the event comes again. The key cannot be known from the ID: no client is told the
// connection ID or the request ID of another.
func longNames(r *Request) (id, key string) {
	rc := r.Event.RequestContext
	said := fmt.Sprintf("%s\x00%s\x00%s\x00%d\x00%s\x00%v\x00%d\x00%s", rc.APIID, rc.Stage, rc.ConnectionID, rc.ConnectedAt, rc.RequestID, rc.MessageID, rc.RequestTimeEpoch, r.Event.Body)
	name := func(what string) string {
		sum := sha256.Sum256([]byte(what + "\x00" + said))
		return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:26])
	}
	return name("stream"), name("key")
}

// handOn answers a message with the stream that its answer will be, after the work was
// handed on.
func (m *Mux) handOn(ctx context.Context, msg *Message) ([]byte, error) {
	ref, err := refOf(msg.Body)
	if err != nil {
		ref = nil
	}
	answer := func(f serverFrame) ([]byte, error) {
		f.Ref = ref
		return encodeFrame(f)
	}
	failed := func(code, what string, err error) ([]byte, error) {
		problem := ProblemOf(err)
		if problem == "" || problem == ProblemNoAnswer { // which speaks of posts
			problem = map[string]Problem{"not-sent": ProblemStreamNotSent, "internal": ProblemStreamInternal}[code]
		}
		m.o.Logger.ErrorContext(ctx, what, "routeKey", msg.RouteKey, "connectionId", msg.ConnectionID, "problem", string(problem), "fix", problem.Fix(), "error", err)
		return answer(refuse(code, ""))
	}
	if refused, ok := errors.AsType[*FrameError](err); ok {
		return answer(refuse(refused.Code, refused.Text))
	}
	row, err := msg.Connection(ctx)
	switch {
	case errors.Is(err, errNoRow):
		frame, err := answer(refuse(streamExpired, ""))
		if err == nil {
			msg.expire(ctx, frame)
		}
		return nil, err
	case err != nil:
		return failed("internal", "the row of a message's connection could not be read", err)
	case msg.raw == nil:
		return nil, errors.New("a message that no event has brought cannot be handed on")
	}
	id, key := longNames(&msg.Request)
	ctx, cancel := context.WithTimeout(ctx, laterTime)
	defer cancel()
	if err := m.noteAsked(ctx, id, key, row); err != nil {
		return failed("not-sent", "a stream that was asked for could not be kept, so its work was not handed on", err)
	}
	payload, err := encodeFrame(longPayload{"long", id, msg.raw})
	if err != nil {
		return nil, err
	}
	if err := m.later(ctx, payload); err != nil {
		code := "not-sent"
		if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || ProblemOf(err) == ProblemNoAnswer {
			code = "internal"
		}
		return failed(code, "the work of a message could not be handed on", err)
	}
	return answer(serverFrame{Type: "ack", streamAnswer: streamAnswer{Stream: id, Key: key}})
}

// noteAsked keeps who has asked, so that the stream can be resumed and cancelled before
// its writer has begun.
func (m *Mux) noteAsked(ctx context.Context, id, key string, row Connection) error {
	l, ok := m.store.(Log)
	if !ok || m.o.Stream.Keep < 0 {
		return nil
	}
	e := streamEntryFrame{Asked: true, To: ToConnection(row.ID).String(), User: row.User, KeyHash: keyHash(key)}
	_, err := appendStream(ctx, l, streamTopic(id), max(m.o.Stream.Keep, DefaultStreamKeep)+24*time.Hour, e)
	if errors.Is(err, ErrNotSupported) || errors.Is(err, ErrUnknown) {
		return nil // the writer's begin says it too
	}
	return err
}

// later hands a payload on.
func (m *Mux) later(ctx context.Context, payload []byte) error {
	if m.o.Later != nil {
		return m.o.Later(ctx, payload)
	}
	if later, ok := ctx.Value(laterKey{}).(func(context.Context, []byte) error); ok {
		return later(ctx, payload)
	}
	return m.invoker.invoke(ctx, payload)
}

// asksForLong reads a payload that was handed on. An event of API Gateway's has no such
// members, and what a client sends is inside its body.
func asksForLong(payload []byte) (longPayload, bool) {
	var p longPayload
	if !bytes.Contains(payload, []byte(`"wirepost"`)) || json.Unmarshal(payload, &p) != nil {
		return longPayload{}, false
	}
	return p, p.Wirepost == "long"
}

// runLong does work that was handed on. Its answer is read by nobody; an error would make
// Lambda deliver the event again.
func (m *Mux) runLong(ctx context.Context, p longPayload) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // of a store or a transport
			m.o.Logger.ErrorContext(ctx, "work that was handed on panicked", "stream", clip(p.Stream), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			out, err = json.Marshal(response{StatusCode: http.StatusInternalServerError})
		}
	}()
	req, err := m.parse(p.Event)
	if err != nil {
		m.o.Logger.ErrorContext(ctx, "refused an event that was handed on", "error", err)
		return nil, err
	}
	id, key := longNames(req)
	if req.Event.RequestContext.EventType != "MESSAGE" || id != p.Stream {
		err := &Error{Problem: ProblemEventMalformed, Detail: fmt.Sprintf("the event that was handed on is not that of stream %s", clip(p.Stream))}
		m.o.Logger.ErrorContext(ctx, "refused an event that was handed on", "error", err)
		return nil, err
	}
	write, cancel := context.WithTimeout(ctx, m.o.WriteTimeout)
	if err := m.learn(write, req); err != nil {
		m.o.Logger.ErrorContext(ctx, "an endpoint could not be kept", "error", err)
	}
	cancel()
	route, h := m.find(req.Event.RequestContext.RouteKey, []byte(req.Event.Body))
	msg := &Message{Request: *req, RouteKey: route, Body: []byte(req.Event.Body), mux: m}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < synchronousTime {
		m.o.Logger.WarnContext(ctx, "work that was handed on has no more time than a route has", "problem", string(ProblemLongTimeout), "fix", ProblemLongTimeout.Fix(), "routeKey", route, "time", time.Until(deadline).Round(time.Second).String())
	}
	o := m.o.Stream
	o.ID, o.Key, o.sender = id, key, req.ConnectionID
	if row, err := msg.Connection(ctx); err == nil {
		o.User = row.User
	}
	publisher := m.messagePublisher()
	m.tell(publisher, req)
	s := publisher.Stream(ctx, ToConnection(req.ConnectionID), &o)
	if err := s.isWriter(ctx); err != nil {
		attributes := []any{"routeKey", route, "stream", id, "error", err}
		if errors.Is(err, ErrStreamTaken) {
			attributes = append(attributes, "problem", string(ProblemLongRetried), "fix", ProblemLongRetried.Fix())
		}
		m.o.Logger.WarnContext(ctx, "work that was handed on is not begun", attributes...)
		s.Close()
		return json.Marshal(response{StatusCode: http.StatusConflict})
	}
	m.answerLong(s, msg, h)
	return json.Marshal(response{StatusCode: http.StatusOK})
}

// answerLong calls the handler and closes its stream.
func (m *Mux) answerLong(s *Stream, msg *Message, h Handler) {
	run := &longRun{stream: s}
	err := func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				m.o.Logger.Error("a handler panicked", "routeKey", msg.RouteKey, "connectionId", msg.ConnectionID, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
				err = fmt.Errorf("it panicked: %v", r)
			}
		}()
		if h == nil {
			return errors.New("the route has no handler here")
		}
		_, err = h(context.WithValue(s.Context(), longKey{}, run), msg)
		return err
	}()
	if err == nil && !run.handled {
		err = errors.New("the route has no long handler here, or middleware has kept the event from it")
	}
	code := ""
	if ended := context.Cause(s.Context()); err != nil && (errors.Is(err, ErrStreamCancelled) || errors.Is(err, ErrGone) || ended != nil && errors.Is(err, context.Canceled)) {
		err = nil // the handler says what the stream has told it
	}
	if err != nil {
		code = streamInternal
		m.o.Logger.Error("a handler failed", "routeKey", msg.RouteKey, "connectionId", msg.ConnectionID, "stream", s.ID(), "problem", string(ProblemStreamInternal), "error", err)
	}
	closed := s.finish(code)
	switch {
	case closed == nil || err != nil:
	case errors.Is(closed, ErrStreamCancelled) || errors.Is(closed, ErrGone):
		m.o.Logger.Info("nobody reads a stream any more", "routeKey", msg.RouteKey, "connectionId", msg.ConnectionID, "stream", s.ID(), "because", closed.Error())
	default:
		m.o.Logger.Warn("a stream did not end by its handler", "routeKey", msg.RouteKey, "connectionId", msg.ConnectionID, "stream", s.ID(), "error", closed)
	}
}
