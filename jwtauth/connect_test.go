package jwtauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/jwtauth"
	"github.com/wirepost/wirepost/wireposttest"
)

func TestRightsAreWhatIsAllowedAndNotDenied(t *testing.T) {
	for _, tt := range []struct {
		rights string
		topic  string // to subscribe to; or
		to     string // to send to
		want   bool
	}{
		{`{}`, "lobby", "", false},
		{`{}`, "", "topic:lobby", false},
		{`{"subscribe":["lobby"]}`, "lobby", "", true},
		{`{"subscribe":["lobby"]}`, "Lobby", "", false},
		{`{"subscribe":["lobby"]}`, "lobby2", "", false},
		{`{"subscribe":["lobby"]}`, "", "topic:lobby", false},
		{`{"publish":["lobby"]}`, "lobby", "", false},
		{`{"subscribe":["topic:lobby"]}`, "lobby", "", true},
		{`{"subscribe":["room.*"]}`, "room.1", "", true},
		{`{"subscribe":["room.*"]}`, "room.1.2", "", true},
		{`{"subscribe":["room.*"]}`, "room", "", false},
		{`{"subscribe":["room.*"]}`, "room.", "", false},
		{`{"subscribe":["room.*"]}`, "roommate", "", false},
		{`{"subscribe":["*"]}`, "room", "", true},
		{`{"subscribe":["*"],"deny":{"subscribe":["room.*"]}}`, "room.1", "", false},
		{`{"subscribe":["room.1"],"deny":{"subscribe":["room.*"]}}`, "room.1", "", false},
		{`{"subscribe":["room.1"],"deny":{"subscribe":["*"]}}`, "room.1", "", false},
		{`{"subscribe":["room.*"],"deny":{"subscribe":["room.1"]}}`, "room.2", "", true},
		{`{"subscribe":["room.*"],"deny":{"publish":["room.1"]}}`, "room.1", "", true},
		{`{"publish":["*"]}`, "", "topic:lobby", true},
		{`{"publish":["*"]}`, "", "user:bob", false},
		{`{"publish":["*"]}`, "", "everyone", false},
		{`{"publish":["*"]}`, "", "connection:abc", false},
		{`{"publish":["user:bob"]}`, "", "user:bob", true},
		{`{"publish":["user:bob"]}`, "", "user:bo", false},
		{`{"publish":["user:bob"]}`, "", "topic:user:bob", false},
		{`{"publish":["topic:user:bob"]}`, "", "topic:user:bob", true},
		{`{"publish":["topic:user:bob"]}`, "", "user:bob", false},
		{`{"publish":["user:*"]}`, "", "user:bob", true},
		{`{"publish":["user:*"]}`, "", "topic:lobby", false},
		{`{"publish":["user:team.*"]}`, "", "user:team.bob", true},
		{`{"publish":["user:team.*"]}`, "", "user:bob", false},
		{`{"publish":["everyone"]}`, "", "everyone", true},
		{`{"publish":["everyone"]}`, "", "topic:everyone", false},
		{`{"publish":["everyone"]}`, "", "topic:lobby", false},
		{`{"publish":["topic:everyone"]}`, "", "everyone", false},
		{`{"publish":["everyone","user:bob"],"deny":{"publish":["*"]}}`, "", "everyone", false},
		{`{"publish":["everyone","user:bob"],"deny":{"publish":["*"]}}`, "", "user:bob", false},
		{`{"publish":["user:*"],"deny":{"publish":["user:bob"]}}`, "", "user:bob", false},
	} {
		var r jwtauth.Rights
		if err := json.Unmarshal([]byte(tt.rights), &r); err != nil {
			t.Fatal(err)
		}
		action, to := wirepost.ActionSubscribe, wirepost.ToTopic(tt.topic)
		got := r.MaySubscribe(tt.topic)
		if tt.to != "" {
			var err error
			if to, err = wirepost.ParseAudience(tt.to); err != nil {
				t.Fatal(err)
			}
			action, got = wirepost.ActionSend, r.MaySend(to)
		}
		if got != tt.want {
			t.Errorf("%s: %s to %s is %v, want %v", tt.rights, action, to, got, tt.want)
		}
		if got := jwtauth.Allow(t.Context(), wirepost.Connection{Claims: tt.rights}, action, to); got != tt.want {
			t.Errorf("Allow with %s: %s to %s is %v, want %v", tt.rights, action, to, got, tt.want)
		}
	}
	for _, claims := range []string{"", "x", "null", "[]", `{"subscribe":["*"],"more":1}`, `{"subscribe":["a*b","lobby"]}`} {
		if jwtauth.Allow(t.Context(), wirepost.Connection{Claims: claims}, wirepost.ActionSubscribe, wirepost.ToTopic("lobby")) {
			t.Errorf("Allow takes the claims %q for rights", claims)
		}
	}
	if jwtauth.Allow(t.Context(), wirepost.Connection{Claims: `{"subscribe":["*"],"publish":["*"]}`}, "dance", wirepost.ToTopic("lobby")) {
		t.Error("Allow allows an action that it does not know")
	}
}

func TestAPatternThatIsNoneMakesTheTokenInvalid(t *testing.T) {
	v := verifier(t, nil)
	for _, tt := range []struct {
		list, pattern string
		ok            bool
	}{
		{"subscribe", "a", true}, {"subscribe", "a.*", true}, {"subscribe", "a.b.*", true}, {"subscribe", "*", true}, {"subscribe", "topic:*", true},
		{"publish", "user:*", true}, {"publish", "everyone", true}, {"publish", "user:a.*", true},
		{"subscribe", "", false}, {"subscribe", "a*", false}, {"subscribe", "*a", false}, {"subscribe", "a*b", false}, {"subscribe", "**", false}, {"subscribe", "*.*", false},
		{"subscribe", "user:bob", false}, {"subscribe", "everyone", false}, {"publish", "user:", false}, {"publish", "user:b*", false}, {"publish", "a\n", false},
		{"subscribe", strings.Repeat("x", 129), false},
	} {
		for _, deny := range []bool{false, true} {
			rights := map[string]any{tt.list: []string{tt.pattern}}
			if deny {
				rights = map[string]any{"deny": rights}
			}
			_, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, keys().secret, claims(map[string]any{"wirepost": rights}), nil))
			if (err == nil) != tt.ok {
				t.Errorf("%v: %v", rights, err)
			}
		}
	}
}

// logs keeps what was logged.
type logs struct{ strings.Builder }

func TestTheHandshakeIsAnsweredAsTheProtocolSays(t *testing.T) {
	k := keys()
	var logged logs
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	v := verifier(t, func(o *jwtauth.Options) {
		o.AllowOrigins = []string{"https://App.example.com:443", "http://localhost:8080"}
	})
	down := (&idp{err: errors.New("refused")}).verifier(t)
	token := func(change map[string]any) string {
		return sign(t, jwt.SigningMethodHS256, k.secret, claims(change), nil)
	}
	good := token(nil)
	h := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	for _, tt := range []struct {
		name   string
		v      *jwtauth.Verifier
		header map[string]string
		query  map[string][]string
		want   int
		answer string
	}{
		{"a token in the header", v, h("authorization", "bearer "+good), nil, 200, ""},
		{"a token in the query", v, nil, map[string][]string{"access_token": {good}}, 200, ""},
		{"a token in the subprotocols", v, h("Sec-WebSocket-Protocol", "wirepost.v1, bearer."+good), nil, 200, "wirepost.v1"},
		{"in the other order, no space", v, h("sec-websocket-protocol", "bearer."+good+",wirepost.v1"), nil, 200, "wirepost.v1"},
		{"a header of another scheme next to it", v, h("Authorization", "AWS4-HMAC-SHA256 Credential=x", "Sec-WebSocket-Protocol", "wirepost.v1, bearer."+good), nil, 200, "wirepost.v1"},
		{"topics that are allowed", v, h("Authorization", "Bearer "+good), map[string][]string{"topic": {"lobby", "room.7"}}, 200, ""},
		{"a page that may", v, h("Authorization", "Bearer "+good, "Origin", "https://app.example.com"), nil, 200, ""},
		{"a page of this machine that may", v, h("Authorization", "Bearer "+good, "origin", "http://localhost:8080"), nil, 200, ""},
		{"a page that may not", v, h("Authorization", "Bearer "+good, "Origin", "https://evil.example"), nil, 403, ""},
		{"a page of another port", v, h("Authorization", "Bearer "+good, "Origin", "http://localhost:8081"), nil, 403, ""},
		{"a page of no origin", v, h("Authorization", "Bearer "+good, "Origin", "null"), nil, 403, ""},
		{"no token", v, nil, nil, 401, ""},
		{"an empty token", v, h("Authorization", "Bearer "), nil, 401, ""},
		{"two tokens", v, h("Authorization", "Bearer "+good), map[string][]string{"access_token": {good}}, 401, ""},
		{"two in the query", v, nil, map[string][]string{"access_token": {good, good}}, 401, ""},
		{"a token and no version", v, h("Sec-WebSocket-Protocol", "bearer."+good), nil, 400, ""},
		{"another protocol", v, h("Sec-WebSocket-Protocol", "chat", "Authorization", "Bearer "+good), nil, 400, ""},
		{"a topic outside the claims", v, h("Authorization", "Bearer "+good), map[string][]string{"topic": {"lobby", "secret"}}, 403, ""},
		{"a topic that is denied", v, h("Authorization", "Bearer "+token(map[string]any{"wirepost": map[string]any{"subscribe": []string{"*"}, "deny": map[string]any{"subscribe": []string{"lobby"}}}})), map[string][]string{"topic": {"lobby"}}, 403, ""},
		{"no rights and a topic", v, h("Authorization", "Bearer "+token(map[string]any{"wirepost": nil})), map[string][]string{"topic": {"lobby"}}, 403, ""},
		{"no rights and no topic", v, h("Authorization", "Bearer "+token(map[string]any{"wirepost": nil})), nil, 200, ""},
		{"a topic that is no name", v, h("Authorization", "Bearer "+good), map[string][]string{"topic": {""}}, 400, ""},
		{"too many topics", v, h("Authorization", "Bearer "+good), map[string][]string{"topic": make([]string, 101)}, 400, ""},
		{"more rights than can be kept", v, h("Authorization", "Bearer "+token(map[string]any{"wirepost": map[string]any{"subscribe": []string{strings.Repeat("x", 100), "a." + strings.Repeat("y", 100)}, "publish": manyNames(60)}})), nil, 401, ""},
		{"the key set is down", down, h("Authorization", "Bearer "+good), nil, 503, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: func() time.Time { return now }})
			status, answer := connect(t, wirepost.NewMux(store, &wirepost.MuxOptions{Connect: tt.v.Connect, Logger: logger}), tt.header, tt.query)
			if status != tt.want || answer != tt.answer {
				t.Errorf("answered %d with %q, want %d with %q", status, answer, tt.want, tt.answer)
			}
			c, err := store.Connection(t.Context(), "A=")
			switch {
			case tt.want != 200 && err == nil:
				t.Error("a refused handshake has left a row")
			case tt.want == 200 && (err != nil || c.User != "alice" || !c.ExpiresAt.Equal(now.Add(time.Hour+jwtauth.Leeway))):
				t.Errorf("the row is %+v, %v", c, err)
			}
		})
	}
	for name, bad := range badTokens(t) {
		store := wirepost.NewMemStore(nil)
		if status, answer := connect(t, wirepost.NewMux(store, &wirepost.MuxOptions{Connect: v.Connect, Logger: logger}), h("Authorization", "Bearer "+bad), nil); status != 401 || answer != "" {
			t.Errorf("%s: answered %d with %q", name, status, answer)
		}
	}
	if text := logged.String(); strings.Contains(text, good) || strings.Contains(text, good[strings.LastIndex(good, ".")+1:]) {
		t.Error("a token is in the log")
	}
}

func manyNames(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strings.Repeat("n", 100)
	}
	return all
}

// connect gives a mux one $connect; what it answers the client is a status and a
// subprotocol, and nothing else may be in it.
func connect(t *testing.T, mux *wirepost.Mux, header map[string]string, query map[string][]string) (int, string) {
	t.Helper()
	event, err := json.Marshal(map[string]any{"headers": header, "multiValueQueryStringParameters": query,
		"requestContext": map[string]any{"eventType": "CONNECT", "routeKey": "$connect", "connectionId": "A=", "apiId": "abc", "stage": "dev", "domainName": "localhost:1", "connectedAt": now.UnixMilli(), "requestTimeEpoch": now.UnixMilli()}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := mux.Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		StatusCode int
		Headers    map[string]string
		Body       string
	}
	if err := json.Unmarshal(out, &answer); err != nil || answer.Body != "" {
		t.Fatalf("answered %s, %v", out, err)
	}
	protocol := answer.Headers["Sec-WebSocket-Protocol"]
	delete(answer.Headers, "Sec-WebSocket-Protocol")
	if len(answer.Headers) > 0 {
		t.Errorf("the answer has the headers %v", answer.Headers)
	}
	return answer.StatusCode, protocol
}

func TestAConnectionDoesWhatItsTokenAllowsUntilItEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	v := verifier(t, func(o *jwtauth.Options) { o.Now = clock })
	store := wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: clock})
	publisher := wirepost.NewPublisher(store, nil)
	defer publisher.CloseIdleConnections()
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: v.Connect})
	mux.HandleProtocol(publisher, &wirepost.ProtocolOptions{Allow: jwtauth.Allow, NewID: func() string { return "ID" }})
	g := wireposttest.NewGateway(t, mux, func(s *gateway.Server) {
		s.Routes = map[string]gateway.Route{}
		for _, key := range mux.RouteKeys() {
			s.Routes[key] = gateway.Route{RouteResponse: true}
		}
	})
	token := sign(t, jwt.SigningMethodHS256, keys().secret, claims(map[string]any{"exp": time.Now().Add(10 * time.Minute).Unix(), "wirepost": map[string]any{
		"subscribe": []string{"room.*"}, "publish": []string{"room.*", "user:bob"}, "deny": map[string]any{"subscribe": []string{"room.staff"}}}}), nil)
	header := http.Header{}
	header.Set("Sec-WebSocket-Protocol", "wirepost.v1, bearer."+token)
	c, err := wireposttest.Dial(ctx, g.URL+"?topic=room.1", header)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Subprotocol != "wirepost.v1" {
		t.Errorf("the subprotocol is %q", c.Subprotocol)
	}
	ask := func(frame string) string {
		t.Helper()
		if err := c.Send(frame); err != nil {
			t.Fatal(err)
		}
		got, err := c.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const forbidden = `{"type":"error","code":"forbidden"}`
	for frame, want := range map[string]string{
		`{"action":"subscribe","topic":"room.2"}`:            `{"type":"ack","topic":"room.2"}`,
		`{"action":"subscribe","topic":"room.staff"}`:        forbidden,
		`{"action":"subscribe","topic":"lobby"}`:             forbidden,
		`{"action":"send","to":"user:bob","data":1}`:         `{"type":"ack","id":"ID","sent":0}`,
		`{"action":"send","to":"topic:room.staff","data":1}`: `{"type":"ack","id":"ID","sent":0}`,
		`{"action":"send","to":"user:carol","data":1}`:       forbidden,
		`{"action":"send","to":"everyone","data":1}`:         forbidden,
		`{"action":"send","to":"topic:lobby","data":1}`:      forbidden,
		`{"action":"send","to":"topic:user:bob","data":1}`:   forbidden,
	} {
		if got := ask(frame); got != want {
			t.Errorf("%s is answered with %s, want %s", frame, got, want)
		}
	}
	ahead.Store(int64(10*time.Minute + jwtauth.Leeway + time.Second))
	if r, err := publisher.Publish(ctx, wirepost.ToTopic("room.1"), []byte("late"), nil); err != nil || r.Sent != 0 {
		t.Errorf("a publish after the token's end: %v, %v", r, err)
	}
	if got := ask(`{"action":"ping","ref":1}`); got != `{"type":"error","ref":1,"code":"expired"}` {
		t.Errorf("a frame after the token's end is answered with %s", got)
	}
	var closed *wireposttest.CloseError
	if _, err := c.Receive(ctx); !errors.As(err, &closed) || closed.Code != 1000 {
		t.Errorf("then %v, want a close with 1000", err)
	}
	var refused *wireposttest.HandshakeError
	if _, err := wireposttest.Dial(ctx, g.URL, header); !errors.As(err, &refused) || refused.Status != 401 {
		t.Errorf("connecting again with it: %v, want 401", err)
	}
}

// A program with rights of its own has tokens without the claim, and each of its
// connections was told to be one that may do nothing.
func TestTokensWithoutRightsAreToldOnce(t *testing.T) {
	var log bytes.Buffer
	tokens := wireposttest.NewTokens()
	v, err := jwtauth.New(&jwtauth.Options{Key: tokens.Key, Issuer: tokens.Issuer, Audience: tokens.Audience, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	mux := wirepost.NewMux(wirepost.NewMemStore(nil), &wirepost.MuxOptions{Connect: v.Connect})
	g := wireposttest.NewGateway(t, mux, nil)
	for range 3 {
		c, err := wireposttest.Dial(t.Context(), g.URL, tokens.Header("alice", nil))
		if err != nil {
			t.Fatal(err)
		}
		c.Cut()
	}
	with, err := wireposttest.Dial(t.Context(), g.URL, tokens.Header("alice", &wireposttest.Token{Claims: wireposttest.Allow()}))
	if err != nil {
		t.Fatal(err)
	}
	with.Cut()
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "jwtauth.Allow allows its connection nothing") {
		t.Errorf("logged %s", text)
	}
}
