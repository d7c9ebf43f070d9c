package lambdart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// runtimeClient plays the function of a process that does nothing itself.
type runtimeClient struct {
	f       *Function
	address string
}

func playRuntime(t *testing.T, change ...func(*Config)) *runtimeClient {
	t.Helper()
	said := listen()
	started := make(chan error, 1)
	r := &runtimeClient{}
	go func() { // ends with Start
		f, err := Start(t.Context(), as(t, "address", append(change, func(c *Config) { c.Output, c.Concurrency = said, 1 })...))
		r.f = f
		started <- err
	}()
	said.await(t, " .\n")
	r.address = regexp.MustCompile(`at (\S+) `).FindStringSubmatch(said.String())[1]
	return r.start(t, started)
}

// start lets the first /next begin the function; its client gives it up.
func (r *runtimeClient) start(t *testing.T, started chan error) *runtimeClient {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := make(chan struct{})
	go func() { // ends with ctx
		defer close(first)
		r.do(ctx, "GET", "invocation/next", nil, nil)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	cancel()
	<-first
	r.awaitNoNext(t)
	return r
}

// awaitNoNext returns when the server has seen that its client gave a /next up.
func (r *runtimeClient) awaitNoNext(t *testing.T) {
	t.Helper()
	awaitThat(t, func() bool {
		r.f.mu.Lock()
		defer r.f.mu.Unlock()
		for p := range r.f.processes {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.poll == nil && !p.inLine
		}
		return false
	}, func() string { return "the /next is still there" })
}

func (r *runtimeClient) do(ctx context.Context, method, path string, body io.Reader, change func(*http.Request)) (status int, header http.Header, said string) {
	if !strings.HasPrefix(path, "/") {
		path = "/2018-06-01/runtime/" + path
	}
	q, err := http.NewRequestWithContext(ctx, method, "http://"+r.address+path, body)
	if err != nil {
		return 0, nil, err.Error()
	}
	if change != nil {
		change(q)
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil, err.Error()
	}
	return answer.StatusCode, answer.Header, string(text)
}

type invoked struct {
	answer string
	err    error
}

func (r *runtimeClient) invoke(t *testing.T, event string) (id string, result chan invoked) {
	t.Helper()
	result = make(chan invoked, 1)
	go func() { // ends with the invocation
		answer, err := r.f.Invoke(t.Context(), []byte(event))
		result <- invoked{string(answer), err}
	}()
	status, header, said := r.do(t.Context(), "GET", "invocation/next", nil, nil)
	if status != 200 || said != event {
		t.Fatalf("next: %d %s", status, said)
	}
	return header.Get("Lambda-Runtime-Aws-Request-Id"), result
}

func TestTheRuntimeAPIRefusesWhateverAWebPageCouldSend(t *testing.T) {
	r := playRuntime(t)
	for name, change := range map[string]func(*http.Request){
		"origin":       func(q *http.Request) { q.Header.Set("Origin", "http://"+r.address) },
		"null origin":  func(q *http.Request) { q.Header.Set("Origin", "null") },
		"empty origin": func(q *http.Request) { q.Header.Set("Origin", "") },
		"site":         func(q *http.Request) { q.Header.Set("Sec-Fetch-Site", "none") },
		"mode":         func(q *http.Request) { q.Header.Set("sec-fetch-mode", "no-cors") },
		"mode and site": func(q *http.Request) {
			q.Header["Sec-Fetch-Mode"], q.Header["Sec-Fetch-Site"] = []string{"cors"}, []string{"cross-site"}
		},
		"rebound name":   func(q *http.Request) { q.Host = "evil.example" },
		"name and port":  func(q *http.Request) { q.Host = "localhost" + r.address[strings.IndexByte(r.address, ':'):] },
		"without a port": func(q *http.Request) { q.Host = "127.0.0.1" },
		"another port":   func(q *http.Request) { q.Host = "127.0.0.1:1" },
	} {
		for _, path := range []string{"invocation/next", "init/error", "invocation/x/response", "invocation/x/error", "/"} {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				if status, _, said := r.do(t.Context(), method, path, nil, change); status != 403 || !strings.Contains(said, `"errorType":"Forbidden"`) {
					t.Errorf("%s: %s %s: %d %s", name, method, path, status, said)
				}
			}
		}
	}
	if s := r.f.Stats(); s.Idle != 1 || s.Invocations != 0 {
		t.Errorf("%+v", s)
	}
}

func TestTheRuntimeAPIHoldsToItsStates(t *testing.T) {
	noGoroutineStays(t)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	r := playRuntime(t)
	check := func(what, method, path, body string, want int, kind string) {
		t.Helper()
		if status, _, said := r.do(t.Context(), method, path, strings.NewReader(body), nil); status != want || !strings.Contains(said, kind) {
			t.Errorf("%s: %d %s", what, status, said)
		}
	}
	check("no invocation", "POST", "invocation/0/response", "x", 400, "InvalidRequestID")
	check("started before", "POST", "init/error", "{}", 403, "InvalidStateTransition")
	check("no such path", "POST", "invocation/0/other", "x", 404, "NotFound")
	check("no extensions", "POST", "/2020-01-01/extension/register", "x", 404, "NotFound")
	check("wrong method", "POST", "invocation/next", "x", 405, "MethodNotAllowed")
	check("wrong method", "GET", "invocation/0/response", "", 405, "MethodNotAllowed")

	id, result := r.invoke(t, `{"a":1}`)
	check("not answered", "GET", "invocation/next", "", 403, "InvalidStateTransition")
	check("another ID", "POST", "invocation/"+strings.Repeat("0", 36)+"/response", "x", 400, "InvalidRequestID")
	check("no ID", "POST", "invocation//error", "x", 400, "InvalidRequestID")
	check("the answer", "POST", "invocation/"+id+"/response", `"b"`, 202, `{"status":"OK"}`)
	check("a second answer", "POST", "invocation/"+id+"/response", "x", 403, "InvalidStateTransition")
	check("a late error", "POST", "invocation/"+id+"/error", "x", 403, "InvalidStateTransition")
	if got := <-result; got.err != nil || got.answer != `"b"` {
		t.Errorf("%+v", got)
	}

	id2, result := r.invoke(t, `{}`)
	check("the ID before", "POST", "invocation/"+id+"/response", "x", 400, "InvalidRequestID")
	check("an error", "POST", "invocation/"+id2+"/error", "not JSON", 202, "OK")
	var failed *FunctionError
	if got := <-result; !errors.As(got.err, &failed) || failed.Message != "not JSON" || failed.RequestID != id2 {
		t.Errorf("%+v", got)
	}
	if s := r.f.Stats(); s.Invocations != 2 || s.Failed != 1 || s.Starts != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAnAnswerOrAnEventOfMoreThanSixMegabytesFails(t *testing.T) {
	r := playRuntime(t)
	id, result := r.invoke(t, `{}`)
	status, _, said := r.do(t.Context(), "POST", "invocation/"+id+"/response", bytes.NewReader(make([]byte, payloadLimit+1)), nil)
	if status != 413 && status != 0 { // 0: the connection was cut while the body was sent
		t.Errorf("%d %s", status, said)
	}
	var failed *FunctionError
	if got := <-result; !errors.As(got.err, &failed) || failed.Type != "Function.ResponseSizeTooLarge" {
		t.Errorf("%+v", got.err)
	}
	id, result = r.invoke(t, `{}`)
	if status, _, said := r.do(t.Context(), "POST", "invocation/"+id+"/response", bytes.NewReader(make([]byte, payloadLimit)), nil); status != 202 {
		t.Errorf("%d %s", status, said)
	}
	if got := <-result; got.err != nil || len(got.answer) != payloadLimit {
		t.Errorf("%d bytes, %v", len(got.answer), got.err)
	}
	if _, err := r.f.Invoke(t.Context(), make([]byte, payloadLimit+1)); err == nil || !strings.Contains(err.Error(), "the event has "+strconv.Itoa(payloadLimit+1)+" bytes and may have") {
		t.Error(err)
	}
}

func TestAnAnswerThatBreaksOffIsAnError(t *testing.T) {
	r := playRuntime(t)
	id, result := r.invoke(t, `{}`)
	status, _, said := r.do(t.Context(), "POST", "invocation/"+id+"/response", io.MultiReader(strings.NewReader("half")), func(q *http.Request) {
		q.Trailer = http.Header{
			"Lambda-Runtime-Function-Error-Type": {"Broken"},
			"Lambda-Runtime-Function-Error-Body": {"eyJlcnJvck1lc3NhZ2UiOiJubyBtb3JlIn0="},
		}
	})
	var failed *FunctionError
	if got := <-result; status != 202 || !errors.As(got.err, &failed) || failed.Error() != "Broken: no more" {
		t.Errorf("%d %s: %+v", status, said, got)
	}
}

func TestANextThatItsClientGaveUpLosesNoInvocation(t *testing.T) {
	r := playRuntime(t)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		r.do(ctx, "GET", "invocation/next", nil, nil)
		cancel()
	}
	r.awaitNoNext(t)
	id, result := r.invoke(t, `{}`)
	r.do(t.Context(), "POST", "invocation/"+id+"/response", strings.NewReader("1"), nil)
	if got := <-result; got.err != nil || got.answer != "1" {
		t.Errorf("%+v", got)
	}
}

func TestErrorsOfEveryRuntimeAreRead(t *testing.T) {
	for _, c := range []struct{ header, body, want string }{
		{"", `{"errorType":"T","errorMessage":"m","stackTrace":["a","b\n"]}`, "T: m [a b]"},
		{"", `{"errorType":"T","errorMessage":"m","trace":["a"]}`, "T: m [a]"},
		{"", `{"errorType":"T","errorMessage":"m","stackTrace":[{"path":"main.go","line":3,"label":"main"}]}`, "T: m [main (main.go:3)]"},
		{"H", `{"errorMessage":{"a":1}}`, `H: {"a":1} []`},
		{"H", `plain`, "H: plain []"},
		{"", `"text"`, `"text" []`},
		{"", ``, " []"},
	} {
		e := parseFunctionError(c.header, []byte(c.body))
		if got := fmt.Sprint(e, " ", e.StackTrace); got != c.want {
			t.Errorf("%s: %q, not %q", c.body, got, c.want)
		}
	}
}

func TestLinesOfOutputHaveAPrefixAndABound(t *testing.T) {
	said := listen()
	type logged struct{ id, line string }
	lines := make(chan logged, 100)
	f := begin(t, as(t, "talks", func(c *Config) {
		c.Output = said
		c.OnLog = func(_ context.Context, id, line string) { lines <- logged{id, line} }
	}))
	if _, err := f.Invoke(t.Context(), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	said.await(t, "the end\n")
	want := "[talks] out\n[talks] err\n[talks] \n[talks] " + strings.Repeat("x", maxLine) + "\n[talks] " + strings.Repeat("x", 10) + "\n[talks] the end\n"
	if got := said.String(); got != want {
		t.Errorf("%d bytes, not %d: %.100q", len(got), len(want), got)
	}
	if first := <-lines; len(first.id) != 36 || first.line != "out" {
		t.Errorf("%+v", first)
	}
}

func FuzzParseFunctionError(f *testing.F) {
	f.Add("T", []byte(`{"errorType":"T","errorMessage":"m","stackTrace":["a",{"path":"p","line":1}]}`))
	f.Add("", []byte(`{"trace":[null,1,{}]}`))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		e := parseFunctionError(header, body)
		l := &launch{name: "f", handler: "index.handler", dir: "testdata"}
		for _, l.source.Kind = range []Kind{Program, Node, Python} {
			if said := l.explainInit(e); said == "" {
				t.Errorf("nothing is said of %q", body)
			}
		}
	})
}

func FuzzTraceID(f *testing.F) {
	f.Add([]byte(`{"headers":{"X-Amzn-Trace-Id":"Root=1-aa-bb"}}`))
	f.Add([]byte(`{"headers":{"x-amzn-trace-id":["Root=1\r\n"]}}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		if id := traceID(event, 1); !isTraceID(id) {
			t.Errorf("%q became %q", event, id)
		}
	})
}
