package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tell gives a mux a frame of a connection and returns the answer.
func tell(t *testing.T, mux *Mux, c Connection, frame string) serverFrame {
	t.Helper()
	event, err := json.Marshal(map[string]any{"body": frame, "requestContext": map[string]any{
		"eventType": "MESSAGE", "routeKey": "$default", "connectionId": c.ID, "apiId": c.Endpoint.APIID, "stage": c.Endpoint.Stage, "domainName": "localhost:1",
		"connectedAt": c.ConnectedAt.UnixMilli(), "requestTimeEpoch": time.Now().UnixMilli(), "requestId": "r1"}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := mux.Invoke(t.Context(), event)
	var r struct{ Body string }
	var f serverFrame
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err == nil && r.Body != "" {
		err = json.Unmarshal([]byte(r.Body), &f)
	}
	if err != nil {
		t.Fatalf("%s is answered %s, %v", frame, out, err)
	}
	return f
}

// connected writes the row of a connection.
func connected(t *testing.T, store Store, c Connection) Connection {
	t.Helper()
	c.Endpoint = testIdentity
	if c.ConnectedAt.IsZero() {
		c.ConnectedAt = time.Now().Add(-time.Minute)
	}
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = time.Now().Add(time.Hour)
	}
	if err := store.Put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c
}

// speaking makes a mux of the protocol, as another process has one.
func speaking(p *Publisher, o *ProtocolOptions) *Mux {
	mux := NewMux(p.store, nil)
	mux.HandleProtocol(p, o)
	return mux
}

// writing writes words until something ends the stream, or the count is reached.
func writing(s *Stream, words int, pause time.Duration) (text string, err error) {
	for i := range words {
		word := fmt.Sprintf("w%d😀 ", i)
		if _, err = s.Write([]byte(word)); err != nil {
			return text, err
		}
		text += word
		if pause > 0 {
			sleep(context.Background(), pause)
		}
	}
	return text, nil
}

// take makes a client take the answer to a resume.
func (a *streamAPI) take(id string, f serverFrame) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.clients == nil {
		a.posts, a.clients, a.flying = map[string][]streamPost{}, map[string]*streamClient{}, map[string]int{}
	}
	if a.clients[id] == nil {
		a.clients[id] = &streamClient{}
	}
	a.clients[id].gap = false
	a.clients[id].take(streamPieceFrame{At: *f.At, Text: f.Text, Items: f.Items, End: f.End, Error: f.streamAnswer.Error})
}

func TestAReaderWhoComesBackGetsWhatItMissedAndTheRest(t *testing.T) {
	for wait := 300 * time.Millisecond; wait < 5*time.Second; wait += 370 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			a := &streamAPI{latency: 20 * time.Millisecond}
			a.answer = func(id string, n int, _ streamPieceFrame) int {
				if id == "c0" && n > 5 {
					return 410
				}
				return 200
			}
			p, store := streaming(t, 1, a)
			mux := speaking(p, nil)
			s := p.Stream(t.Context(), ToConnection("c0"), nil)
			var text string
			written := make(chan error, 1)
			go func() { // ends with the stream
				var err error
				text, err = writing(s, 1000, 7*time.Millisecond)
				written <- errors.Join(err, s.Close())
			}()
			sleep(t.Context(), wait)
			had := a.client("c0")
			back := connected(t, store, Connection{ID: "back"})
			f := tell(t, mux, back, fmt.Sprintf(`{"action":"resume","ref":"8","stream":"%s","at":%d,"key":"%s"}`, s.ID(), utf16Len(had.text), s.Key()))
			if f.Type != "ack" || string(f.Ref) != `"8"` || f.Stream != s.ID() {
				t.Fatalf("%+v", f)
			}
			a.mu.Lock()
			a.clients["back"] = &streamClient{text: had.text}
			a.mu.Unlock()
			a.take("back", f)
			if err := <-written; err != nil {
				t.Fatal(err)
			}
			if c := a.client("back"); c.text != text || c.gap || c.end != "end" {
				t.Errorf("after %v: %d of %d bytes, gap %v, end %q", wait, len(c.text), len(text), c.gap, c.end)
			}
			if c, err := store.Connection(t.Context(), "back"); err != nil || len(c.Topics) > 0 {
				t.Errorf("the row is left with %v, %v", c.Topics, err)
			}
			// All of it can be read later, in as many answers as it takes.
			late := connected(t, store, Connection{ID: "late"})
			whole := ""
			for answers := 0; ; answers++ {
				f := tell(t, mux, late, fmt.Sprintf(`{"action":"resume","stream":"%s","at":%d,"key":"%s"}`, s.ID(), utf16Len(whole), s.Key()))
				if whole += f.Text; f.End || answers > 10 || f.Code != "" {
					break
				}
			}
			if whole != text {
				t.Errorf("later it has %d of %d bytes", len(whole), len(text))
			}
		})
	}
}

func TestOfTwoWritersOfAStreamOneStopsWithoutAPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond}
		p, _ := streaming(t, 1, a)
		results := make(chan error, 2)
		for range 2 {
			go func() { // ends with its stream
				s := p.Stream(t.Context(), ToTopic("t"), &StreamOptions{ID: "twice"})
				_, err := writing(s, 100, time.Millisecond)
				results <- errors.Join(err, s.Close())
			}()
		}
		first, second := <-results, <-results
		if first == nil {
			first, second = second, first
		}
		if !errors.Is(first, ErrStreamTaken) || second != nil {
			t.Errorf("%v and %v", first, second)
		}
		if c := a.client("c0"); c.gap || c.end != "end" {
			t.Errorf("%+v", c)
		}
		sum := 0
		for _, post := range a.posts["c0"] {
			sum += len(post.frame.Text)
		}
		if sum != len(a.client("c0").text) {
			t.Errorf("%d bytes were posted for %d", sum, len(a.client("c0").text))
		}
	})
}

func TestACancelStopsAStreamWhereverItRuns(t *testing.T) {
	for wait := time.Duration(0); wait < 3*time.Second; wait += 300 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			a := &streamAPI{latency: 20 * time.Millisecond}
			p, store := streaming(t, 1, a)
			mux := speaking(p, nil)
			s := p.Stream(t.Context(), ToConnection("c0"), &StreamOptions{User: "u"})
			var cancelled time.Time
			sent := make(chan struct{})
			go func() { // ends with the wait
				defer close(sent)
				sleep(t.Context(), wait+10*time.Millisecond)
				other := connected(t, store, Connection{ID: "other", User: "u"})
				cancelled = time.Now()
				if f := tell(t, mux, other, `{"action":"cancel","ref":1,"stream":"`+s.ID()+`"}`); f.Type != "ack" || f.Stream != s.ID() {
					t.Errorf("%+v", f)
				}
			}()
			text, err := writing(s, 10_000, 5*time.Millisecond)
			<-sent
			if late := time.Since(cancelled); !errors.Is(err, ErrStreamCancelled) || late > 1500*time.Millisecond || context.Cause(s.Context()) != ErrStreamCancelled {
				t.Errorf("%v after %v", err, late)
			}
			if err := s.Close(); !errors.Is(err, ErrStreamCancelled) {
				t.Error(err)
			}
			if c := a.client("c0"); c.text != text || c.end != "cancelled" {
				t.Errorf("the reader has %d of %d bytes, end %q", len(c.text), len(text), c.end)
			}
		})
	}
}

func TestAStreamWhoseWriterDiedIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond}
		p, store := streaming(t, 1, a)
		mux := speaking(p, nil)
		s := p.Stream(t.Context(), ToConnection("c0"), nil)
		text, _ := writing(s, 10, 0)
		sleep(t.Context(), 20*time.Second) // it lives: a lease is appended
		back := connected(t, store, Connection{ID: "back"})
		resume := fmt.Sprintf(`{"action":"resume","stream":"%s","at":0,"key":"%s"}`, s.ID(), s.Key())
		if f := tell(t, mux, back, resume); f.Text != text || f.streamAnswer.Error != "" || f.End || *f.LogEnd != utf16Len(text) {
			t.Errorf("%+v", f)
		}
		s.stop() // as its process does
		sleep(t.Context(), 21*time.Second)
		if f := tell(t, mux, back, resume); f.Text != text || f.streamAnswer.Error != "lost" {
			t.Errorf("%+v", f)
		}
		s.Close()
	})
}

func TestWhoMayResumeAndCancelAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := streaming(t, 0, &streamAPI{})
		mux := speaking(p, &ProtocolOptions{
			Allow: func(_ context.Context, c Connection, _ Action, to Audience) bool {
				return c.User == "reader" && to.Name == "news"
			},
			MayCancel: func(_ context.Context, c Connection, _ Audience) bool { return c.Claims == "admin" },
		})
		connect := func(user, claims string) Connection {
			return connected(t, store, Connection{ID: "c-" + user + claims, User: user, Claims: claims})
		}
		streams := map[string]*Stream{
			"alice's":   p.Stream(t.Context(), ToTopic("news"), &StreamOptions{ID: "s1", User: "alice", Unread: -1}),
			"nobody's":  p.Stream(t.Context(), ToConnection("away"), &StreamOptions{ID: "s2", Key: "0123456789abcdef", Unread: -1}),
			"unkept":    p.Stream(t.Context(), ToTopic("news"), &StreamOptions{ID: "s3", Keep: -1, Unread: -1}),
			"to a user": p.Stream(t.Context(), ToUser("bob"), &StreamOptions{ID: "s4", User: "alice", Unread: -1}),
		}
		synctest.Wait()
		for _, tt := range []struct{ stream, user, claims, key, resume, cancel string }{
			{"s1", "alice", "", "", "ack", "ack"},
			{"s1", "reader", "", "", "ack", "forbidden"},
			{"s1", "mallory", "", "", "forbidden", "forbidden"},
			{"s1", "", "", "", "forbidden", "forbidden"},
			{"s1", "mallory", "admin", "", "forbidden", "ack"},
			{"s1", "mallory", "", streams["alice's"].Key(), "forbidden", "forbidden"}, // the key is for askers without a user
			{"s2", "", "", "0123456789abcdef", "ack", "ack"},
			{"s2", "bob", "", "0123456789abcdef", "ack", "ack"},
			{"s2", "bob", "", "0123456789abcdeg", "forbidden", "forbidden"},
			{"s2", "", "", "", "forbidden", "forbidden"},
			{"s3", "reader", "", streams["unkept"].Key(), "unknown-stream", "unknown-stream"},
			{"s4", "bob", "", "", "ack", "forbidden"},
			{"never-was", "alice", "", "", "unknown-stream", "unknown-stream"},
			{"no name", "alice", "", "", "unknown-stream", "unknown-stream"},
		} {
			c := connect(tt.user, tt.claims)
			for action, want := range map[string]string{"resume": tt.resume, "cancel": tt.cancel} {
				f := tell(t, mux, c, fmt.Sprintf(`{"action":"%s","stream":"%s","key":"%s"}`, action, tt.stream, tt.key))
				if got := strings.TrimPrefix(f.Type+" "+f.Code, "error "); strings.TrimSpace(got) != want {
					t.Errorf("%+v: %s is answered %q, want %q", tt, action, got, want)
				}
			}
		}
		for _, s := range streams {
			s.Close()
		}
	})
}

func TestNoClientAndNoPublishGetsAtTheTopicOfAStream(t *testing.T) {
	p, store := streaming(t, 1, &streamAPI{})
	mux := speaking(p, nil)
	c := connected(t, store, Connection{ID: "c"})
	for frame, code := range map[string]string{
		`{"action":"subscribe","topic":"$stream/x"}`:                        "bad-topic",
		`{"action":"unsubscribe","topic":"$stream/x"}`:                      "bad-topic",
		`{"action":"read","topic":"$stream/x","last":1}`:                    "bad-topic",
		`{"action":"check","topics":{"$stream/x":{"epoch":"","offset":0}}}`: "bad-topic",
		`{"action":"send","to":"topic:$stream/x","data":1}`:                 "bad-audience",
		`{"action":"resume","stream":"x","at":-1}`:                          "bad-position",
		`{"action":"resume"}`:                                               "unknown-stream",
		`{"action":"cancel","stream":"x/y"}`:                                "unknown-stream",
		`{"action":"resume","stream":"x","at":1.5}`:                         "bad-frame",
		`{"action":"resume","stream":"` + strings.Repeat("x", 65) + `"}`:    "unknown-stream",
	} {
		if f := tell(t, mux, c, frame); f.Code != code {
			t.Errorf("%s is answered %+v, want %s", frame, f, code)
		}
	}
	to := ToTopic("$stream/x")
	_, published := p.Publish(t.Context(), to, []byte("x"), nil)
	_, appended := p.Append(t.Context(), to, []byte("{}"), &PublishOptions{Keep: time.Hour})
	_, closed := p.CloseAll(t.Context(), to, nil)
	_, split := Split(to, []byte("x"), 1, nil)
	all := p.PublishAll(t.Context(), []Publication{{To: to, Data: []byte("x")}})
	_, done := p.Do(t.Context(), Job{Publish: "p", To: to, Text: "x", Parts: 1})
	subscribed := mux.NewMessage(c, nil).Subscribe(t.Context(), to.Name)
	for i, err := range []error{published, appended, closed, split, all[0].Err, done, subscribed, Accept{Topics: []string{to.Name}}.Validate()} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestAReaderWhoseTokenEndsIsToldAndTheOthersAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond}
		p, store := streaming(t, 1, a)
		connected(t, store, Connection{ID: "short", Topics: []string{"t"}, ExpiresAt: time.Now().Add(4 * time.Second)})
		connected(t, store, Connection{ID: "left", Topics: []string{"t"}})
		s := p.Stream(t.Context(), ToTopic("t"), nil)
		writing(s, 300, 10*time.Millisecond)
		store.Unsubscribe(t.Context(), "left", "t")
		writing(s, 1000, 10*time.Millisecond)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if short, left, c0 := a.client("short"), a.client("left"), a.client("c0"); short.end != "expired" || left.end != "" || c0.end != "end" || short.gap || left.gap {
			t.Errorf("short %q, left %q, c0 %q", short.end, left.end, c0.end)
		}
	})
}

func TestASlowReaderWhoResumesIsOneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond}
		start := time.Now()
		a.answer = func(id string, n int, _ streamPieceFrame) int {
			if id == "c1" && time.Since(start) < 9*time.Second {
				return 429
			}
			return 200
		}
		p, _ := streaming(t, 2, a)
		mux := speaking(p, nil)
		s := p.Stream(t.Context(), ToTopic("t"), nil)
		piece := strings.Repeat("x", 1<<10)
		resumed := false
		for i := range 1000 {
			if i >= 500 {
				sleep(t.Context(), 20*time.Millisecond)
			}
			fmt.Fprint(s, piece)
			if a.client("c1").end != "slow" || resumed {
				continue
			}
			c, err := p.store.Connection(t.Context(), "c1")
			if err != nil {
				t.Fatal(err)
			}
			for resumed = true; ; {
				f := tell(t, mux, c, fmt.Sprintf(`{"action":"resume","stream":"%s","at":%d}`, s.ID(), len(a.client("c1").text)))
				if a.take("c1", f); !f.More {
					break
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if c := a.client("c1"); !resumed || len(c.text) != 1000<<10 || c.end != "end" {
			t.Errorf("resumed %v, %d bytes, end %q, gap %v", resumed, len(c.text), c.end, c.gap)
		}
	})
}

func TestAKeptStreamWaitsForReadersAsLongAsItIsTold(t *testing.T) {
	for unread, want := range map[time.Duration]time.Duration{0: 30 * time.Second, 5 * time.Second: 5 * time.Second, -1: 0} {
		synctest.Test(t, func(t *testing.T) {
			p, store := streaming(t, 0, &streamAPI{})
			s := p.Stream(t.Context(), ToUser("away"), &StreamOptions{Unread: unread, User: "away"})
			start := time.Now()
			text, err := writing(s, 600, 100*time.Millisecond)
			took := time.Since(start)
			closed := s.Close()
			if want == 0 {
				if err != nil || closed != nil {
					t.Errorf("%v, %v", err, closed)
				}
			} else if !errors.Is(err, ErrGone) || took < want || took > want+2*time.Second || !errors.Is(closed, ErrGone) {
				t.Errorf("unread %v: %v after %v, %v", unread, err, took, closed)
			}
			c := connected(t, store, Connection{ID: "later", User: "away"})
			f := tell(t, speaking(p, nil), c, `{"action":"resume","stream":"`+s.ID()+`"}`)
			if f.Text != text || f.End != (want == 0) || want != 0 && f.streamAnswer.Error != "unread" {
				t.Errorf("unread %v: later it is answered %d of %d bytes, end %v, %q", unread, len(f.Text), len(text), f.End, f.streamAnswer.Error)
			}
		})
	}
}
