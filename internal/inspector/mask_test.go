package inspector

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestEventsAreMaskedByTheNamesOfTheirMembers(t *testing.T) {
	m := newMasker([]string{"route.request.header.X-Door", "route.request.querystring.ticket number", "route.request.header.Host"})
	for in, want := range map[string]string{
		`{"headers":{"Authorization":"S","Host":"h","x-door":"S","X-Auth":"S","Sec-WebSocket-Key":"k"}}`:                     `{"headers":{"Authorization":"(masked)","Host":"h","x-door":"(masked)","X-Auth":"(masked)","Sec-WebSocket-Key":"k"}}`,
		`{"multiValueHeaders":{"Cookie":["S","]S"],"Via":["a"]}}`:                                                            `{"multiValueHeaders":{"Cookie":["(masked)"],"Via":["a"]}}`,
		`{"queryStringParameters":{"my token":"S","a=token":"S","\u0000token":"S","tok\u0065n\"":"S"}}`:                      `{"queryStringParameters":{"my token":"(masked)","a=token":"(masked)","\u0000token":"(masked)","tok\u0065n\"":"(masked)"}}`,
		`{"queryStringParameters":{"pwd":"S","PASS":"S","sig":"S","auth":"S","code":"S","\u0000Code ":"S"}}`:                 `{"queryStringParameters":{"pwd":"(masked)","PASS":"(masked)","sig":"(masked)","auth":"(masked)","code":"(masked)","\u0000Code ":"(masked)"}}`,
		`{"multiValueQueryStringParameters":{"userPass":["S"],"XAuth":["S"],"x.auth[0]":["S"],"key":["S"]}}`:                 `{"multiValueQueryStringParameters":{"userPass":["(masked)"],"XAuth":["(masked)"],"x.auth[0]":["(masked)"],"key":["(masked)"]}}`,
		`{"queryStringParameters":{"ticket number":"S","passenger":"p","design":"d","author":"a","zipcode":"z","user":"u"}}`: `{"queryStringParameters":{"ticket number":"(masked)","passenger":"p","design":"d","author":"a","zipcode":"z","user":"u"}}`,
		`{"requestContext":{"authorizer":{"principalId":"p","token":"S"},"disconnectStatusCode":1001},"code":1}`:             `{"requestContext":{"authorizer":{"principalId":"p","token":"(masked)"},"disconnectStatusCode":1001},"code":1}`,
		`{"secret" : 12.5 ,"password":null,"tokenValid":true,"credentials":{"a":[{"b":"}"}]},"c":1}`:                         `{"secret" : "(masked)" ,"password":null,"tokenValid":true,"credentials":"(masked)","c":1}`,
		`{"body":"{\"token\":\"kept, for it was sent to be read\"}"}`:                                                        `{"body":"{\"token\":\"kept, for it was sent to be read\"}"}`,
		`{"token":"S, and the event was cut`:                                                                                 `{"token":"(masked)"`,
		`{"token":["S","T`:                                                                                                   `{"token":["(masked)"]`,
		`{"token":{"a":"S`:                                                                                                   `{"token":"(masked)"`,
		`{"token"`:                                                                                                           `{"token"`,
		`]}{"headers":{"auth":"S"}}`:                                                                                         `]}{"headers":{"auth":"(masked)"}}`,
	} {
		if got := string(m.event([]byte(in))); got != want {
			t.Errorf("%s\nis kept as %s,\nwant       %s", in, got, want)
		}
	}
}

func TestTextIsMaskedWhereItHasAParameterOfAURL(t *testing.T) {
	m := newMasker(nil)
	for in, want := range map[string]string{
		"/dev?pwd=S&pass=S&sig=S&auth=S&code=S&a=b":             "/dev?pwd=(masked)&pass=(masked)&sig=(masked)&auth=(masked)&code=(masked)&a=b",
		"/dev?my+token=S&my%20token=S&a%3Dtoken=S&%00token=S":   "/dev?my+token=(masked)&my%20token=(masked)&a%3Dtoken=(masked)&%00token=(masked)",
		"/dev?%74oken=S&to%4Ben=S&x=y":                          "/dev?%74oken=(masked)&to%4Ben=(masked)&x=y",
		"?my token=S and ?a=token=S and ?\x00token=S":           "?my token=(masked) and ?a=token=(masked) and ?\x00token=(masked)",
		"/cb?next=%2Fx%3Fcode%3DS%26a%3Db&c=d":                  "/cb?next=%2Fx%3Fcode%3D(masked)%26a%3Db&c=d",
		"https://x/#access_token=S&a=b":                         "https://x/#access_token=(masked)&a=b",
		`{"url":"ws://x/?a=b\u0026token=S\u0026c=d"}`:           `{"url":"ws://x/?a=b\u0026token=(masked)\u0026c=d"}`,
		`<a href="/?a=b&amp;code=S&amp;c=d">`:                   `<a href="/?a=b&amp;code=(masked)&amp;c=d">`,
		"?token==S=":                                            "?token=(masked)",
		"?token=":                                               "?token=",
		"?status=S2&passenger=3&zipcode=4&x=y":                  "?status=S2&passenger=3&zipcode=4&x=y",
		"a=b, token=1 is no URL":                                "a=b, token=1 is no URL",
		"Bearer S and bearer.S.x-y and bearer%20S and bearer+S": "Bearer (masked) and bearer.(masked) and bearer%20(masked) and bearer+(masked)",
		"the bearer of bad news":                                "the bearer (masked) bad news",
		strings.Repeat("=", 5000):                               strings.Repeat("=", 5000),
	} {
		if got := string(m.text([]byte(in))); got != want {
			t.Errorf("%q\nis kept as %q,\nwant       %q", in, got, want)
		}
		if strings.HasPrefix(in, "/dev") {
			if got := m.target(in); got != want {
				t.Errorf("the target %q\nis kept as %q,\nwant       %q", in, got, want)
			}
		}
	}
}

func TestALineOfALogIsMaskedLikeTheEventInIt(t *testing.T) {
	r := NewRecorder(nil)
	masked := false
	got := r.keepLine([]byte(`2026-01-01 INFO {"headers":{"Cookie":"S"},"queryStringParameters":{"code":"S"},"n":1}`), &masked)
	if want := `2026-01-01 INFO {"headers":{"Cookie":"(masked)"},"queryStringParameters":{"code":"(masked)"},"n":1}`; got != want || !masked {
		t.Errorf("%q, %v, want %q", got, masked, want)
	}
}

// The value of a secret is masked no matter what surrounds the word in its name.
func FuzzNamesOfSecrets(f *testing.F) {
	for _, s := range []string{"", " ", "=", "\x00", "my ", "a=", "\"", "\\", "&", "?", "#", "%", "+", "\n", "\u202e", "é", "<", "'", "]", "}"} {
		f.Add(s, s)
	}
	m := newMasker(nil)
	f.Fuzz(func(t *testing.T, before, behind string) {
		name := before + "token" + behind
		event, err := json.Marshal(map[string]any{"headers": map[string]string{name: "SECRET"}, "queryStringParameters": map[string]string{name: "SECRET"},
			"multiValueQueryStringParameters": map[string][]string{name: {"SECRET", "SECRET"}}})
		if err != nil {
			t.Fatal(err)
		}
		got := m.event(event)
		if strings.Contains(string(got), "SECRET") || !json.Valid(got) {
			t.Errorf("%s is kept as %s", event, got)
		}
		target := "/dev?a=b&" + url.QueryEscape(name) + "=SECRET&c=d"
		if got := m.target(target); strings.Contains(got, "SECRET") {
			t.Errorf("%s is kept as %s", target, got)
		}
	})
}
