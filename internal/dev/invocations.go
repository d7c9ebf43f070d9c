package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/internal/invokeapi"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// invocations is the part that invokes any function of the dev, for what is no gateway:
// Lambda's Invoke API, integrations that map their events, queues, streams, schedules,
// people. A function is started when it is first invoked, if no route has it started.
type invocations struct {
	c           *Config
	app         *resolution
	functions   *functions
	apps        *appFunctions
	credentials *credentials
	lambda      *lambdaEndpoint

	interception *interception

	recorder atomic.Pointer[inspector.Recorder] // nil if nothing is recorded, or not yet
	queue    *invokeapi.Queue
	server   *invokeapi.Server

	mu   sync.Mutex
	told map[string]bool // functions that cannot be run, and were invoked
}

// How says why a function is invoked, and how. Cause is needed.
type How struct {
	// Cause is what invokes it, for people, such as "schedule Nightly".
	Cause string

	// Try makes an invocation without a place fail at once with lambdart.ErrBusy. Else
	// it waits for one.
	Try bool

	// RequestID is the function's, empty for a new one; ClientContext and Qualifier are
	// those of lambdart.InvokeOptions.
	RequestID, ClientContext, Qualifier string

	// Event is the event of a socket that has led to the invocation, or the zero value.
	Event Event

	// Line, if not nil, gets each line that the function logs meanwhile.
	Line func(string)

	// Told says that somebody else tells people of a function that cannot run.
	Told bool
}

// Event names an event of a socket, as an inspector finds it.
type Event struct{ ConnectionID, RouteKey, RequestID string }

func (i *invocations) start(context.Context) error {
	if !i.c.hasProcesses() {
		return nil
	}
	i.queue = invokeapi.NewQueue(invokeapi.QueueOptions{
		Functions: invokeFunctions{i}, Places: cmp.Or(i.c.Processes.Concurrency, lambdart.DefaultConcurrency), Notice: i.c.Report.Hint,
	})
	verifier := &gateway.Verifier{Service: "lambda", Credentials: i.credentials.accepted}
	i.server = &invokeapi.Server{
		Functions: invokeFunctions{i}, Queue: i.queue, Region: i.c.Region, Account: cmp.Or(i.c.account(), app.DefaultAccount), Verify: verifier.Verify, Refused: refusedSignature, Notice: i.c.Report.Hint,
	}
	if i.c.Inherit {
		i.server.Forward = newLambdaForward(i.credentials.functions, i.interception.at.Sender(i.c.Env)).forward
	}
	i.lambda.serve(i.server.Handler(i.lambda.isOwn))
	return nil
}

// stop lets the events that run come to an end. What else waits is lost, and said.
func (i *invocations) stop(ctx context.Context) error {
	if i.queue == nil {
		return nil
	}
	if lost := i.queue.Close(ctx); lost > 0 {
		i.c.Report.Hint(fmt.Sprintf("asynchronous invocations that were not done: %d; they are not kept", lost))
	}
	return nil
}

func refusedSignature(err error) (status int, kind, message string) {
	refused, ok := errors.AsType[*gateway.SignatureError](err)
	if !ok {
		return http.StatusForbidden, "InvalidSignatureException", err.Error()
	}
	return refused.Status, refused.Type, refused.Message
}

var hostOfLambda = regexp.MustCompile(`^lambda(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)(?::443)?$`)

// handler is the Invoke API for requests that were sent to Lambda's own host, and were
// led here. It is nil before the start, and if there are no processes.
func (i *invocations) handler() http.Handler {
	if i.server == nil {
		return nil
	}
	return i.server.Handler(hostOfLambda.MatchString)
}

// Invoke gives a function of the dev a payload and returns its answer. id is its logical
// ID, or the name of one that was named without a template. Errors are those of package
// lambdart; what cannot run is a *gateway.Unavailable. It is recorded with its cause.
func (i *invocations) Invoke(ctx context.Context, id string, payload []byte, how How) (answer []byte, err error) {
	if r := i.recorder.Load(); r != nil {
		var ended func([]byte, error)
		ctx, ended = r.Call(ctx, inspector.Call{Function: id, Cause: how.Cause, Payload: payload,
			ConnectionID: how.Event.ConnectionID, RouteKey: how.Event.RouteKey, RequestID: cmp.Or(how.Event.RequestID, how.RequestID)})
		defer func() { ended(answer, err) }()
	}
	if how.Line != nil {
		ctx = context.WithValue(ctx, lineKey{}, how.Line)
	}
	f, err := i.function(ctx, id)
	if err != nil {
		return nil, err
	}
	with, ok := f.(interface {
		InvokeWith(context.Context, []byte, *lambdart.InvokeOptions) ([]byte, error)
	})
	if !ok { // a stand-in that is no process here
		answer, err = f.Invoke(ctx, payload)
	} else {
		answer, err = with.InvokeWith(ctx, payload, &lambdart.InvokeOptions{Try: how.Try, RequestID: how.RequestID, ClientContext: how.ClientContext, Qualifier: how.Qualifier})
	}
	if not, ok := errors.AsType[*gateway.Unavailable](err); ok && !how.Told {
		i.tell(id, how.Cause, not)
	}
	return answer, err
}

// Enqueue gives a function a payload later, as an asynchronous invocation does.
func (i *invocations) Enqueue(id string, payload []byte, how How) error {
	return i.queue.Add(id, payload, &invokeapi.Call{RequestID: cmp.Or(how.RequestID, invokeapi.NewRequestID()), Value: how})
}

// find is the ID of a function by a name of it.
func (i *invocations) find(name string) (id string, ok bool) {
	if f := i.apps.lookup(name); f != nil {
		return f.LogicalID, true
	}
	_, ok = i.functions.known[name]
	return name, ok
}

func (i *invocations) function(ctx context.Context, id string) (gateway.Function, error) {
	if i.app.app != nil {
		return i.apps.prepared(ctx, id)
	}
	if f := i.functions.known[id]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("there is no function %s", id)
}

// tell says, once for each function, that one was invoked that cannot run.
func (i *invocations) tell(id, cause string, why *gateway.Unavailable) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.told[id] {
		return
	}
	if i.told == nil {
		i.told = map[string]bool{}
	}
	i.told[id] = true
	i.c.Report.Hint(fmt.Sprintf("function %s was invoked by %s: %s", id, cause, why.Reason))
}

type lineKey struct{}

// logged gives a line to the one that has asked for those of an invocation.
func logged(ctx context.Context, line string) {
	if f, ok := ctx.Value(lineKey{}).(func(string)); ok {
		f(line)
	}
}
