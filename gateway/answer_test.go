package gateway

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
)

func TestTheBodyOfAnAnswerIsReadOrRefused(t *testing.T) {
	for answer, want := range map[string]string{
		`{"statusCode":200,"body":"hello"}`:                 "hello",
		` { "body" : "a\"b\u00e9" , "x" : {"body":"no"} } `: `a"bé`,
		`{"body":"aGVsbG8=","isBase64Encoded":true}`:        "hello",
		`{"body":"aGVsbG8=","isBase64Encoded":false}`:       "aGVsbG8=",
		`{"body":""}`:         "",
		"{\"body\":\"\xff\"}": "\ufffd",
		`{}`:                  "none", `null`: "none", `{"body":null}`: "none", `{"Body":"x"}`: "none",
		``: "malformed", `x`: "malformed", `[]`: "malformed", `"x"`: "malformed", `7`: "malformed",
		`{"body":7}`: "malformed", `{"body":{}}`: "malformed", `{"body":"x","isBase64Encoded":"true"}`: "malformed",
		`{"body":"***","isBase64Encoded":true}`: "malformed",
	} {
		body, ok, err := parseMessageAnswer([]byte(answer))
		got := string(body)
		switch {
		case errors.Is(err, errMalformedAnswer):
			got = "malformed"
		case err != nil:
			t.Errorf("%s: %v", answer, err)
		case !ok:
			got = "none"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", answer, got, want)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"statusCode":200,"body":"hel\u006co","isBase64Encoded":false}`))
	f.Add([]byte(`{"body":"aGVsbG8=","isBase64Encoded":true,"body":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		parseConnectAnswer(data)
		body, ok, err := parseMessageAnswer(data)
		var want map[string]any
		if json.Unmarshal(data, &want) != nil {
			if err == nil {
				t.Errorf("%q is malformed but has body %q, %v", data, body, ok)
			}
			return
		}
		text, isText := want["body"].(string)
		if encoded, _ := want["isBase64Encoded"].(bool); encoded && isText {
			raw, decodeError := base64.StdEncoding.DecodeString(text)
			if (decodeError != nil) != (err != nil) || err == nil && string(raw) != string(body) {
				t.Errorf("%q has body %q, %v, want %q", data, body, err, raw)
			}
			return
		}
		if err == nil && (ok != isText || string(body) != text) {
			t.Errorf("%q has body %q, %v, want %q", data, body, ok, text)
		}
	})
}
