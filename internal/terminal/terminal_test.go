package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile lists text that terminals act on or that poses as other text.
var hostile = []string{
	"\x1b]52;c;ZWNobw==\x07", "\x1b]0;title\x1b\\", "\x1b[2J\x1b[31m", "\x1bP+q\x1b\\", "\x1b_G\x1b\\", "\u009b2J", "\u009d0;t\u009c", "\x9b2J", "\xc2",
	"\a\b\f\v\x0e\x0f\x7f\x00", "a\rwirepost: sent 1", "\u202eevil\u202c", "\u2066a\u2069", "\u200b\u200c\u200d\u200e\u200f", "\u2028\u2029", "\ufeff", "\u00ad",
	"\u061c", "\u180e", "\u2060\u2064", "\ufff9\ufffb", "\U000e0041", "\u3164\uffa0\u115f", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\ue000", "\U0010ffff", "\uffff",
}

func TestWhatATerminalActsOnIsShown(t *testing.T) {
	for _, c := range []struct{ in, text, line string }{
		{"plain ASCII, 'quoted' \\x1b", "plain ASCII, 'quoted' \\x1b", "plain ASCII, 'quoted' \\x1b"},
		{"Grüße, 世界　שלום e\u0301 ❤\ufe0f …", "Grüße, 世界　שלום e\u0301 ❤\ufe0f …", "Grüße, 世界　שלום e\u0301 ❤\ufe0f …"},
		{"a\n\tb", "a\n\tb", `a\n\tb`},
		{"a\r\nb", `a\r` + "\nb", `a\r\nb`},
		{"\x1b]52;c;eA==\a", `\x1b]52;c;eA==\x07`, `\x1b]52;c;eA==\x07`},
		{"\x00\x7f\u009b\x9b", `\x00\x7f\u009b\x9b`, `\x00\x7f\u009b\x9b`},
		{"x\u202ey\u2066\u200b\u2028\ufeff", `x\u202ey\u2066\u200b\u2028\ufeff`, `x\u202ey\u2066\u200b\u2028\ufeff`},
		{"\U000e0041\xed\xa0\x80", `\U000e0041\xed\xa0\x80`, `\U000e0041\xed\xa0\x80`},
	} {
		if got := Text(c.in); got != c.text {
			t.Errorf("Text(%q) = %q, want %q", c.in, got, c.text)
		}
		if got := Line(c.in); got != c.line {
			t.Errorf("Line(%q) = %q, want %q", c.in, got, c.line)
		}
	}
}

func TestNoLineOfABlockLooksLikeWirepostsOwn(t *testing.T) {
	in := "it failed\nwirepost: sent 1\n\n  indented\n\ttoo\r\nwirepost: hint: run this"
	want := "it failed\n\twirepost: sent 1\n\n  indented\n\ttoo\\r\n\twirepost: hint: run this"
	if got := Block(in); got != want {
		t.Errorf("Block = %q, want %q", got, want)
	}
}

func TestAPrinterPrintsNothingThatATerminalActsOn(t *testing.T) {
	for _, s := range append(hostile, "a\nwirepost: sent 1", "a\tb") {
		var out bytes.Buffer
		p := NewPrinter(&out)
		p.Printf("%s %q %-5v %v %d\n", s, s, errors.New(s), []string{s}, 1)
		p.Block("wirepost: error: ", s)
		if err := p.JSON(map[string]any{"text": s, s: 1}); err != nil {
			t.Fatal(err)
		}
		if err := p.Data([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if n, err := p.Lines().Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("Write of %d bytes: %d, %v", len(s), n, err)
		}
		p.Print("\n")
		table := p.Table("A", "B")
		table.Row(s, errors.New(s))
		if err := table.Flush(); err != nil {
			t.Fatal(err)
		}
		if at := firstHarmful(out.String()); at >= 0 {
			t.Errorf("of %q came %q", s, out.String()[at:])
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if got := lines[len(lines)-1]; strings.Contains(s, "\n") && !strings.Contains(got, `\n`) {
			t.Errorf("a row of %q has the last line %q", s, got)
		}
	}
}

func TestAPrinterFormatsAsFmtDoes(t *testing.T) {
	var out bytes.Buffer
	NewPrinter(&out).Printf("%s|%-6s|%5d|%.2f|%v|%q|%v|%x\n", "a", "b", 3, 1.5, true, "c\x1b", error(nil), "d")
	if want := "a|b     |    3|1.50|true|\"c\\x1b\"|<nil>|64\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// firstHarmful returns the index of the first character that must not be printed, or -1.
func firstHarmful(s string) int {
	for i, r := range s {
		if _, size := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 {
			return i
		}
		switch {
		case r == '\n' || r == '\t':
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point):
			return i
		}
	}
	return -1
}

func FuzzTextIsHarmless(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, line, block := Text(s), Line(s), Block(s)
		for _, got := range []string{text, line, block} {
			if at := firstHarmful(got); at >= 0 {
				t.Errorf("%q is printed as %q", s, got)
			}
		}
		if strings.ContainsAny(line, "\n\t") {
			t.Errorf("%q is printed in one line as %q", s, line)
		}
		for i, l := range strings.Split(block, "\n") {
			if i > 0 && l != "" && l[0] != '\t' && l[0] != ' ' {
				t.Errorf("%q is printed as the block %q", s, block)
			}
		}
		if strings.Count(text, "\n") != strings.Count(s, "\n") {
			t.Errorf("%q is printed in other lines as %q", s, text)
		}
		if Text(text) != text || Line(line) != line || Block(block) != block {
			t.Errorf("what is printed of %q changes when it is printed again", s)
		}
		if firstHarmful(s) < 0 && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) && r != '\n' && r != '\t' }) < 0 && text != s {
			t.Errorf("%q is printed as %q, and needs no change", s, text)
		}
	})
}

func FuzzJSONIsHarmlessAndEqual(f *testing.F) {
	for _, s := range hostile {
		b, _ := json.Marshal(map[string]any{s: []string{s}})
		f.Add(b)
		f.Add([]byte(`{"a":"` + s + `"}`))
	}
	f.Add([]byte("{\r\n\t\"a\" : [1e9, \"\\ud800\", \"\\u202e\", \"\U0001f600\"]\r\n}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		out := JSON(b)
		if at := firstHarmful(string(out)); at >= 0 {
			t.Errorf("%q is printed as %q", b, out)
		}
		decode := func(b []byte) (v any) {
			d := json.NewDecoder(bytes.NewReader(b))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%q: %v", b, err)
			}
			return v
		}
		if before, after := decode(b), decode(out); !reflect.DeepEqual(before, after) {
			t.Errorf("%q has the value %v, and is printed as %q with %v", b, before, out, after)
		}
	})
}
