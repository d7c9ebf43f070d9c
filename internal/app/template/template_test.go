package template

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

var update = flag.Bool("update", false, "write the apps of testdata to testdata/*.golden")

// here is how 'wirepost dev' reaches the first API of an app.
func here(a *app.App) app.Names {
	return app.Names{APIs: map[string]app.APIName{a.APIs[0].LogicalID: {
		ID:       "local12345",
		Endpoint: func(stage string) string { return "http://localhost:3001/" + stage },
	}}}
}

// hereWithAll is here for an app whose queues and HTTP APIs have addresses too.
func hereWithAll(a *app.App) app.Names {
	names := here(a)
	names.Queues = func(name string) string { return "http://127.0.0.1:9324/000000000000/" + name }
	names.HTTPAPIs = map[app.HTTPKind]map[string]string{}
	for i, api := range a.HTTPAPIs {
		if names.HTTPAPIs[api.Kind] == nil {
			names.HTTPAPIs[api.Kind] = map[string]string{}
		}
		names.HTTPAPIs[api.Kind][api.LogicalID] = fmt.Sprintf("http://127.0.0.1:%d", 3003+i)
	}
	return names
}

// readHere reads a template in both steps, as 'wirepost dev' does.
func readHere(file string, o *Options) (*app.App, []app.Note, error) {
	a, notes, err := Read(file, o)
	if err != nil {
		return nil, notes, err
	}
	return a.Resolve(here(a))
}

// readWithAll is readHere with the addresses of hereWithAll.
func readWithAll(file string, o *Options) (*app.App, []app.Note, error) {
	a, notes, err := Read(file, o)
	if err != nil {
		return nil, notes, err
	}
	return a.Resolve(hereWithAll(a))
}

// describe is an app and its notes as a text to compare.
func describe(a *app.App, notes []app.Note, err error) string {
	var out bytes.Buffer
	if err != nil {
		out.WriteString("error " + err.Error() + "\n")
	}
	if a != nil {
		lines(&out, "", a)
	}
	for _, n := range notes {
		out.WriteString(n.Severity.String() + " " + n.String() + "\n")
	}
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}

// lines is a line for each field of v, and for each item of a list.
func lines(out *bytes.Buffer, prefix string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var all map[string]any
	_ = json.Unmarshal(b, &all)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		items, ok := all[k].([]any)
		if !ok {
			items = []any{all[k]}
		}
		for _, item := range items {
			if k == "APIs" {
				lines(out, "API.", item)
			} else {
				line(out, prefix+k, item)
			}
		}
	}
}

// line is one value without what is zero in it, and with positions in short.
func line(out *bytes.Buffer, k string, v any) {
	if v = short(v); v == nil {
		return
	}
	out.WriteString(k + " ")
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
}

func short(v any) any {
	switch v := v.(type) {
	case string, bool, float64:
		if v == "" || v == false || v == 0.0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
		for i := range v {
			v[i] = short(v[i])
		}
	case map[string]any:
		if v["File"] != nil && v["Line"] != nil {
			return fmt.Sprintf("%v:%v", v["File"], v["Line"])
		}
		out := map[string]any{}
		for k, item := range v {
			if item = short(item); item != nil {
				out[k] = item
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	return v
}

func TestTemplatesAreDescribedInFull(t *testing.T) {
	for _, c := range []struct {
		file string
		o    Options
	}{
		{"chat.yaml", Options{Parameters: map[string]string{"TableName": "people"}}},
		{"chat.json", Options{Parameters: map[string]string{"TableName": "people"}}},
		{"sam.yaml", Options{}},
		{"websocketapi.yaml", Options{}},
		{"cdk.template.json", Options{}},
		{"several.yaml", Options{API: "games", Stage: "green"}},
		{"sources.yaml", Options{}},
		{"sources/serverless.yml", Options{}},
		{"service/serverless.yml", Options{
			Env: func(name string) string { return map[string]string{"TOKEN": "from the environment"}[name] },
			CLI: map[string]string{"stage": "prod"},
		}},
	} {
		t.Run(c.file, func(t *testing.T) {
			got := describe(readHere("testdata/"+c.file, &c.o))
			if strings.HasPrefix(c.file, "sources") {
				got = describe(readWithAll("testdata/"+c.file, &c.o))
			}
			golden := filepath.Join("testdata", c.file+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s is described otherwise than in %s; got:\n%s", c.file, golden, got)
			}
		})
	}
}
