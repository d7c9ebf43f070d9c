package inspector

import (
	"context"

	"github.com/wirepost/wirepost/gateway"
)

// Called is the kind of a record of an invocation that no gateway has made: by another
// function, a queue, a schedule, an integration that maps its events, a person.
const Called gateway.ObservationKind = "call"

// A Call is such an invocation, as it begins.
type Call struct {
	Function string // its name
	Cause    string // what has invoked it, for people, such as "Invoke API"
	Payload  []byte

	// Of the event of a socket that has led to it, or empty: the record is part of its
	// exchange. Without one RequestID is the invocation's own.
	ConnectionID, RouteKey, RequestID string
}

// Call records an invocation that begins. The function gets the context that is
// returned, so that what it logs is in the record; the other result is called once,
// with the answer or the error.
func (r *Recorder) Call(ctx context.Context, c Call) (context.Context, func(answer []byte, err error)) {
	record := &Record{Kind: string(Called), Function: cut(c.Function, MaxText), Cause: cut(c.Cause, MaxText),
		Connection: c.ConnectionID, Route: c.RouteKey, Request: c.RequestID, Size: len(c.Payload)}
	masked := r.mask.event(c.Payload[:min(len(c.Payload), 2*MaxText)])
	record.Masked = string(masked) != string(c.Payload[:min(len(c.Payload), 2*MaxText)])
	record.Text = r.keep(masked, &record.Masked)
	return r.begin(ctx, record, r.keepLine) // an answer may repeat parts of the event
}

// MappedKind is the kind of a record of what a mapping template has made.
const MappedKind gateway.ObservationKind = "mapping"

// A Mapping is what a mapping template has made of a message or of an answer.
type Mapping struct {
	What          string // request or response
	Key, Template string // of the template
	In, Out       []byte
	Err           error // it has made nothing

	// Of the event that it is part of.
	ConnectionID, RouteKey, RequestID string
}

// Mapped records what a mapping template has made: what went in is the record's text,
// what came out its answer, and the template its detail.
func (r *Recorder) Mapped(m Mapping) {
	record := &Record{Kind: string(MappedKind), Connection: m.ConnectionID, Route: m.RouteKey, Request: m.RequestID, Size: len(m.In), AnswerSize: len(m.Out),
		Cause: cut(m.What+" template "+m.Key, MaxText), Detail: cut(m.Template, MaxText)}
	record.Text = r.keep(m.In, &record.Masked)
	record.Answer = r.keepLine(m.Out, &record.Masked)
	if m.Err != nil {
		record.Cause = cut(m.What+" template", MaxText)
		record.Error = r.keepLine([]byte(m.Err.Error()), &record.Masked)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(record)
}
