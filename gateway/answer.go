package gateway

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var errMalformedAnswer = errors.New("the function's answer is malformed")

func malformedAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMalformedAnswer, fmt.Sprintf(format, args...))
}

const answerForm = `{"statusCode": 200}`

// parseConnectAnswer reads the answer to $connect, in the Lambda proxy format 1.0, which
// is the only one WebSocket APIs know: the handshake's status and the subprotocol, the
// only header that reaches a client (aws/chalice#1768).
func parseConnectAnswer(data []byte) (status int, protocol string, err error) {
	object, wrong := objectOf(data, answerForm)
	if wrong != "" {
		return 0, "", malformedAnswer("%s", wrong)
	}
	if status, err = statusIn(object); err != nil {
		return 0, "", err
	}
	if protocol, err = protocolIn(object); err != nil {
		return 0, "", err
	}
	for _, c := range []byte(protocol) {
		if c < ' ' && c != '\t' || c == 0x7f { // it would become another header
			return 0, "", malformedAnswer("Sec-WebSocket-Protocol holds a control character")
		}
	}
	return status, protocol, nil
}

func statusIn(object []byte) (int, error) {
	value, found := member(object, "statusCode")
	if !found {
		if other := misspelt(object, "statusCode"); other != "" {
			return 0, malformedAnswer("it has %s; the name is statusCode", quoted(other))
		}
		if _, policy := member(object, "policyDocument"); policy {
			return 0, malformedAnswer("it has a policyDocument and no statusCode: that is an authorizer's result")
		}
		return 0, malformedAnswer("it has no statusCode; it has to be like %s", answerForm)
	}
	// A numeric string is taken, as REST APIs do.
	status, err := strconv.Atoi(string(appendText(nil, value)))
	switch {
	case value[0] != '"' && kindOf(value) != "a number":
		return 0, malformedAnswer("statusCode is %s; it has to be a number from 200 to 599", kindOf(value))
	case err != nil || status < 200 || status > 599:
		return 0, malformedAnswer("statusCode is %s; it has to be a number from 200 to 599", clipped(string(value), 40))
	}
	return status, nil
}

// protocolIn is the subprotocol, from either map of headers. That a value of another
// type than a string is refused is UNCERTAIN.
func protocolIn(object []byte) (protocol string, err error) {
	const protocolName = "Sec-WebSocket-Protocol"
	is := func(key []byte) bool { return strings.EqualFold(string(appendText(nil, key)), protocolName) }
	headers, err := headersIn(object, "headers", "strings")
	if err != nil {
		return "", err
	}
	eachMember(headers, func(key, value []byte) {
		switch {
		case !is(key) || value[0] == 'n':
		case value[0] == '"':
			protocol = string(appendText(nil, value))
		default:
			err = malformedAnswer("the header %s is %s; it has to be a string", protocolName, kindOf(value))
		}
	})
	if err != nil {
		return "", err
	}
	if headers, err = headersIn(object, "multiValueHeaders", "lists of strings"); err != nil {
		return "", err
	}
	eachMember(headers, func(key, value []byte) {
		if value[0] == 'n' {
			return
		}
		values, wrong := textsOf(value)
		switch {
		case value[0] != '[':
			err = malformedAnswer("%s of multiValueHeaders is %s; it has to be a list of strings", quoted(string(appendText(nil, key))), kindOf(value))
		case wrong != nil:
			err = malformedAnswer("%s of multiValueHeaders is not a list of strings alone", quoted(string(appendText(nil, key))))
		case is(key) && len(values) > 0:
			protocol = values[len(values)-1]
		}
	})
	return protocol, err
}

// headersIn is a map of headers, empty where there is none.
func headersIn(object []byte, name, of string) ([]byte, error) {
	headers, found := member(object, name)
	switch {
	case !found || headers[0] == 'n':
		return []byte("{}"), nil
	case headers[0] != '{':
		return nil, malformedAnswer("%s is %s; it has to be an object of %s", name, kindOf(headers), of)
	}
	return headers, nil
}

// parseMessageAnswer reads what a two-way route sends back. Without a body
// nothing is sent (UNCERTAIN). statusCode is ignored, as on AWS. It is on the
// way of every answered message, and encoding/json's reflection was a fifth of
// that way.
func parseMessageAnswer(data []byte) (body []byte, ok bool, err error) {
	if string(bytes.Trim(data, " \t\r\n")) == "null" {
		return nil, false, nil
	}
	answer, wrong := objectOf(data, `{"statusCode": 200, "body": "..."}`)
	if wrong != "" {
		return nil, false, malformedAnswer("%s", wrong)
	}
	value, found := member(answer, "body")
	switch {
	case !found || value[0] == 'n':
		return nil, false, nil
	case value[0] != '"':
		return nil, false, malformedAnswer("body is %s; it has to be a string, such as JSON.stringify makes of it", kindOf(value))
	}
	body = appendText(make([]byte, 0, len(value)), value)
	encoded, found := member(answer, "isBase64Encoded")
	switch {
	case !found || encoded[0] == 'f' || encoded[0] == 'n':
		return bytes.ToValidUTF8(body, []byte("\ufffd")), true, nil
	case encoded[0] != 't':
		return nil, false, malformedAnswer("isBase64Encoded is %s; it has to be true or false", kindOf(encoded))
	}
	size, err := base64.StdEncoding.Decode(body, body)
	if err != nil {
		return nil, false, malformedAnswer("isBase64Encoded is true, and body is not base64")
	}
	return body[:size], true, nil
}
