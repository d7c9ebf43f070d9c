package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/wirepost/wirepost"
)

func storeRows() []row {
	old := wirepost.Identity{APIID: "old999", Stage: "prod", Region: "eu-west-1"}
	with := func(f func(*world)) func(*world) {
		return func(w *world) {
			w.options.Store = w.store
			w.learn(identity, apiURL)
			w.connected(identity, 3, time.Minute)
			f(w)
		}
	}
	return []row{
		{name: "a store in which nothing is wrong", make: with(func(*world) {})},
		{name: "connections of an API that is gone", make: with(func(w *world) {
			w.learn(old, "https://old999.execute-api.eu-west-1.amazonaws.com/prod")
			w.connected(old, 2, time.Minute)
		}), want: problems(wirepost.ProblemStoreDeadAPI, wirepost.ProblemStoreSeveralAPIs), says: []string{"2 connections belong to old999/prod@eu-west-1", "endpoint-unresolved", "wirepost sweep --api old999 --stage prod"}},
		{name: "connections of an API whose host answers Forbidden", make: with(func(w *world) {
			w.learn(old, "https://old999.execute-api.eu-west-1.amazonaws.com/prod")
			w.connected(old, 2, time.Minute)
			w.names["old999.execute-api.eu-west-1.amazonaws.com"] = []string{otherIP}
			w.serveTLS(otherIP, certificate(w.t, "old999.execute-api.eu-west-1.amazonaws.com"), http.HandlerFunc(forbidden))
		}), want: problems(wirepost.ProblemStoreDeadAPI, wirepost.ProblemStoreSeveralAPIs), says: []string{"2 connections belong to old999/prod@eu-west-1, which answers 403 Forbidden", "wirepost doctor --api old999 --stage prod"}},
		{name: "a table without a TTL", make: with(func(w *world) {
			w.options.Store = tableStore{w.store, errors.New("table connections: TTL is off\ntable connections: another")}
		}), want: problems(wirepost.ProblemStoreTable), says: []string{"TTL is off; ", "wirepost table check"}, fine: true},
		{name: "a table that is as it should be", make: with(func(w *world) { w.options.Store = tableStore{w.store, nil} })},
		{name: "a table that may not be looked at", make: with(func(w *world) {
			w.options.Store = tableStore{w.store, fmt.Errorf("describe: %w", notAllowed{})}
		})},
		{name: "connections of an API that has no endpoint", make: with(func(w *world) { w.connected(old, 1, time.Minute) }), want: problems(wirepost.ProblemStoreDeadAPI, wirepost.ProblemStoreSeveralAPIs), says: []string{"no endpoint"}},
		{name: "two stages share the store", make: with(func(w *world) {
			green := wirepost.Identity{APIID: "def456", Stage: "prod", Region: "eu-west-1"}
			w.learn(green, "https://def456.execute-api.eu-west-1.amazonaws.com/prod")
			w.connected(green, 4, time.Minute)
			w.names["def456.execute-api.eu-west-1.amazonaws.com"] = []string{otherIP}
			w.serveTLS(otherIP, certificate(w.t, "def456.execute-api.eu-west-1.amazonaws.com"), http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusGone) }))
		}), want: problems(wirepost.ProblemStoreSeveralAPIs), says: []string{"abc123/prod (3)", "def456/prod (4)"}, fine: true},
		{name: "rows that are too old", make: with(func(w *world) {
			for i := range 2 {
				c := wirepost.Connection{ID: fmt.Sprint("old", i), Endpoint: identity, ConnectedAt: time.Now().Add(-3 * time.Hour), ExpiresAt: time.Now().Add(time.Hour)}
				if err := w.store.Put(w.t.Context(), c); err != nil {
					w.t.Fatal(err)
				}
			}
		}), want: problems(wirepost.ProblemStoreOldRows), says: []string{"2 rows are older than two hours"}, fine: true},
		{name: "leases of presence that nobody ends", make: with(func(w *world) {
			s := wirepost.Session{Topic: "lobby", User: "alice", ID: "s1", Connection: wirepost.ConnectionKey{ID: "c1=", Endpoint: identity, ConnectedAt: time.Now()}}
			if _, err := w.store.Enter(w.t.Context(), s, time.Minute, wirepost.Details{}); err != nil {
				w.t.Fatal(err)
			}
			w.options.Store = laterStore{w.store}
		}), want: problems(wirepost.ProblemPresenceUnswept), says: []string{"1 lease of presence is over"}, fine: true},
		{name: "a record with the host of another API", make: with(func(w *world) {
			w.learn(wirepost.Identity{APIID: "abc123", Stage: "dev", Region: "eu-west-1"}, "https://xyz789.execute-api.eu-west-1.amazonaws.com/dev")
		}), want: problems(wirepost.ProblemStoreHost), says: []string{"abc123/dev@eu-west-1 has the host of another API"}},
		{name: "a stage that was used once", make: with(func(w *world) {
			w.learn(wirepost.Identity{APIID: "abc123", Stage: "once", Region: "eu-west-1"}, "https://abc123.execute-api.eu-west-1.amazonaws.com/once")
		})},
		{name: "only a stage that was used once has connections", make: func(w *world) {
			w.options.Store = w.store
			w.learn(identity, apiURL)
			once := wirepost.Identity{APIID: "abc123", Stage: "once", Region: "eu-west-1"}
			w.learn(once, "https://abc123.execute-api.eu-west-1.amazonaws.com/once")
			w.connected(once, 2, time.Minute)
		}, want: problems(wirepost.ProblemStoreDeadAPI, wirepost.ProblemStoreSeveralAPIs), says: []string{"2 connections belong to abc123/once@eu-west-1, which answers 403 Forbidden: forbidden-unexplained"}},
		{name: "the store has another endpoint for the API", make: func(w *world) {
			w.options.Store = w.store
			w.learn(identity, "https://"+customHost)
		}, want: problems(wirepost.ProblemStoreMoved), says: []string{"https://ws.example.com"}, fine: true},
		{name: "a region that is not that of the record", make: with(func(w *world) { w.options.Region = "us-east-1" }), want: problems(wirepost.ProblemSigningRegion),
			says: []string{"the region that was given is us-east-1, and the store's record of the API is abc123/prod@eu-west-1", "sign for eu-west-1", "give --region eu-west-1, or none"}, fine: true},
		{name: "a region that is not that of the record, and no endpoint", make: with(func(w *world) { w.options.Endpoint, w.options.Region = "", "us-east-1" }), want: problems(wirepost.ProblemSigningRegion),
			says: []string{"the store's record of the API is abc123/prod@eu-west-1"}, fine: true},
		{name: "an API by its ID in a region that is not that of the record", make: with(func(w *world) {
			w.options.Endpoint, w.options.APIID, w.options.Stage, w.options.Region = "", "abc123", "prod", "us-east-1"
			w.names["dynamodb.us-east-1.amazonaws.com"] = []string{otherIP}
		}), want: problems(wirepost.ProblemSigningRegion, wirepost.ProblemEndpointUnresolved), says: []string{"the region that was given is us-east-1, and the store's record of the API is abc123/prod@eu-west-1"}},
		{name: "the region of the record", make: with(func(w *world) { w.options.Region = "eu-west-1" })},
		{name: "a topic that others keep and this program does not", make: with(func(w *world) { w.keep("lobby") }), want: problems(wirepost.ProblemKeptAndNot),
			says: []string{"a message to topic lobby was kept ", ", for 24h0m0s, and WIREPOST_KEEP here keeps none of them", "such as lobby=24h0m0s"}, fine: true},
		{name: "a topic that this program keeps, too", make: with(func(w *world) {
			w.keep("lobby")
			w.env["WIREPOST_KEEP"] = "lob*=1h"
		})},
		{name: "rules that cannot be read", make: with(func(w *world) { w.env["WIREPOST_KEEP"] = "lobby" }), want: problems(wirepost.ProblemKeptAndNot), says: []string{"a rule is TOPIC=TIME"}},
		{name: "streams in a store without a log", make: with(func(w *world) {
			w.options.Store = tableStore{w.store, nil}
			w.env["WIREPOST_LONG_FUNCTION"] = longARN + ":live"
		}), want: problems(wirepost.ProblemStreamNotKept), fine: true},
		{name: "streams in a store that is lent, and has no log behind it", make: with(func(w *world) {
			w.options.Store = lentStore{w.store}
			w.env["WIREPOST_LONG_FUNCTION"] = longARN + ":live"
		}), want: problems(wirepost.ProblemStreamNotKept), fine: true},
		{name: "a store without a log and no streams", make: with(func(w *world) { w.options.Store = lentStore{w.store} })},
		{name: "a store that cannot be opened", make: func(w *world) { w.options.StoreErr = fmt.Errorf("no such table") }, want: problems(wirepost.ProblemStore), says: []string{"no such table"}},
	}
}

// keep connects a client with a topic, and keeps a message to that.
func (w *world) keep(topic string) {
	w.t.Helper()
	now := time.Now()
	c := wirepost.Connection{ID: "keeps=", Endpoint: identity, Topics: []string{topic}, ConnectedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Hour)}
	if err := w.store.Put(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
	entry := wirepost.LogEntry{Data: []byte(`{"type":"message"}`), ID: "1", Keep: 24 * time.Hour}
	if _, err := w.store.Append(w.t.Context(), topic, []wirepost.LogEntry{entry}, nil); err != nil {
		w.t.Fatal(err)
	}
}

// tableStore is a store with a table, as the one on DynamoDB is.
type tableStore struct {
	wirepost.Store
	err error
}

func (s tableStore) CheckTable(context.Context) error { return s.err }

// lentStore is a store over HTTP with none behind it that has a log.
type lentStore struct{ *wirepost.MemStore }

func (lentStore) Head(context.Context, string) (wirepost.Position, error) {
	return wirepost.Position{}, wirepost.ErrNotSupported
}

// notAllowed is an error of AWS's client.
type notAllowed struct{}

func (notAllowed) Error() string     { return "not allowed" }
func (notAllowed) ErrorCode() string { return "AccessDeniedException" }

// laterStore is a store ten minutes later.
type laterStore struct{ *wirepost.MemStore }

func (s laterStore) Due(ctx context.Context, now time.Time) iter.Seq2[wirepost.Lapsed, error] {
	return s.MemStore.Due(ctx, now.Add(10*time.Minute))
}
