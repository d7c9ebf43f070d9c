package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTheRouteSelectionExpressionChoosesTheKey(t *testing.T) {
	const chat = `{"service":"chat","action":"join","data":{"room":"room1234"}}`
	for _, test := range []struct{ expression, message, key string }{
		// The table of AWS docs.
		{`$request.body.action`, chat, "join"},
		{`${request.body.action}`, chat, "join"},
		{`${request.body.service}/${request.body.action}`, chat, "chat/join"},
		{`${request.body.action}-${request.body.invalidPath}`, chat, "join-"},
		{`action`, chat, "action"},
		{`\$default`, chat, "$default"},
		// Paths.
		{`$request.body.data.room`, chat, "room1234"},
		{`$request.body.data['room']`, chat, "room1234"},
		{`${request.body["data"]["room"]}`, chat, "room1234"},
		{`$request.body['a.b']`, `{"a.b":"dot"}`, "dot"},
		{`$request.body.a-b`, `{"a-b":"hyphen"}`, "hyphen"},
		{`$request.body.list[1]`, `{"list":["x","y"]}`, "y"},
		{`$request.body[0].action`, `[{"action":"first"}]`, "first"},
		{`$request.body.list[2]`, `{"list":["x","y"]}`, ""},
		{`$request.body.action.deeper`, chat, ""},
		{`$request.body.data[0]`, chat, ""},
		// Text of what is not a string.
		{`$request.body.list`, `{"list":["item1", "item2"]}`, "[item1, item2]"},
		{`$request.body.list`, `{"list":[]}`, "[]"},
		{`$request.body.n`, `{"n": 1.50 }`, "1.50"},
		{`$request.body.n`, `{"n":true}`, "true"},
		{`$request.body.n`, `{"n":null}`, "null"},
		{`$request.body.data`, `{"data":{"a":1,"b":[2,"c"]}}`, "{a=1, b=[2, c]}"},
		{`$request.body`, ` "text" `, "text"},
		// What a careless scanner gets wrong.
		{`$request.body.action`, `{"data":{"action":"inner"},"action":"outer"}`, "outer"},
		{`$request.body.action`, `{"action":"first","action":"last"}`, "last"},
		{`$request.body.action`, `{"\u0061ction":"escaped key"}`, "escaped key"},
		{`$request.body.action`, `{"action":"esc\u0061ped \"value\" \ud83d\ude00"}`, `escaped "value" 😀`},
		{`$request.body.action`, `{"x":"\"action\":\"no\"","y":"}","action":"yes"}`, "yes"},
		{`$request.body.action`, ` { "x" : [ {"action":"no"} , "]" ] , "action" : "yes" } `, "yes"},
		{`$request.body.action`, `{"Action":"case"}`, ""},
		{`$request.body.action`, `{}`, ""},
		{`$request.body.action`, `[]`, ""},
		{`$request.body.action`, `"action"`, ""},
		{`$request.body.action`, `7`, ""},
		// Mixed with literals.
		{`a\$b`, `{}`, "a$b"},
		{`x${request.body.action}y`, chat, "xjoiny"},
		{`$request.body.action/x`, chat, "join/x"},
		{`${request.body.action}${request.body.service}`, chat, "joinchat"},
		{`\\`, `{}`, `\\`},
	} {
		s, err := parseSelection(test.expression)
		if err != nil {
			t.Errorf("%s: %v", test.expression, err)
			continue
		}
		key, ok := s.key([]byte(test.message))
		if !ok || string(key) != test.key {
			t.Errorf("%s of %s = %q, %v, want %q", test.expression, test.message, key, ok, test.key)
		}
	}
	s, _ := parseSelection("$request.body.action")
	for _, message := range []string{"test@message", "", " ", `{"action":"x"`, `{"action":"x"} x`, `{'action':'x'}`, "\x00"} {
		if key, ok := s.key([]byte(message)); ok {
			t.Errorf("%q is not JSON but has key %q", message, key)
		}
	}
}

func TestAnExpressionThatCannotWorkIsAClearError(t *testing.T) {
	for expression, part := range map[string]string{
		"${request.body.action":         "not closed",
		"$":                             "dollar sign",
		"$ request.body.action":         "dollar sign",
		"$request.header.action":        `unknown variable "request.header.action"`,
		"$request.bodyaction":           "unknown variable",
		"$context.routeKey":             "unknown variable",
		"${}":                           "unknown variable",
		"$request.body.":                "empty name",
		"$request.body..action":         "empty name",
		"$request.body[":                "not closed",
		"$request.body[*]":              "neither an index",
		"$request.body[-1]":             "neither an index",
		"${request.body.*}":             "only names and indexes",
		"${request.body['a']b}":         "missing",
		"$request.body[99999999999999]": "neither an index",
	} {
		err := (&Server{Function: newRecorder(), RouteSelection: expression}).Validate()
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", expression, err, part)
		}
	}
}

func TestAMessageFindsItsRoute(t *testing.T) {
	f := newRecorder()
	all := &Server{Function: f, Routes: map[string]Route{"$connect": {}, "$disconnect": {}, "$default": {}, "join": {}}}
	none := &Server{Function: f, Routes: map[string]Route{"join": {}}}
	for message, want := range map[string]string{
		`{"action":"join"}`:        "join",
		`{"action":"leave"}`:       "$default",
		`{"action":"$connect"}`:    "$default",
		`{"action":"$disconnect"}`: "$default",
		`{"action":"$default"}`:    "$default",
		`hello`:                    "$default",
		`{}`:                       "$default",
	} {
		if r := engineOf(t, all).find([]byte(message)); r == nil || r.key != want {
			t.Errorf("%s goes to %+v, want %s", message, r, want)
		}
		r := engineOf(t, none).find([]byte(message))
		if want == "join" && r == nil || want != "join" && r != nil {
			t.Errorf("%s without $default goes to %+v", message, r)
		}
	}
}

// BenchmarkRoute is the selection of a route for a common message.
func BenchmarkRoute(b *testing.B) {
	s, _ := parseSelection("$request.body.action")
	message := []byte(`{"action":"send","to":"user:bob","data":{"text":"a message of a common size, about one hundred and twenty bytes"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if key, ok := s.key(message); !ok || string(key) != "send" {
			b.Fatal(string(key))
		}
	}
}

func FuzzRouteSelection(f *testing.F) {
	f.Add("$request.body.action", `{"action":"join"}`)
	f.Add("${request.body.a[0]['b']}-x", `{"a":[{"b":"\ud800\u0061"}],"a":[{"b":{"c":[1,null]}}]}`)
	f.Add(`\$${request.body}`, ` [ ] `)
	f.Fuzz(func(t *testing.T, expression, message string) {
		if !utf8.ValidString(expression) || !utf8.ValidString(message) {
			return // a connection passes on nothing else
		}
		s, err := parseSelection(expression)
		if err != nil {
			return
		}
		key, ok := s.key([]byte(message))
		if ok != (json.Valid([]byte(message)) || !asksForBody(s)) {
			t.Fatalf("%s of %q: ok = %v", expression, message, ok)
		}
		if !ok {
			return
		}
		want := ""
		for _, part := range s {
			want += part.literal
			if part.isPath {
				want += reference([]byte(message), part.path)
			}
		}
		if string(key) != want {
			t.Errorf("%s of %s = %q, want %q", expression, message, key, want)
		}
	})
}

func asksForBody(s selection) bool {
	for _, part := range s {
		if part.isPath {
			return true
		}
	}
	return false
}

// reference evaluates a path the slow way, with encoding/json.
func reference(doc []byte, path []step) string {
	for _, s := range path {
		if s.index >= 0 {
			var list []json.RawMessage
			if json.Unmarshal(doc, &list) != nil || s.index >= len(list) {
				return ""
			}
			doc = list[s.index]
			continue
		}
		var object map[string]json.RawMessage
		if bytes.TrimLeft(doc, " \t\r\n")[0] != '{' || json.Unmarshal(doc, &object) != nil || object[s.name] == nil {
			return ""
		}
		doc = object[s.name]
	}
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	return referenceText(decoder)
}

func referenceText(d *json.Decoder) string {
	token, err := d.Token()
	if err != nil {
		return err.Error()
	}
	var items []string
	switch token {
	case json.Delim('['):
		for d.More() {
			items = append(items, referenceText(d))
		}
		d.Token()
		return "[" + strings.Join(items, ", ") + "]"
	case json.Delim('{'):
		for d.More() {
			key := referenceText(d)
			items = append(items, key+"="+referenceText(d))
		}
		d.Token()
		return "{" + strings.Join(items, ", ") + "}"
	case nil:
		return "null"
	}
	return fmt.Sprint(token)
}
