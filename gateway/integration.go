package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxIntegrationAnswer bounds what is read of an integration's answer: what a
// message may have, with room for the JSON of an invocation around it.
const maxIntegrationAnswer = 6 << 20

// readAnswer reads an integration's answer. One that is too long is an error: a part of
// it would be taken for the whole.
func readAnswer(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxIntegrationAnswer+1))
	if err == nil && len(body) > maxIntegrationAnswer {
		err = fmt.Errorf("it has more than %d bytes", maxIntegrationAnswer)
	}
	return body, err
}

// HTTPProxy is the integration type HTTP_PROXY: a message's body is the body of a
// request to a URL, and the answer's body goes back to the client on a two-way
// route (AWS docs, "Set up integrations"). For $connect the answer's status
// decides, and for $connect and $disconnect the request has no body.
//
// What the backend is told of the connection is what Headers and Parameters say:
// without them it does not learn the connection's ID, as on AWS.
type HTTPProxy struct {
	// URL of the backend.
	URL string
	// Method is that of the requests. Empty means POST.
	Method string
	// Headers are added to each request. A value context.NAME is that member of
	// the event's requestContext, such as context.connectionId or
	// context.identity.sourceIp; any other is taken as it is.
	Headers map[string]string
	// Parameters are what of an event goes into the request's headers, query and path.
	// They come after Headers and, for $connect, after the handshake's own headers.
	// [HTTPProxy.Validate] and [Server.Validate] say what is wrong with one.
	Parameters []RequestParameter
	// Client makes the requests. Nil means one with http.DefaultTransport's settings.
	// The context of each has the integration timeout. A redirect is not followed
	// unless the client has a CheckRedirect: it is the backend's answer.
	Client *http.Client

	own    backendClient
	parsed parameters
}

// Validate reports the first mistake in the configuration.
func (h *HTTPProxy) Validate() error {
	if _, err := h.parsed.of(h.Parameters); err != nil {
		return fmt.Errorf("HTTP integration %s: %w", h.URL, err)
	}
	return nil
}

// Invoke implements Function.
func (h *HTTPProxy) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var event struct {
		Headers        map[string]string
		RequestContext struct{ EventType string }
		Body           *string
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, fmt.Errorf("read the event for %s: %w", h.URL, err)
	}
	all, err := h.parsed.of(h.Parameters)
	if err != nil {
		return nil, err
	}
	var body []byte // nil for $connect and $disconnect
	if event.Body != nil {
		body = []byte(*event.Body)
	}
	to, err := target(h.URL, all, payload, body)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", h.URL, err)
	}
	method := h.Method
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", h.URL, err)
	}
	if event.RequestContext.EventType == "CONNECT" {
		// The handshake's headers go along, with those that make some backends
		// answer 400 (a known trap on AWS too) left out: they are of this hop.
		for name, value := range event.Headers {
			switch http.CanonicalHeaderKey(name) {
			case "Host", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions", "Accept-Encoding":
			default:
				r.Header.Set(name, value)
			}
		}
	}
	for name, value := range h.Headers {
		if path, ok := strings.CutPrefix(value, "context."); ok {
			value = contextValue(payload, path)
		}
		setHeader(r, name, value)
	}
	for i := range all {
		if p := &all[i]; p.In == "header" {
			setHeader(r, p.Name, p.values(payload, body)...)
		}
	}
	response, err := h.own.of(h.Client).Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := readAnswer(response.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer of %s: %w", h.URL, err)
	case response.StatusCode > 599:
		return nil, fmt.Errorf("the backend at %s answered with the status %d; it must be from 200 to 599", h.URL, response.StatusCode)
	}
	return proxyAnswerOf(response.StatusCode, response.Header.Get("Sec-Websocket-Protocol"), answer), nil
}

// contextValue is a member of an event's requestContext as text, empty if absent.
func contextValue(event []byte, path string) string {
	steps := []step{{name: "requestContext", index: -1}}
	for name := range strings.SplitSeq(path, ".") {
		steps = append(steps, step{name: name, index: -1})
	}
	value, found := lookup(event, steps)
	if !found {
		return ""
	}
	return string(appendText(nil, value))
}

// proxyAnswerOf is a Lambda proxy answer, which is what the engine reads.
func proxyAnswerOf(status int, protocol string, body []byte) []byte {
	answer := map[string]any{"statusCode": status, "body": string(body)}
	if !utf8.Valid(body) {
		answer["body"], answer["isBase64Encoded"] = base64.StdEncoding.EncodeToString(body), true
	}
	if protocol != "" {
		answer["headers"] = map[string]string{"Sec-WebSocket-Protocol": protocol}
	}
	out, _ := json.Marshal(answer) // strings and numbers only
	return out
}

// Mock answers by itself, with a text as it is. For the templates of an integration of
// type MOCK there are [Integration] and [MockCall].
type Mock struct {
	// Status is what $connect is answered with. Zero means 200.
	Status int
	// Body goes to the client on a two-way route. Empty means nothing is sent.
	Body string
}

// Invoke implements Function.
func (m *Mock) Invoke(context.Context, []byte) ([]byte, error) {
	status := m.Status
	if status == 0 {
		status = http.StatusOK
	}
	if m.Body == "" {
		return fmt.Appendf(nil, `{"statusCode":%d}`, status), nil
	}
	return proxyAnswerOf(status, "", []byte(m.Body)), nil
}

// LambdaEndpoint invokes a function through the API of Lambda at a URL, such as
// that of another emulator: POST /2015-03-31/functions/NAME/invocations (AWS,
// Lambda API reference, "Invoke"). Requests are not signed.
type LambdaEndpoint struct {
	URL  string // such as http://127.0.0.1:3001
	Name string // of the function
	// Client makes the requests, as HTTPProxy's does.
	Client *http.Client

	own backendClient
}

// Invoke implements Function.
func (l *LambdaEndpoint) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	target := strings.TrimSuffix(l.URL, "/") + "/2015-03-31/functions/" + url.PathEscape(l.Name) + "/invocations"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("invoke %s: %w", target, err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := l.own.of(l.Client).Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := readAnswer(response.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("invoke %s: read the answer: %w", target, err)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("invoke %s: the answer is %s", target, response.Status)
	case response.Header.Get("X-Amz-Function-Error") != "":
		var failure struct{ ErrorType, ErrorMessage string }
		json.Unmarshal(body, &failure) // what cannot be read is not named
		said := strings.Trim(failure.ErrorType+": "+failure.ErrorMessage, ": ")
		if said == "" {
			said = "its error has neither errorType nor errorMessage"
		}
		return nil, fmt.Errorf("the function failed: %s", said)
	}
	return body, nil
}
