package jsontext

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

var texts = []string{
	``, ` `, `{}`, ` { } `, `[]`, `[1]`, `[1,]`, `[,1]`, `{"a":1}`, `{"a":1,}`, `{"a"}`, `{a:1}`, `{"a":{"b":[null,true,false]}}`, `"`, `"\`, `"\"`, `"\u00e9"`, `"\u00g9"`, `"\u00e"`, `"\x"`, "\"\x01\"",
	"\"\xff\"", `0`, `-0`, `01`, `-`, `1.`, `1.5`, `.5`, `1e5`, `1e`, `1e+`, `1E-5`, `+1`, `tru`, `true`, `truee`, `nul`, `null `, `1 2`, `{} {}`, `[1 2]`, `{"a":1 "b":2}`, `"a""b"`,
	strings.Repeat("[", 10001) + strings.Repeat("]", 10001), strings.Repeat("[", 10000) + strings.Repeat("]", 10000), strings.Repeat(`{"a":`, 10001) + "1" + strings.Repeat("}", 10001), strings.Repeat("[", 100000),
}

func TestValidIsThatOfTheStandardLibrary(t *testing.T) {
	for _, text := range texts {
		if got, want := Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%.60q of %d bytes: %t, want %t", text, len(text), got, want)
		}
	}
}

func TestTextsAreThoseOfTheStandardLibrary(t *testing.T) {
	for _, quoted := range []string{`""`, `"a"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\u20AC"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83d\u0041"`, `"\ude00x"`, `"\ud83d\ud83d\ude00"`, "\"\xff\xe2\x82\"", `"é€😀"`, `"\ud83dé"`} {
		var want string
		if err := json.Unmarshal([]byte(quoted), &want); err != nil {
			t.Fatal(err)
		}
		if got := string(AppendText(nil, []byte(quoted))); got != want {
			t.Errorf("%s is %q, want %q", quoted, got, want)
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, text := range texts[:len(texts)-4] {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, want := Valid(data), json.Valid(data); got != want {
			t.Errorf("%q: %t, want %t", data, got, want)
		}
		text := bytes.Trim(data, " \n\r\t")
		if !json.Valid(text) || text[0] != '"' {
			return
		}
		var want string
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if got := string(AppendText(nil, text)); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	})
}
