package gateway

import (
	"context"
	"net/http"
	"time"
)

// Observer sees what happens in a Server: package inspector records it. Its methods
// are called concurrently, in the goroutines that do the work: what they take is
// taken from every message, so they must not wait, nor call the Server back.
type Observer interface {
	// Observe is called when something has happened. The payload is not to be kept
	// or changed after it has returned.
	Observe(Observation)

	// Invoke is called when a function is about to be given an event, which is
	// o.Payload and belongs to the function from then on. The function gets the
	// context that is returned, which must be derived from ctx, and the other
	// result, if not nil, is called once with what the gateway makes of the
	// invocation: its answer or its error, at the integration timeout at the latest.
	Invoke(ctx context.Context, o Observation) (context.Context, func(answer []byte, err error))
}

// ObservationKind tells what has happened.
type ObservationKind string

// What an Observer sees. A post that was answered with 200 is what the client gets;
// it is no ObservedFrame besides.
const (
	ObservedHandshake  ObservationKind = "handshake"  // answered: Status 101, or why not; 0 is a reset
	ObservedMessage    ObservationKind = "message"    // from a client; without a RouteKey it got the error frame Reason
	ObservedInvocation ObservationKind = "invocation" // of a function
	ObservedFrame      ObservationKind = "frame"      // an answer of a two-way route, or an error frame
	ObservedPost       ObservationKind = "post"       // the three management calls
	ObservedGet        ObservationKind = "get"
	ObservedDelete     ObservationKind = "delete"
	ObservedClose      ObservationKind = "close" // a connection is over: Status is the code
)

// Observation is one thing that has happened.
type Observation struct {
	Kind         ObservationKind
	ConnectionID string // as the caller wrote it, for a management call: perhaps of no connection
	RouteKey     string
	// RequestID is that of the event: a message, its invocation and its answer have
	// the same.
	RequestID string
	// Authorizer tells an invocation of the authorizer from that of $connect.
	Authorizer bool
	// Status of a handshake or a management call, 0 if it was not answered; the code
	// of a close.
	Status int
	// Reason is the x-amzn-errortype of a refused management call, the text of an
	// error frame, why a frame was not delivered, or the reason of a close.
	Reason string
	// Detail says why the gateway refused something, or why a function could not be
	// invoked, in a sentence for people: the answer to the client does not say it. It
	// has no payload in it and no secret.
	Detail string
	// Fault tells that Server.Fault made it go wrong.
	Fault bool
	// Remote is the address, with its port, that a handshake came from.
	Remote string
	// Target is the path and query of a handshake.
	Target  string
	Payload []byte
	// Took is how long a handshake or a management call took.
	Took time.Duration
}

// observe tells the observer, if there is one. One that would have to do something
// for the observation alone asks for e.observer first.
func (e *engine) observe(o Observation) {
	if e.observer != nil {
		e.observer.Observe(o)
	}
}

// watchedAnswer is a ResponseWriter that knows how a handshake was answered.
type watchedAnswer struct {
	http.ResponseWriter
	status       int
	why          string
	connectionID string
	fault        bool
}

// Unwrap lets http.ResponseController find what is below.
func (a *watchedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *watchedAnswer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// observedHandshake is handshake for an observer. What an upgraded connection does
// comes after its handshake, so open tells of that itself.
func (e *engine) observedHandshake(w http.ResponseWriter, r *http.Request, path []string) (upgraded bool) {
	began := time.Now()
	a := &watchedAnswer{ResponseWriter: w}
	upgraded = e.handshake(a, r, path)
	if !upgraded {
		e.observer.Observe(Observation{Kind: ObservedHandshake, ConnectionID: a.connectionID, RouteKey: "$connect", Status: a.status, Detail: a.why,
			Remote: r.RemoteAddr, Target: r.URL.RequestURI(), Fault: a.fault, Took: time.Since(began)})
	}
	return upgraded
}
