package wirepost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// manager is a management API that a test scripts.
type manager struct {
	*httptest.Server
	answer func(n int64, id string, w http.ResponseWriter, r *http.Request)

	calls atomic.Int64
	mu    sync.Mutex
	got   map[string][]string // bodies by connection ID
}

func newManager(t *testing.T, answer func(n int64, id string, w http.ResponseWriter, r *http.Request)) *manager {
	m := &manager{answer: answer, got: map[string][]string{}}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		m.mu.Lock()
		m.got[id] = append(m.got[id], string(body))
		m.mu.Unlock()
		w.Header().Set("X-Amzn-Requestid", "00000000-0000-4000-8000-000000000000") // as every answer of API Gateway has one
		if n := m.calls.Add(1); m.answer != nil {
			m.answer(n, id, w, r)
		}
	}))
	t.Cleanup(m.Server.Close)
	return m
}

var testIdentity = Identity{"abc123", "dev", "us-east-1"}

// at makes a store whose stage record points to a URL, with n connections c0 … of
// user "u" and topic "t" that are an hour old.
func at(t *testing.T, url string, n int) *MemStore {
	t.Helper()
	s := NewMemStore(nil)
	if _, err := s.PutStage(t.Context(), StageRecord{Endpoint{testIdentity, url}, time.Now()}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		c := Connection{ID: fmt.Sprintf("c%d", i), Endpoint: testIdentity, User: "u", Topics: []string{"t"},
			ConnectedAt: time.Now().Add(-time.Hour), ExpiresAt: time.Now().Add(time.Hour)}
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func publisher(t *testing.T, s Store, o *PublisherOptions) *Publisher {
	p := NewPublisher(s, o)
	t.Cleanup(func() { p.CloseIdleConnections() })
	return p
}

// unmarked takes API Gateway's headers off an answer: it is another server's.
func unmarked(answer func(int64, string, http.ResponseWriter, *http.Request)) func(int64, string, http.ResponseWriter, *http.Request) {
	return func(n int64, id string, w http.ResponseWriter, r *http.Request) {
		w.Header().Del("X-Amzn-Requestid")
		answer(n, id, w, r)
	}
}

func answerStatus(status int, errorType, body string) func(int64, string, http.ResponseWriter, *http.Request) {
	return func(_ int64, _ string, w http.ResponseWriter, _ *http.Request) {
		if errorType != "" {
			w.Header().Set("x-amzn-ErrorType", errorType)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestEveryConnectionOfAnAudienceGetsTheMessageOnce(t *testing.T) {
	m := newManager(t, nil)
	s := at(t, m.URL+"/dev", 300)
	for _, to := range []Audience{ToUser("u"), ToTopic("t"), Everyone()} {
		m.got = map[string][]string{}
		r, err := publisher(t, s, nil).Publish(t.Context(), to, []byte("hi"), nil)
		if err != nil || r.Sent != 300 || r.String() != "sent 300" {
			t.Fatalf("%s: %v, %v", to, r, err)
		}
		for id, bodies := range m.got {
			if len(bodies) != 1 || bodies[0] != "hi" {
				t.Errorf("%s got %q", id, bodies)
			}
		}
		if len(m.got) != 300 {
			t.Errorf("%d connections were posted to", len(m.got))
		}
	}
}

func TestAnUnknownConnectionIsGone(t *testing.T) {
	r, err := publisher(t, NewMemStore(nil), nil).Publish(t.Context(), ToConnection("nobody="), []byte("x"), nil)
	if err != nil || r.Gone != 1 || r.Sent+r.Failed != 0 || r.String() != "gone 1" && r.String() != "sent 0, gone 1" {
		t.Errorf("%v (%q), %v", r, r.String(), err)
	}
}

func TestABareIDIsSentToTheOnlyStageAndElseNamesTheCandidates(t *testing.T) {
	m := newManager(t, nil)
	s := at(t, m.URL+"/dev", 0)
	if err := publisher(t, s, nil).Post(t.Context(), "x=", []byte("hi")); err != nil {
		t.Fatal(err)
	}
	other := Identity{"other12345", "dev", "us-east-1"}
	s.PutStage(t.Context(), StageRecord{Endpoint{other, m.URL + "/dev"}, time.Now()})
	err := publisher(t, s, nil).Post(t.Context(), "x=", []byte("hi"))
	if !errors.Is(err, ErrNoEndpoint) || !strings.Contains(err.Error(), other.String()) || !strings.Contains(err.Error(), testIdentity.String()) {
		t.Errorf("%v", err)
	}
}

func TestAMessageThatCannotArriveIsRefusedBeforeItIsSent(t *testing.T) {
	m := newManager(t, nil)
	p := publisher(t, at(t, m.URL+"/dev", 1), nil)
	for _, tt := range []struct {
		data []byte
		want Problem
	}{{make([]byte, MaxMessage+1), ProblemMessageSize}, {[]byte("a\xff"), ProblemMessageText}} {
		if _, err := p.Publish(t.Context(), Everyone(), tt.data, nil); ProblemOf(err) != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	if _, err := p.Publish(t.Context(), Audience{}, nil, nil); err == nil {
		t.Error("the zero audience was accepted")
	}
	if m.calls.Load() != 0 {
		t.Error("something was sent")
	}
}

func TestAGoneConnectionIsRemovedOnlyWhenThatIsCertain(t *testing.T) {
	gone := answerStatus(410, "GoneException", "")
	for _, tt := range []struct {
		name   string
		change func(c *Connection)
		answer func(int64, string, http.ResponseWriter, *http.Request)
		want   string
	}{
		{"an old row", func(*Connection) {}, gone, "sent 0, gone 1 (removed)"},
		{"without the error type", func(*Connection) {}, answerStatus(410, "", "<html>"), "sent 0, gone 1 (removed)"},
		{"a row that is younger than $connect may run", func(c *Connection) { c.ConnectedAt = time.Now().Add(-29 * time.Second) }, gone, "sent 0, gone 1 (kept: younger than 30 s)"},
		{"an answer without a date", func(*Connection) {}, func(n int64, id string, w http.ResponseWriter, r *http.Request) {
			w.Header()["Date"] = nil
			gone(n, id, w, r)
		}, "sent 0, gone 1 (kept: the answer has no date)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newManager(t, tt.answer)
			s := at(t, m.URL+"/dev", 0)
			c := Connection{ID: "c=", Endpoint: testIdentity, ConnectedAt: time.Now().Add(-time.Minute), ExpiresAt: time.Now().Add(time.Hour)}
			tt.change(&c)
			if err := s.Put(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			r, err := publisher(t, s, nil).Publish(t.Context(), Everyone(), []byte("x"), nil)
			if err != nil || r.String() != tt.want {
				t.Errorf("got %q, %v, want %q", r.String(), err, tt.want)
			}
			_, err = s.Connection(t.Context(), "c=")
			if removed := errors.Is(err, ErrNotFound); removed != (r.Removed == 1) {
				t.Errorf("removed is %d and the row is there: %v", r.Removed, !removed)
			}
		})
	}
}

func TestOnlyWhatCannotHaveBeenDeliveredIsRepeated(t *testing.T) {
	noWait := func() float64 { return 0 }
	for _, tt := range []struct {
		name   string
		answer func(n int64, w http.ResponseWriter)
		least  bool
		want   string
		calls  int64
	}{
		{"429 is repeated", func(n int64, w http.ResponseWriter) {
			if n < 4 {
				w.WriteHeader(429)
			}
		}, false, "sent 1", 4},
		{"500 is not", func(n int64, w http.ResponseWriter) { w.WriteHeader(500) }, false, "sent 0, failed 1 (server-error)", 1},
		{"500 is, if that was asked for", func(n int64, w http.ResponseWriter) {
			if n < 3 {
				w.WriteHeader(500)
			}
		}, true, "sent 1", 3},
		{"a reset is not", func(n int64, w http.ResponseWriter) { reset(w) }, false, "sent 0, failed 1 (no-answer)", 1},
		{"a reset is, if that was asked for", func(n int64, w http.ResponseWriter) {
			if n < 3 {
				reset(w)
			}
		}, true, "sent 1", 3},
		{"403 is not", func(n int64, w http.ResponseWriter) { w.WriteHeader(403) }, true, "sent 0, failed 1 (forbidden-unexplained)", 1},
		{"a redirect is not followed", func(n int64, w http.ResponseWriter) {
			w.Header().Del("X-Amzn-Requestid")
			w.Header().Set("Location", "/other")
			w.WriteHeader(301)
		}, false, "sent 0, failed 1 (not-api-gateway)", 1},
		{"a web page that answers 200 is no success", func(n int64, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>")
		}, false, "sent 0, failed 1 (not-api-gateway)", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newManager(t, func(n int64, _ string, w http.ResponseWriter, _ *http.Request) { tt.answer(n, w) })
			p := publisher(t, at(t, m.URL+"/dev", 1), &PublisherOptions{Random: noWait})
			r, err := p.Publish(t.Context(), Everyone(), []byte("x"), &PublishOptions{AtLeastOnce: tt.least})
			if err != nil || r.String() != tt.want || m.calls.Load() != tt.calls {
				t.Errorf("got %q after %d calls, %v (%v), want %q after %d", r.String(), m.calls.Load(), err, r.Errors, tt.want, tt.calls)
			}
		})
	}
}

// reset ends a connection without an answer, by RST.
func reset(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func TestAnEndpointThatMovedIsFoundByTheFirstFailure(t *testing.T) {
	old := newManager(t, nil)
	s := at(t, old.URL+"/dev", 1)
	// No connection is kept: one that the old gateway closes under a request is
	// another story, whose outcome nobody can know.
	p := publisher(t, s, &PublisherOptions{Random: func() float64 { return 0 }, Transport: &oneConnectionEach{}})
	if r, err := p.Publish(t.Context(), Everyone(), []byte("1"), nil); err != nil || r.Sent != 1 {
		t.Fatalf("%v, %v", r, err)
	}
	old.Server.Close()
	moved := newManager(t, nil)
	s.PutStage(t.Context(), StageRecord{Endpoint{testIdentity, moved.URL + "/dev"}, time.Now().Add(time.Second)})
	if r, err := p.Publish(t.Context(), Everyone(), []byte("2"), nil); err != nil || r.Sent != 1 {
		t.Fatalf("%v %v, %v", r, r.Errors, err)
	}
	if got := fmt.Sprint(moved.got["c0"]); got != "[2]" {
		t.Errorf("the new endpoint got %s", got)
	}
}

func TestAnEndpointIsNeverOverriddenForARow(t *testing.T) {
	right, wrong := newManager(t, nil), newManager(t, nil)
	p := publisher(t, at(t, right.URL+"/dev", 1), &PublisherOptions{Endpoint: wrong.URL + "/dev"})
	if r, err := p.Publish(t.Context(), ToConnection("c0"), []byte("x"), nil); err != nil || r.Sent != 1 || wrong.calls.Load() != 0 {
		t.Errorf("%v, %v; the override got %d", r, err, wrong.calls.Load())
	}
	if err := p.Post(t.Context(), "bare=", []byte("x")); err != nil || wrong.calls.Load() != 1 {
		t.Errorf("a bare ID: %v; the override got %d", err, wrong.calls.Load())
	}
}

// A Lambda is frozen between invocations while the other side closes the idle
// connections of its pool; the first publish after must not fall into them.
func TestAPublisherThatSleptForAnHourDeliversItsFirstPublishWhole(t *testing.T) {
	m := newManager(t, nil)
	s := at(t, m.URL+"/dev", 200)
	var slept atomic.Int64
	p := publisher(t, s, &PublisherOptions{Now: func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }})
	if r, err := p.Publish(t.Context(), Everyone(), []byte("1"), nil); err != nil || r.Sent != 200 {
		t.Fatalf("%v, %v", r, err)
	}
	m.Server.CloseClientConnections()
	slept.Store(int64(time.Hour))
	if r, err := p.Publish(t.Context(), Everyone(), []byte("2"), nil); err != nil || r.Sent != 200 {
		t.Fatalf("after an hour: %v %v, %v", r, r.Errors, err)
	}
}

func TestTimeThatRunsOutLeavesACursorForTheRest(t *testing.T) {
	const n = 50
	block := make(chan struct{})
	m := newManager(t, func(calls int64, _ string, w http.ResponseWriter, r *http.Request) {
		if calls > 10 {
			select {
			case <-block:
			case <-r.Context().Done():
			}
		}
	})
	s := at(t, m.URL+"/dev", n)
	p := publisher(t, s, &PublisherOptions{Concurrency: 4, Margin: 100 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	first, err := p.Publish(ctx, Everyone(), []byte("x"), nil)
	if err != nil || first.Next == "" || first.Sent < 6 || first.Sent+first.Failed >= n {
		t.Fatalf("%v next=%q, %v", first, first.Next, err)
	}
	close(block)
	rest, err := p.Publish(t.Context(), Everyone(), []byte("x"), &PublishOptions{After: first.Next})
	if err != nil || first.Sent+first.Failed+rest.Sent != n {
		t.Errorf("%v, then %v, %v: %d are missing", first, rest, err, n-first.Sent-first.Failed-rest.Sent)
	}
	for id, bodies := range m.got {
		if len(bodies) != 1 {
			t.Errorf("%s was posted to %d times", id, len(bodies))
		}
	}
}

func TestEachAnswerIsExplained(t *testing.T) {
	for _, tt := range []struct {
		status          int
		errorType, body string
		want            Problem
	}{
		{400, "BadRequestException", `{"message":"Invalid connectionId: x"}`, ProblemConnectionID},
		{403, "ForbiddenException", `{"message":"Forbidden"}`, ProblemForbidden},
		{403, "AccessDeniedException", `{"Message":"User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: execute-api:ManageConnections on resource: arn:aws:execute-api:us-east-1:********1380:a/dev/POST/@connections/{connectionId}"}`, ProblemSendDenied},
		{403, "AccessDeniedException", `{"Message":"User: x is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:1:a/prod/POST/prod/@connections/x"}`, ProblemEndpointStageOnDomain},
		{403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`, ProblemPathNotSend},
		{403, "InvalidSignatureException", `{"message":"Credential should be scoped to correct service: 'execute-api'. "}`, ProblemEndpointResolver},
		{403, "InvalidSignatureException", `{"message":"Credential should be scoped to a valid region, not 'us-east-1'. "}`, ProblemSigningRegion},
		{403, "InvalidSignatureException", `{"message":"The request signature we calculated does not match the signature you provided."}`, ProblemSignatureMismatch},
		{403, "InvalidSignatureException", `{"message":"Signature expired: 20260101T000000Z is now earlier than …"}`, ProblemClockSkew},
		{403, "ExpiredTokenException", `{"message":"The security token included in the request is expired"}`, ProblemCredentialsInvalid},
		{404, "NotFoundException", `{"message":"No method found matching route prod/@connections/x for http method POST."}`, ProblemPathNotSend},
		{413, "PayloadTooLargeException", `{"message":"Message too long"}`, ProblemMessageSize},
		{503, "", "<html>", ProblemServerError},
		{418, "TeapotException", "", ProblemUnexpected},
		{418, "", "", ProblemNotAPIGateway},
		{404, "", "no such file", ProblemNotAPIGateway},
		{403, "", "no", ProblemNotAPIGateway},
		{403, "", `{"message":"Forbidden"}`, ProblemForbidden},
	} {
		t.Run(fmt.Sprint(tt.status, tt.want), func(t *testing.T) {
			answer := answerStatus(tt.status, tt.errorType, tt.body)
			if tt.want == ProblemNotAPIGateway {
				answer = unmarked(answer)
			}
			err := publisher(t, at(t, newManager(t, answer).URL+"/dev", 1), nil).Post(t.Context(), "c0", []byte("x"))
			var e *Error
			if !errors.As(err, &e) || e.Problem != tt.want || e.Status != tt.status || !e.Answered() || e.Endpoint == "" || e.ConnectionID != "c0" {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestWhatTheNetworkSaysIsExplained(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String() + "/dev"
	l.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	plain := newManager(t, nil)
	for _, tt := range []struct {
		name, url string
		want      Problem
	}{
		{"nothing listens", closed, ProblemEndpointRefused},
		{"a certificate of nobody", secure.URL + "/dev", ProblemEndpointCertificate},
		{"plain HTTP where HTTPS was meant", strings.Replace(plain.URL, "http:", "https:", 1) + "/dev", ProblemNotAPIGateway},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := publisher(t, at(t, tt.url, 1), &PublisherOptions{Random: func() float64 { return 0 }})
			err := p.Post(t.Context(), "c0", []byte("x"))
			if ProblemOf(err) != tt.want || err.(*Error).Answered() {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestAStoreThatContradictsItselfIsFoundBeforeAnythingIsSent(t *testing.T) {
	s := at(t, "https://abc123.execute-api.eu-west-1.amazonaws.com/dev", 1) // its identity says us-east-1
	if err := publisher(t, s, nil).Post(t.Context(), "c0", []byte("x")); ProblemOf(err) != ProblemSigningRegion {
		t.Errorf("got %v", err)
	}
}

func TestGetAndDeleteSayGoneAsAnError(t *testing.T) {
	m := newManager(t, answerStatus(410, "GoneException", ""))
	p := publisher(t, at(t, m.URL+"/dev", 1), nil)
	if _, err := p.Get(t.Context(), "c0"); !errors.Is(err, ErrGone) {
		t.Errorf("Get: %v", err)
	}
	if err := p.Close(t.Context(), "c0"); !errors.Is(err, ErrGone) {
		t.Errorf("Delete: %v", err)
	}
}

func TestAResultIsOneLineForPeople(t *testing.T) {
	for _, tt := range []struct {
		r    Result
		want string
	}{
		{Result{}, "sent 0"},
		{Result{Sent: 2, Gone: 1, Removed: 1}, "sent 2, gone 1 (removed)"},
		{Result{Sent: 2, Gone: 3, Removed: 1, Kept: map[KeptReason]int{KeptTooYoung: 2}}, "sent 2, gone 3 (1 removed, 2 kept: younger than 30 s)"},
		{Result{Failed: 2, Problems: map[Problem]int{ProblemThrottled: 2}}, "sent 0, failed 2 (throttled)"},
		{Result{Failed: 3, Problems: map[Problem]int{ProblemThrottled: 2, ProblemNoAnswer: 1}, Next: "x"}, "sent 0, failed 3 (1 no-answer, 2 throttled), not finished"},
	} {
		if got := tt.r.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// oneConnectionEach dials anew for each request.
type oneConnectionEach struct{ t http.Transport }

func (o *oneConnectionEach) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Close = true
	return o.t.RoundTrip(r)
}
