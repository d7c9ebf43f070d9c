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
)

var update = flag.Bool("update", false, "write what Read describes to testdata/*.golden")

// here is what 'wirepost dev' would give.
func here() *Options {
	return &Options{
		Parameters:    map[string]string{},
		LocalAPIID:    "local12345",
		LocalEndpoint: func(stage string) string { return "http://localhost:3001/" + stage },
	}
}

// describe is an API and its notes as a text to compare.
func describe(api *API, notes []Note, err error) string {
	var out bytes.Buffer
	if err != nil {
		out.WriteString("error " + err.Error() + "\n")
	}
	if api != nil {
		api.Notes = nil
		b, err := json.Marshal(api)
		if err != nil {
			return err.Error()
		}
		var all map[string]any
		_ = json.Unmarshal(b, &all)
		for _, k := range slices.Sorted(maps.Keys(all)) {
			if items, ok := all[k].([]any); ok {
				for _, item := range items {
					line(&out, k, item)
				}
			} else {
				line(&out, k, all[k])
			}
		}
	}
	for _, n := range notes {
		out.WriteString(n.Severity.String() + " " + n.String() + "\n")
	}
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
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
		with func(*Options)
	}{
		{"chat.yaml", func(o *Options) { o.Parameters["TableName"] = "people" }},
		{"chat.json", func(o *Options) { o.Parameters["TableName"] = "people" }},
		{"sam.yaml", nil},
		{"websocketapi.yaml", nil},
		{"cdk.template.json", nil},
		{"several.yaml", func(o *Options) { o.API, o.Stage = "games", "green" }},
		{"service/serverless.yml", func(o *Options) {
			o.Env = func(name string) string { return map[string]string{"TOKEN": "from the environment"}[name] }
			o.CLI = map[string]string{"stage": "prod"}
		}},
	} {
		t.Run(c.file, func(t *testing.T) {
			o := here()
			if c.with != nil {
				c.with(o)
			}
			got := describe(Read("testdata/"+c.file, o))
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
