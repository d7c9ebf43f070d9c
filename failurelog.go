package wirepost

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// failureLog logs what explains failed posts: each problem once a minute for each
// endpoint, because a fan-out to a wrong endpoint fails ten thousand times in the
// same way. The zero value is ready; it may be used concurrently.
type failureLog struct {
	mu     sync.Mutex
	logged map[failure]time.Time
}

type failure struct {
	endpoint Identity
	problem  Problem
}

const (
	failureLogEvery = time.Minute
	// maxFailures bounds what is remembered: more endpoints with failures in one
	// minute than that are logged again.
	maxFailures = 1024
)

func (f *failureLog) note(o *PublisherOptions, out Outcome) {
	if out.Err == nil || errors.Is(out.Err, ErrGone) || !o.Logger.Enabled(context.Background(), slog.LevelWarn) {
		return
	}
	e := Explain(out.Err)
	if e == nil {
		return
	}
	now := o.Now()
	key := failure{out.Endpoint, e.Problem}
	f.mu.Lock()
	last, known := f.logged[key]
	due := !known || now.Sub(last) >= failureLogEvery || now.Before(last)
	if due {
		if f.logged == nil || len(f.logged) >= maxFailures {
			f.logged = map[failure]time.Time{}
		}
		f.logged[key] = now
	}
	f.mu.Unlock()
	if !due {
		return
	}
	attributes := []any{"problem", string(e.Problem), "sentence", e.Problem.Sentence(), "fix", e.Fix()}
	if e.Endpoint != "" {
		attributes = append(attributes, "endpoint", e.Endpoint)
	}
	if out.Endpoint != (Identity{}) {
		attributes = append(attributes, "identity", out.Endpoint.String())
	} else { // a connection without a row
		attributes = append(attributes, "connectionId", out.ConnectionID)
	}
	if e.Detail != "" {
		attributes = append(attributes, "detail", e.Detail)
	}
	if e.Status != 0 {
		attributes = append(attributes, "status", e.Status)
	}
	if len(e.Candidates) > 0 {
		attributes = append(attributes, "candidates", e.Candidates)
	}
	o.Logger.Warn("posts fail", attributes...)
}
