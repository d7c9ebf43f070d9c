package dev

import (
	"maps"
	"strings"
	"testing"
)

func TestAFileOfVariablesIsThatOfSamLocal(t *testing.T) {
	o, err := parseEnvVars([]byte(`{"Connect": {"TABLE": "chat", "N": 1e3, "ON": true, "NONE": null}, "Parameters": {"TABLE": "all", "STAGE": "dev"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for function, want := range map[string]map[string]string{
		"Connect": {"TABLE": "chat", "N": "1e3", "ON": "true", "NONE": "", "STAGE": "dev"},
		"Other":   {"TABLE": "all", "STAGE": "dev"},
	} {
		if got := o.Of(function, "name-of-it"); !maps.Equal(got, want) {
			t.Errorf("function %s has %v, want %v", function, got, want)
		}
	}
	if got := o.Of("F", "Connect")["TABLE"]; got != "chat" {
		t.Errorf("by its name a function has TABLE=%s, want chat", got)
	}
}

func TestAFileOfVariablesThatIsNoneIsRefusedWithoutItsValues(t *testing.T) {
	for text, want := range map[string]string{
		``:                                 "it ends too early",
		`{`:                                "it ends too early",
		`["hunter2"]`:                      "byte 1: an object of variables is expected for each function",
		`{"TABLE": "hunter2"}`:             "byte 19: an object of variables is expected for each function",
		`{"F": {"A": {"B": "hunter2"}}}`:   "variable A of F is neither a string nor a number",
		`{"F": {"A": ["hunter2"]}}`:        "variable A of F is neither a string nor a number",
		`{"F": {"A=B": "hunter2"}}`:        `"A=B" of F cannot be a variable`,
		`{"F": {"A": "hunter2\u0000"}}`:    `"A" of F cannot be a variable`,
		`{"F": {"A": "b"}} {"hunter2": 1}`: "there is more behind the object",
		`{"F": hunter2}`:                   "it is not JSON at byte 7",
	} {
		_, err := parseEnvVars([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// FuzzEnvVars: whatever the bytes are, they are variables that an environment can
// have, or refused.
func FuzzEnvVars(f *testing.F) {
	f.Add([]byte(`{"F": {"A": "b", "C": 1}, "Parameters": {"D": true}}`))
	f.Add([]byte(`{"F": null}`))
	f.Add([]byte(`{"F": {"": ""}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := parseEnvVars(data)
		if err != nil {
			return
		}
		each := []map[string]string{o.All}
		for name := range o.Each {
			each = append(each, o.Of(name, name))
		}
		for _, variables := range each {
			for name, value := range variables {
				if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
					t.Errorf("variable %q has the value %q", name, value)
				}
			}
		}
	})
}
