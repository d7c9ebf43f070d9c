package invokeapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fakes are functions of a test, by name.
type fakes map[string]func(ctx context.Context, payload []byte, c *Call) ([]byte, error)

func (f fakes) Find(name string) (string, bool) { _, ok := f[name]; return name, ok }

func (f fakes) Invoke(ctx context.Context, id string, payload []byte, c *Call) ([]byte, error) {
	return f[id](ctx, payload, c)
}

// ask sends one request to a server whose requests are all signed.
func ask(t *testing.T, s *Server, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	s.Region, s.Account = "eu-west-1", "123456789012"
	if s.Verify == nil {
		s.Verify = func(*http.Request, []byte) (string, error) { return "eu-west-1", nil }
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:1"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	s.Handler(func(host string) bool { return host == "127.0.0.1:1" }).ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const invocations = "/2015-03-31/functions/chat/invocations"

func TestAFunctionIsInvokedByEachFormOfItsName(t *testing.T) {
	for _, c := range []struct{ name, query, qualifier string }{
		{"chat", "", ""},
		{"chat:live", "", "live"},
		{"chat", "?Qualifier=3", "3"},
		{"chat:live", "?Qualifier=live", "live"},
		{"chat:$LATEST", "", "$LATEST"},
		{"123456789012:function:chat", "", ""},
		{"123456789012:chat", "", ""},
		{"arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Achat", "", ""},
		{"arn:aws:lambda:eu-west-1:123456789012:function:chat:live", "", "live"},
	} {
		var got *Call
		s := &Server{Functions: fakes{"chat": func(_ context.Context, payload []byte, c *Call) ([]byte, error) { got = c; return payload, nil }}}
		a := ask(t, s, "POST", "/2015-03-31/functions/"+c.name+"/invocations"+c.query, `{"a":1}`)
		if body := bodyOf(t, a); a.StatusCode != 200 || body != `{"a":1}` || got == nil || got.Qualifier != c.qualifier || got.RequestID != a.Header.Get("X-Amzn-Requestid") || a.Header.Get("X-Amz-Executed-Version") != "$LATEST" {
			t.Errorf("%s%s: %d %s, %+v, %v", c.name, c.query, a.StatusCode, body, got, a.Header)
		}
	}
}

func TestWhatCannotBeInvokedIsRefusedWithLambdasTypes(t *testing.T) {
	large := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	for _, c := range []struct {
		name, path, body string
		headers          []string
		status           int
		kind, says       string
	}{
		{"no such function", "/2015-03-31/functions/mail/invocations", "{}", nil, 404, "ResourceNotFoundException", `{"Message":"Function not found: arn:aws:lambda:eu-west-1:123456789012:function:mail","Type":"User"}`},
		{"another account's", "/2015-03-31/functions/999999999999:function:chat/invocations", "{}", nil, 404, "ResourceNotFoundException", "arn:aws:lambda:eu-west-1:999999999999:function:chat"},
		{"another region's", "/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:chat/invocations", "{}", nil, 404, "ResourceNotFoundException", "us-east-1"},
		{"no name", "/2015-03-31/functions/a%20b/invocations", "{}", nil, 400, "ValidationException", "functionName"},
		{"two qualifiers", "/2015-03-31/functions/chat:a/invocations?Qualifier=b", "{}", nil, 400, "InvalidParameterValueException", "derived qualifier"},
		{"no JSON", invocations, "{", nil, 400, "InvalidRequestContentException", `"Type":"User"`},
		{"an unknown type", invocations, "{}", []string{"X-Amz-Invocation-Type", "Later"}, 400, "ValidationException", "invocationType"},
		{"an unknown log type", invocations, "{}", []string{"X-Amz-Log-Type", "All"}, 400, "ValidationException", "logType"},
		{"a broken client context", invocations, "{}", []string{"X-Amz-Client-Context", "e30"}, 400, "InvalidRequestContentException", "Client context"},
		{"more than 6 MB", invocations, large(MaxSyncBytes + 1), nil, 413, "RequestTooLargeException", "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"},
		{"much more", invocations, large(MaxSyncBytes + 1<<20), nil, 413, "RequestTooLargeException", "must be smaller"},
		{"an event of more than 1 MB", invocations, large(MaxAsyncBytes + 1), []string{"X-Amz-Invocation-Type", "Event"}, 413, "RequestTooLargeException", "(limit 1048576 bytes)"},
		{"another operation", "/2015-03-31/functions", "{}", nil, 404, "ResourceNotFoundException", "only Invoke is emulated"},
		{"streaming", "/2021-11-15/functions/chat/response-streaming-invocations", "{}", nil, 404, "ResourceNotFoundException", "only Invoke is emulated"},
		{"a page", invocations, "{}", []string{"Origin", "http://localhost:8080"}, 403, "AccessDeniedException", "no page"},
		{"a page without an Origin", invocations, "{}", []string{"Sec-Fetch-Mode", "no-cors"}, 403, "AccessDeniedException", "no page"},
		{"a page in a mode that Node.js has, too", invocations, "{}", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "cross-site"}, 403, "AccessDeniedException", "no page"},
		{"a rebound name", invocations, "{}", []string{"Host", "evil.example:1"}, 403, "AccessDeniedException", "this name"},
	} {
		invoked := false
		s := &Server{Functions: fakes{"chat": func(context.Context, []byte, *Call) ([]byte, error) { invoked = true; return nil, nil }}}
		a := ask(t, s, "POST", c.path, c.body, c.headers...)
		if body := bodyOf(t, a); a.StatusCode != c.status || a.Header.Get("X-Amzn-Errortype") != c.kind || !strings.Contains(body, c.says) || invoked || len(a.Header.Get("X-Amzn-Requestid")) != 36 {
			t.Errorf("%s: %d %s %s, invoked %v", c.name, a.StatusCode, a.Header.Get("X-Amzn-Errortype"), body, invoked)
		}
	}
}

func TestAWrongSignatureIsRefusedBeforeAnythingIsLookedAt(t *testing.T) {
	s := &Server{
		Functions: fakes{"chat": func(context.Context, []byte, *Call) ([]byte, error) { t.Error("it was invoked"); return nil, nil }},
		Verify:    func(*http.Request, []byte) (string, error) { return "", errors.New("guessed") },
		Refused: func(err error) (int, string, string) {
			return 403, "InvalidSignatureException", "said: " + err.Error()
		},
	}
	for _, path := range []string{invocations, "/2015-03-31/functions/other/invocations", "/"} {
		a := ask(t, s, "POST", path, "{}")
		if body := bodyOf(t, a); a.StatusCode != 403 || a.Header.Get("X-Amzn-Errortype") != "InvalidSignatureException" || body != `{"message":"said: guessed"}` {
			t.Errorf("%s: %d %s", path, a.StatusCode, body)
		}
	}
}

func TestAnAnswerSaysHowTheInvocationEnded(t *testing.T) {
	s := &Server{Functions: fakes{
		"fails": func(context.Context, []byte, *Call) ([]byte, error) {
			return nil, &FunctionError{Body: []byte(`{"errorType":"Error","errorMessage":"no"}`), Err: errors.New("no")}
		},
		"busy": func(context.Context, []byte, *Call) ([]byte, error) { return nil, ErrBusy },
		"logs": func(_ context.Context, _ []byte, c *Call) ([]byte, error) {
			if c.Line == nil {
				return []byte("null"), nil
			}
			for range 1000 {
				c.Line("a line of a log")
			}
			c.Line("the last one")
			return []byte("null"), nil
		},
		"context": func(_ context.Context, _ []byte, c *Call) ([]byte, error) { return []byte(c.ClientContext), nil },
	}}
	a := ask(t, s, "POST", "/2015-03-31/functions/fails/invocations", "{}")
	if body := bodyOf(t, a); a.StatusCode != 200 || a.Header.Get("X-Amz-Function-Error") != "Unhandled" || body != `{"errorType":"Error","errorMessage":"no"}` {
		t.Errorf("a failure: %d %v %s", a.StatusCode, a.Header, body)
	}
	a = ask(t, s, "POST", "/2015-03-31/functions/busy/invocations", "{}")
	var said struct{ Reason, Type, Message string }
	if body := bodyOf(t, a); json.Unmarshal([]byte(body), &said) != nil || a.StatusCode != 429 || a.Header.Get("X-Amzn-Errortype") != "TooManyRequestsException" || said.Reason != "ReservedFunctionConcurrentInvocationLimitExceeded" || said.Type != "User" {
		t.Errorf("no place: %d %v %s", a.StatusCode, a.Header, body)
	}
	a = ask(t, s, "POST", "/2015-03-31/functions/logs/invocations", "{}", "X-Amz-Log-Type", "Tail")
	log, err := base64.StdEncoding.DecodeString(a.Header.Get("X-Amz-Log-Result"))
	if err != nil || len(log) > 4096 || !strings.Contains(string(log), "the last one\nEND RequestId: "+a.Header.Get("X-Amzn-Requestid")+"\nREPORT ") {
		t.Errorf("the log: %d bytes, %v, %.200s", len(log), err, log)
	}
	a = ask(t, s, "POST", "/2015-03-31/functions/logs/invocations", "{}")
	if a.Header.Get("X-Amz-Log-Result") != "" {
		t.Error("a log that nobody has asked for")
	}
	a = ask(t, s, "POST", "/2015-03-31/functions/context/invocations", "{}", "X-Amz-Client-Context", base64.StdEncoding.EncodeToString([]byte("{\n \"custom\": {}}")))
	if body := bodyOf(t, a); body != `{"custom":{}}` {
		t.Errorf("the client context is %s", body)
	}
	a = ask(t, s, "POST", "/2015-03-31/functions/fails/invocations", "{}", "X-Amz-Invocation-Type", "DryRun")
	if body := bodyOf(t, a); a.StatusCode != 204 || body != "" {
		t.Errorf("a dry run: %d %s", a.StatusCode, body)
	}
}

func TestAnEventIsTakenAtOnceAndItsFunctionWaitsForAPlace(t *testing.T) {
	got := make(chan *Call, 1)
	functions := fakes{"chat": func(_ context.Context, payload []byte, c *Call) ([]byte, error) { got <- c; return nil, nil }}
	q := NewQueue(QueueOptions{Functions: functions})
	defer q.Close(t.Context())
	s := &Server{Functions: functions, Queue: q}
	a := ask(t, s, "POST", invocations, `{"a":1}`, "X-Amz-Invocation-Type", "Event", "X-Amz-Client-Context", "e30=")
	if body := bodyOf(t, a); a.StatusCode != 202 || body != "" {
		t.Errorf("%d %s", a.StatusCode, body)
	}
	if c := <-got; !c.Event || c.RequestID != a.Header.Get("X-Amzn-Requestid") || c.ClientContext != "" {
		t.Errorf("%+v", c)
	}
}

func TestWhatIsNotHereIsForwardedIfThatIsWanted(t *testing.T) {
	var mu sync.Mutex
	var forwarded []string
	s := &Server{
		Functions: fakes{"chat": func(context.Context, []byte, *Call) ([]byte, error) { return []byte("1"), nil }},
		Forward: func(w http.ResponseWriter, r *http.Request, region string, body []byte) {
			mu.Lock()
			defer mu.Unlock()
			forwarded = append(forwarded, r.URL.Path+" "+region+" "+string(body))
			w.WriteHeader(299)
		},
	}
	for _, path := range []string{"/2015-03-31/functions/mail/invocations", "/2015-03-31/functions/"} {
		if a := ask(t, s, "POST", path, `{}`); a.StatusCode != 299 {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	if a := ask(t, s, "POST", invocations, `{}`); a.StatusCode != 200 || len(forwarded) != 2 || forwarded[0] != "/2015-03-31/functions/mail/invocations eu-west-1 {}" {
		t.Error(a.StatusCode, forwarded)
	}
}

func TestAFunctionThatIsNotHereIsSaidOnce(t *testing.T) {
	var said []string
	s := &Server{Functions: fakes{"chat": nil}, Notice: func(text string) { said = append(said, text) }}
	for range 3 {
		ask(t, s, "POST", "/2015-03-31/functions/mail/invocations", "{}")
	}
	ask(t, s, "POST", "/2015-03-31/functions/999999999999:function:chat/invocations", "{}")
	if len(said) != 2 || !strings.Contains(said[0], "function:mail was invoked, and the app that runs here has no function of that name") || !strings.Contains(said[1], "the one that runs here is of the region eu-west-1 and the account 123456789012") {
		t.Errorf("%q", said)
	}
}

func FuzzNamesOfFunctions(f *testing.F) {
	for _, name := range []string{"chat", "chat:live", "123456789012:function:chat", "arn:aws:lambda:eu-west-1:123456789012:function:chat:$LATEST", "function:a:b", ":::"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		parsed, ok := parseName(name)
		if !ok {
			return
		}
		if parsed.name == "" || len(name) > 256 {
			t.Errorf("%q is %+v", name, parsed)
		}
		whole := arn("eu-west-1", "123456789012", parsed)
		again, ok := parseName(whole)
		if len(whole) <= 256 && (!ok || again.name != parsed.name || again.qualifier != parsed.qualifier) {
			t.Errorf("%q is %+v, and %q is %+v", name, parsed, whole, again)
		}
	})
}
