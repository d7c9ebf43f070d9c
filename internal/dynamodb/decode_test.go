package dynamodb

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// pageOf is a page by way of encoding/json, which is slower; ok is whether it is one.
func pageOf(answer []byte) (p *Page, ok bool) {
	if !json.Valid(answer) {
		return nil, false
	}
	var top any
	r := json.NewDecoder(bytes.NewReader(answer))
	r.UseNumber()
	if r.Decode(&top) != nil {
		return nil, false
	}
	members, ok := top.(map[string]any)
	if top != nil && !ok {
		return nil, false
	}
	p = &Page{}
	items, ok := members["Items"].([]any)
	if members["Items"] != nil && !ok {
		return nil, false
	}
	for _, v := range items {
		it, ok := itemOf(v)
		if !ok {
			return nil, false
		}
		p.Items = append(p.Items, it)
	}
	p.LastEvaluatedKey, ok = itemOf(members["LastEvaluatedKey"])
	return p, ok
}

func itemOf(v any) (it Item, ok bool) {
	members, ok := v.(map[string]any)
	if v != nil && !ok {
		return nil, false
	}
	for name, v := range members {
		if it == nil {
			it = Item{}
		}
		var value Value
		kinds, ok := v.(map[string]any)
		if v != nil && !ok {
			return nil, false
		}
		for kind, v := range kinds {
			s, isString := v.(string)
			switch {
			case v == nil || kind != "S" && kind != "N" && kind != "M":
			case kind == "M":
				m, ok := itemOf(v)
				if !ok {
					return nil, false
				}
				if m == nil {
					m = Item{}
				}
				value.M = &m
			case !isString:
				return nil, false
			case kind == "S":
				value.S = &s
			default:
				value.N = &s
			}
		}
		it[name] = value
	}
	return it, true
}

// unambiguous reports whether no object of a text has a name twice: what of that holds
// is nobody's promise.
func unambiguous(text []byte) bool {
	r := json.NewDecoder(bytes.NewReader(text))
	var value func() bool
	value = func() bool {
		t, err := r.Token()
		if err != nil {
			return false
		}
		switch t {
		case json.Delim('{'):
			names := map[any]bool{}
			for r.More() {
				name, err := r.Token()
				if err != nil || names[name] || !value() {
					return false
				}
				names[name] = true
			}
			r.Token()
		case json.Delim('['):
			for r.More() {
				if !value() {
					return false
				}
			}
			r.Token()
		}
		return true
	}
	return value()
}

func TestWhatIsNoPageIsAnErrorThatSaysWhere(t *testing.T) {
	for answer, want := range map[string]string{
		"":                                     "it ends where an object should be",
		"[]":                                   "byte 0 is '[' where an object should be",
		`{"Items":{}}`:                         "byte 9 is '{' where an array should be",
		`{"Items":[{"p":{"S":1}}]}`:            "byte 20 is '1' where a string should be",
		`{"Items":[{"p":{"S":"a"`:              "it ends where a comma or a brace should be",
		`{"Items":[{"p":{"S":"a}]}`:            "it ends where the end of a string should be",
		"{\"Items\":[{\"p\":{\"S\":\"\n\"}}]}": "where a character of a string should be",
		`{"Items":[]} x`:                       "byte 13 is 'x' where its end should be",
		`{"Items":[],}`:                        "byte 12 is '}' where a string should be",
		`{"Items" []}`:                         "where a colon should be",
		`{"Items":[{} {}]}`:                    "where a comma or a bracket should be",
		`{"Other":01}`:                         "where a comma or a brace should be",
		`{"Other":-}`:                          "where a digit should be",
		`{"Other":1.}`:                         "where a digit should be",
		`{"Other":1e+}`:                        "where a digit should be",
		`{"Other":tru}`:                        "where a value should be",
		`{"Other":"\x"}`:                       "invalid character",
		`{"Other":` + strings.Repeat("[", 200): "nested more than 100 deep",
	} {
		if err := (&decoder{b: []byte(answer)}).whole(&Page{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", answer, err, want)
		}
	}
}

// A page that is read is valid JSON and has in it what encoding/json finds; what is
// refused is none, or nested deeper than any row.
func FuzzPage(f *testing.F) {
	for _, s := range []string{`{"Items":[{"p":{"S":"a"},"t":{"M":{"x":{"N":"1"}}}},{}],"LastEvaluatedKey":{"p":{"S":"\u00e9\ud83d\ude00\\"}},"Count":-1.5e+3,"x":[true,false,null,{"":""}]}`,
		`null`, ` { } `, `{"Items":null,"LastEvaluatedKey":{"p":null,"q":{"S":null,"M":null}}}`, `{"Items":[{"a":{"B":"x","L":[{"S":"y"}],"SS":["z"]}}]}`, "{\"Items\":[{\"\xff\":{\"S\":\"\xff\"}}]}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		got := &Page{}
		err := (&decoder{b: answer}).whole(got)
		want, ok := pageOf(answer)
		switch {
		case err == nil && !json.Valid(answer):
			t.Errorf("read what is no JSON: %q", answer)
		case !json.Valid(answer) || !unambiguous(answer):
		case err == nil && !ok:
			t.Errorf("read what is no page: %q", answer)
		case err != nil && ok && bytes.Count(answer, []byte("{"))+bytes.Count(answer, []byte("[")) <= maxDepth:
			t.Errorf("%q: %v", answer, err)
		case err == nil && !reflect.DeepEqual(got, want):
			t.Errorf("%q is read as %s, want %s", answer, text(t, got), text(t, want))
		}
	})
}
