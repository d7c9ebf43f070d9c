package template

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// asJSON writes a value as the JSON that means the same.
func asJSON(v *value) any {
	switch v.kind {
	case scalar:
		return v.text
	case list:
		out := make([]any, len(v.items))
		for i, item := range v.items {
			out[i] = asJSON(item)
		}
		return out
	case mapping:
		out := map[string]any{}
		for _, f := range v.fields {
			out[f.key] = asJSON(f.value)
		}
		return out
	}
	return nil
}

func TestJSONAndYAMLOfOneTemplateAreDescribedAlike(t *testing.T) {
	if *update {
		data, err := os.ReadFile("testdata/chat.yaml")
		if err != nil {
			t.Fatal(err)
		}
		v, err := parse("chat.yaml", data, new(notes).add)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "\t")
		if err := e.Encode(asJSON(v)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/chat.json", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(file string) *API {
		o := here()
		o.Parameters["TableName"] = "people"
		api, _, err := Read(file, o)
		if err != nil {
			t.Fatal(err)
		}
		return api
	}
	y, j := read("testdata/chat.yaml"), read("testdata/chat.json")
	// The order of a JSON file is its own, so only what does not depend on it
	// is compared here; the golden file has the rest.
	if len(y.Routes) != len(j.Routes) || len(y.Functions) != len(j.Functions) || len(y.Notes) != len(j.Notes) {
		t.Errorf("JSON has %d routes, %d functions and %d notes; YAML %d, %d and %d", len(j.Routes), len(j.Functions), len(j.Notes), len(y.Routes), len(y.Functions), len(y.Notes))
	}
	texts := map[string]bool{}
	for _, n := range y.Notes {
		texts[n.Text] = true
	}
	for _, n := range j.Notes {
		if !texts[n.Text] {
			t.Errorf("only JSON has the note: %s", n)
		}
	}
	for _, f := range j.Functions {
		for _, g := range y.Functions {
			if f.LogicalID != g.LogicalID {
				continue
			}
			f.Position, g.Position = Position{}, Position{}
			a, _ := json.Marshal(f)
			b, _ := json.Marshal(g)
			if !bytes.Equal(a, b) {
				t.Errorf("function %s: JSON %s, YAML %s", f.LogicalID, a, b)
			}
		}
	}
}
