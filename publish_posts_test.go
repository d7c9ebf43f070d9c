package wirepost

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func TestOnlyTheOwnPartSendsToAConnection(t *testing.T) {
	m := newManager(t, nil)
	s := at(t, m.URL+"/dev", 1)
	sent := 0
	for part := range 3 {
		r, err := publisher(t, s, &PublisherOptions{Endpoint: m.URL + "/dev"}).Publish(t.Context(), ToConnection("c0"), []byte("x"), &PublishOptions{Part: part, Parts: 3})
		if err != nil {
			t.Fatal(err)
		}
		sent += r.Sent
	}
	if sent != 1 || m.calls.Load() != 1 {
		t.Errorf("three parts sent %d, and the server got %d", sent, m.calls.Load())
	}
}

func TestAConnectionWithoutARowIsReachedOnlyThroughANamedEndpoint(t *testing.T) {
	m := newManager(t, nil)
	s := at(t, m.URL+"/dev", 0)
	over := Connection{ID: "expired", Endpoint: testIdentity, ConnectedAt: time.Now().Add(-time.Hour), ExpiresAt: time.Now().Add(-time.Second)}
	if err := s.Put(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	other := Identity{"other12345", "dev", "us-east-1"}
	for _, tt := range []struct {
		name     string
		endpoint string
		o        *PublishOptions
		want     string
	}{
		{"a row that expired, as with its token", "", nil, "sent 0, gone 1"},
		{"another stage was asked for", m.URL + "/dev", &PublishOptions{Only: &other}, "sent 0, gone 1"},
		{"an endpoint was named", m.URL + "/dev", nil, "sent 1"},
	} {
		r, err := publisher(t, s, &PublisherOptions{Endpoint: tt.endpoint}).Publish(t.Context(), ToConnection("expired"), []byte("x"), tt.o)
		if err != nil || r.String() != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.name, r, err, tt.want)
		}
	}
}

func TestAPageThatAnswers410RemovesNothing(t *testing.T) {
	m := newManager(t, func(_ int64, _ string, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(410)
		io.WriteString(w, "<html>gone</html>")
	})
	s := at(t, m.URL+"/dev", 1)
	r, err := publisher(t, s, nil).Publish(t.Context(), Everyone(), []byte("x"), nil)
	if err != nil || r.String() != "sent 0, failed 1 (not-api-gateway)" {
		t.Errorf("%q, %v", r, err)
	}
	if _, err := s.Connection(t.Context(), "c0"); err != nil {
		t.Errorf("the row is gone: %v", err)
	}
}

func TestWhatWasNeverSentIsNotCalledUnanswered(t *testing.T) {
	t.Run("no connection can be opened", func(t *testing.T) {
		p := publisher(t, at(t, "http://127.0.0.1:1/dev", 1), &PublisherOptions{Random: func() float64 { return 0 }, PostTimeout: 300 * time.Millisecond,
			Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done() // a host that swallows what is sent to it
				return nil, ctx.Err()
			}}})
		if err := p.Post(t.Context(), "c0", []byte("x")); ProblemOf(err) != ProblemEndpointUnreachable {
			t.Errorf("got %v, want %s", err, ProblemEndpointUnreachable)
		}
	})
	t.Run("every connection is busy", func(t *testing.T) {
		started, block := make(chan struct{}, 1), make(chan struct{})
		m := newManager(t, func(n int64, _ string, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				started <- struct{}{}
				<-block
			}
		})
		p := publisher(t, at(t, m.URL+"/dev", 2), &PublisherOptions{Concurrency: 1})
		var wg sync.WaitGroup
		wg.Go(func() { p.Post(t.Context(), "c0", []byte("first")) })
		<-started
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := p.Post(ctx, "c1", []byte("second")); ProblemOf(err) != ProblemDeadline {
			t.Errorf("got %v, want %s", err, ProblemDeadline)
		}
		close(block)
		wg.Wait()
	})
	t.Run("what listens closes before the handshake of TLS is over", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var accepting sync.WaitGroup
		accepting.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		})
		t.Cleanup(func() { l.Close(); accepting.Wait() })
		p := publisher(t, at(t, "https://"+l.Addr().String()+"/dev", 1), &PublisherOptions{PostTimeout: 400 * time.Millisecond})
		if err := p.Post(t.Context(), "c0", []byte("x")); ProblemOf(err) != ProblemEndpointUnreachable {
			t.Errorf("got %v, want %s", err, ProblemEndpointUnreachable)
		}
	})
	t.Run("a dial of somebody's own transport fails", func(t *testing.T) {
		var dials atomic.Int64
		p := publisher(t, at(t, "http://127.0.0.1:1/dev", 1), &PublisherOptions{Random: func() float64 { return 0 }, PostTimeout: time.Second,
			Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				dials.Add(1)
				return nil, &net.OpError{Op: "dial", Err: errors.New("no route")}
			}}})
		if err := p.Post(t.Context(), "c0", []byte("x")); ProblemOf(err) != ProblemEndpointUnreachable || dials.Load() < 2 {
			t.Errorf("got %v after %d dials, want %s after several", err, dials.Load(), ProblemEndpointUnreachable)
		}
	})
}

// hangingStore answers nothing about stages after a while, and never reaps.
type hangingStore struct {
	Store
	hang atomic.Bool
}

func (s *hangingStore) Stage(ctx context.Context, id Identity) (StageRecord, error) {
	if s.hang.Load() {
		<-ctx.Done()
		return StageRecord{}, ctx.Err()
	}
	return s.Store.Stage(ctx, id)
}

func (s *hangingStore) Reap(ctx context.Context, _ Audience, _ Listed) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func TestAStoreThatHangsDoesNotKeepPostsFromAnEndpointThatIsKnown(t *testing.T) {
	m := newManager(t, nil)
	s := &hangingStore{Store: at(t, m.URL+"/dev", 8)}
	var later atomic.Int64
	p := publisher(t, s, &PublisherOptions{PostTimeout: 5 * time.Second, Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }})
	if r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil); err != nil || r.Sent != 8 {
		t.Fatalf("%v, %v", r, err)
	}
	s.hang.Store(true)
	later.Store(int64(time.Minute))
	if r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil); err != nil || r.Sent != 8 {
		t.Errorf("%v %v, %v", r, r.Errors, err)
	}
}

func TestAStoreThatHangsDoesNotHoldAPublishPastItsPostTimeout(t *testing.T) {
	m := newManager(t, answerStatus(410, "GoneException", ""))
	p := publisher(t, &hangingStore{Store: at(t, m.URL+"/dev", 1)}, &PublisherOptions{PostTimeout: 200 * time.Millisecond})
	r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil)
	if err != nil || r.String() != "sent 0, gone 1 (kept: the store did not answer)" {
		t.Errorf("%q, %v", r, err)
	}
}

// Four clients that do not read come first in the listing, and there are four
// places: the others must not wait for them.
func TestAClientThatDoesNotReadDelaysNobodyElse(t *testing.T) {
	var healthy atomic.Int64
	all := make(chan struct{})
	m := newManager(t, func(_ int64, id string, w http.ResponseWriter, r *http.Request) {
		switch id {
		case "c0", "c1", "c10", "c11":
			select {
			case <-all:
			default:
				w.WriteHeader(429) // until everybody else has theirs
			}
		default:
			if healthy.Add(1) == 20 {
				close(all)
			}
		}
	})
	p := publisher(t, at(t, m.URL+"/dev", 24), &PublisherOptions{Concurrency: 4, PostTimeout: 30 * time.Second})
	if r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil); err != nil || r.Sent != 24 {
		t.Errorf("%v, %v", r, err)
	}
}

type countingCredentials struct{ n atomic.Int64 }

func (c *countingCredentials) Retrieve(context.Context) (aws.Credentials, error) {
	c.n.Add(1)
	return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
}

func TestCredentialsAreNotAskedForWithEachPost(t *testing.T) {
	m := newManager(t, nil)
	c := &countingCredentials{}
	if r, err := publisher(t, at(t, m.URL+"/dev", 50), &PublisherOptions{Credentials: c}).Publish(t.Context(), Everyone(), []byte("x"), nil); err != nil || r.Sent != 50 || c.n.Load() != 1 {
		t.Errorf("%v, %v: asked %d times", r, err, c.n.Load())
	}
}

func TestACancelledPublishSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := publisher(t, NewMemStore(nil), nil).Publish(ctx, Everyone(), []byte("x"), nil); !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestThePathOnTheWireIsTheOneThatIsSigned(t *testing.T) {
	var uri atomic.Value
	m := newManager(t, func(_ int64, _ string, _ http.ResponseWriter, r *http.Request) { uri.Store(r.RequestURI) })
	if err := publisher(t, at(t, m.URL+"/dev", 0), nil).Post(t.Context(), "a-_/+@=", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if want := "/dev/@connections/a-_%2F%2B%40%3D"; uri.Load() != want {
		t.Errorf("the request line has %v, want %s", uri.Load(), want)
	}
}
