// Package notify is a development example: a WebSocket function that lets
// clients say who they are in the URL.
//
//	ws://HOST/STAGE?user=alice&topic=lobby&topic=news
//
// It believes them. A real function authenticates in its Connect hook; this one
// is for a laptop, and refuses browser pages that do not come from it, because
// any web page can open a WebSocket to this machine.
//
// Messages from clients:
//
//	{"action":"subscribe","topic":"x"}
//	{"action":"unsubscribe","topic":"x"}
//	{"action":"ping"}
//	{"action":"send","to":"user:bob","data":{"text":"hi"}}
//
// Each is answered with {"type":"ack"|"pong"|"error",…}, with the "ref" of the
// message if it had one. What another client sends arrives as
// {"type":"message","to":"user:bob","from":"alice","data":…}.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/wirepost/wirepost"
)

// New makes the function on a store and a publisher. The logger may be nil.
func New(store wirepost.Store, publisher *wirepost.Publisher, logger *slog.Logger) *wirepost.Mux {
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: connect, Logger: logger})
	mux.Handle("subscribe", func(ctx context.Context, m *wirepost.Message) ([]byte, error) {
		return topic(ctx, m, m.Subscribe)
	})
	mux.Handle("unsubscribe", func(ctx context.Context, m *wirepost.Message) ([]byte, error) {
		return topic(ctx, m, m.Unsubscribe)
	})
	mux.Handle("ping", func(_ context.Context, m *wirepost.Message) ([]byte, error) {
		return reply(read(m), answer{Type: "pong"})
	})
	mux.Handle("send", func(ctx context.Context, m *wirepost.Message) ([]byte, error) {
		return send(ctx, m, publisher)
	})
	mux.Handle("$default", func(_ context.Context, m *wirepost.Message) ([]byte, error) {
		return reply(read(m), refused("unknown-action", `"action" must be subscribe, unsubscribe, ping or send`))
	})
	return mux
}

// connect believes what the URL says, except from a page of another origin.
func connect(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
	if origin := r.Header("Origin"); origin != "" && !loopback(origin) {
		return wirepost.Accept{}, wirepost.Refuse(http.StatusForbidden, "a page of another origin may not connect to this machine")
	}
	accept := wirepost.Accept{Topics: r.Query("topic")}
	if users := r.Query("user"); len(users) > 0 {
		accept.User = users[0]
	}
	if offered := r.Subprotocols(); len(offered) > 0 {
		accept.Subprotocol = offered[0]
	}
	return accept, nil
}

func loopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host := u.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // which browsers resolve to this machine
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && net.IP(a.AsSlice()).IsLoopback()
}

type frame struct {
	Ref   json.RawMessage `json:"ref,omitempty"`
	Topic string          `json:"topic"`
	To    string          `json:"to"`
	Data  json.RawMessage `json:"data"`
}

type answer struct {
	Type  string          `json:"type"`
	Ref   json.RawMessage `json:"ref,omitempty"`
	Code  string          `json:"code,omitempty"`
	Text  string          `json:"text,omitempty"`
	Sent  *int            `json:"sent,omitempty"`
	Topic string          `json:"topic,omitempty"`
}

type message struct {
	Type string          `json:"type"`
	To   string          `json:"to"`
	From string          `json:"from,omitempty"`
	Data json.RawMessage `json:"data"`
}

// read takes what it can from a frame; the handlers refuse what is missing.
func read(m *wirepost.Message) frame {
	var f frame
	if json.Unmarshal(m.Body, &f) != nil {
		return frame{}
	}
	return f
}

func reply(f frame, a answer) ([]byte, error) {
	a.Ref = f.Ref
	return json.Marshal(a)
}

func refused(code, text string) answer { return answer{Type: "error", Code: code, Text: text} }

func topic(ctx context.Context, m *wirepost.Message, change func(context.Context, string) error) ([]byte, error) {
	f := read(m)
	if err := wirepost.ValidateName(f.Topic); err != nil {
		return reply(f, refused("bad-topic", fmt.Sprintf(`"topic": %v`, err)))
	}
	switch err := change(ctx, f.Topic); {
	case errors.Is(err, wirepost.ErrNotFound):
		return reply(f, refused("not-connected", "this connection is not in the store; connect again"))
	case err != nil:
		return nil, err
	}
	return reply(f, answer{Type: "ack", Topic: f.Topic})
}

func send(ctx context.Context, m *wirepost.Message, publisher *wirepost.Publisher) ([]byte, error) {
	f := read(m)
	to, err := wirepost.ParseAudience(f.To)
	if err != nil {
		return reply(f, refused("bad-audience", err.Error()))
	}
	if len(f.Data) == 0 {
		return reply(f, refused("no-data", `"data" is missing`))
	}
	var from string
	if c, err := m.Connection(ctx); err == nil {
		from = c.User
	}
	data, err := json.Marshal(message{Type: "message", To: to.String(), From: from, Data: f.Data})
	if err != nil {
		return nil, err
	}
	result, err := publisher.Publish(ctx, to, data, nil)
	if err != nil {
		return reply(f, refused("not-sent", err.Error()))
	}
	return reply(f, answer{Type: "ack", Sent: &result.Sent})
}
