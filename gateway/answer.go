package gateway

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// proxyAnswer is what a function returns: the Lambda proxy format 1.0, which
// is the only one WebSocket APIs know.
type proxyAnswer struct {
	StatusCode        json.RawMessage     `json:"statusCode"`
	Headers           map[string]any      `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Body              *string             `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
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
// nothing is sent (UNCERTAIN). statusCode is ignored, as on AWS.
func parseMessageAnswer(data []byte) (body []byte, ok bool, err error) {
	var answer struct {
		Body            *string `json:"body"`
		IsBase64Encoded bool    `json:"isBase64Encoded"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, false, fmt.Errorf("%w: %w", errMalformedAnswer, err)
	}
	if answer.Body == nil {
		return nil, false, nil
	}
	if !answer.IsBase64Encoded {
		return []byte(*answer.Body), true, nil
	}
	body, err = base64.StdEncoding.DecodeString(*answer.Body)
	if err != nil {
		return nil, false, fmt.Errorf("%w: body: %w", errMalformedAnswer, err)
	}
	return body, true, nil
}
