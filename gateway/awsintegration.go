package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/wirepost/wirepost/internal/jsontext"
)

// Mapping makes a text of an event, or of an integration's answer. It is called
// concurrently. Its context has the integration timeout.
type Mapping func(context.Context, MappingInput) ([]byte, error)

// MappingInput is what a Mapping takes values from.
type MappingInput struct {
	// Body is the message, or the answer of the integration. It is nil where there is
	// none, as for $connect.
	Body []byte

	// Context and StageVariables are the event's requestContext and stageVariables, as
	// JSON objects. StageVariables is nil where there are none.
	Context, StageVariables []byte

	// Event is the whole event, as a function of type AWS_PROXY gets it, and Message its
	// message, nil where there is none.
	Event, Message []byte

	// Answer is that of the integration. It is nil before there is one.
	Answer *IntegrationAnswer
}

// IntegrationCall is what an [Integration] calls: a payload, and what its parameters have
// made. Event is the event that it was made of.
type IntegrationCall struct {
	Payload []byte
	Header  http.Header
	Query   url.Values
	Path    map[string]string
	Event   []byte
}

// IntegrationAnswer is what a call comes to.
type IntegrationAnswer struct {
	Body []byte

	// Status is that of a backend that speaks HTTP. Zero means 200.
	Status int
	Header http.Header // nil: none

	// Failure is the errorMessage of a function that failed, whose error is Body. A
	// failure without a Response that makes something of it is a failed integration.
	Failure string
}

// Integration is what the integration types AWS, HTTP and MOCK are made of: a backend
// gets what one Mapping makes of an event, and the client of a two-way route gets what
// another one makes of the answer (AWS docs, "Set up a WebSocket API integration request"
// and "... integration responses").
//
// $connect is answered with the answer's status (UNCERTAIN). An error of Call, and of a
// Mapping, is a failed integration.
type Integration struct {
	// Request makes the payload. Nil means the message as it is, and {} where there is
	// none (UNCERTAIN).
	Request Mapping

	// Call does what the integration is for. Its context has the integration timeout. A nil
	// answer is an empty one. It is needed.
	Call func(context.Context, IntegrationCall) (*IntegrationAnswer, error)

	// Response makes the text for the client. Nil sends the answer as it is. An empty text
	// sends nothing (UNCERTAIN).
	Response Mapping

	// Parameters are what of an event goes into the header, the query and the path of a
	// call.
	Parameters []RequestParameter

	parsed parameters
}

// Validate reports the first mistake in the configuration.
func (i *Integration) Validate() error {
	if i.Call == nil {
		return errors.New("integration: it has no Call")
	}
	if _, err := i.parsed.of(i.Parameters); err != nil {
		return fmt.Errorf("integration: %w", err)
	}
	return nil
}

// Invoke implements Function.
func (i *Integration) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	if err := i.Validate(); err != nil {
		return nil, err
	}
	in, err := mappingInput(event)
	if err != nil {
		return nil, err
	}
	call := IntegrationCall{Payload: in.Body, Event: event}
	switch {
	case i.Request != nil:
		if call.Payload, err = i.Request(ctx, in); err != nil {
			return nil, fmt.Errorf("map the request: %w", err)
		}
	case in.Body == nil:
		call.Payload = []byte("{}")
	}
	i.parameters(&call, in.Body)
	answer, err := i.Call(ctx, call)
	if err != nil {
		return nil, err
	}
	if answer == nil {
		answer = &IntegrationAnswer{}
	}
	body, err := i.answered(ctx, in, answer)
	if err != nil {
		return nil, err
	}
	status := answer.Status
	if status == 0 {
		status = http.StatusOK
	}
	if len(body) == 0 {
		return fmt.Appendf(nil, `{"statusCode":%d}`, status), nil
	}
	return proxyAnswerOf(status, answer.Header.Get("Sec-Websocket-Protocol"), body), nil
}

// answered is the text for the client.
func (i *Integration) answered(ctx context.Context, in MappingInput, answer *IntegrationAnswer) ([]byte, error) {
	if i.Response == nil {
		if answer.Failure != "" {
			return nil, fmt.Errorf("the function failed: %s", answer.Failure)
		}
		return answer.Body, nil
	}
	in.Body, in.Answer = answer.Body, answer
	body, err := i.Response(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("map the answer: %w", err)
	}
	return body, nil
}

func (i *Integration) parameters(call *IntegrationCall, body []byte) {
	call.Header, call.Query, call.Path = http.Header{}, url.Values{}, map[string]string{}
	all, _ := i.parsed.of(i.Parameters)
	for n := range all {
		p := &all[n]
		values := p.values(call.Event, body)
		switch {
		case p.In == "path":
			call.Path[p.Name] = strings.Join(values, ",")
		case len(values) == 0:
		case p.In == "header":
			call.Header[http.CanonicalHeaderKey(p.Name)] = values
		default:
			call.Query[p.Name] = values
		}
	}
}

// mappingInput takes an event apart.
func mappingInput(event []byte) (MappingInput, error) {
	in := MappingInput{Event: event}
	object := skipSpace(event)
	if len(object) == 0 || object[0] != '{' || !jsontext.Valid(event) {
		return in, errors.New("read the event of an integration: it is not a JSON object")
	}
	in.Context, _ = member(object, "requestContext")
	in.StageVariables, _ = member(object, "stageVariables")
	if body, found := member(object, "body"); found && body[0] == '"' {
		in.Body = appendText(make([]byte, 0, len(body)), body)
		in.Message = in.Body
	}
	return in, nil
}

// IsEvent reports whether a call is for an asynchronous invocation of a function (AWS
// docs, "Set up asynchronous invocation of the backend Lambda function").
func (c *IntegrationCall) IsEvent() bool {
	return strings.EqualFold(c.Header.Get("X-Amz-Invocation-Type"), "Event")
}

// Target is a URL with the path and the query that the parameters have made. In the path
// they take the place of {NAME} and {NAME+}; what is put in place of {NAME} is escaped.
func (c *IntegrationCall) Target(base string) (string, error) {
	for name, text := range c.Path {
		base = strings.ReplaceAll(base, "{"+name+"}", escapedSegment(text))
		base = strings.ReplaceAll(base, "{"+name+"+}", escapedPath(text))
	}
	return withQuery(base, c.Query)
}

// MockCall is the Call of an [Integration] of type MOCK: the payload says the status, as
// {"statusCode": 200}, and is the answer's body (AWS docs, "Set up a WebSocket API
// integration request"). A payload that does not is a failed integration, as for REST APIs
// (UNCERTAIN).
func MockCall(_ context.Context, c IntegrationCall) (*IntegrationAnswer, error) {
	var said struct{ StatusCode json.Number }
	err := json.Unmarshal(c.Payload, &said)
	status, notInt := said.StatusCode.Int64()
	if err != nil || notInt != nil || status < 200 || status > 599 {
		return nil, errors.New(`the request template of a mock integration has not made {"statusCode": 200}, with a status from 200 to 599`)
	}
	return &IntegrationAnswer{Body: c.Payload, Status: int(status)}, nil
}

// HTTPBackend makes the calls of an [Integration] of type HTTP: the payload is the body
// of a request to a URL. Its answers have the backend's status, header and body.
type HTTPBackend struct {
	// URL and Method are those of an HTTPProxy.
	URL, Method string
	// Client makes the requests, as HTTPProxy's does.
	Client *http.Client

	own backendClient
}

// Call is an [Integration]'s Call. A redirect is an answer.
func (h *HTTPBackend) Call(ctx context.Context, c IntegrationCall) (*IntegrationAnswer, error) {
	to, err := c.Target(h.URL)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", h.URL, err)
	}
	method := h.Method
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(string(c.Payload)))
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", h.URL, err)
	}
	if json.Valid(c.Payload) {
		r.Header.Set("Content-Type", "application/json") // UNCERTAIN
	}
	for name, values := range c.Header {
		setHeader(r, name, values...)
	}
	response, err := h.own.of(h.Client).Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := readAnswer(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", h.URL, err)
	}
	if response.StatusCode > 599 {
		return nil, fmt.Errorf("the backend at %s answered with the status %d; it must be from 200 to 599", h.URL, response.StatusCode)
	}
	return &IntegrationAnswer{Body: body, Status: response.StatusCode, Header: response.Header}, nil
}
