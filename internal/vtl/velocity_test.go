package vtl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "have Velocity write testdata/rendered.json")

// velocityJars is where Debian's package velocity puts it, with what it needs.
const (
	velocityJar  = "/usr/share/java/velocity.jar"
	velocityJars = velocityJar + ":/usr/share/java/commons-collections3.jar:/usr/share/java/commons-lang.jar"
)

// templates are those of testdata/templates.txt, by name, in their order.
func templates(t testing.TB) (names []string, texts map[string]string) {
	data, err := os.ReadFile("testdata/templates.txt")
	if err != nil {
		t.Fatal(err)
	}
	texts = map[string]string{}
	for part := range strings.SplitSeq("\n"+string(data), "\n=== ") {
		name, text, ok := strings.Cut(part, "\n")
		if !ok {
			continue
		}
		if _, twice := texts[name]; twice {
			t.Fatalf("two templates are called %s", name)
		}
		names, texts[name] = append(names, name), strings.TrimSuffix(text, "\n")
	}
	return names, texts
}

// sample is what testdata/Judge.java has Velocity render with.
func sample() map[string]any {
	deep := NewMap(nil)
	deep.Put("deep", &List{Items: []any{int64(1), int64(2), int64(3)}})
	m := NewMap(nil)
	m.Put("one", int64(1))
	m.Put("two", "zwei")
	m.Put("inner", deep)
	m.Put("nil", nil)
	return map[string]any{
		"name": "World", "empty": "", "quote": `it's "so"`, "n": int64(7), "zero": int64(0), "big": int64(3000000000), "half": 1.5,
		"yes": true, "no": false, "list": &List{Items: []any{"a", "b", "c"}}, "none": &List{}, "nulls": &List{Items: []any{"x", nil, "z"}},
		"map": m, "hollow": NewMap(nil),
	}
}

// rendered is what a template becomes: a + and its text, or a - and where and why not.
func rendered(text string) string {
	parsed, err := Parse(text, nil)
	if err != nil {
		return "-" + err.Error()
	}
	out, err := parsed.Render(context.Background(), sample())
	if err != nil {
		return "-" + err.Error()
	}
	return "+" + string(out)
}

// velocity renders templates with Velocity 1.7.
func velocity(t testing.TB, texts []string) []string {
	folder := t.TempDir()
	if out, err := exec.Command("javac", "-nowarn", "-d", folder, "-cp", velocityJar, "testdata/Judge.java").CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	var in bytes.Buffer
	for _, text := range texts {
		fmt.Fprintf(&in, "%d\n%s", len(text), text)
	}
	cmd := exec.Command("java", "-cp", velocityJars+":"+folder, "Judge")
	cmd.Stdin = &in
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(bytes.NewReader(out))
	var all []string
	for range texts {
		var n int
		if _, err := fmt.Fscanf(r, "%d\n", &n); err != nil {
			t.Fatal(err)
		}
		text := make([]byte, n)
		if _, err := io.ReadFull(r, text); err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

// What Velocity rendered is kept in testdata/rendered.json, so that it is compared where
// Velocity is not installed, too.
func TestTemplatesAreRenderedAsVelocityRendersThem(t *testing.T) {
	names, texts := templates(t)
	data, err := os.ReadFile("testdata/rendered.json")
	if err != nil && !*update {
		t.Fatal(err)
	}
	want := map[string]string{}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
	}
	// Velocity renders nothing for these, and that is never meant.
	refused := map[string]bool{"foreach without in": true, "foreach without a list": true}
	if len(names) < 200 && !*update {
		t.Errorf("there are %d templates", len(names))
	}
	for _, name := range names {
		wanted, ok := want[name]
		if got := rendered(texts[name]); !ok && !*update {
			t.Errorf("%s: Velocity has not been asked; run this with -update", name)
		} else if refused[name] {
			if got[0] != '-' {
				t.Errorf("%s is rendered as %q", name, got)
			}
		} else if ok && got != wanted && !(got[0] == '-' && wanted[0] == '-') {
			t.Errorf("%s:\n%s\nbecomes\n%s\nwhere Velocity has\n%s", name, texts[name], got, wanted)
		}
	}
}

func TestVelocityStillRendersWhatIsKept(t *testing.T) {
	if _, err := os.Stat(velocityJar); err != nil {
		message := "SKIPPED: Velocity is not at " + velocityJar + "; scripts/test-needs installs it"
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	names, texts := templates(t)
	var all []string
	for _, name := range names {
		all = append(all, texts[name])
	}
	now := map[string]string{}
	for i, result := range velocity(t, all) {
		if result[0] == '-' {
			place, _, _ := strings.Cut(result, " ")
			if place == "-0" || place == "--1" {
				result = "-"
			} else {
				result = strings.Join(strings.SplitN(result, " ", 3)[:2], " ")
			}
		}
		now[names[i]] = result
	}
	if *update {
		out, _ := json.MarshalIndent(now, "", " ")
		if err := os.WriteFile("testdata/rendered.json", append(out, '\n'), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, _ := os.ReadFile("testdata/rendered.json")
	kept := map[string]string{}
	if err := json.Unmarshal(data, &kept); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if kept[name] != now[name] {
			t.Errorf("%s: %q is kept, and Velocity has %q", name, kept[name], now[name])
		}
	}
}
