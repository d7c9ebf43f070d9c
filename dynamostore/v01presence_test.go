package dynamostore_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/internal/v01"
)

// update is a table whose events go to a function of version 0.1 and to one of today that
// keeps presence, as while one replaces the other. It takes what they post.
type update struct {
	t         *testing.T
	old       *v01.Store
	now       *dynamostore.Store
	was, is   *wirepost.Mux
	publisher *wirepost.Publisher // today's
	clock     time.Time
	began     time.Time // when all connections were made

	mu    sync.Mutex
	posts map[string][]string
}

func newUpdate(t *testing.T) *update {
	u := &update{t: t, clock: time.Now().Truncate(time.Minute), posts: map[string][]string{}}
	u.began = u.clock
	now := func() time.Time { return u.clock }
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	u.now = create(t, endpoint, &dynamostore.Options{Now: now})
	u.old = v01.Open(v01.Options{Table: *dynamostore.TableName(u.now), Endpoint: endpoint, Now: now})
	t.Cleanup(func() { u.old.Close() })
	u.publisher = wirepost.NewPublisher(u.now, &wirepost.PublisherOptions{Transport: u, Now: now})
	u.was = wirepost.NewMux(u.old, &wirepost.MuxOptions{Connect: byUser})
	u.was.HandleProtocol(wirepost.NewPublisher(u.old, &wirepost.PublisherOptions{Transport: u, Now: now}), nil)
	u.is = wirepost.NewMux(u.now, &wirepost.MuxOptions{Connect: byUser, Presence: &wirepost.PresenceOptions{}, Publisher: u.publisher})
	u.is.HandleProtocol(u.publisher, nil)
	return u
}

func (u *update) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	u.posts[id] = append(u.posts[id], string(b))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
}

// event gives an event of a user's only connection to one of the functions, and wants its
// answer to have these parts, or not to have those that begin with an exclamation mark.
func (u *update) event(mux *wirepost.Mux, kind, user, body string, parts ...string) {
	u.t.Helper()
	route := map[string]string{"CONNECT": "$connect", "DISCONNECT": "$disconnect", "MESSAGE": "$default"}[kind]
	payload := must(json.Marshal(map[string]any{"body": body, "queryStringParameters": map[string]string{"user": user},
		"requestContext": map[string]any{"eventType": kind, "routeKey": route, "connectionId": user, "apiId": "abc", "stage": "dev", "domainName": "localhost:1",
			"connectedAt": u.began.UnixMilli(), "requestTimeEpoch": u.clock.UnixMilli(), "disconnectStatusCode": 1005}}))
	out, err := mux.Invoke(u.t.Context(), payload)
	if err != nil || !strings.Contains(string(out), `"statusCode":200`) {
		u.t.Fatalf("%s of %s is answered with %s, %v", kind, user, out, err)
	}
	u.has("the answer to "+user, strings.ReplaceAll(string(out), `\"`, `"`), parts...)
}

func (u *update) has(what, s string, parts ...string) {
	u.t.Helper()
	for _, p := range parts {
		if not, ok := strings.CutPrefix(p, "!"); ok == strings.Contains(s, not) {
			u.t.Errorf("%s is %s, want it with %q", what, s, p)
		}
	}
}

// told wants what was posted to a user since the last time.
func (u *update) told(user string, parts ...string) {
	u.t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.has("what "+user+" is told", strings.Join(u.posts[user], "\n"), parts...)
	delete(u.posts, user)
}

func (u *update) enter(mux *wirepost.Mux, user string, parts ...string) {
	u.t.Helper()
	u.event(mux, "MESSAGE", user, `{"action":"subscribe","topic":"lobby","presence":true,"session":"the secret of `+user+`"}`, parts...)
}

// check is what a client asks that shows nobody.
func (u *update) check(user string, parts ...string) {
	u.t.Helper()
	u.event(u.is, "MESSAGE", user, `{"action":"check","topics":{"lobby":{"here":true,"members":[0,"0"]}}}`, parts...)
}

func (u *update) here(want ...string) {
	u.t.Helper()
	var got []string
	for m, err := range u.publisher.Members(u.t.Context(), "lobby") {
		if err != nil {
			u.t.Fatal(err)
		}
		got = append(got, m.User)
	}
	if !slices.Equal(got, want) {
		u.t.Errorf("present are %q, want %q", got, want)
	}
}

func (u *update) sweep() {
	u.t.Helper()
	if _, err := u.publisher.SweepPresence(u.t.Context(), nil); err != nil {
		u.t.Fatal(err)
	}
}

// A function of 0.1 knows no presence. What it does to a connection that is present is
// mended by the next check, or by the end of the lease.
func TestAFunctionOfVersion01NextToOneOfTodayMakesNoPresenceWrongForLonger(t *testing.T) {
	u := newUpdate(t)
	for i, user := range []string{"alice", "bob", "carol", "dave", "erin"} {
		u.event([]*wirepost.Mux{u.was, u.is}[i%2], "CONNECT", user, "")
	}
	u.enter(u.was, "alice", `"type":"ack"`, "!renew")
	u.here()
	u.enter(u.is, "alice", `"renew":240000`, `"user":"alice"`)
	u.enter(u.is, "bob", `"user":"alice"`, `"user":"bob"`)
	u.told("alice", `"joined":[{"user":"bob"`)

	// Subscribed again by 0.1, alice's topic row has no mark: a check tells her who came.
	u.enter(u.was, "alice", "!renew")
	u.enter(u.is, "carol")
	u.told("bob", `"joined":[{"user":"carol"`)
	u.told("alice", "!carol")
	u.check("alice", `"user":"carol"`, "!here")

	// Her $connect comes once more, to 0.1, which writes the row without what it does not
	// know. She enters anew, and nobody is told anything.
	u.event(u.was, "CONNECT", "alice", "")
	u.here("alice", "bob", "carol")
	u.check("alice", `"here":false`)
	u.enter(u.is, "alice", `"user":"carol"`)
	u.told("bob", "!alice")
	u.enter(u.is, "dave")
	u.told("alice", `"joined":[{"user":"dave"`)
	u.told("bob", `"joined":[{"user":"dave"`)
	both(t, u.old, u.now, wirepost.ToTopic("lobby"), "alice", "bob", "carol", "dave", "erin")

	// Who says goodbye to today's function has left at once, and who does so to 0.1 at the
	// end of the lease. carol unsubscribes there.
	u.event(u.is, "DISCONNECT", "dave", "")
	u.told("alice", `"left":[{"user":"dave"`)
	u.event(u.was, "DISCONNECT", "bob", "")
	u.event(u.was, "MESSAGE", "carol", `{"action":"unsubscribe","topic":"lobby"}`)
	u.told("alice", "!left")
	both(t, u.old, u.now, wirepost.ToTopic("lobby"), "alice", "erin")
	for minute := range 12 {
		if u.here("alice", "bob", "carol"); minute%4 == 0 {
			u.check("alice", "!here", `"user":"bob"`)
		}
		if u.clock = u.clock.Add(time.Minute); minute == 9 {
			break
		}
		u.sweep()
		u.told("alice", "!left")
	}
	u.here("alice")
	u.sweep()
	u.told("alice", `"left":[`, `{"user":"bob"`, `{"user":"carol"`, `!"user":"alice"`)
	u.check("alice", "!here", `"user":"alice"`, "!bob")
	rows := len(dynamostore.Rows(t, u.now))
	for version, sweep := range map[string]func(context.Context) (int, error){"0.1": u.old.Sweep, "today's": u.now.Sweep} {
		if n, err := sweep(t.Context()); err != nil || n != 0 {
			t.Errorf("%s sweeps %d rows away, %v", version, n, err)
		}
	}
	if after := len(dynamostore.Rows(t, u.now)); after != rows {
		t.Errorf("the table had %d rows and has %d", rows, after)
	}
}

// Where nobody asks for presence the rows of a table are those of 0.1, to the byte.
func TestRowsOfWhoAsksForNoPresenceAreThoseOfVersion01(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	now, random := func() time.Time { return metersClock }, func() float64 { return 0.7 }
	rows := func(s wirepost.Store, table *dynamostore.Store) []string {
		t.Helper()
		mux := wirepost.NewMux(s, &wirepost.MuxOptions{Connect: byUser, Presence: &wirepost.PresenceOptions{}})
		mux.HandleProtocol(wirepost.NewPublisher(s, nil), nil)
		u := &update{t: t, clock: metersClock, began: metersClock}
		u.event(mux, "CONNECT", "alice", "")
		u.event(mux, "MESSAGE", "alice", `{"action":"subscribe","topic":"news"}`, `"type":"ack"`)
		u.event(mux, "MESSAGE", "alice", `{"action":"check","topics":{"news":{}}}`, `"type":"ack"`)
		var all []string
		for _, r := range scan(t, table) {
			all = append(all, string(must(json.Marshal(r))))
		}
		slices.Sort(all)
		return all
	}
	today := create(t, endpoint, &dynamostore.Options{Now: now, Random: random})
	other := create(t, endpoint, &dynamostore.Options{})
	old := v01.Open(v01.Options{Table: *dynamostore.TableName(other), Endpoint: endpoint, Now: now, Random: random})
	defer old.Close()
	if got, want := rows(today, today), rows(old, other); len(want) != 5 || !slices.Equal(got, want) {
		t.Errorf("the rows are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
