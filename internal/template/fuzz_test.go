package template

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzTemplate: whatever the bytes are, reading them does not panic, ends soon,
// says every mistake with its file, and never describes half an API.
func FuzzTemplate(f *testing.F) {
	for _, pattern := range []string{"testdata/web*.yaml", "testdata/cdk*.json", "testdata/service/*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no files %s: %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte(goodLines))
	f.Add([]byte(bomb()))
	f.Add([]byte(stringBomb()))
	f.Add([]byte("service: ${self:custom.${self:custom.a}}\nprovider: aws\ncustom: {a: a}\nfunctions: ${file(${self:service}):x.${opt:stage}, 'y'}\n"))
	f.Add([]byte("service: " + string(bytes.Repeat([]byte("${self:"), 3000)) + "\nprovider: aws\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		o := here()
		o.Parameters["TableName"] = "people"
		o.Env = func(string) string { return "" }
		n := &notes{}
		start := time.Now()
		if resolved, err := resolve("t", data, *o, &notes{}); (resolved == nil) == (err == nil) {
			t.Errorf("resolved to %v with the error %v", resolved, err)
		}
		api, err := readTemplate(filepath.Join(dir, "t"), data, *o, n)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("reading %d bytes took %v", len(data), took)
		}
		n.sorted(filepath.Join(dir, "t"))
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Position.File == "" || e.Text == "" || api != nil {
				t.Errorf("error %#v with API %v, want an *Error with its file and no API", err, api)
			}
			return
		}
		if api.LogicalID == "" || api.Stage == "" && !bytes.Contains(data, []byte("StageName")) || len(api.Routes) == 0 {
			t.Errorf("API %+v without an error is not one that can be run", api)
		}
		for _, note := range n.all {
			if note.Text == "" {
				t.Errorf("an empty note at %s", note.Position)
			}
		}
	})
}
