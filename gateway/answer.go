package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// proxyAnswer is what $connect reads of a function's answer: the Lambda proxy format 1.0, which
// is the only one WebSocket APIs know.
type proxyAnswer struct {
	StatusCode        json.RawMessage     `json:"statusCode"`
	Headers           map[string]any      `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
}

var errMalformedAnswer = errors.New("the function's answer is malformed")

// parseConnectAnswer reads the answer to $connect: the handshake's status and
// the subprotocol, the only header that reaches a client (aws/chalice#1768).
func parseConnectAnswer(data []byte) (status int, protocol string, err error) {
	var answer proxyAnswer
	if err := json.Unmarshal(data, &answer); err != nil {
		return 0, "", fmt.Errorf("%w: %w", errMalformedAnswer, err)
	}
	text := string(answer.StatusCode)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted // a numeric string is taken, as REST APIs do
	}
	status, err = strconv.Atoi(text)
	if err != nil || status < 200 || status > 599 {
		return 0, "", fmt.Errorf("%w: statusCode is not a status from 200 to 599", errMalformedAnswer)
	}
	for name, value := range answer.Headers {
		if text, ok := value.(string); ok && strings.EqualFold(name, "Sec-WebSocket-Protocol") {
			protocol = text
		}
	}
	for name, values := range answer.MultiValueHeaders {
		if strings.EqualFold(name, "Sec-WebSocket-Protocol") && len(values) > 0 {
			protocol = values[len(values)-1]
		}
	}
	for _, c := range []byte(protocol) {
		if c < ' ' && c != '\t' || c == 0x7f { // it would become another header
			return 0, "", fmt.Errorf("%w: Sec-WebSocket-Protocol holds a control character", errMalformedAnswer)
		}
	}
	return status, protocol, nil
}

// parseMessageAnswer reads what a two-way route sends back. Without a body
// nothing is sent (UNCERTAIN). statusCode is ignored, as on AWS. It is on the
// way of every answered message, and encoding/json's reflection was a fifth of
// that way.
func parseMessageAnswer(data []byte) (body []byte, ok bool, err error) {
	if !json.Valid(data) {
		return nil, false, fmt.Errorf("%w: it is not JSON", errMalformedAnswer)
	}
	answer := skipSpace(data)
	if answer[0] == 'n' {
		return nil, false, nil
	}
	value, found := member(answer, "body")
	switch {
	case answer[0] != '{':
		return nil, false, fmt.Errorf("%w: it is not an object", errMalformedAnswer)
	case !found || value[0] == 'n':
		return nil, false, nil
	case value[0] != '"':
		return nil, false, fmt.Errorf("%w: body is not a string", errMalformedAnswer)
	}
	body = appendText(make([]byte, 0, len(value)), value)
	encoded, found := member(answer, "isBase64Encoded")
	switch {
	case !found || encoded[0] == 'f' || encoded[0] == 'n':
		return bytes.ToValidUTF8(body, []byte("\ufffd")), true, nil
	case encoded[0] != 't':
		return nil, false, fmt.Errorf("%w: isBase64Encoded is not a boolean", errMalformedAnswer)
	}
	size, err := base64.StdEncoding.Decode(body, body)
	if err != nil {
		return nil, false, fmt.Errorf("%w: body: %w", errMalformedAnswer, err)
	}
	return body[:size], true, nil
}
