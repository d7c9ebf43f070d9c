package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"
)

// picky is a store that knows its own cursors, as dynamostore does.
type picky struct{ *MemStore }

func (s picky) Connections(ctx context.Context, a Audience, o ListOptions) iter.Seq2[Listed, error] {
	if o.After != "" {
		return func(yield func(Listed, error) bool) {
			yield(Listed{}, invalidf("the cursor %q is not of this store", o.After))
		}
	}
	return s.MemStore.Connections(ctx, a, o)
}

type silentStore struct{ *MemStore }

func (silentStore) Connections(context.Context, Audience, ListOptions) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) { yield(Listed{}, errors.New("away")) }
}

// status is what an HTTP service answers for an error of a publish, as the doc of
// Publish says.
func status(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, ErrInvalid):
		return http.StatusBadRequest
	case ProblemOf(err) == ProblemStore, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func TestAnErrorOfAPublishSaysWhoseItIs(t *testing.T) {
	publisher := NewPublisher(picky{NewMemStore(nil)}, nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	long := strings.Repeat("x", MaxMessage+1)
	publish := func(ctx context.Context, p *Publisher, to Audience, data string, o *PublishOptions) error {
		_, err := p.Publish(ctx, to, []byte(data), o)
		return err
	}
	second := func(_ any, err error) error { return err }
	ctx := t.Context()
	for name, tt := range map[string]struct {
		err  error
		want int
	}{
		"fine":                        {publish(ctx, publisher, Everyone(), "x", nil), 200},
		"nobody":                      {publish(ctx, publisher, Audience{}, "x", nil), 400},
		"a topic without a name":      {publish(ctx, publisher, ToTopic(""), "x", nil), 400},
		"a user of control bytes":     {publish(ctx, publisher, ToUser("a\nb"), "x", nil), 400},
		"no connection ID":            {publish(ctx, publisher, ToConnection("a b"), "x", nil), 400},
		"a long message":              {publish(ctx, publisher, Everyone(), long, nil), 400},
		"a message of bytes":          {publish(ctx, publisher, Everyone(), "\xff", nil), 400},
		"a part that there is not":    {publish(ctx, publisher, Everyone(), "x", &PublishOptions{Part: 3, Parts: 3}), 400},
		"a cursor of another store":   {publish(ctx, publisher, Everyone(), "x", &PublishOptions{After: "?"}), 400},
		"a close of nobody":           {second(publisher.CloseAll(ctx, Audience{}, nil)), 400},
		"a post to no ID":             {publisher.Post(ctx, "", nil), 400},
		"a long post":                 {publisher.Post(ctx, "A=", []byte(long)), 400},
		"a get of no ID":              {second(publisher.Get(ctx, "ä")), 400},
		"a job for nobody":            {second(publisher.Do(ctx, Job{})), 400},
		"too many parts":              {second(Split(Everyone(), nil, MaxParts+1, nil)), 400},
		"a split of nobody":           {second(Split(Audience{}, nil, 1, nil)), 400},
		"a name of an audience":       {second(ParseAudience("usr:alice")), 400},
		"an audience without a kind":  {second(ParseAudience("alice")), 400},
		"an envelope without data":    {second(NewEnvelope(Everyone(), nil).Frame()), 400},
		"an envelope of no JSON":      {second(NewEnvelope(Everyone(), []byte("{")).Frame()), 400},
		"an envelope for nobody":      {second(NewEnvelope(Audience{}, []byte("1")).Frame()), 400},
		"a store that is away":        {publish(ctx, NewPublisher(silentStore{NewMemStore(nil)}, nil), Everyone(), "x", nil), 503},
		"a context that has ended":    {publish(ended, publisher, Everyone(), "x", nil), 503},
		"a mistake of the function's": {&Error{Problem: ProblemSendDenied}, 500},
	} {
		if got := status(tt.err); got != tt.want {
			t.Errorf("%s: %v is a %d, want %d", name, tt.err, got, tt.want)
		}
	}
}

func TestAnEnvelopeSaysWhatIsWrongWithItsJSON(t *testing.T) {
	for _, tt := range []struct{ data, want string }{
		{"{", "envelope to topic:x: the data is not JSON: at byte 1: unexpected end of JSON input"},
		{"hello", "envelope to topic:x: the data is not JSON: at byte 1: invalid character 'h' looking for beginning of value"},
		{`{"a":1,}`, "envelope to topic:x: the data is not JSON: at byte 8: invalid character '}' looking for beginning of object key string"},
		{"1 2", "envelope to topic:x: the data is not JSON: at byte 3: invalid character '2' after top-level value"},
	} {
		if _, err := NewEnvelope(ToTopic("x"), []byte(tt.data)).Frame(); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v\nwant %s", tt.data, err, tt.want)
		}
	}
	var e Envelope
	for _, frame := range []string{`7`, `{"type":7}`, `{"data":`} {
		if err := json.Unmarshal([]byte(frame), &e); err == nil || strings.Contains(err.Error(), "wirepost.") || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %v", frame, err)
		}
	}
	mux := NewMux(NewMemStore(nil), nil)
	if _, err := mux.Invoke(t.Context(), []byte(`{"requestContext":{"connectedAt":"x"}}`)); err == nil || strings.Contains(err.Error(), "Go ") {
		t.Errorf("an event: %v", err)
	}
}

func TestWhatTheConnectHookGetsWrongIsTheServersMistake(t *testing.T) {
	for name, accept := range map[string]Accept{
		"a topic without a name": {Topics: []string{""}}, "a user of bytes": {User: "\xff"}, "long claims": {Claims: strings.Repeat("x", MaxClaims+1)},
	} {
		store := storeAt()
		mux := NewMux(store, &MuxOptions{Connect: func(context.Context, *ConnectRequest) (Accept, error) { return accept, nil }})
		if r := invoke(t, mux, testEvent("CONNECT", nil)); r.StatusCode != 500 {
			t.Errorf("%s is answered %+v, want 500", name, r)
		}
	}
}

func TestTheDisconnectHookIsToldWhoLeft(t *testing.T) {
	now := time.UnixMilli(1_700_000_001_000)
	store := NewMemStore(&MemStoreOptions{Now: func() time.Time { return now }})
	var left *DisconnectEvent
	mux := NewMux(store, &MuxOptions{
		Connect: func(_ context.Context, r *ConnectRequest) (Accept, error) {
			return Accept{User: "alice", Topics: []string{"lobby"}, Claims: "c", ExpiresAt: r.Time.Add(time.Minute)}, nil
		},
		Disconnect: func(_ context.Context, e *DisconnectEvent) { left = e },
	})
	invoke(t, mux, testEvent("CONNECT", nil))
	invoke(t, mux, testEvent("DISCONNECT", map[string]any{"connectedAt": 1_600_000_000_000}))
	if left == nil || left.Connection != nil {
		t.Errorf("of another connection with the same ID the hook got %+v", left)
	}
	invoke(t, mux, testEvent("DISCONNECT", nil))
	if c := left.Connection; c == nil || c.User != "alice" || len(c.Topics) != 1 || c.Topics[0] != "lobby" || c.Claims != "c" {
		t.Errorf("the hook got %+v", left.Connection)
	}
	if invoke(t, mux, testEvent("DISCONNECT", nil)); left.Connection != nil {
		t.Errorf("of one whose row was gone the hook got %+v", left.Connection)
	}
	invoke(t, mux, testEvent("CONNECT", nil))
	now = now.Add(time.Hour)
	if invoke(t, mux, testEvent("DISCONNECT", nil)); left.Connection != nil {
		t.Errorf("of one whose time was over the hook got %+v", left.Connection)
	}
}
