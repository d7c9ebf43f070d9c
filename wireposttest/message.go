package wireposttest

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
)

// Sender is the client of a message that [NewMessage] made: it has what a handler posted
// to it. Its methods may be called concurrently.
type Sender struct {
	mu     sync.Mutex
	posted []string
	closed bool
}

// Posted are the texts that Message.Post sent, in their order.
func (s *Sender) Posted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posted)
}

// Closed reports whether Message.Close was called.
func (s *Sender) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// RoundTrip is the management API of the sender: one that is closed is gone.
func (s *Sender) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"X-Amzn-Requestid": {"wireposttest"}}, Body: http.NoBody, Request: r}
	switch {
	case s.closed:
		answer.StatusCode = http.StatusGone
	case r.Method == http.MethodDelete:
		s.closed, answer.StatusCode = true, http.StatusNoContent
	case r.Method == http.MethodPost:
		s.posted = append(s.posted, string(body))
	}
	return answer, nil
}

// NewMessage makes a message for the test of a [wirepost.Handler], without a gateway: the
// handler is called with it, and Sender has what the handler posted to the client.
//
// The connection is put into the store, which may be nil for one of its own. Of its
// fields ID, Endpoint, ConnectedAt and ExpiresAt have defaults; a connection whose
// ExpiresAt is over has no row.
func NewMessage(t testing.TB, store wirepost.Store, c wirepost.Connection, body string) (*wirepost.Message, *Sender) {
	t.Helper()
	if store == nil {
		store = wirepost.NewMemStore(nil)
	}
	now := time.Now()
	c.ID = cmp.Or(c.ID, "L0SM9cOFvHcCIhw=")
	c.Endpoint = cmp.Or(c.Endpoint, wirepost.Identity{APIID: "wireposttest", Stage: "dev", Region: "us-east-1"})
	if c.ConnectedAt.IsZero() {
		c.ConnectedAt = now.Add(-time.Minute)
	}
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = now.Add(time.Hour)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := store.Put(ctx, c); err != nil {
		t.Fatal(err)
	}
	sender := &Sender{}
	publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{Transport: sender, Credentials: keyPair{}})
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Publisher: publisher})
	return mux.NewMessage(c, []byte(body)), sender
}

// keyPair signs what goes nowhere.
type keyPair struct{}

func (keyPair) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost"}, nil
}
