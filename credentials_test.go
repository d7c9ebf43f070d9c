package wirepost_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// keeps puts connections of the stage prod of an API into a store.
func keeps(t *testing.T, store wirepost.Store, url, api string, ids ...string) {
	t.Helper()
	now := time.Now()
	stage := wirepost.Endpoint{Identity: wirepost.Identity{APIID: api, Stage: "prod", Region: "eu-west-1"}, URL: url}
	if _, err := store.PutStage(t.Context(), wirepost.StageRecord{Endpoint: stage, EventTime: now}); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := store.Put(t.Context(), wirepost.Connection{ID: id, Endpoint: stage.Identity, ConnectedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
}

// answers is a transport that answers by itself.
type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A library that looked only where Lambda puts credentials has to say so to the one that
// has them in a profile.
func TestAProgramWithoutCredentialsIsToldWhichPackageFindsOthers(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	store := wirepost.NewMemStore(nil)
	keeps(t, store, "https://abc123.execute-api.eu-west-1.amazonaws.com/prod", "abc123", "A=")
	publisher := wirepost.NewPublisher(store, nil)
	defer publisher.CloseIdleConnections()
	_, published := publisher.Publish(t.Context(), wirepost.Everyone(), []byte("hi"), nil)
	for what, err := range map[string]error{"publish": published, "post": publisher.Post(t.Context(), "A=", []byte("hi"))} {
		e, ok := errors.AsType[*wirepost.Error](err)
		if !ok || e.Problem != wirepost.ProblemCredentialsMissing || !strings.Contains(e.Error(), "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY not set") || !strings.Contains(e.Error(), "imports github.com/wirepost/wirepost/awschain") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Without credentials nothing can be tried at all: that is no matter of the connections,
// and a queue has to do the whole again. Where something was tried it is one of the results.
func TestAPublishThatCouldSignNothingIsAnErrorAndOneThatCouldSignSomeIsAResult(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	store := wirepost.NewMemStore(nil)
	keeps(t, store, "https://abc123.execute-api.eu-west-1.amazonaws.com/prod", "abc123", "A=", "B=")
	publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{Transport: answers(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	})})
	defer publisher.CloseIdleConnections()
	var told atomic.Int32
	for name, do := range map[string]func() (wirepost.Result, error){
		"a publish": func() (wirepost.Result, error) {
			return publisher.Publish(t.Context(), wirepost.Everyone(), []byte("hi"), &wirepost.PublishOptions{OnResult: func(wirepost.Outcome) { told.Add(1) }})
		},
		"a close": func() (wirepost.Result, error) { return publisher.CloseAll(t.Context(), wirepost.Everyone(), nil) },
	} {
		r, err := do()
		if wirepost.ProblemOf(err) != wirepost.ProblemCredentialsMissing || !strings.Contains(err.Error(), "no request for everyone was sent, because there are no AWS credentials to sign with") {
			t.Errorf("%s has the error %v", name, err)
		}
		if r.Sent+r.Gone+r.Failed != 0 || r.Next != "" || !(wirepost.Job{}).Left(r, err).Again {
			t.Errorf("%s has the result %+v, want none, and that it is done again", name, r)
		}
	}
	// A gateway on this machine takes the development pair.
	keeps(t, store, "http://localhost:1/prod", "local", "C=")
	r, err := publisher.Publish(t.Context(), wirepost.Everyone(), []byte("hi"), nil)
	if err != nil || r.Sent != 1 || r.Problems[wirepost.ProblemCredentialsMissing] != 2 {
		t.Errorf("with a gateway here: %+v, %v", r, err)
	}
	if told.Load() != 2 {
		t.Errorf("OnResult was told %d results, want 2", told.Load())
	}
}
