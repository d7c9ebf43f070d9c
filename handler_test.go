package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// says answers each message with its name and the key that it was chosen by.
func says(name string) Handler {
	return func(_ context.Context, m *Message) ([]byte, error) { return []byte(name + " " + m.RouteKey), nil }
}

func TestAMessageThatArrivesByDefaultGoesToTheHandlerOfItsAction(t *testing.T) {
	own := NewMux(storeAt(), nil)
	own.Handle("track", says("track"))
	own.Handle("$default", says("default"))
	both := NewMux(storeAt(), nil)
	both.HandleProtocol(NewPublisher(storeAt(), nil), nil)
	both.Handle("track", says("track"))
	both.Handle("ping", says("own"))
	none := NewMux(storeAt(), nil)
	none.Handle("track", says("track"))
	for _, tt := range []struct {
		name      string
		mux       *Mux
		key, body string
		want      string
	}{
		{"an action with a handler", own, "$default", `{"action":"track"}`, "track track"},
		{"its own route", own, "track", `{"action":"other"}`, "track track"},
		{"an action without", own, "$default", `{"action":"other"}`, "default $default"},
		{"a route without a handler", own, "other", `{"action":"track"}`, "default other"},
		{"another spelling", own, "$default", `{"Action":"track"}`, "default $default"},
		{"an action that is no string", own, "$default", `{"action":["track"]}`, "default $default"},
		{"no JSON", own, "$default", `track`, "default $default"},
		{"a key of API Gateway's", own, "$default", `{"action":"$default"}`, "default $default"},
		{"next to the protocol", both, "$default", `{"action":"track"}`, "track track"},
		{"in the place of the protocol's", both, "$default", `{"action":"ping"}`, "own ping"},
		{"in the place of the protocol's, by its route", both, "ping", `{"action":"ping"}`, "own ping"},
		{"without a handler for the rest", none, "$default", `{"action":"track"}`, "track track"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r := invoke(t, tt.mux, testEvent("MESSAGE", map[string]any{"routeKey": tt.key, "body": tt.body})); r.StatusCode != 200 || r.Body != tt.want {
				t.Errorf("answered %+v, want %q", r, tt.want)
			}
		})
	}
	if r := invoke(t, none, testEvent("MESSAGE", map[string]any{"routeKey": "$default", "body": `{"action":"other"}`})); r.StatusCode != 404 {
		t.Errorf("an action that nobody handles is answered %+v", r)
	}
}

func TestAnUnknownActionIsToldTheProgramsOwnActions(t *testing.T) {
	store := storeAt()
	mux := NewMux(store, nil)
	mux.HandleProtocol(NewPublisher(store, nil), nil)
	mux.Handle("track", says("track"))
	mux.Handle("ping", says("own"))
	invoke(t, mux, testEvent("CONNECT", nil))
	r := invoke(t, mux, testEvent("MESSAGE", map[string]any{"routeKey": "$default", "body": `{"action":"trakc"}`}))
	if want := `must be subscribe, unsubscribe, send, read, check, resume, cancel, ping or track"}`; !strings.HasSuffix(r.Body, want) {
		t.Errorf("answered %s, want …%s", r.Body, want)
	}
}

func TestAMuxSaysItsRoutesToWhoInvokesIt(t *testing.T) {
	mux := NewMux(storeAt(), nil)
	mux.HandleProtocol(NewPublisher(storeAt(), nil), nil)
	mux.Handle("track", says("track"))
	out, err := mux.Invoke(t.Context(), []byte(` {"wirepost": "routes"}`))
	if want := `{"routes":["$connect","$disconnect","$default","ping","send","subscribe","track","unsubscribe"]}`; err != nil || string(out) != want {
		t.Errorf("answered %s, %v, want %s", out, err, want)
	}
	for _, other := range []string{`{"wirepost":"routes","requestContext":{}}`, `{"wirepost":"Routes"}`, `["wirepost","routes"]`} {
		if out, err := mux.Invoke(t.Context(), []byte(other)); err == nil {
			t.Errorf("%s is answered %s", other, out)
		}
	}
}

func TestMiddlewareIsAroundEachHandlerInItsOrder(t *testing.T) {
	var log []string
	logs := func(name string) Middleware {
		return func(next Handler) Handler {
			return func(ctx context.Context, m *Message) ([]byte, error) {
				log = append(log, name+" "+m.RouteKey)
				return next(ctx, m)
			}
		}
	}
	denied := errors.New("denied")
	mux := NewMux(storeAt(), nil)
	mux.Use(logs("a"), logs("b"))
	mux.Use(func(next Handler) Handler {
		return func(ctx context.Context, m *Message) ([]byte, error) {
			if m.RouteKey == "secret" {
				return nil, denied
			}
			return next(ctx, m)
		}
	})
	mux.Handle("track", says("track"))
	mux.Handle("secret", func(context.Context, *Message) ([]byte, error) { panic("it was called") })
	HandleJSON(mux, "typed", func(_ context.Context, _ *Message, in struct{ N int }) (any, error) { return in.N + 1, nil })
	mux.HandleProtocol(NewPublisher(storeAt(), nil), nil)
	for _, tt := range []struct{ key, want string }{
		{"track", "200 track track"}, {"secret", "500 "}, {"typed", `200 {"type":"ack","data":2}`},
	} {
		r := invoke(t, mux, testEvent("MESSAGE", map[string]any{"routeKey": tt.key, "body": `{"N":1}`}))
		if got := fmt.Sprint(r.StatusCode, " ", r.Body); got != tt.want {
			t.Errorf("%s is answered %q, want %q", tt.key, got, tt.want)
		}
	}
	invoke(t, mux, testEvent("CONNECT", nil))
	if r := invoke(t, mux, testEvent("MESSAGE", map[string]any{"routeKey": "ping", "body": `{"action":"ping"}`})); r.Body != `{"type":"pong"}` {
		t.Errorf("ping is answered %+v", r)
	}
	if want := "[a track b track a secret b secret a typed b typed a ping b ping]"; fmt.Sprint(log) != want {
		t.Errorf("called %v, want %s", log, want)
	}
	for name, f := range map[string]func(){
		"set before": func() { mux.Use(logs("late")) },
		"is nil":     func() { NewMux(storeAt(), nil).Use(nil) },
		"a nil handler": func() {
			m := NewMux(storeAt(), nil)
			m.Use(func(Handler) Handler { return nil })
			m.Handle("x", says("x"))
		},
	} {
		if got := fmt.Sprint(panicOf(f)); !strings.Contains(got, name) {
			t.Errorf("panics with %q, want a sentence with %q", got, name)
		}
	}
}

type order struct {
	Number string   `json:"number"`
	Lines  []string `json:"lines"`
}

func TestATypedHandlerReadsItsFrameAndAnswersIt(t *testing.T) {
	mux := NewMux(storeAt(), nil)
	HandleJSON(mux, "track", func(ctx context.Context, m *Message, in order) (any, error) {
		switch in.Number {
		case "":
			return nil, &FrameError{"no-number", ""}
		case "0":
			return nil, fmt.Errorf("look for it: %w", &FrameError{"no-order", "there is no order 0"})
		case "1":
			return nil, nil
		case "2":
			return nil, errors.New("the database is away")
		case "3":
			return func() {}, nil
		case "4":
			_, err := m.Connection(ctx)
			return nil, err
		}
		return map[string]any{"at": "<Ålesund>", "lines": len(in.Lines)}, nil
	})
	HandleJSON(mux, "raw", func(_ context.Context, _ *Message, in json.RawMessage) (any, error) { return in, nil })
	for _, tt := range []struct{ key, body, want string }{
		{"track", `{"action":"track","ref":"r1","number":"17","lines":["a","b"],"more":1}`, `{"type":"ack","ref":"r1","data":{"at":"<Ålesund>","lines":2}}`},
		{"track", `{"action":"track","number":"1"}`, `{"type":"ack"}`},
		{"track", `{"ref":7,"number":"0"}`, `{"type":"error","ref":7,"code":"no-order","text":"there is no order 0"}`},
		{"track", `{"ref":null}`, `{"type":"error","code":"no-number"}`},
		{"track", `{"ref":"x","number":"2"}`, `{"type":"error","ref":"x","code":"internal"}`},
		{"track", `{"ref":"x","number":"3"}`, `{"type":"error","ref":"x","code":"internal"}`},
		{"track", `{"ref":"x","number":7}`, `{"type":"error","ref":"x","code":"bad-frame","text":"\"number\" is a JSON number, which it cannot be"}`},
		{"track", `{"ref":"x","lines":[{}]}`, `{"type":"error","ref":"x","code":"bad-frame","text":"\"lines\" is a JSON object, which it cannot be"}`},
		{"track", `{"ref":{}}`, `{"type":"error","code":"bad-frame","text":"\"ref\" is a string or a number of at most 64 bytes"}`},
		{"track", `17`, `{"type":"error","code":"bad-frame","text":"a frame is a JSON object"}`},
		{"track", `{"ref":`, `{"type":"error","code":"bad-frame","text":"a frame is a JSON object"}`},
		{"track", `null`, `{"type":"error","code":"bad-frame","text":"a frame is a JSON object"}`},
		{"raw", `{"ref":"x","a":[1]}`, `{"type":"ack","ref":"x","data":{"ref":"x","a":[1]}}`},
	} {
		if r := invoke(t, mux, testEvent("MESSAGE", map[string]any{"routeKey": tt.key, "body": tt.body})); r.StatusCode != 200 || r.Body != tt.want {
			t.Errorf("%s\nis answered %d %s\nwant             %s", tt.body, r.StatusCode, r.Body, tt.want)
		}
	}
	if got := fmt.Sprint(panicOf(func() { HandleJSON[order](mux, "x", nil) })); !strings.Contains(got, "is nil") {
		t.Errorf("a nil handler panics with %q", got)
	}
}

func FuzzHandleJSON(f *testing.F) {
	for _, s := range []string{`{"ref":1,"number":"2"}`, `{"number":{}}`, `[]`, `{"ref":`, "\xff"} {
		f.Add([]byte(s))
	}
	mux := NewMux(NewMemStore(nil), nil)
	HandleJSON(mux, "track", func(_ context.Context, _ *Message, in order) (any, error) { return in, nil })
	f.Fuzz(func(t *testing.T, body []byte) {
		m := mux.NewMessage(Connection{ID: "A="}, body)
		out, err := mux.handlers["track"](t.Context(), m)
		if err != nil || !json.Valid(out) || strings.Contains(string(out), "wirepost.") {
			t.Errorf("%q is answered %q, %v", body, out, err)
		}
	})
}
