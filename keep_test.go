package wirepost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// posted collects what is posted to one connection of a topic, whose stage is here.
type posted struct {
	mu     sync.Mutex
	frames []string
}

func (p *posted) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames = append(p.frames, string(b))
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
}

var lobby = wirepost.ToTopic("lobby")

// kept is a publisher on a store that has one subscriber of the lobby.
func kept(t *testing.T, store wirepost.Store, o wirepost.PublisherOptions) (*wirepost.Publisher, *posted) {
	t.Helper()
	seen := &posted{}
	o.Transport = seen
	now := time.Now()
	_, err := store.PutStage(t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}, URL: "http://localhost:1/dev"}, EventTime: now})
	if err != nil {
		t.Fatal(err)
	}
	err = store.Put(t.Context(), wirepost.Connection{ID: "A=", Endpoint: wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}, Topics: []string{"lobby"}, ConnectedAt: now, ExpiresAt: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return wirepost.NewPublisher(store, &o), seen
}

func frame(t *testing.T, to wirepost.Audience, id string) []byte {
	t.Helper()
	b, err := (wirepost.Envelope{ID: id, To: to, Data: []byte(`"` + id + `"`)}).Frame()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAKeptMessageIsAppendedBeforeItIsSentWithItsPosition(t *testing.T) {
	store := wirepost.NewMemStore(nil)
	p, seen := kept(t, store, wirepost.PublisherOptions{})
	for i := range 2 {
		data := frame(t, lobby, fmt.Sprint("m", i))
		r, err := p.Publish(t.Context(), lobby, data, &wirepost.PublishOptions{Keep: time.Hour})
		if err != nil || r.Sent != 1 || r.Position.Offset != uint64(i+1) || r.Repeated {
			t.Fatalf("published %+v, %v", r, err)
		}
		want := strings.TrimSuffix(string(data), "}") + fmt.Sprintf(`,"epoch":"%s","offset":%d}`, r.Position.Epoch, i+1)
		if seen.frames[i] != want {
			t.Errorf("sent %s, want %s", seen.frames[i], want)
		}
	}
	replay, err := p.Read(t.Context(), "lobby", wirepost.Position{}, wirepost.ReadLimit{})
	if err != nil || len(replay.Messages) != 2 || string(replay.Messages[1].Frame()) != seen.frames[1] {
		t.Errorf("the log has %+v, %v, want what was sent", replay, err)
	}
}

func TestWhatCannotBeKeptIsRefusedAndNotSent(t *testing.T) {
	store := wirepost.NewMemStore(nil)
	p, seen := kept(t, store, wirepost.PublisherOptions{})
	ok := frame(t, lobby, "m")
	hour := wirepost.PublishOptions{Keep: time.Hour}
	with := func(change func(*wirepost.PublishOptions)) *wirepost.PublishOptions {
		o := hour
		change(&o)
		return &o
	}
	for name, tt := range map[string]struct {
		to   wirepost.Audience
		data []byte
		o    *wirepost.PublishOptions
	}{
		"a user":               {wirepost.ToUser("alice"), ok, &hour},
		"raw text":             {lobby, []byte("hi"), &hour},
		"another frame":        {lobby, []byte(`{"type":"presence"}`), &hour},
		"a frame to another":   {lobby, frame(t, wirepost.ToTopic("x"), "m"), &hour},
		"a kept frame":         {lobby, (wirepost.Position{Epoch: "e", Offset: 1}).Framed(ok), &hour},
		"more than 120 KB":     {lobby, bytes.Replace(ok, []byte(`"m"}`), []byte(`"`+strings.Repeat("x", 120<<10)+`"}`), 1), &hour},
		"After":                {lobby, ok, with(func(o *wirepost.PublishOptions) { o.After = "c" })},
		"Part":                 {lobby, ok, with(func(o *wirepost.PublishOptions) { o.Part, o.Parts = 1, 2 })},
		"Parts":                {lobby, ok, with(func(o *wirepost.PublishOptions) { o.Parts = 2 })},
		"Except":               {lobby, ok, with(func(o *wirepost.PublishOptions) { o.Except = "A=" })},
		"Only":                 {lobby, ok, with(func(o *wirepost.PublishOptions) { o.Only = &wirepost.Identity{} })},
		"longer than possible": {lobby, ok, with(func(o *wirepost.PublishOptions) { o.Keep = wirepost.DefaultMaxKeep + 1 })},
		"a moment":             {lobby, ok, with(func(o *wirepost.PublishOptions) { o.Keep = time.Microsecond })},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := p.Publish(t.Context(), tt.to, tt.data, tt.o)
			if !errors.Is(err, wirepost.ErrInvalid) || r.Position != (wirepost.Position{}) {
				t.Errorf("published %+v, %v, want ErrInvalid", r, err)
			}
		})
	}
	if head, err := store.Head(t.Context(), "lobby"); err != nil || head.Offset != 0 || len(seen.frames) != 0 {
		t.Errorf("the log ends at %v, %v, and %d were sent", head, err, len(seen.frames))
	}
	if _, err := wirepost.Split(lobby, ok, 2, &hour); !errors.Is(err, wirepost.ErrInvalid) {
		t.Errorf("Split with Keep returns %v, want ErrInvalid", err)
	}
}

func TestRulesSayWhatIsKept(t *testing.T) {
	t.Setenv("WIREPOST_KEEP", "lobby=1h, orders/*=10m,orders/secret/*=0,orders/secret/not=1m")
	store := wirepost.NewMemStore(nil)
	p, _ := kept(t, store, wirepost.PublisherOptions{})
	for topic, want := range map[string]time.Duration{"lobby": time.Hour, "orders/1": 10 * time.Minute, "orders/secret/1": 0, "orders/secret/not": time.Minute, "orders": 0, "x": 0} {
		to := wirepost.ToTopic(topic)
		r, err := p.Publish(t.Context(), to, frame(t, to, "m"), nil)
		if err != nil || (r.Position.Offset == 1) != (want > 0) {
			t.Errorf("%s: published %+v, %v", topic, r, err)
		}
		if want > 0 {
			replay, err := p.Read(t.Context(), topic, wirepost.Position{}, wirepost.ReadLimit{})
			if err != nil || len(replay.Messages) != 1 || replay.Messages[0].End.Sub(replay.Messages[0].At) != want {
				t.Errorf("%s: the log has %+v, %v, want one message for %v", topic, replay, err, want)
			}
		}
		if r, err := p.Publish(t.Context(), to, frame(t, to, "n"), &wirepost.PublishOptions{Keep: -1}); err != nil || r.Position.Offset != 0 {
			t.Errorf("%s with Keep -1: published %+v, %v", topic, r, err)
		}
		if r, err := p.Publish(t.Context(), to, frame(t, to, "o"), &wirepost.PublishOptions{Parts: 2}); err != nil || r.Position.Offset != 0 {
			t.Errorf("a part of %s: published %+v, %v", topic, r, err)
		}
	}
	if _, err := p.Publish(t.Context(), lobby, []byte("raw"), nil); !errors.Is(err, wirepost.ErrInvalid) {
		t.Errorf("raw text to a topic with a rule returns %v, want ErrInvalid", err)
	}
}

func TestRulesThatCannotBeReadRefuseEveryPublishToATopic(t *testing.T) {
	for _, rules := range []string{"lobby", "lobby=", "lobby=1", "=1h", "lobby=1h,lobby=2h", "lobby=-1s", "a\x01=1h", "lobby=10000h"} {
		if _, err := wirepost.ParseKeep(rules); !errors.Is(err, wirepost.ErrInvalid) {
			t.Errorf("ParseKeep(%q) returns %v, want ErrInvalid", rules, err)
		}
		p := func() *wirepost.Publisher {
			t.Setenv("WIREPOST_KEEP", rules)
			p, _ := kept(t, wirepost.NewMemStore(nil), wirepost.PublisherOptions{})
			return p
		}()
		if _, err := p.Publish(t.Context(), lobby, frame(t, lobby, "m"), nil); !errors.Is(err, wirepost.ErrInvalid) || !strings.Contains(err.Error(), "WIREPOST_KEEP") {
			t.Errorf("with WIREPOST_KEEP=%q a publish returns %v, want ErrInvalid that names the variable", rules, err)
		}
		if _, err := p.Publish(t.Context(), wirepost.Everyone(), []byte("x"), nil); err != nil {
			t.Errorf("with WIREPOST_KEEP=%q a publish to everyone returns %v", rules, err)
		}
	}
}

func FuzzParseKeep(f *testing.F) {
	for _, s := range []string{"", "lobby=1h", "a/*=10m,b=0", "*=1ms", "a==1h", ",,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rules, err := wirepost.ParseKeep(s)
		if err != nil && !errors.Is(err, wirepost.ErrInvalid) {
			t.Errorf("ParseKeep(%q): %v is no ErrInvalid", s, err)
		}
		for name, d := range rules {
			if name == "" || d < 0 || d > wirepost.MaxKeep {
				t.Errorf("ParseKeep(%q) has %q for %v", s, name, d)
			}
		}
	})
}

// failingLog is a store whose appends fail, before or after they took effect.
type failingLog struct {
	*wirepost.MemStore
	fail func(append func() (wirepost.Position, error)) (wirepost.Position, error)
}

func (s *failingLog) Append(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
	return s.fail(func() (wirepost.Position, error) { return s.MemStore.Append(ctx, topic, e, o) })
}

func TestAPublishThatIsKeptHasThreeEnds(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		fail          func(func() (wirepost.Position, error)) (wirepost.Position, error)
		sent, unknown bool
	}{
		"appended": {func(a func() (wirepost.Position, error)) (wirepost.Position, error) { return a() }, true, false},
		"refused":  {func(func() (wirepost.Position, error)) (wirepost.Position, error) { return wirepost.Position{}, broken }, false, false},
		"unknown": {func(a func() (wirepost.Position, error)) (wirepost.Position, error) {
			a()
			return wirepost.Position{}, fmt.Errorf("%w: %w", wirepost.ErrUnknown, broken)
		}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			store := &failingLog{wirepost.NewMemStore(nil), tt.fail}
			p, seen := kept(t, store, wirepost.PublisherOptions{})
			r, err := p.Publish(t.Context(), lobby, frame(t, lobby, "m"), &wirepost.PublishOptions{Keep: time.Hour})
			if (err == nil) != tt.sent || errors.Is(err, wirepost.ErrUnknown) != tt.unknown || (len(seen.frames) == 1) != tt.sent || (r.Position.Offset == 1) != tt.sent {
				t.Errorf("published %+v, %v, %d frames sent", r, err, len(seen.frames))
			}
			if err != nil && wirepost.ProblemOf(err) != wirepost.ProblemStore {
				t.Errorf("the problem is %q, want that of the store", wirepost.ProblemOf(err))
			}
			if !tt.unknown {
				return
			}
			store.fail = func(a func() (wirepost.Position, error)) (wirepost.Position, error) { return a() }
			r, err = p.Publish(t.Context(), lobby, frame(t, lobby, "m"), &wirepost.PublishOptions{Keep: time.Hour, Again: true})
			if err != nil || !r.Repeated || r.Position.Offset != 1 || r.Sent != 1 {
				t.Errorf("published again %+v, %v, want the first position", r, err)
			}
		})
	}
}

func TestAStoreWithoutALogKeepsNothingAndSaysSo(t *testing.T) {
	p, seen := kept(t, struct{ wirepost.Store }{wirepost.NewMemStore(nil)}, wirepost.PublisherOptions{})
	if _, err := p.Publish(t.Context(), lobby, frame(t, lobby, "m"), &wirepost.PublishOptions{Keep: time.Hour}); !errors.Is(err, wirepost.ErrNotSupported) || len(seen.frames) != 0 || err.Error() != "publish to topic:lobby: this store keeps no messages: leave Keep out, or use a store of this module" {
		t.Errorf("published with %v, %d frames sent, want ErrNotSupported", err, len(seen.frames))
	}
	if _, err := p.Read(t.Context(), "lobby", wirepost.Position{}, wirepost.ReadLimit{}); !errors.Is(err, wirepost.ErrNotSupported) || !strings.HasPrefix(err.Error(), "read the log of topic lobby: ") {
		t.Errorf("read with %v", err)
	}
}

func TestAStoreWithoutPresenceSaysSoAndNotThatItKeepsNoMessages(t *testing.T) {
	p, _ := kept(t, struct{ wirepost.Store }{wirepost.NewMemStore(nil)}, wirepost.PublisherOptions{})
	_, sweep := p.SweepPresence(t.Context(), nil)
	list := error(nil)
	for _, list = range p.Members(t.Context(), "lobby") {
	}
	for err, want := range map[error]string{
		sweep: "sweep presence: this store keeps no presence: use a store of this module",
		list:  `list the members of topic "lobby": this store keeps no presence: use a store of this module`,
	} {
		if !errors.Is(err, wirepost.ErrNotSupported) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if said := wirepost.ErrNotSupported.Error(); strings.Contains(said, "messages") {
		t.Errorf("ErrNotSupported says %q, whatever the store lacks", said)
	}
}

func TestAgainFindsAMessageThatIsThereAndAppendsOneThatIsNot(t *testing.T) {
	store := wirepost.NewMemStore(nil)
	p, _ := kept(t, store, wirepost.PublisherOptions{})
	for i := range 300 {
		if _, err := p.Append(t.Context(), lobby, frame(t, lobby, fmt.Sprint("m", i)), &wirepost.PublishOptions{Keep: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{299, 250, 236, 235, 0} {
		k, err := p.Append(t.Context(), lobby, frame(t, lobby, fmt.Sprint("m", i)), &wirepost.PublishOptions{Keep: time.Hour, Again: true})
		if err != nil || !k.Repeated || k.Position.Offset != uint64(i+1) {
			t.Errorf("m%d again is %+v, %v", i, k, err)
		}
	}
	k, err := p.Append(t.Context(), lobby, frame(t, lobby, "new"), &wirepost.PublishOptions{Keep: time.Hour, Again: true})
	if err != nil || k.Repeated || k.Position.Offset != 301 {
		t.Errorf("a new one is %+v, %v", k, err)
	}
}

func TestOfManyWhoAppendOneMessageAgainOneDoes(t *testing.T) {
	store := wirepost.NewMemStore(nil)
	p, _ := kept(t, store, wirepost.PublisherOptions{})
	var all sync.WaitGroup
	positions := make([]wirepost.Position, 16)
	for i := range positions {
		all.Go(func() {
			if i%2 == 1 { // others append meanwhile
				if _, err := p.Append(t.Context(), lobby, frame(t, lobby, fmt.Sprint("x", i)), &wirepost.PublishOptions{Keep: time.Hour}); err != nil {
					t.Error(err)
				}
				return
			}
			k, err := p.Append(t.Context(), lobby, frame(t, lobby, "m"), &wirepost.PublishOptions{Keep: time.Hour, Again: true})
			if err != nil {
				t.Error(err)
			}
			positions[i] = k.Position
		})
	}
	all.Wait()
	replay, err := p.Read(t.Context(), "lobby", wirepost.Position{}, wirepost.ReadLimit{})
	if err != nil || len(replay.Messages) != 9 {
		t.Fatalf("the log has %d messages, %v, want 9", len(replay.Messages), err)
	}
	i := slices.IndexFunc(replay.Messages, func(m wirepost.LogMessage) bool { return m.ID == "m" })
	for n := 0; n < len(positions); n += 2 {
		if positions[n] != replay.Messages[i].Position {
			t.Errorf("one was told the position %v, want %v", positions[n], replay.Messages[i].Position)
		}
	}
}

// countingLog counts appends.
type countingLog struct {
	*wirepost.MemStore
	mu      sync.Mutex
	appends []int // entries of each
}

func (s *countingLog) Append(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appends = append(s.appends, len(e))
	return s.MemStore.Append(ctx, topic, e, o)
}

func TestPublishAllAppendsTogetherAndSendsInOrder(t *testing.T) {
	store := &countingLog{MemStore: wirepost.NewMemStore(nil)}
	p, seen := kept(t, store, wirepost.PublisherOptions{})
	hour := &wirepost.PublishOptions{Keep: time.Hour}
	var all []wirepost.Publication
	for i := range 20 {
		all = append(all, wirepost.Publication{To: lobby, Data: frame(t, lobby, fmt.Sprint("m", i)), Options: hour})
	}
	all[3].Data = []byte("raw")
	all[7] = wirepost.Publication{To: lobby, Data: []byte("not kept")}
	all[9].Options = &wirepost.PublishOptions{Keep: time.Hour, Again: true}
	all = append(all, wirepost.Publication{To: wirepost.ToTopic("other"), Data: frame(t, wirepost.ToTopic("other"), "o"), Options: hour}, wirepost.Publication{To: wirepost.Audience{Kind: "x"}})
	results := p.PublishAll(t.Context(), all)
	want := uint64(0)
	var ids []string
	for i, r := range results[:20] {
		switch {
		case i == 3:
			if !errors.Is(r.Err, wirepost.ErrInvalid) {
				t.Errorf("the result of raw text is %+v", r)
			}
			continue
		case i == 7:
			if r.Err != nil || r.Result.Sent != 1 || r.Result.Position.Offset != 0 {
				t.Errorf("the result of what is not kept is %+v", r)
			}
			ids = append(ids, "not kept")
			continue
		}
		want++
		ids = append(ids, fmt.Sprintf(`"m%d"`, i))
		if r.Err != nil || r.Result.Sent != 1 || r.Result.Position.Offset != want {
			t.Errorf("the result of message %d is %+v, want the offset %d", i, r, want)
		}
	}
	if results[20].Err != nil || results[20].Result.Position.Offset != 1 || !errors.Is(results[21].Err, wirepost.ErrInvalid) {
		t.Errorf("the last results are %+v", results[20:])
	}
	for i, id := range ids {
		if !strings.Contains(seen.frames[i], id) {
			t.Errorf("frame %d is %s, want %s", i, seen.frames[i], id)
		}
	}
	slices.Sort(store.appends)
	if got := fmt.Sprint(store.appends); got != "[1 1 7 10]" {
		t.Errorf("appended groups of %s, want the message of the other topic, the one with Again, and what is before and behind that", got)
	}
}
