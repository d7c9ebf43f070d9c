package dynamostore_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
)

func names(kind string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = kind + strconv.Itoa(i)
	}
	return all
}

var topics, users = names("topic", 12), names("user", 24)

// world is what has to be true, and who asks whether it is.
type world struct {
	direct, faulty *dynamostore.Store
	between        *proxy
	publisher      *wirepost.Publisher

	operations, failed atomic.Int64
	progress           func(int64)
	listings, items    int // by the watcher
	publishes, removed int // by the publisher

	mu sync.Mutex
	// answers are the connections to which a post is answered with 200: those that
	// are connecting and those that live.
	answers map[string]bool
	rows    map[string]*client
	// members are the connections that are surely in an audience, with the number of
	// the change since which they are, or surely not, with its negative. Of others it
	// is open.
	members map[wirepost.Audience]map[string]int64
	change  int64
}

// client is a connection that lives, and what is known of its topics: subscribed,
// not subscribed (absent), or one of both because an operation has failed.
type client struct {
	wirepost.Connection
	topics map[string]certainty
}

type certainty int

const (
	surelyNot certainty = iota
	surely
	perhaps
)

func newWorld(t *testing.T, direct, faulty *dynamostore.Store, between *proxy) *world {
	w := &world{direct: direct, faulty: faulty, between: between, answers: map[string]bool{}, rows: map[string]*client{}, members: map[wirepost.Audience]map[string]int64{}}
	// The management API: its clock is ahead, so that every connection is old enough
	// to be removed.
	api := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		id, err := url.PathUnescape(r.URL.EscapedPath()[strings.LastIndex(r.URL.EscapedPath(), "/")+1:])
		w.mu.Lock()
		live := w.answers[id]
		w.mu.Unlock()
		if live && err == nil {
			return
		}
		rw.Header().Set("X-Amzn-Errortype", "GoneException")
		rw.Header().Set("Date", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
		rw.WriteHeader(http.StatusGone)
	}))
	t.Cleanup(api.Close)
	if _, err := direct.PutStage(t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: production, URL: api.URL + "/production"}, EventTime: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics[:4] {
		dynamostore.WriteShards(t, direct, topic, "4")
	}
	w.publisher = wirepost.NewPublisher(faulty, nil)
	t.Cleanup(func() { w.publisher.CloseIdleConnections() })
	return w
}

// set says whether a connection is in an audience.
func (w *world) set(a wirepost.Audience, id string, now certainty) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := w.members[a]
	if of == nil {
		of = map[string]int64{}
		w.members[a] = of
	}
	was := perhaps
	if since, known := of[id]; known && since > 0 {
		was = surely
	} else if known {
		was = surelyNot
	}
	if was == now {
		return
	}
	w.change++
	switch now {
	case surely:
		of[id] = w.change
	case surelyNot:
		of[id] = -w.change
	default:
		delete(of, id)
	}
}

func (w *world) answer(id string, yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[id] = yes
}

// during does what meets each connection of an audience, and checks that it has met
// those that were surely in it all the time exactly once, nobody that was surely not,
// and nobody twice.
func (w *world) during(t *testing.T, what string, a wirepost.Audience, f func() map[string]int) {
	w.mu.Lock()
	before := maps.Clone(w.members[a])
	w.mu.Unlock()
	met := f()
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, since := range before {
		switch {
		case w.members[a][id] != since:
		case since > 0 && met[id] == 0:
			t.Errorf("%s: %s is missing, which was in %s all the time; its history is:\n%s", what, id, a, w.history(id))
		case since < 0 && met[id] > 0:
			t.Errorf("%s: %s is there, which had left %s; its history is:\n%s", what, id, a, w.history(id))
		}
	}
	for id, n := range met {
		if n > 1 {
			t.Errorf("%s: %s is there %d times", what, id, n)
		}
	}
}

func (w *world) history(id string) string {
	w.between.mu.Lock()
	defer w.between.mu.Unlock()
	return strings.Join(w.between.history[id], "\n")
}

// audience is everyone, a topic or a user.
func audience(r *rand.Rand) wirepost.Audience {
	switch r.IntN(4) {
	case 0:
		return wirepost.Everyone()
	case 1:
		return wirepost.ToUser(pick(r, users))
	}
	return wirepost.ToTopic(pick(r, topics))
}

// watch lists through a store that has no faults, and now and then through the one
// that has, whose pages may be short or empty.
func (w *world) watch(t *testing.T, r *rand.Rand, progress <-chan struct{}) {
	for range progress {
		a, by := audience(r), w.direct
		if w.listings++; w.listings%4 == 0 {
			by = w.faulty
		}
		w.during(t, "a listing", a, func() map[string]int {
			met := map[string]int{}
			for l, err := range by.Connections(context.Background(), a, wirepost.ListOptions{}) {
				if err != nil {
					t.Errorf("list %s: %v", a, err)
				}
				met[l.ID]++
				w.items++
			}
			return met
		})
		w.during(t, "looked up", wirepost.Everyone(), func() map[string]int { return w.lookUp(t, r) })
	}
}

// lookUp finds the row of a connection that lives. It says that it has met all
// others too.
func (w *world) lookUp(t *testing.T, r *rand.Rand) map[string]int {
	met := map[string]int{}
	w.mu.Lock()
	for id, since := range w.members[wirepost.Everyone()] {
		if since > 0 {
			met[id] = 1
		}
	}
	w.mu.Unlock()
	if len(met) == 0 {
		return met
	}
	id := pick(r, slices.Sorted(maps.Keys(met)))
	_, err := w.direct.Connection(context.Background(), id)
	if errors.Is(err, wirepost.ErrNotFound) {
		met[id] = 0
	} else if err != nil {
		t.Errorf("Connection: %v", err)
	}
	return met
}

// publishAtRandom posts through the store that has faults, and so removes what has
// ended while it is being written to.
func (w *world) publishAtRandom(t *testing.T, r *rand.Rand, publish <-chan struct{}) {
	for range publish {
		a := audience(r)
		w.publishes++
		w.during(t, "a publish", a, func() map[string]int { return w.publish(t, a) })
	}
}

// publish counts the posts that were answered with 200 or, of what has ended, 410.
func (w *world) publish(t *testing.T, a wirepost.Audience) map[string]int {
	var mu sync.Mutex
	met := map[string]int{}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := w.publisher.Publish(ctx, a, []byte("hello"), &wirepost.PublishOptions{OnResult: func(o wirepost.Outcome) {
		mu.Lock()
		defer mu.Unlock()
		met[o.ConnectionID]++
	}})
	w.removed += result.Removed
	if err != nil || result.Failed > 0 || result.Next != "" {
		t.Errorf("publish to %s: %v, %v, %v", a, result, err, result.Errors)
	}
	return met
}

// publishOnce is a publish after the faults.
func (w *world) publishOnce(t *testing.T, a wirepost.Audience) {
	t.Helper()
	w.during(t, "the last publish", a, func() map[string]int { return w.publish(t, a) })
}

// settle ends what is not certain of the topics of connections that live.
func (w *world) settle(t *testing.T, r *rand.Rand) {
	var all sync.WaitGroup
	atOnce := make(chan struct{}, 8)
	for _, id := range slices.Sorted(maps.Keys(w.rows)) {
		x, random := w.rows[id], rand.New(rand.NewPCG(r.Uint64(), 0))
		atOnce <- struct{}{}
		all.Go(func() {
			defer func() { <-atOnce }()
			for _, topic := range topics {
				if x.topics[topic] != perhaps {
					continue
				}
				do, now := w.faulty.Subscribe, surely
				if random.IntN(2) == 0 {
					do, now = w.faulty.Unsubscribe, surelyNot
				}
				if err := do(t.Context(), id, topic); err != nil {
					t.Error(err)
				}
				x.topics[topic] = now
				w.set(wirepost.ToTopic(topic), id, now)
			}
		})
	}
	all.Wait()
}

// wanted are the places of all rows of the connections that live, by what their
// connection rows say. The shard of a topic is there only.
func (w *world) wanted(rows []wireRow) map[string]bool {
	want := map[string]bool{}
	for _, r := range rows {
		partition, id := place(r)
		x := w.rows[id]
		if x == nil || partition[0] != 'c' {
			continue
		}
		want[partition+" "+id] = true
		want["u:"+x.User+" "+id] = true
		for topic, shard := range r["t"].M {
			want["t"+*shard.N+":"+topic+" "+id] = true
		}
	}
	return want
}

// leftovers counts the rows that should not be there.
func (w *world) leftovers(t *testing.T) string {
	rows := scan(t, w.direct)
	want := w.wanted(rows)
	found := map[string]int{"in all": len(rows)}
	for _, r := range rows {
		partition, id := place(r)
		if id == "" || want[partition+" "+id] {
			continue
		}
		kind := map[byte]string{'c': "connection", 'u': "user", 't': "topic"}[partition[0]]
		of := "ended"
		if w.rows[id] != nil {
			of = "live"
		}
		found[kind+" rows too many, of "+of]++
	}
	return counts(found)
}

func (w *world) wantConnectionRows(t *testing.T) {
	var got []string
	for _, r := range scan(t, w.direct) {
		if partition, id := place(r); id != "" && partition[0] == 'c' {
			got = append(got, id)
		}
	}
	sameSet(t, "the connection rows", got, slices.Collect(maps.Keys(w.rows)))
}

// wantRows wants each row of what lives once, and nothing else.
func (w *world) wantRows(t *testing.T) {
	rows := scan(t, w.direct)
	want := w.wanted(rows)
	for _, r := range rows {
		partition, id := place(r)
		if id == "" {
			if partition != "s" && !strings.HasPrefix(partition, "n:") {
				t.Errorf("the table has %s", r.name())
			}
			continue
		}
		if !want[partition+" "+id] {
			t.Errorf("the table still has %s", r.name())
		}
		delete(want, partition+" "+id)
		if x := w.rows[id]; x != nil && partition[0] == 'c' {
			var subscribed []string
			for _, topic := range topics {
				if x.topics[topic] == surely {
					subscribed = append(subscribed, topic)
				}
			}
			sameSet(t, "the topics of "+id, slices.Collect(maps.Keys(r["t"].M)), subscribed)
			if *r["u"].S != x.User {
				t.Errorf("the user of %s is %s, want %s", id, *r["u"].S, x.User)
			}
		}
	}
	for place := range want {
		t.Errorf("the table has not %s", place)
	}
}
