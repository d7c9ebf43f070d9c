package wirepost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// messageEvent is a frame of a client of an API on this machine, as its gateway gives it
// to a function.
func messageEvent(t *testing.T, id Identity, url, connection, route string) []byte {
	t.Helper()
	now := time.Now().UnixMilli()
	host := strings.Replace(strings.TrimPrefix(url, "http://"), "127.0.0.1", "localhost", 1)
	event, err := json.Marshal(map[string]any{"body": "x", "requestContext": map[string]any{"eventType": "MESSAGE", "routeKey": route, "connectionId": connection,
		"apiId": id.APIID, "stage": id.Stage, "domainName": host, "connectedAt": now - 60_000, "requestTimeEpoch": now}})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

var otherIdentity = Identity{"other12345", "prod", "us-east-1"}

// The row of the connection has ended, and two stages share the store.
func TestAHandlerAnswersAndClosesAClientWithoutARow(t *testing.T) {
	for name, given := range map[string]bool{"its own publisher": true, "one that is made": false} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
			t.Setenv("WIREPOST_ENDPOINT", "")
			var calls []string
			m := newManager(t, func(_ int64, id string, _ http.ResponseWriter, r *http.Request) {
				calls = append(calls, r.Method+" "+r.URL.Path)
			})
			s := at(t, m.URL+"/dev", 3) // others' rows
			if _, err := s.PutStage(t.Context(), StageRecord{Endpoint{otherIdentity, m.URL + "/prod"}, time.Now()}); err != nil {
				t.Fatal(err)
			}
			o := &MuxOptions{}
			if given {
				o.Publisher = publisher(t, s, nil)
			}
			mux := NewMux(s, o)
			mux.Handle("hello", func(ctx context.Context, m *Message) ([]byte, error) {
				if _, err := m.Connection(ctx); !errors.Is(err, ErrNotFound) {
					return nil, fmt.Errorf("a row: %w", err)
				}
				return nil, errors.Join(m.Post(ctx, []byte("your time is over")), m.Close(ctx))
			})
			out, err := mux.Invoke(t.Context(), messageEvent(t, otherIdentity, m.URL, "gone=", "hello"))
			if err != nil || string(out) != `{"statusCode":200}` {
				t.Fatalf("answered %s, %v", out, err)
			}
			if want := "[POST /prod/@connections/gone= DELETE /prod/@connections/gone=]"; fmt.Sprint(calls) != want || m.got["gone="][0] != "your time is over" {
				t.Errorf("called %q, posted %q", calls, m.got)
			}
		})
	}
}

// away is a store that does not know stages any more, or does not answer.
type away struct {
	*MemStore
	err error
}

func (s away) Stage(context.Context, Identity) (StageRecord, error) { return StageRecord{}, s.err }
func (s away) PutStage(context.Context, StageRecord) (StageRecord, error) {
	return StageRecord{}, errors.New("the table does not answer")
}

func TestAMessageIsAnsweredAtItsOwnEndpointWhateverTheStoreSays(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
	t.Setenv("WIREPOST_ENDPOINT", "")
	m := newManager(t, nil)
	for _, storeErr := range []error{ErrNotFound, errors.New("the table does not answer")} {
		now := time.Now()
		store := away{NewMemStore(nil), storeErr}
		mux := NewMux(store, &MuxOptions{Publisher: publisher(t, store, &PublisherOptions{Now: func() time.Time { return now }})})
		mux.Handle("hello", func(ctx context.Context, m *Message) ([]byte, error) { return nil, m.Post(ctx, m.Body) })
		// Also when what the publisher has learned is old.
		for range 3 {
			if out, err := mux.Invoke(t.Context(), messageEvent(t, otherIdentity, m.URL, "A=", "hello")); err != nil || string(out) != `{"statusCode":200}` {
				t.Errorf("%v: answered %s, %v", storeErr, out, err)
			}
			now = now.Add(time.Minute)
		}
	}
	if m.calls.Load() != 6 {
		t.Errorf("%d posts", m.calls.Load())
	}
}

func TestAMessageIsCheckedAndAGoneSenderIsSaid(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
	m := newManager(t, answerStatus(410, "GoneException", ""))
	s := at(t, m.URL+"/dev", 0)
	mux := NewMux(s, nil)
	mux.Handle("hello", func(ctx context.Context, m *Message) ([]byte, error) {
		if err := m.Post(ctx, []byte("a\xff")); ProblemOf(err) != ProblemMessageText {
			t.Errorf("a message that is not text: %v", err)
		}
		if err := m.Post(ctx, make([]byte, MaxMessage+1)); ProblemOf(err) != ProblemMessageSize {
			t.Errorf("a message that is too long: %v", err)
		}
		if err := m.Post(ctx, nil); !errors.Is(err, ErrGone) {
			t.Errorf("a connection that has ended: %v", err)
		}
		if err := m.Close(ctx); !errors.Is(err, ErrGone) {
			t.Errorf("a connection that has ended: %v", err)
		}
		return nil, nil
	})
	if _, err := mux.Invoke(t.Context(), messageEvent(t, testIdentity, m.URL, "A=", "hello")); err != nil || m.calls.Load() != 2 {
		t.Errorf("%v, %d calls", err, m.calls.Load())
	}
}

func TestAMessageThatNoMuxMadeSaysSo(t *testing.T) {
	var m Message
	_, err := m.Connection(t.Context())
	for _, err := range []error{err, m.Subscribe(t.Context(), "t"), m.Unsubscribe(t.Context(), "t"), m.Post(t.Context(), nil), m.Close(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "was not made by a Mux") {
			t.Errorf("%v", err)
		}
	}
}

// What is logged of a bare ID that could be of several stages names no stage that there
// is not, and a cure that works.
func TestTheFixOfABareIDAmongSeveralStagesIsOneThatWorks(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
	t.Setenv("WIREPOST_ENDPOINT", "")
	var log bytes.Buffer
	s := at(t, "http://localhost:1/dev", 0)
	if _, err := s.PutStage(t.Context(), StageRecord{Endpoint{otherIdentity, "http://localhost:1/prod"}, time.Now()}); err != nil {
		t.Fatal(err)
	}
	post := func(o PublisherOptions) string {
		log.Reset()
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		if err := publisher(t, s, &o).Post(t.Context(), "gone=", []byte("x")); err == nil {
			t.Fatal("it was sent")
		}
		return log.String()
	}
	several := post(PublisherOptions{})
	for _, want := range []string{"problem=endpoint-unset", "Message.Post", "PublisherOptions.Endpoint", `connectionId="gone="`} {
		if !strings.Contains(several, want) {
			t.Errorf("the log does not say %q: %s", want, several)
		}
	}
	// With an override the stages of the store have nothing to do with it.
	override := post(PublisherOptions{Endpoint: "http://localhost:1/elsewhere", Region: "us-east-1", PostTimeout: time.Millisecond})
	if !strings.Contains(override, "endpoint=http://localhost:1/elsewhere") || strings.Contains(override, "Message.Post") {
		t.Errorf("logged %s", override)
	}
	service := post(PublisherOptions{Endpoint: "https://execute-api.us-east-1.amazonaws.com/dev"})
	if !strings.Contains(service, "name the API") {
		t.Errorf("logged %s", service)
	}
	for _, line := range []string{several, override, service} {
		if strings.Contains(line, "/@") && strings.Contains(line, "identity=") || strings.Contains(line, "connect one client") {
			t.Errorf("logged %s", line)
		}
	}
	// Where there is no stage at all, a client that connects is the cure.
	if err := publisher(t, NewMemStore(nil), nil).Post(t.Context(), "x=", nil); err == nil || !strings.Contains(Explain(err).Fix(), "connect one client") {
		t.Errorf("%v", err)
	}
}

func TestAnAnswerThatNoClientCanGetIsInTheLog(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
	var log bytes.Buffer
	mux := NewMux(NewMemStore(nil), &MuxOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	size := MaxMessage
	mux.Handle("hello", func(context.Context, *Message) ([]byte, error) { return bytes.Repeat([]byte("x"), size), nil })
	for _, logged := range []bool{false, true} {
		if out, err := mux.Invoke(t.Context(), messageEvent(t, testIdentity, "http://localhost:1", "A=", "hello")); err != nil || len(out) < size {
			t.Errorf("answered %d bytes, %v", len(out), err)
		}
		if strings.Contains(log.String(), "longer than a message may be") != logged || strings.Contains(log.String(), "xxx") {
			t.Errorf("%d bytes: logged %s", size, log.String())
		}
		size++
	}
}

// hanging is a store that answers nothing about stages.
type hanging struct{ *MemStore }

func (s hanging) Stage(ctx context.Context, _ Identity) (StageRecord, error) {
	<-ctx.Done()
	return StageRecord{}, ctx.Err()
}

func (s hanging) PutStage(ctx context.Context, _ StageRecord) (StageRecord, error) {
	<-ctx.Done()
	return StageRecord{}, ctx.Err()
}

func TestAMessageIsAnsweredSoonByAFunctionWhoseStoreHangs(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
	t.Setenv("WIREPOST_ENDPOINT", "")
	synctest.Test(t, func(t *testing.T) {
		store := hanging{NewMemStore(nil)}
		var took time.Duration
		mux := NewMux(store, &MuxOptions{Publisher: NewPublisher(store, &PublisherOptions{Transport: transport(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
		})})})
		mux.Handle("hello", func(ctx context.Context, m *Message) ([]byte, error) {
			began := time.Now()
			err := errors.Join(m.Post(ctx, []byte("x")), m.Close(ctx))
			took = time.Since(began)
			return nil, err
		})
		ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
		defer cancel()
		if out, err := mux.Invoke(ctx, messageEvent(t, otherIdentity, "http://localhost:1", "A=", "hello")); err != nil || string(out) != `{"statusCode":200}` || took > 2*time.Second {
			t.Errorf("answered %s, %v, after %v", out, err, took)
		}
	})
}
