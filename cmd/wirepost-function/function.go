package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/jobs"
	"github.com/wirepost/wirepost/jwtauth"
)

// function is what lambda.Start runs. It may be called concurrently.
type function struct {
	settings
	store     wirepost.Store
	publisher *wirepost.Publisher
	mux       *wirepost.Mux // nil without the handler websocket
	worker    *jobs.Worker
	logger    *slog.Logger
}

// The two errors of the function, which an invoker knows by their names.
type (
	InvalidRequest = jobs.InvalidRequest
	PublishFailed  = jobs.PublishFailed
)

func invalid(format string, args ...any) error {
	return &InvalidRequest{Message: fmt.Sprintf(format, args...)}
}

func newFunction(ctx context.Context, c settings, logger *slog.Logger) (*function, error) {
	store, err := wirepost.OpenStore(ctx, c.store)
	if err != nil {
		return nil, fmt.Errorf("WIREPOST_STORE: %w", err)
	}
	f := &function{settings: c, store: store, logger: logger, publisher: wirepost.NewPublisher(store, &wirepost.PublisherOptions{Logger: logger})}
	o := &jobs.Options{Reserve: reserve, Logger: logger}
	if c.queue != nil {
		o.Queue = c.queue
	}
	f.worker = jobs.New(f.publisher, o)
	for _, name := range c.unknown {
		logger.Warn("an environment variable looks like a setting of this function, but is not one", "name", name)
	}
	if !c.handlers[handleWebSocket] {
		return f, nil
	}
	presence := &wirepost.PresenceOptions{}
	connect, protocol := believe, &wirepost.ProtocolOptions{Unfinished: f.restOfSend(), Margin: reserve}
	if c.tokens != nil {
		o := *c.tokens
		o.Logger = logger
		v, err := jwtauth.New(&o)
		if err != nil {
			return nil, err
		}
		connect, presence = v.Connect, jwtauth.Presence()
		protocol.Allow, protocol.MayCancel = jwtauth.Allow, jwtauth.MayCancel
	} else {
		logger.Warn("NOBODY IS AUTHENTICATED: no key for tokens is set, and this is wirepost dev; everybody is who the URL says, and may do everything")
	}
	f.mux = wirepost.NewMux(store, &wirepost.MuxOptions{Connect: connect, Presence: c.presence(presence), Publisher: f.publisher, Logger: logger})
	f.mux.HandleProtocol(f.publisher, protocol)
	return f, nil
}

// Invoke handles one payload. It never panics: that would end the process.
func (f *function) Invoke(ctx context.Context, payload []byte) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			f.logger.Error("an invocation panicked", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			out, err = nil, &PublishFailed{Message: "the function has a fault; its log says which"}
		}
	}()
	source, records, err := sourceOf(payload)
	if err != nil {
		return nil, err
	}
	if source == handleDoctor && f.mux != nil && askOf(payload) == "routes" { // by wirepost dev
		return f.mux.Invoke(ctx, payload)
	}
	if source == handleDoctor && askOf(payload) == "sweep-presence" {
		source = handlePresence
	}
	if !f.handlers[source] {
		names := slices.DeleteFunc(slices.Clone(allHandlers), func(n string) bool { return !f.handlers[n] })
		return nil, invalid("this is a payload for the handler %s, and this function has %s (WIREPOST_HANDLERS)", source, strings.Join(names, ", "))
	}
	switch source {
	case handleWebSocket:
		return f.webSocket(ctx, payload)
	case handleSQS:
		return f.sqs(ctx, records)
	case handleSNS:
		return f.sns(ctx, records)
	case handleEventBridge:
		return f.eventBridge(ctx, payload)
	case handleLong:
		return nil, invalid("no route of this function answers with a stream; a program of your own has them, by wirepost.Mux.HandleLong ('wirepost init')")
	case handleDoctor:
		return f.runDoctor(ctx, payload)
	case handlePresence:
		return f.sweepPresence(ctx)
	}
	return f.worker.Invoke(ctx, payload)
}

// reserve is kept of an invocation's time to hand on what is left, and to answer.
const reserve = 2 * time.Second

// restOfSend puts what a client's send had no time for into the queue.
func (f *function) restOfSend() func(context.Context, wirepost.Job) error {
	if f.settings.queue == nil {
		return nil
	}
	return func(ctx context.Context, rest wirepost.Job) error {
		_, err := f.worker.Enqueue(ctx, rest)
		return err
	}
}

// signs of each source, at the top of a payload. A frame of a client's never gets
// there: it is text inside a WebSocket event.
var signs = []struct{ member, source string }{
	{"requestContext", handleWebSocket},
	{"Records", ""}, // sqs or sns, as each record says
	{"detail-type", handleEventBridge},
	{"to", handleInvoke},
	{"wirepost", handleDoctor},
}

// sourceOf decides what a payload is by the members that its source always has.
func sourceOf(payload []byte) (source string, records []json.RawMessage, err error) {
	var top map[string]json.RawMessage
	if json.Unmarshal(payload, &top) != nil || top == nil {
		return "", nil, invalid("the payload is not a JSON object")
	}
	var found []string
	for _, s := range signs {
		if v, ok := top[s.member]; ok && string(v) != "null" {
			found = append(found, s.member)
			source = s.source
		}
	}
	switch len(found) {
	case 0:
		return "", nil, invalid(`the payload is of no known source: it has none of "requestContext" (WebSocket), "Records" (SQS, SNS), "detail-type" (EventBridge), "to" (publish)`)
	case 1:
	default:
		return "", nil, invalid("the payload could be of more than one source: it has %s", strings.Join(found, ", "))
	}
	if source == handleDoctor && string(top["wirepost"]) == `"long"` && top["event"] != nil {
		source = handleLong
	}
	if source != "" {
		return source, nil, nil
	}
	if json.Unmarshal(top["Records"], &records) != nil || len(records) == 0 {
		return "", nil, invalid(`the payload's "Records" are not an array with a record`)
	}
	for i, record := range records {
		var r struct {
			SQS string `json:"eventSource"`
		}
		var all map[string]json.RawMessage
		if json.Unmarshal(record, &all) != nil || all == nil {
			return "", nil, invalid("record %d is not an object", i)
		}
		// SNS writes it in upper case, and encoding/json would take either.
		name := all["eventSource"]
		if name == nil {
			name = all["EventSource"]
		}
		if json.Unmarshal(name, &r.SQS) != nil {
			return "", nil, invalid("record %d has no eventSource", i)
		}
		var of string
		switch r.SQS {
		case "aws:sqs":
			of = handleSQS
		case "aws:sns":
			of = handleSNS
		default:
			return "", nil, invalid("record %d is of %q; only aws:sqs and aws:sns are handled", i, clip(r.SQS))
		}
		if source != "" && source != of {
			return "", nil, invalid("the records are of %s and %s", source, of)
		}
		source = of
	}
	return source, records, nil
}

func (f *function) webSocket(ctx context.Context, payload []byte) ([]byte, error) {
	out, err := f.mux.Invoke(ctx, payload)
	if err != nil { // it has seen no event: whatever goes wrong with one is an answer
		return nil, invalid("%v", err)
	}
	return out, nil
}
