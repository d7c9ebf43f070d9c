package wirepost

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// panicOf is what f panics with on this goroutine.
func panicOf(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

func handleNothing(context.Context, *Message) ([]byte, error) { return nil, nil }

// Each of these ended the process at the first publish or event, or was not noticed.
func TestWhatCannotWorkPanicsAtOnceAndSaysWhy(t *testing.T) {
	ctx := t.Context()
	store := NewMemStore(nil)
	var noStore *MemStore // what an Open that failed has returned
	for _, tt := range []struct {
		name string
		f    func()
		want string
	}{
		{"a publisher without a store", func() { NewPublisher(nil, nil) }, "NewPublisher: the store is nil"},
		{"a publisher on a nil pointer", func() { NewPublisher(noStore, nil) }, "NewPublisher: the store is nil"},
		{"a publisher with nil credentials", func() { NewPublisher(store, &PublisherOptions{Credentials: (*aws.CredentialsCache)(nil)}) }, "Credentials is a nil *aws.CredentialsCache"},
		{"a zero publisher publishes", func() { new(Publisher).Publish(ctx, Everyone(), nil, nil) }, "not made by NewPublisher"},
		{"a zero publisher does a job", func() { new(Publisher).Do(ctx, Job{To: Everyone()}) }, "not made by NewPublisher"},
		{"a zero publisher disconnects", func() { new(Publisher).CloseAll(ctx, Everyone(), nil) }, "not made by NewPublisher"},
		{"a zero publisher posts", func() { new(Publisher).Post(ctx, "A=", nil) }, "not made by NewPublisher"},
		{"a zero publisher gets", func() { new(Publisher).Get(ctx, "A=") }, "not made by NewPublisher"},
		{"a zero publisher deletes", func() { new(Publisher).Close(ctx, "A=") }, "not made by NewPublisher"},
		{"a nil publisher", func() { (*Publisher)(nil).Publish(ctx, Everyone(), nil, nil) }, "not made by NewPublisher"},
		{"a mux without a store", func() { NewMux(nil, nil) }, "NewMux: the store is nil"},
		{"a mux on a nil pointer", func() { NewMux(noStore, nil) }, "NewMux: the store is nil"},
		{"a mux with a zero publisher", func() { NewMux(store, &MuxOptions{Publisher: &Publisher{}}) }, "not made by NewPublisher"},
		{"a zero mux handles", func() { new(Mux).Handle("x", handleNothing) }, "not made by NewMux"},
		{"a zero mux is invoked", func() { new(Mux).Invoke(ctx, []byte("{}")) }, "not made by NewMux"},
		{"a protocol without a publisher", func() { NewMux(store, nil).HandleProtocol(nil, nil) }, "not made by NewPublisher"},
		{"a protocol with a zero publisher", func() { NewMux(store, nil).HandleProtocol(&Publisher{}, nil) }, "not made by NewPublisher"},
		{"a protocol twice", func() {
			m, p := NewMux(store, nil), NewPublisher(store, nil)
			m.HandleProtocol(p, nil)
			m.HandleProtocol(p, nil)
		}, "called before"},
		{"a handler twice", func() {
			m := NewMux(store, nil)
			m.Handle("x", handleNothing)
			m.Handle("x", handleNothing)
		}, "route key x has a handler already"},
		{"no handler", func() { NewMux(store, nil).Handle("x", nil) }, "the handler of route key x is nil"},
		{"a driver that opens nothing", func() { RegisterStore("nothing", nil) }, "the opener of nothing: is nil"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := fmt.Sprint(panicOf(tt.f))
			if !strings.Contains(got, tt.want) || strings.Contains(got, "\n") {
				t.Errorf("panics with %q, want a sentence with %q", got, tt.want)
			}
		})
	}
	if (&Publisher{}).CloseIdleConnections(); (&Publisher{}).Stats() != (Stats{}) {
		t.Error("a zero publisher has done something")
	}
}

func TestAZeroMemStoreIsAnEmptyStore(t *testing.T) {
	for name, use := range map[string]func(*MemStore) error{
		"a connection": func(s *MemStore) error {
			return s.Put(t.Context(), Connection{ID: "A=", Endpoint: testIdentity, User: "u", Topics: []string{"t"}, ConnectedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)})
		},
		"a stage": func(s *MemStore) error {
			_, err := s.PutStage(t.Context(), StageRecord{Endpoint{testIdentity, "http://localhost:1/dev"}, time.Now()})
			return err
		},
		"a publish": func(s *MemStore) error {
			r, err := NewPublisher(s, nil).Publish(t.Context(), ToUser("u"), nil, nil)
			return errors.Join(err, r.Err())
		},
	} {
		if err := use(new(MemStore)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A handler of the program's own wins over that of the protocol, in either order.
func TestAHandlerOfOnesOwnWinsOverTheProtocols(t *testing.T) {
	own := func(answer string) Handler {
		return func(context.Context, *Message) ([]byte, error) { return []byte(answer), nil }
	}
	for name, order := range map[string][2]int{"before": {0, 1}, "behind": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			store := NewMemStore(nil)
			m := NewMux(store, nil)
			steps := [2]func(){
				func() { m.Handle("ping", own("mine")); m.Handle("$default", own("anything")) },
				func() { m.HandleProtocol(NewPublisher(store, nil), nil) },
			}
			for _, i := range order {
				steps[i]()
			}
			for route, want := range map[string]string{"ping": `"body":"mine"`, "dance": `"body":"anything"`, "$default": `"body":"anything"`} {
				out, err := m.Invoke(t.Context(), messageEvent(t, testIdentity, "http://localhost:1", "A=", route))
				if err != nil || !strings.Contains(string(out), want) {
					t.Errorf("%s is answered with %s, %v", route, out, err)
				}
			}
			if got := fmt.Sprint(m.RouteKeys()); got != "[$connect $disconnect $default ping send subscribe unsubscribe]" {
				t.Errorf("RouteKeys() is %s", got)
			}
		})
	}
}

// panicking is a store whose listing panics, at once or in its middle.
type panicking struct {
	*MemStore
	behind int
}

func (s panicking) Connections(ctx context.Context, a Audience, o ListOptions) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		n := 0
		for l, err := range s.MemStore.Connections(ctx, a, o) {
			if n++; n > s.behind {
				panic("the driver is broken")
			}
			if !yield(l, err) {
				return
			}
		}
		panic("the driver is broken")
	}
}

// unlistable panics when it is asked for a listing.
type unlistable struct{ *MemStore }

func (unlistable) Connections(context.Context, Audience, ListOptions) iter.Seq2[Listed, error] {
	panic("the driver is broken")
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A panic in one of a publish's goroutines would end the process, whatever the caller
// recovers: aws-lambda-go and Mux.Invoke recover only their own.
func TestAPanicInAPublishIsTheCallers(t *testing.T) {
	ok := transport(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	})
	broken := errors.New("the hook is broken")
	for name, f := range map[string]func(s *MemStore) (Result, error){
		"a listing before it begins": func(s *MemStore) (Result, error) {
			return NewPublisher(unlistable{s}, &PublisherOptions{Transport: ok}).Publish(t.Context(), Everyone(), nil, nil)
		},
		"a listing": func(s *MemStore) (Result, error) {
			return NewPublisher(panicking{s, 0}, &PublisherOptions{Transport: ok}).Publish(t.Context(), Everyone(), nil, nil)
		},
		"a listing in its middle": func(s *MemStore) (Result, error) {
			return NewPublisher(panicking{s, 40}, &PublisherOptions{Transport: ok}).Publish(t.Context(), Everyone(), nil, nil)
		},
		"OnResult": func(s *MemStore) (Result, error) {
			return NewPublisher(s, &PublisherOptions{Transport: ok}).Publish(t.Context(), Everyone(), nil, &PublishOptions{OnResult: func(Outcome) { panic(broken) }})
		},
		"OnResult, one at a time": func(s *MemStore) (Result, error) {
			return NewPublisher(s, &PublisherOptions{Transport: ok, Concurrency: 1}).Publish(t.Context(), Everyone(), nil, &PublishOptions{OnResult: func(Outcome) { panic(broken) }})
		},
		"a transport": func(s *MemStore) (Result, error) {
			return NewPublisher(s, &PublisherOptions{Concurrency: 4, Transport: transport(func(*http.Request) (*http.Response, error) { panic("the transport is broken") })}).Publish(t.Context(), Everyone(), nil, nil)
		},
		"a transport at the second attempt": func(s *MemStore) (Result, error) {
			return NewPublisher(s, &PublisherOptions{Concurrency: 2, Random: func() float64 { panic("no random numbers are left") }, Transport: transport(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 429, Body: http.NoBody, Request: r}, nil
			})}).Publish(t.Context(), Everyone(), nil, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := at(t, "http://localhost:1/dev", 200)
			value := panicOf(func() {
				r, err := f(s)
				t.Errorf("returned %v, %v", r, err)
			})
			err, isError := value.(error)
			if !isError || !slices.ContainsFunc([]string{"is broken", "no random"}, func(s string) bool { return strings.Contains(err.Error(), s) }) || !strings.Contains(err.Error(), "goroutine ") {
				t.Errorf("panics with %v", value)
			}
			if strings.HasPrefix(name, "OnResult") && !errors.Is(err, broken) {
				t.Errorf("%v does not lead to what was panicked with", err)
			}
		})
	}
}
