package cloudformation

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// FuzzEvaluate: whatever the bytes are, working out a whole template does not panic,
// ends soon, and gives a stack or a mistake with its file.
func FuzzEvaluate(f *testing.F) {
	f.Add([]byte(goodLines))
	f.Add([]byte(stringBomb()))
	f.Add([]byte(parameterBomb()))
	f.Add([]byte(pingAPI))
	f.Add([]byte(comparedTemplate))
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		stack, err := evaluate("t", data, document.NewReading("t"), Options{})
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("evaluating %d bytes took %v", len(data), took)
		}
		if (stack == nil) == (err == nil) {
			t.Errorf("evaluated to %v with the error %v", stack, err)
		}
		if e := (*app.Error)(nil); err != nil && (!errors.As(err, &e) || e.Position.File == "" || e.Text == "") {
			t.Errorf("error %#v, want an *app.Error with its file", err)
		}
	})
}

// FuzzAssets: whatever a manifest of assets is, a template is found by it without a
// panic, and only under a path that it has.
func FuzzAssets(f *testing.F) {
	f.Add([]byte(`{"files": {"x": {"source": {"path": "n.json"}, "destinations": {"d": {"objectKey": "a/b.json"}}}}}`), "https://s3.amazonaws.com/bucket/a/b.json")
	f.Add([]byte(`{"files": {"x": {"source": {}, "destinations": []}}}`), "/.json")
	f.Add([]byte("files: [\n"), "//.json")
	f.Fuzz(func(t *testing.T, manifest []byte, url string) {
		known := map[string]string{}
		addAssets("t", manifest, known)
		a := assets{"dir": known}
		got := a.template("dir", document.NewText(app.Position{}, url))
		if got != "" && !strings.HasSuffix(url, ".json") || strings.ContainsRune(got, 0) {
			t.Errorf("%q is found at %q", url, got)
		}
	})
}
