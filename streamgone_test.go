package wirepost

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A function that closes a stream is paid for while it waits.
func TestA410OfAYoungConnectionThatHasTakenAPostIsLeftAtOnce(t *testing.T) {
	for name, keep := range map[string]time.Duration{"kept": 0, "not kept": -1} {
		synctest.Test(t, func(t *testing.T) {
			a := &streamAPI{latency: 20 * time.Millisecond, answer: func(_ string, n int, _ streamPieceFrame) int {
				if n < 3 {
					return 200
				}
				return 410
			}}
			p, store := streaming(t, 0, a)
			connected(t, store, Connection{ID: "young", Topics: []string{"t"}, ConnectedAt: time.Now()})
			s := p.Stream(t.Context(), ToTopic("t"), &StreamOptions{Keep: keep})
			writing(s, 100, 10*time.Millisecond)
			before := time.Now()
			err := s.Close()
			if took := time.Since(before); took > time.Second {
				t.Errorf("%s: Close waited %v", name, took)
			}
			if keep < 0 && !errors.Is(err, ErrGone) || keep == 0 && err != nil {
				t.Errorf("%s: Close: %v", name, err)
			}
		})
	}
}

func TestA410OfAYoungConnectionThatHasSentAMessageIsLeftAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLongMux(t, MuxOptions{}, func(_ context.Context, _ *Message, s *Stream) error {
			_, err := fmt.Fprint(s, "an answer")
			return err
		})
		l.api.answer = func(string, int, streamPieceFrame) int { return 410 }
		c := connected(t, l.store, Connection{ID: "asker", ConnectedAt: time.Now()})
		tell(t, l.Mux, c, `{"action":"ask"}`)
		before := time.Now()
		l.Invoke(t.Context(), l.handed[0])
		if took := time.Since(before); took > time.Second || l.runs != 1 {
			t.Errorf("the asker of a long answer: the work took %v", took)
		}

		p, store := streaming(t, 0, l.api)
		s := p.Stream(t.Context(), ToUser("u"), &StreamOptions{ID: "s", User: "u"})
		writing(s, 10, 0)
		sleep(t.Context(), 3*time.Second)
		back := connected(t, store, Connection{ID: "back", User: "u", ConnectedAt: time.Now()})
		if f := tell(t, speaking(p, nil), back, `{"action":"resume","stream":"s"}`); f.Type != "ack" {
			t.Fatalf("%+v", f)
		}
		writing(s, 10, 200*time.Millisecond)
		before = time.Now()
		s.Close()
		if took := time.Since(before); took > time.Second {
			t.Errorf("one who has resumed: Close waited %v", took)
		}
	})
}

// That a live connection never answers 410 after a 200 is not documented: a reader that was
// removed for one comes back by a resume.
func TestAReaderThatA410HasRemovedIsOneAgainWhenItResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond, answer: func(_ string, n int, _ streamPieceFrame) int {
			if n == 3 {
				return 410
			}
			return 200
		}}
		p, store := streaming(t, 0, a)
		mux := speaking(p, nil)
		c := connected(t, store, Connection{ID: "live", User: "u", ConnectedAt: time.Now()})
		s := p.Stream(t.Context(), ToConnection("live"), &StreamOptions{ID: "s", User: "u"})
		text, err := writing(s, 100, 10*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		sleep(t.Context(), 15*time.Second) // a client that hears nothing resumes
		a.take("live", tell(t, mux, c, fmt.Sprintf(`{"action":"resume","stream":"s","at":%d}`, utf16Len(a.client("live").text))))
		more, err := writing(s, 500, 10*time.Millisecond)
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		if got := a.client("live"); got.text != text+more || got.end != "end" {
			t.Errorf("it has %d of %d bytes, end %q", len(got.text), len(text+more), got.end)
		}
	})
}

func TestCloseSaysWhatFailedAfterItWasCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := streaming(t, 1, &streamAPI{latency: 20 * time.Millisecond})
		first := p.Stream(t.Context(), ToTopic("t"), &StreamOptions{ID: "twice"})
		synctest.Wait()
		second := p.Stream(t.Context(), ToTopic("t"), &StreamOptions{ID: "twice"})
		if err := second.Close(); !errors.Is(err, ErrStreamTaken) {
			t.Errorf("another has begun: %v", err)
		}
		first.Close()
		unframed := p.Stream(t.Context(), ToTopic("t"), &StreamOptions{Frame: func(StreamPiece) ([]byte, error) { return nil, errors.New("no frame") }})
		if err := unframed.Close(); err == nil {
			t.Error("the end could not be framed, and Close has no error")
		}
	})
}

func TestAStreamThatIsNotKeptEndsForReadersWhoseTokensEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond}
		p, store := streaming(t, 0, a)
		connected(t, store, Connection{ID: "short", Topics: []string{"t"}, ExpiresAt: time.Now().Add(4 * time.Second)})
		connected(t, store, Connection{ID: "left", Topics: []string{"t"}})
		s := p.Stream(t.Context(), ToTopic("t"), &StreamOptions{Keep: -1})
		writing(s, 100, 10*time.Millisecond)
		connected(t, store, Connection{ID: "late", Topics: []string{"t"}})
		writing(s, 600, 10*time.Millisecond)
		if short, left := a.client("short"), a.client("left"); short.end != "expired" || left.end != "" || short.gap || left.gap || len(a.posts["late"]) > 0 {
			t.Errorf("short %q, left %q, %d posts to one that came later", short.end, left.end, len(a.posts["late"]))
		}
		store.Unsubscribe(t.Context(), "left", "t")
		if _, err := writing(s, 600, 10*time.Millisecond); !errors.Is(err, ErrGone) {
			t.Errorf("without a reader: %v", err)
		}
		if err := s.Close(); !errors.Is(err, ErrGone) {
			t.Errorf("Close: %v", err)
		}
	})
}
