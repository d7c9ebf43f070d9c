package dynamostore_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// meddler passes requests on and does to their answers what a test says.
type meddler struct {
	url      string
	requests atomic.Int64
	meddle   func(operation string) meddling // may do something before the request, too
}

type meddling int

const (
	passOn meddling = iota
	lose            // done, and the connection ends without an answer
	cutOff          // done, and the answer breaks off
)

func newMeddler(t *testing.T, target string) *meddler {
	m := &meddler{meddle: func(string) meddling { return passOn }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.requests.Add(1)
		body, _ := io.ReadAll(r.Body)
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		what := m.meddle(operation)
		request, err := http.NewRequest("POST", target, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		request.Header = r.Header.Clone()
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		said, _ := io.ReadAll(answer.Body)
		if what != passOn {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if what == cutOff {
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s", len(said)+100, said)
			}
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(answer.StatusCode)
		w.Write(said)
	}))
	t.Cleanup(server.Close)
	m.url = server.URL
	return m
}

// first does something to the first request of an operation.
func first(operation string, what meddling) func(string) meddling {
	var done atomic.Bool
	return func(o string) meddling {
		if o == operation && done.CompareAndSwap(false, true) {
			return what
		}
		return passOn
	}
}

func TestADeleteWhoseAnswerWasLostReportsTheRemoval(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	for _, what := range []meddling{lose, cutOff} {
		m := newMeddler(t, endpoint)
		s := create(t, m.url, &dynamostore.Options{})
		c := connection("c1", "alice", "a")
		r := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: production, URL: "https://x.example.com"}, EventTime: time.Now()}
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		r, err := s.PutStage(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		m.meddle = first("DeleteItem", what)
		if removed, err := s.Delete(t.Context(), c.Key()); err != nil || !removed {
			t.Errorf("Delete, %d = %v, %v, want true", what, removed, err)
		}
		m.meddle = first("DeleteItem", what)
		if removed, err := s.DeleteStage(t.Context(), r); err != nil || !removed {
			t.Errorf("DeleteStage, %d = %v, %v, want true", what, removed, err)
		}
	}
}

func TestAPageThatBreaksOffIsReadAgain(t *testing.T) {
	m := newMeddler(t, dynamolocal.Start(t, dynamolocal.DynamoDBLocal))
	s := create(t, m.url, &dynamostore.Options{})
	if err := s.Put(t.Context(), connection("c1", "alice")); err != nil {
		t.Fatal(err)
	}
	m.meddle = first("Query", cutOff)
	sameSet(t, "user:alice", list(t, s, wirepost.ToUser("alice"), wirepost.ListOptions{}), []string{"c1"})
}

func TestAPasswordInAURLIsNotPrinted(t *testing.T) {
	for _, u := range []string{"dynamodb://me:s3cret@table?region=eu-central-1", "dynamodb://table?endpoint=http://me:s3cret@127.0.0.1:8000", "dynamodb://table?s3cret=1;"} {
		if _, err := dynamostore.ParseURL(u); err == nil || strings.Contains(err.Error(), "me:s3cret") {
			t.Errorf("ParseURL: %v", err)
		}
	}
}

// The row that keeps an identity ends at a fraction of a second, the record that
// replaces it at a whole one.
func TestAStageRowThatEndsIsReplacedAtOnce(t *testing.T) {
	m := newMeddler(t, dynamolocal.Start(t, dynamolocal.DynamoDBLocal))
	base := time.Now().Truncate(time.Second).Add(100 * time.Millisecond)
	now := base
	s := create(t, m.url, &dynamostore.Options{Now: func() time.Time { return now }})
	c := connection("c1", "alice")
	c.ConnectedAt, c.ExpiresAt = base, base.Add(time.Hour)
	if err := s.Put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	r := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: production, URL: "https://x.example.com"}, EventTime: base}
	now = base.Add(10 * time.Second)
	if _, err := s.PutStage(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	now = now.Add(90*24*time.Hour - 500*time.Millisecond)
	before := m.requests.Load()
	if _, err := s.PutStage(t.Context(), r); err != nil || m.requests.Load()-before > 4 {
		t.Errorf("PutStage: %v after %d requests", err, m.requests.Load()-before)
	}
}

func TestASweepRemovesRowsWhoseTimeIsOver(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	now := time.Now()
	s := create(t, endpoint, &dynamostore.Options{Now: func() time.Time { return now }})
	c := connection("c1", "alice", "a")
	c.ConnectedAt, c.ExpiresAt = now, now.Add(time.Hour)
	if err := s.Put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	if n, err := s.Sweep(t.Context()); n < 1 || err != nil {
		t.Errorf("Sweep = %d, %v", n, err)
	}
	if left := belongs(t, s); len(left) > 0 {
		t.Errorf("the table still has %q", left)
	}
}

// A later connection under the same ID is cut before it has begun to take the place
// of the other: the one that the row names lives, and is listed.
func TestALaterConnectThatIsCutHidesNobody(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	for n := range int64(4) {
		cut := newCutter(t, endpoint)
		cut.left.Store(uncut)
		direct := create(t, endpoint, &dynamostore.Options{})
		s := again(t, direct, cut.url, &dynamostore.Options{})
		c := connection("c1", "alice", "a")
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		later := c
		later.ConnectedAt = c.ConnectedAt.Add(time.Second)
		cut.left.Store(n)
		cutErr := s.Put(t.Context(), later)
		named, err := direct.Connection(t.Context(), "c1")
		if err != nil {
			t.Fatal(err)
		}
		if cutErr != nil {
			for _, a := range []wirepost.Audience{wirepost.ToUser("alice"), wirepost.ToTopic("a")} {
				for l, err := range direct.Connections(t.Context(), a, wirepost.ListOptions{}) {
					if err != nil || !l.Key().Matches(named) {
						t.Errorf("cut behind %d: %s lists %+v, %v; the row is of %v", n, a, l, err, named.ConnectedAt)
					}
				}
			}
		}
	}
}

// A subscribe loses to a disconnect, and while it cleans up the same connection is
// put again, with that topic.
func TestASubscribeThatLosesDoesNotHarmWhoComesBack(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	m := newMeddler(t, endpoint)
	direct := create(t, endpoint, &dynamostore.Options{})
	s := again(t, direct, m.url, &dynamostore.Options{})
	c := connection("c1", "alice", "b")
	if err := direct.Put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var step atomic.Int64
	m.meddle = func(operation string) meddling {
		switch {
		case operation == "UpdateItem" && step.CompareAndSwap(0, 1):
			if _, err := direct.Delete(context.Background(), c.Key()); err != nil {
				t.Error(err)
			}
		case operation == "DeleteItem" && step.CompareAndSwap(1, 2):
			c.Topics = []string{"a"}
			if err := direct.Put(context.Background(), c); err != nil {
				t.Error(err)
			}
		}
		return passOn
	}
	err := s.Subscribe(t.Context(), "c1", "a")
	row, rowErr := direct.Connection(t.Context(), "c1")
	if listed := list(t, direct, wirepost.ToTopic("a"), wirepost.ListOptions{}); err != nil || rowErr != nil || !slices.Equal(listed, []string{"c1"}) {
		t.Errorf("Subscribe: %v; the row has %v (%v), topic:a lists %v", err, row.Topics, rowErr, listed)
	}
}

func TestACursorOfAnotherPartIsRefused(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.Dynalite)
	s := create(t, endpoint, &dynamostore.Options{})
	for _, err := range s.Connections(t.Context(), wirepost.ToUser("alice"), wirepost.ListOptions{After: "0.zzc1", Parts: 2}) {
		wantSentence(t, err, "is not of this part of the listing")
		return
	}
	t.Error("no error")
}
