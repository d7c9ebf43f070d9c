package wirepost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What a stream or its work says in the log carries the name under which problems.md has
// what to do.
func TestWhatGoesWrongWithStreamsIsInTheLogByItsName(t *testing.T) {
	fails := func(context.Context, *Message, *Stream) error { return errors.New("x") }
	fine := func(context.Context, *Message, *Stream) error { return nil }
	ask := func(t *testing.T, l *longMux) {
		tell(t, l.Mux, connected(t, l.store, Connection{ID: "c"}), `{"action":"ask"}`)
	}
	for _, tt := range []struct {
		want   Problem
		later  error
		handle LongHandler
		do     func(t *testing.T, l *longMux)
	}{
		{ProblemLongUnset, &Error{Problem: ProblemLongUnset}, fine, ask},
		{ProblemLongDenied, refusedInvoke("f", 403, "AccessDeniedException", "{}"), fine, ask},
		{ProblemStreamNotSent, refusedInvoke("f", 429, "TooManyRequestsException", "{}"), fine, ask},
		{ProblemStreamInternal, refusedInvoke("f", 500, "", "{}"), fine, ask},
		{ProblemStreamInternal, nil, fails, func(t *testing.T, l *longMux) {
			ask(t, l)
			l.Invoke(t.Context(), l.handed[0])
		}},
		{ProblemLongRetried, nil, fine, func(t *testing.T, l *longMux) {
			ask(t, l)
			l.Invoke(t.Context(), l.handed[0])
			l.Invoke(t.Context(), l.handed[0])
		}},
		{ProblemLongTimeout, nil, fine, func(t *testing.T, l *longMux) {
			ask(t, l)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			l.Invoke(ctx, l.handed[0])
		}},
		{ProblemHandlerTooLong, nil, fine, func(t *testing.T, l *longMux) {
			l.Handle("slow", func(ctx context.Context, _ *Message) ([]byte, error) { sleep(ctx, time.Minute); return nil, ctx.Err() })
			tell(t, l.Mux, connected(t, l.store, Connection{ID: "c"}), `{"action":"slow"}`)
		}},
		{ProblemStreamUnknown, nil, fine, func(t *testing.T, l *longMux) {
			tell(t, l.Mux, connected(t, l.store, Connection{ID: "c"}), `{"action":"resume","stream":"never-was"}`)
		}},
		{ProblemStreamLost, nil, fine, func(t *testing.T, l *longMux) {
			c := connected(t, l.store, Connection{ID: "c"})
			f := tell(t, l.Mux, c, `{"action":"ask"}`)
			sleep(t.Context(), 2*time.Minute) // nobody begins it
			tell(t, l.Mux, c, fmt.Sprintf(`{"action":"resume","stream":"%s"}`, f.Stream))
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			o := MuxOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))}
			if tt.later != nil {
				o.Later = func(context.Context, []byte) error { return tt.later }
			}
			tt.do(t, newLongMux(t, o, tt.handle))
			if !strings.Contains(log.String(), "problem="+string(tt.want)) {
				t.Errorf("%s is not in the log:\n%s", tt.want, log.String())
			}
			if n := strings.Count(log.String(), "problem="); n != 1 {
				t.Errorf("%s: %d problems are in the log:\n%s", tt.want, n, log.String())
			}
		})
	}
}

func TestAReaderThatGetsNoMoreIsInTheLogByItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := at(t, "http://localhost:1/dev", 1)
		connected(t, store, Connection{ID: "short", Topics: []string{"t"}, ExpiresAt: time.Now().Add(4 * time.Second)})
		p := NewPublisher(store, &PublisherOptions{Transport: &streamAPI{latency: 20 * time.Millisecond}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		s := p.Stream(t.Context(), ToTopic("t"), nil)
		writing(s, 100, 100*time.Millisecond)
		s.Close()
		if strings.Count(log.String(), "problem=") != 1 || !strings.Contains(log.String(), "problem="+string(ProblemStreamExpired)) {
			t.Errorf("the log has:\n%s", log.String())
		}
	})
}

// plainStore is a store without a log, and lentStore one that says so when it is asked.
type plainStore struct{ Store }

type lentStore struct{ *MemStore }

func (lentStore) Append(context.Context, string, []LogEntry, *AppendOptions) (Position, error) {
	return Position{}, noLog
}

func TestAStreamThatIsToBeKeptInAStoreWithoutALogSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, mem := streaming(t, 1, &streamAPI{})
		for name, store := range map[string]Store{"no log": plainStore{mem}, "lent": lentStore{mem}} {
			p := NewPublisher(store, &PublisherOptions{Transport: &streamAPI{}})
			s := p.Stream(t.Context(), ToTopic("t"), &StreamOptions{Keep: time.Hour})
			if err := s.Close(); ProblemOf(err) != ProblemStreamNotKept || !errors.Is(err, ErrNotSupported) {
				t.Errorf("%s: Close: %v", name, err)
			}
			s = p.Stream(t.Context(), ToTopic("t"), nil) // without options nothing is kept
			fmt.Fprint(s, "x")
			if err := s.Close(); err != nil {
				t.Errorf("%s: without Keep: %v", name, err)
			}
		}
	})
}
