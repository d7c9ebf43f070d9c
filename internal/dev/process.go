package dev

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// process is a function that is a process, as the gateway sees it. One that does not
// start is told with all that it says, again when it says something else, and fails
// its invocations only.
type process struct {
	*lambdart.Function
	name  string
	of    *app.Function // nil if no app describes it
	c     *Config
	calls *awsCalls

	mu   sync.Mutex
	told string // why it does not start
}

// Invoke implements gateway.Function.
func (p *process) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return p.InvokeWith(ctx, payload, nil)
}

// InvokeWith is Invoke with options.
func (p *process) InvokeWith(ctx context.Context, payload []byte, o *lambdart.InvokeOptions) ([]byte, error) {
	answer, err := p.Function.InvokeWith(ctx, payload, o)
	if err == nil {
		return answer, nil
	}
	if failed, ok := errors.AsType[*lambdart.FunctionError](err); ok {
		p.calls.failed(ctx, p.name, failed.Message)
	}
	if why := notStarted(err); why != "" {
		p.tell(err)
		return nil, &notStartedError{&gateway.Unavailable{Reason: why}, err}
	}
	return nil, err
}

// notStartedError is a function that does not start: the gateway's error, and what
// package lambdart says of it.
type notStartedError struct {
	*gateway.Unavailable
	start error
}

// Unwrap gives both.
func (e *notStartedError) Unwrap() []error { return []error{e.Unavailable, e.start} }

// notStarted is the first line of why a function has not started; empty if it has.
func notStarted(err error) string {
	_, unbuilt := errors.AsType[*lambdart.BuildError](err)
	if _, ok := errors.AsType[*lambdart.StartError](err); !ok && !unbuilt {
		return ""
	}
	why, _, _ := strings.Cut(err.Error(), "\n")
	return why
}

// tell reports that the function does not start, unless that was the last thing said of
// it.
func (p *process) tell(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told == err.Error() {
		return
	}
	p.told = err.Error()
	where, or := "", ""
	if p.of != nil {
		where, or = p.of.Position.String()+": ", ", or give "+app.Flag("--function", p.of.LogicalID, "FUNCTION")
	}
	p.c.Report.Problem(fmt.Sprintf("%s%v\n\teverything else runs; wirepost retries the function when it is invoked and, with --watch, when its files change: fix it%s", where, err, or))
}
