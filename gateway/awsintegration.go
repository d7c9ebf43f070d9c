package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Mapping makes a text of an event or of an integration's answer, as a mapping template
// does. It is called concurrently.
type Mapping func(MappingInput) ([]byte, error)

// MappingInput is what a Mapping takes values from.
type MappingInput struct {
	// Body is the message, or the answer of the integration. It is nil where there is
	// none, as for $connect.
	Body []byte

	// Context and StageVariables are the event's requestContext and stageVariables, as
	// JSON objects. StageVariables is nil where there are none.
	Context, StageVariables []byte
}

// IntegrationCall is what an [Integration] calls: a payload, and the headers that its
// parameters have made. Event is the event that it was made of.
type IntegrationCall struct {
	Payload []byte
	Header  http.Header
	Event   []byte
}

// Integration is the integration type AWS: a function gets what a mapping template makes
// of a message, and no event, and the client of a two-way route gets what another one
// makes of the answer (AWS docs, "Set up a WebSocket API integration request" and
// "... integration responses").
//
// $connect is answered with 200, whatever the answer is, but for one that fails
// (UNCERTAIN). An error of Call, and of a Mapping, is a failed integration.
type Integration struct {
	// Call does what the integration is for, and returns the answer. An empty answer
	// sends nothing (UNCERTAIN). Its context has the integration timeout. It is needed.
	Call func(context.Context, IntegrationCall) ([]byte, error)

	// Parameters become the headers of the call; others than headers are refused by
	// Validate.
	Parameters []RequestParameter

	// Requests make the payload, by template key. The key is what Selection, a template
	// selection expression, gives for the message; else $default; and without a
	// Selection also application/json, or the only key that there is (UNCERTAIN).
	Requests  map[string]Mapping
	Selection string

	// Passthrough says what happens without a template that fits: WHEN_NO_MATCH, which
	// empty means, gives the message as it is; WHEN_NO_TEMPLATES does that only if there
	// are none at all; NEVER fails. A message that is absent is given as {} (UNCERTAIN).
	Passthrough string

	// Response makes the text for the client. Nil sends the answer as it is.
	Response Mapping

	parsed    parameters
	once      sync.Once
	selection selection
	err       error
}

// Validate reports the first mistake in the configuration.
func (i *Integration) Validate() error {
	i.once.Do(func() { i.err = i.prepare() })
	return i.err
}

func (i *Integration) prepare() (err error) {
	if i.Call == nil {
		return errors.New("AWS integration: it has no Call")
	}
	all, err := i.parsed.of(i.Parameters)
	if err != nil {
		return fmt.Errorf("AWS integration: %w", err)
	}
	for _, p := range all {
		if p.In != "header" {
			return fmt.Errorf("AWS integration: request parameter integration.request.%s.%s: only headers are done here", p.In, p.Name)
		}
	}
	if !slices.Contains([]string{"", "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"}, i.Passthrough) {
		return fmt.Errorf("AWS integration: the passthrough behaviour %q is none of WHEN_NO_MATCH, WHEN_NO_TEMPLATES and NEVER", i.Passthrough)
	}
	if i.selection, err = parseSelection(i.Selection); err != nil {
		return fmt.Errorf("AWS integration: template selection expression %q: %w", i.Selection, err)
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
	payload, err := i.payload(in)
	if err != nil {
		return nil, err
	}
	all, _ := i.parsed.of(i.Parameters)
	header := http.Header{}
	for n := range all {
		if values := all[n].values(event, in.Body); len(values) > 0 {
			header[http.CanonicalHeaderKey(all[n].Name)] = values
		}
	}
	answer, err := i.Call(ctx, IntegrationCall{payload, header, event})
	if err != nil {
		return nil, err
	}
	if i.Response != nil {
		in.Body = answer
		if answer, err = i.Response(in); err != nil {
			return nil, fmt.Errorf("map the answer: %w", err)
		}
	}
	if len(answer) == 0 {
		return []byte(`{"statusCode":200}`), nil
	}
	return proxyAnswerOf(http.StatusOK, "", answer), nil
}

// mappingInput is what a mapping finds of an event.
func mappingInput(event []byte) (in MappingInput, err error) {
	var said struct {
		RequestContext, StageVariables json.RawMessage
		Body                           *string
	}
	if err := json.Unmarshal(event, &said); err != nil {
		return in, fmt.Errorf("read the event: %w", err)
	}
	in.Context, in.StageVariables = said.RequestContext, said.StageVariables
	if said.Body != nil {
		in.Body = []byte(*said.Body)
	}
	return in, nil
}

// payload is what the call gets.
func (i *Integration) payload(in MappingInput) ([]byte, error) {
	if mapping := i.request(in.Body); mapping != nil {
		payload, err := mapping(in)
		if err != nil {
			return nil, fmt.Errorf("map the request: %w", err)
		}
		return payload, nil
	}
	if i.Passthrough == "NEVER" || i.Passthrough == "WHEN_NO_TEMPLATES" && len(i.Requests) > 0 {
		return nil, fmt.Errorf("no request template fits the message, and the passthrough behaviour is %s; AWS answers it with 415", i.Passthrough)
	}
	if in.Body == nil {
		return []byte("{}"), nil
	}
	return in.Body, nil
}

// request is the template for a message, or nil.
func (i *Integration) request(body []byte) Mapping {
	key, ok := "", true
	if i.Selection != "" {
		var raw []byte
		if raw, ok = i.selection.key(body); ok {
			key = string(raw)
		}
	}
	if m := i.Requests[key]; ok && key != "" && m != nil {
		return m
	}
	for _, key := range []string{"$default", `\$default`} {
		if m := i.Requests[key]; m != nil {
			return m
		}
	}
	if i.Selection != "" {
		return nil
	}
	if m := i.Requests["application/json"]; m != nil || len(i.Requests) != 1 {
		return m
	}
	for _, m := range i.Requests {
		return m
	}
	return nil
}

// isEvent reports whether a call is for an asynchronous invocation of a function (AWS
// docs, "Set up asynchronous invocation of the backend Lambda function").
func (c *IntegrationCall) IsEvent() bool {
	return strings.EqualFold(c.Header.Get("X-Amz-Invocation-Type"), "Event")
}
