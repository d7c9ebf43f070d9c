package wireposttest

import (
	"context"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
)

// longTime is how long a function may run on Lambda (AWS, Lambda quotas page).
const longTime = 15 * time.Minute

// longRuns is a function whose long work ([wirepost.Mux.HandleLong]) runs in this process.
type longRuns struct {
	gateway.Function
	ctx     context.Context
	running sync.WaitGroup
}

// inProcess makes a function hand its long work to itself. stop ends what runs, and waits
// for it.
func inProcess(function gateway.Function) (f gateway.Function, stop func()) {
	if mux, ok := function.(*wirepost.Mux); function == nil || ok && mux == nil {
		return function, func() {} // which the server refuses
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &longRuns{Function: function, ctx: ctx}
	return r, func() { cancel(); r.running.Wait() }
}

// Invoke implements gateway.Function.
func (r *longRuns) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return r.Function.Invoke(wirepost.ContextWithLater(ctx, r.later), payload)
}

func (r *longRuns) later(_ context.Context, payload []byte) error {
	r.running.Go(func() { // ends with stop
		ctx, cancel := context.WithTimeout(r.ctx, longTime)
		defer cancel()
		_, _ = r.Invoke(ctx, payload) // nobody reads the answer of an asynchronous event
	})
	return nil
}
