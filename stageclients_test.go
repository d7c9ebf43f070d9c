package wirepost

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// heldStages holds the reads of a stage until they are let go or cancelled.
type heldStages struct {
	Store
	held  atomic.Bool
	begun chan struct{}
	reads atomic.Int64
}

func (s *heldStages) Stage(ctx context.Context, id Identity) (StageRecord, error) {
	s.reads.Add(1)
	if s.held.Load() {
		s.begun <- struct{}{}
		<-ctx.Done()
		return StageRecord{}, ctx.Err()
	}
	return s.Store.Stage(ctx, id)
}

func TestAPostThatIsCancelledDoesNotPutOffTheNextLookAtTheEndpoint(t *testing.T) {
	old, moved := newManager(t, nil), newManager(t, nil)
	store := &heldStages{Store: at(t, old.URL+"/dev", 1), begun: make(chan struct{}, 1)}
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	p := publisher(t, store, &PublisherOptions{StageMaxAge: 30 * time.Second, Now: now})
	if err := p.Post(t.Context(), "c0", []byte("first")); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(31 * time.Second))
	store.held.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Post(ctx, "c0", []byte("cancelled")) }()
	<-store.begun
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled post: %v", err)
	}
	store.held.Store(false)
	if _, err := store.PutStage(t.Context(), StageRecord{Endpoint{testIdentity, moved.URL + "/dev"}, time.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if err := p.Post(t.Context(), "c0", []byte("second")); err != nil || moved.calls.Load() != 1 {
		t.Errorf("the next post: %v, after %d reads of the stage the new endpoint has %d posts, want 1", err, store.reads.Load(), moved.calls.Load())
	}
}

// heldCredentials come when they are let go.
type heldCredentials struct {
	begun, let chan struct{}
	asked      atomic.Int64
}

func (h *heldCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if h.asked.Add(1) == 1 {
		close(h.begun)
	}
	select {
	case <-h.let:
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, nil
	case <-ctx.Done():
		return aws.Credentials{}, ctx.Err()
	}
}

func TestAPostThatIsCancelledTakesNoCredentialsFromOthers(t *testing.T) {
	m := newManager(t, nil)
	provider := &heldCredentials{begun: make(chan struct{}), let: make(chan struct{})}
	p := publisher(t, at(t, m.URL+"/dev", 1), &PublisherOptions{Credentials: provider})
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- p.Post(ctx, "c0", []byte("x")) }()
	<-provider.begun
	go func() { second <- p.Post(t.Context(), "c0", []byte("y")) }()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled post: %v", err)
	}
	close(provider.let)
	if err := <-second; err != nil || m.calls.Load() != 1 {
		t.Errorf("the other: %v, %d posts, want 1", err, m.calls.Load())
	}
}

func TestADescriptionThatIsNoneIsNotAPIGateways(t *testing.T) {
	for _, body := range []string{"ok", `{"ok":true}`, "", "null", "[]", `{"connectedAt":"yesterday"}`} {
		m := newManager(t, answerStatus(200, "", body))
		var e *Error
		if info, err := publisher(t, at(t, m.URL+"/dev", 1), nil).Get(t.Context(), "c0"); !errors.As(err, &e) || e.Problem != ProblemNotAPIGateway || e.Status != 200 {
			t.Errorf("%q: %+v, %v", body, info, err)
		}
	}
}
