package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
)

// backend answers what it was sent.
func backend(t *testing.T, h http.HandlerFunc) string {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnHTTPIntegrationGetsTheBodyAndItsAnswerGoesBack(t *testing.T) {
	url := backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s id=%d stage=%s fixed=%s", r.Method, body, len(r.Header.Get("Connection-Id")), r.Header.Get("Stage"), r.Header.Get("Fixed"))
	})
	host := serve(t, &Server{Routes: map[string]Route{
		"bare":   {Function: &HTTPProxy{URL: url}, RouteResponse: true},
		"mapped": {Function: &HTTPProxy{URL: url, Method: "PUT", Headers: map[string]string{"Connection-Id": "context.connectionId", "Stage": "context.stage", "Fixed": "v"}}, RouteResponse: true},
		"silent": {Function: &HTTPProxy{URL: url}},
	}})
	c := dial(t, host, nil)
	write(t, c, `{"action":"silent"}`)
	for message, want := range map[string]string{
		`{"action":"bare"}`:   `POST {"action":"bare"} id=0 stage= fixed=`,
		`{"action":"mapped"}`: `PUT {"action":"mapped"} id=16 stage=dev fixed=v`,
	} {
		write(t, c, message)
		if got := read(t, c); got != want {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}

func TestAnHTTPBackendDecidesAboutAConnect(t *testing.T) {
	url := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "yes" || r.Header.Get("Sec-WebSocket-Version") != "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Sec-WebSocket-Protocol", r.Header.Get("Sec-WebSocket-Protocol"))
	})
	host := serve(t, &Server{Routes: map[string]Route{"$connect": {Function: &HTTPProxy{URL: url}}}})
	if _, r, err := websocket.Dial(t.Context(), "ws://"+host+"/dev", nil); err == nil || r.StatusCode != 403 {
		t.Errorf("without the header: %v", err)
	}
	c := dial(t, host, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"yes"}}, Subprotocols: []string{"v1"}})
	if c.Subprotocol() != "v1" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
}

func TestAnIntegrationThatCannotBeReachedIsAnError(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	host := serve(t, &Server{Routes: map[string]Route{
		"http":   {Function: &HTTPProxy{URL: dead.URL}},
		"lambda": {Function: &LambdaEndpoint{URL: dead.URL, Name: "f"}},
		"bad":    {Function: &HTTPProxy{URL: "http://%zz"}},
	}})
	c := dial(t, host, nil)
	for _, key := range []string{"http", "lambda", "bad"} {
		write(t, c, `{"action":"`+key+`"}`)
		if got := read(t, c); !strings.HasPrefix(got, `{"message": "Internal server error"`) {
			t.Errorf("%s: %q", key, got)
		}
	}
}

func TestAMockAnswersByItself(t *testing.T) {
	host := serve(t, &Server{Routes: map[string]Route{
		"$connect": {Function: &Mock{}},
		"ping":     {Function: &Mock{Body: `{"pong":true}`}, RouteResponse: true},
	}})
	c := dial(t, host, nil)
	write(t, c, `{"action":"ping"}`)
	if got := read(t, c); got != `{"pong":true}` {
		t.Errorf("%q", got)
	}
	refusing := serve(t, &Server{Routes: map[string]Route{"$connect": {Function: &Mock{Status: 401}}}})
	if _, r, err := websocket.Dial(t.Context(), "ws://"+refusing+"/dev", nil); err == nil || r.StatusCode != 401 {
		t.Errorf("a mock of 401: %v", err)
	}
}

func TestAFunctionBehindAnInvokeEndpointIsInvoked(t *testing.T) {
	url := backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.EscapedPath() != "/2015-03-31/functions/my%20fn/invocations":
			w.WriteHeader(404)
		case strings.Contains(string(body), "fail"):
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			io.WriteString(w, `{"errorType":"Error","errorMessage":"no"}`)
		default:
			io.WriteString(w, `{"statusCode":200,"body":"hello"}`)
		}
	})
	host := serve(t, &Server{Routes: map[string]Route{
		"say":   {Function: &LambdaEndpoint{URL: url + "/", Name: "my fn"}, RouteResponse: true},
		"other": {Function: &LambdaEndpoint{URL: url, Name: "other"}, RouteResponse: true},
	}})
	c := dial(t, host, nil)
	for message, want := range map[string]string{
		`{"action":"say"}`:            "hello",
		`{"action":"say","a":"fail"}`: `{"message": "Internal server error"`,
		`{"action":"other"}`:          `{"message": "Internal server error"`,
	} {
		write(t, c, message)
		if got := read(t, c); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}

// A backend may be anybody's: what a client said to it, and the client's token, are
// for it alone.
func TestARedirectIsAnAnswerOfTheBackend(t *testing.T) {
	var requests atomic.Int64
	elsewhere := backend(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := backend(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere+"/else")
			w.WriteHeader(status)
			io.WriteString(w, "moved")
		})
		for name, client := range map[string]*http.Client{"its own client": nil, "a given client": new(http.Client)} {
			host := serve(t, &Server{Routes: map[string]Route{
				"$connect": {Function: &Mock{}},
				"http":     {Function: &HTTPProxy{URL: url, Client: client}, RouteResponse: true},
				"lambda":   {Function: &LambdaEndpoint{URL: url, Name: "f", Client: client}, RouteResponse: true},
			}})
			c := dial(t, host, nil)
			write(t, c, `{"action":"http"}`)
			if got := read(t, c); got != "moved" {
				t.Errorf("%s, %d: a message got %q", name, status, got)
			}
			write(t, c, `{"action":"lambda"}`)
			if got := read(t, c); !strings.Contains(got, "Internal server error") {
				t.Errorf("%s, %d: Invoke got %q", name, status, got)
			}
			host = serve(t, &Server{Routes: map[string]Route{"$connect": {Function: &HTTPProxy{URL: url, Client: client}}}})
			if got, _, _ := shake(t, host, "/dev", "Sec-WebSocket-Protocol: token\r\n"); got != status {
				t.Errorf("%s, %d: the handshake got %d", name, status, got)
			}
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}
