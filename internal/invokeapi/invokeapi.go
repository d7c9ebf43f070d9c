// Package invokeapi is Lambda's Invoke API on one machine: POST
// /2015-03-31/functions/{FunctionName}/invocations, for the functions of one app.
//
// It knows functions by the interface [Functions] alone. Facts come from the Lambda API
// reference, "Invoke", from AWS's SDK model of Lambda ("SDK model"), and from the Lambda
// developer guide ("AWS docs"). Where nothing authoritative was found the code says
// UNCERTAIN.
//
// What is different from AWS: a function has one version, $LATEST, whatever version or
// alias is named; there are no tenants and no durable executions; nothing is sent to
// dead-letter queues and destinations, which a [Queue] says.
package invokeapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// The largest payloads (SDK model: 6 MB for a synchronous invocation, 1 MB for an
// asynchronous one). That MB is this number of bytes is what Lambda's own messages say
// of the first; UNCERTAIN of the second.
const (
	MaxSyncBytes  = 6 << 20
	MaxAsyncBytes = 1 << 20

	// maxClientContext is that of its base64 (SDK model).
	maxClientContext = 3583
	// maxLogTail is how much of an invocation's log an answer has (SDK model: 4 KB).
	maxLogTail = 4 << 10
)

// Functions are those that there are. Its methods are called concurrently.
type Functions interface {
	// Find gives the ID of a function by its name on AWS. ok is false if there is none.
	Find(name string) (id string, ok bool)

	// Invoke gives a function a payload and returns its answer, as JSON. The error of a
	// function that failed is a *FunctionError; ErrBusy means that it has no place.
	Invoke(ctx context.Context, id string, payload []byte, c *Call) ([]byte, error)
}

// Call says how a function is invoked.
type Call struct {
	RequestID     string // a UUID
	ClientContext string // JSON, or empty
	Qualifier     string // the version or alias that was named, or empty
	Event         bool   // asynchronous: it waits for a place, and another call is ErrBusy

	// Value is the caller's own, for Functions. It is nil for calls of the API.
	Value any

	// Line, if not nil, gets each line that the invocation logs.
	Line func(string)
}

// ErrBusy is a function all of whose places are taken.
var ErrBusy = errors.New("the function has no place for another invocation")

// FunctionError is an invocation that the function failed.
type FunctionError struct {
	Body []byte // the JSON object that the caller gets
	Err  error  // the same for people
}

// Error is that of Err.
func (e *FunctionError) Error() string { return e.Err.Error() }

// Unwrap is Err.
func (e *FunctionError) Unwrap() error { return e.Err }

// Server is the API. Fields but Forward and Notice are needed. They must not change
// after the first request.
type Server struct {
	Functions Functions
	Queue     *Queue // of asynchronous invocations

	// Region and Account are those of the functions.
	Region, Account string

	// Verify checks the signature of a request whose body was read, and returns the
	// region that it was signed for. Its error is answered as Refused gives it.
	Verify func(r *http.Request, body []byte) (region string, err error)

	// Refused is the answer for an error of Verify: its status, type and message.
	Refused func(error) (status int, kind, message string)

	// Forward, if not nil, answers what is not here: another function, another operation
	// of Lambda's. The body was read. Nil answers it with ResourceNotFoundException.
	Forward func(w http.ResponseWriter, r *http.Request, region string, body []byte)

	// Notice gets a sentence for people, each once. Nil means nowhere.
	Notice func(string)

	mu   sync.Mutex
	said map[string]bool
}

// Handler serves the API to requests whose Host is accepted. A page in a browser gets
// nothing: requests that one may have sent are refused (accept.FromPage), and the host keeps
// out one whose own name was pointed here.
func (s *Server) Handler(host func(string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, host) })
}

// notice tells people something, once.
func (s *Server) notice(format string, args ...any) {
	if s.Notice == nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	if s.said == nil {
		s.said = map[string]bool{}
	}
	again := s.said[text] || len(s.said) >= maxSaid
	s.said[text] = true
	s.mu.Unlock()
	if !again {
		s.Notice(text)
	}
}

// maxSaid bounds the sentences: a function may make names up.
const maxSaid = 100
