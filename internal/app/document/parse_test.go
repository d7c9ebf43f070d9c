package document

import (
	"strings"
	"testing"
)

func TestAFileThatIsNoDocumentIsAMistakeWithItsLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"neither YAML nor JSON", "Resources:\n  A: [\n", "t.yaml:2: is neither YAML nor JSON: did not find expected node content"},
		{"nothing", "", "t.yaml:1: is empty"},
		{"an alias that contains itself", "Resources: &r\n  A: *r\n", "t.yaml:2: is nested deeper than 100 levels, or an alias contains itself"},
		{"an alias bomb", bomb(), "t.yaml:1: has more than 100000 values once its aliases are followed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := Parse("t.yaml", []byte(c.text), NewReading("t.yaml"))
			if err == nil || err.Error() != c.want || v != nil {
				t.Errorf("Parse: %v, want %s", err, c.want)
			}
		})
	}
}

// bomb is a file of a few lines that means a thousand million values.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		p := "*a" + string(rune('0'+i-1))
		b.WriteString("a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat(p+", ", 9) + p + "]\n")
	}
	return b.String()
}

// FuzzParse: whatever the bytes are, reading them does not panic and is bounded, and
// a mistake has its place.
func FuzzParse(f *testing.F) {
	f.Add([]byte(bomb()))
	f.Add([]byte("a: &a {b: !Sub [c, {d: e}]}\nf: {<<: *a, b: 1}\nb: ~\nb: yes\n"))
	f.Add([]byte(`{"a": [1e3, null, true, "\ud83d\ude00"], "a": {}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		reading := NewReading("t")
		v, err := Parse("t", data, reading)
		if (v == nil) == (err == nil) {
			t.Fatalf("parsed to %v with the error %v", v, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "t:") {
			t.Errorf("error %q, want the file and the line first", err)
		}
		for _, n := range reading.Notes() {
			if n.Text == "" || n.Position.Line == 0 {
				t.Errorf("note %v, want a text and a line", n)
			}
		}
	})
}
