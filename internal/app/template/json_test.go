package template

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// asJSON writes a value as the JSON that means the same.
func asJSON(v *document.Value) any {
	switch v.Kind {
	case document.Scalar:
		return v.Text
	case document.List:
		out := make([]any, len(v.Items))
		for i, item := range v.Items {
			out[i] = asJSON(item)
		}
		return out
	case document.Map:
		out := map[string]any{}
		for _, f := range v.Fields {
			out[f.Key] = asJSON(f.Value)
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
		v, err := document.Parse("chat.yaml", data, document.NewReading("chat.yaml"))
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
	read := func(file string) (*app.App, []app.Note) {
		a, notes, err := readHere(file, &Options{Parameters: map[string]string{"TableName": "people"}})
		if err != nil {
			t.Fatal(err)
		}
		return a, notes
	}
	y, ynotes := read("testdata/chat.yaml")
	j, jnotes := read("testdata/chat.json")
	// The order of a JSON file is its own, so only what does not depend on it
	// is compared here; the golden file has the rest.
	if len(y.APIs[0].Routes) != len(j.APIs[0].Routes) || len(y.Functions) != len(j.Functions) || len(ynotes) != len(jnotes) {
		t.Errorf("JSON has %d routes, %d functions and %d notes; YAML %d, %d and %d", len(j.APIs[0].Routes), len(j.Functions), len(jnotes), len(y.APIs[0].Routes), len(y.Functions), len(ynotes))
	}
	texts := map[string]bool{}
	for _, n := range ynotes {
		texts[n.Text] = true
	}
	for _, n := range jnotes {
		if !texts[n.Text] {
			t.Errorf("only JSON has the note: %s", n)
		}
	}
	for _, f := range j.Functions {
		for _, g := range y.Functions {
			if f.LogicalID != g.LogicalID {
				continue
			}
			f.Position, g.Position = app.Position{}, app.Position{}
			f.Code.InlineLine, g.Code.InlineLine = 0, 0
			for _, u := range []*app.Unrunnable{f.Unrunnable, g.Unrunnable} {
				if u != nil {
					u.Position = app.Position{}
				}
			}
			for i := range f.Layers {
				f.Layers[i].Position = app.Position{}
			}
			for i := range g.Layers {
				g.Layers[i].Position = app.Position{}
			}
			a, _ := json.Marshal(f)
			b, _ := json.Marshal(g)
			if !bytes.Equal(a, b) {
				t.Errorf("function %s: JSON %s, YAML %s", f.LogicalID, a, b)
			}
		}
	}
}
