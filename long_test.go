package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// longMux is a mux with the protocol and a long handler, which hands on what the test
// then delivers.
type longMux struct {
	*Mux
	api    *streamAPI
	store  *MemStore
	handed [][]byte
	runs   int
}

func newLongMux(t *testing.T, o MuxOptions, handle LongHandler) *longMux {
	l := &longMux{api: &streamAPI{latency: 20 * time.Millisecond}}
	p, store := streaming(t, 0, l.api)
	if o.Later == nil {
		o.Later = func(_ context.Context, payload []byte) error { l.handed = append(l.handed, payload); return nil }
	}
	o.Publisher = p
	l.store, l.Mux = store, NewMux(store, &o)
	l.HandleLong("ask", func(ctx context.Context, m *Message, s *Stream) error { l.runs++; return handle(ctx, m, s) })
	l.HandleProtocol(p, nil)
	return l
}

func TestAMessageIsAnsweredWithAStreamAndItsWorkRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLongMux(t, MuxOptions{}, func(ctx context.Context, m *Message, s *Stream) error {
			if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < 30*time.Second {
				t.Errorf("long work has %v", time.Until(deadline))
			}
			sleep(ctx, time.Minute)
			_, err := fmt.Fprintf(s, "you asked %s", m.Body)
			return err
		})
		c := connected(t, l.store, Connection{ID: "c", User: "alice"})
		f := tell(t, l.Mux, c, `{"action":"ask","ref":"7","question":"é"}`)
		if f.Type != "ack" || string(f.Ref) != `"7"` || len(f.Stream) != 26 || len(f.Key) != 26 || len(l.handed) != 1 || l.runs != 0 {
			t.Fatalf("%+v, %d were handed on, %d ran", f, len(l.handed), l.runs)
		}
		var p map[string]json.RawMessage
		if err := json.Unmarshal(l.handed[0], &p); err != nil || len(p) != 3 || string(p["wirepost"]) != `"long"` || string(p["stream"]) != `"`+f.Stream+`"` {
			t.Fatalf("%s", l.handed[0])
		}
		resume := `{"action":"resume","stream":"` + f.Stream + `"}`
		if r := tell(t, l.Mux, c, resume); r.Type != "ack" || r.End || r.streamAnswer.Error != "" {
			t.Errorf("before its writer has begun a resume is answered %+v", r)
		}
		var all sync.WaitGroup
		for range 2 { // Lambda may deliver it twice
			all.Go(func() {
				if out, err := l.Invoke(t.Context(), l.handed[0]); err != nil {
					t.Errorf("%s, %v", out, err)
				}
			})
		}
		all.Wait()
		if got := l.api.client("c"); l.runs != 1 || len(l.handed) != 1 || got.end != "end" || !strings.HasPrefix(got.text, `you asked {"action"`) {
			t.Errorf("%d runs, %d handed on, %+v", l.runs, len(l.handed), got)
		}
		if other := tell(t, l.Mux, c, `{"action":"ask","question":"another"}`); other.Stream == f.Stream || other.Key == f.Key {
			t.Error("another message has the same stream")
		}
	})
}

func TestWorkThatFailsEndsItsStreamWithInternal(t *testing.T) {
	for name, handle := range map[string]LongHandler{
		"an error": func(_ context.Context, _ *Message, s *Stream) error {
			s.Write([]byte("so far"))
			return errors.New("x")
		},
		"a panic": func(_ context.Context, _ *Message, s *Stream) error { s.Write([]byte("so far")); panic("x") },
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLongMux(t, MuxOptions{}, handle)
			tell(t, l.Mux, connected(t, l.store, Connection{ID: "c"}), `{"action":"ask"}`)
			if out, err := l.Invoke(t.Context(), l.handed[0]); err != nil {
				t.Errorf("%s: %s, %v: Lambda would deliver it again", name, out, err)
			}
			if c := l.api.client("c"); c.text != "so far" || c.end != "internal" {
				t.Errorf("%s: %+v", name, c)
			}
		})
	}
}

func TestAnEventOfTheAPIHas28SecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLongMux(t, MuxOptions{}, func(context.Context, *Message, *Stream) error { return nil })
		var had time.Duration
		l.Handle("short", func(ctx context.Context, _ *Message) ([]byte, error) {
			deadline, _ := ctx.Deadline()
			had = time.Until(deadline)
			return nil, nil
		})
		tell(t, l.Mux, connected(t, l.store, Connection{ID: "c"}), `{"action":"short"}`)
		if had != 28*time.Second {
			t.Errorf("it has %v", had)
		}
	})
}

func TestWorkThatIsNotHandedOnIsAnErrorOfItsMessage(t *testing.T) {
	for _, tt := range []struct {
		name  string
		later func(context.Context, []byte) error
		code  string
	}{
		{"refused", func(context.Context, []byte) error { return errors.New("answered 429") }, "not-sent"},
		{"not answered", func(ctx context.Context, _ []byte) error { <-ctx.Done(); return ctx.Err() }, "internal"},
		{"reset", func(context.Context, []byte) error { return &Error{Problem: ProblemNoAnswer} }, "internal"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLongMux(t, MuxOptions{Later: tt.later}, func(context.Context, *Message, *Stream) error { return nil })
			start := time.Now()
			f := tell(t, l.Mux, connected(t, l.store, Connection{ID: "c"}), `{"action":"ask","ref":1}`)
			if f.Code != tt.code || string(f.Ref) != "1" || time.Since(start) > 3*time.Second {
				t.Errorf("%s: %+v after %v", tt.name, f, time.Since(start))
			}
		})
	}
}

func TestWhatWasNotHandedOnByAMuxIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLongMux(t, MuxOptions{}, func(context.Context, *Message, *Stream) error { return nil })
		c := connected(t, l.store, Connection{ID: "c"})
		tell(t, l.Mux, c, `{"action":"ask"}`)
		var p longPayload
		json.Unmarshal(l.handed[0], &p)
		for name, bad := range map[string]longPayload{
			"another stream": {"long", "other", p.Event},
			"no event":       {"long", p.Stream, json.RawMessage(`{}`)},
			"null":           {"long", p.Stream, nil},
		} {
			payload, _ := json.Marshal(bad)
			if _, err := l.Invoke(t.Context(), payload); ProblemOf(err) != ProblemEventMalformed {
				t.Errorf("%s: %v", name, err)
			}
		}
		// A client that sends the payload is a client that sends a frame.
		if f := tell(t, l.Mux, c, string(l.handed[0])); f.Code != "bad-frame" || l.runs != 0 {
			t.Errorf("%+v", f)
		}
	})
}

func TestWorkIsHandedOnByAnAsynchronousInvoke(t *testing.T) {
	var status int
	var seen *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Clone(context.Background())
		w.WriteHeader(status)
		fmt.Fprint(w, `{"message":"no"}`)
	}))
	defer s.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	env := map[string]string{"AWS_ENDPOINT_URL_LAMBDA": s.URL, "AWS_REGION": "eu-west-1"}
	i := &invoker{getenv: func(name string) string { return env[name] }}
	if err := i.invoke(t.Context(), []byte("{}")); err == nil || !strings.Contains(err.Error(), "WIREPOST_LONG_FUNCTION") {
		t.Errorf("without a function: %v", err)
	}
	for _, tt := range []struct {
		function, own, version string
		status                 int
		path                   string
		ok, known              bool
	}{
		{"arn:aws:lambda:us-west-2:123456789012:function:long:live", "f", "7", 202, "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A123456789012%3Afunction%3Along%3Alive/invocations", true, true},
		{"", "f", "7", 202, "/2015-03-31/functions/f/invocations?Qualifier=7", true, true},
		{"", "f", "$LATEST", 202, "/2015-03-31/functions/f/invocations", true, true},
		{"long", "f", "$LATEST", 403, "/2015-03-31/functions/long/invocations", false, true},
		{"long", "f", "$LATEST", 429, "/2015-03-31/functions/long/invocations", false, true},
		{"long", "f", "$LATEST", 500, "/2015-03-31/functions/long/invocations", false, false},
	} {
		env[longFunction], env["AWS_LAMBDA_FUNCTION_NAME"], env["AWS_LAMBDA_FUNCTION_VERSION"] = tt.function, tt.own, tt.version
		status = tt.status
		err := i.invoke(t.Context(), []byte("{}"))
		region := "eu-west-1"
		if strings.HasPrefix(tt.function, "arn") {
			region = "us-west-2"
		}
		if (err == nil) != tt.ok || err != nil && (ProblemOf(err) != ProblemNoAnswer) != tt.known {
			t.Errorf("%+v: %v", tt, err)
		}
		if seen.RequestURI != "" && seen.URL.RequestURI() != tt.path || seen.Header.Get("X-Amz-Invocation-Type") != "Event" || !strings.Contains(seen.Header.Get("Authorization"), "/"+region+"/lambda/aws4_request") {
			t.Errorf("%s, %v", seen.URL.RequestURI(), seen.Header)
		}
	}
	env["AWS_ENDPOINT_URL_LAMBDA"] = "http://127.0.0.1:1"
	if err := i.invoke(t.Context(), []byte("{}")); err == nil || ProblemOf(err) == ProblemNoAnswer {
		t.Errorf("nobody listens: %v", err)
	}
	delete(env, "AWS_ENDPOINT_URL_LAMBDA")
	if url, _, err := i.target(); err != nil || url != "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/long/invocations" {
		t.Errorf("%s, %v", url, err)
	}
}
