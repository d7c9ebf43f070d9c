package serverless

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEveryKeyHasARowAndEveryRowAKey(t *testing.T) {
	data, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	names, rows := map[string]bool{}, standings()
	for line := range strings.Lines(string(data)) {
		if name := strings.TrimSpace(line); name != "" && !strings.HasPrefix(name, "#") {
			names[name] = true
		}
	}
	for name := range names {
		row, ok := rows[name]
		if i := strings.LastIndexByte(name, '.'); !ok && i >= 0 {
			row = rows[name[:i]]
			ok = row.status != "done" && row.status != ""
		}
		if !ok {
			t.Errorf("%s has no row in keys.txt", name)
		}
	}
	for name, row := range rows {
		if !names[name] {
			t.Errorf("keys.txt has a row of %s, which there is not", name)
		}
		if !slices.Contains([]string{"done", "said", "hint", "verbose", "nothing", "unknown"}, row.status) {
			t.Errorf("%s has the status %q", name, row.status)
		}
		if row.text == "" && slices.Contains([]string{"said", "hint", "verbose"}, row.status) {
			t.Errorf("%s does not say why it is left out", name)
		}
	}
}

func TestWhatARowSaysIsLeftOutIsSaid(t *testing.T) {
	said := 0
	for name, row := range standings() {
		if row.status != "hint" && row.status != "verbose" {
			continue
		}
		function, provider := "", ""
		parts := strings.Split(name, ".")
		key := parts[len(parts)-1]
		switch {
		case parts[0] == "functions":
			function = ", " + key + ": {x: y}"
		case len(parts) == 3:
			provider = ", " + parts[1] + ": {" + key + ": {x: y}}"
		default:
			provider = ", " + key + ": {x: y}"
		}
		text := "service: a\nprovider: {name: aws, runtime: nodejs22.x" + provider + "}\nfunctions:\n  f: {handler: a.b, events: [{websocket: $connect}]" + function + "}\n"
		_, notes, err := expandWith("serverless.yml", text, Options{})
		if err != nil || !strings.Contains(notes, ": "+key+" of ") || !strings.Contains(notes, " is left out: "+row.text+"\n") {
			t.Errorf("%s is not said to be left out: notes %q, %v", name, notes, err)
		}
		said++
	}
	if said < 8 {
		t.Errorf("%d keys were looked at", said)
	}
}

func TestAKeyThatIsMistypedIsTold(t *testing.T) {
	_, notes, err := expandWith("serverless.yml", "service: a\nprovider: {name: aws, runtime: nodejs22.x, enviroment: {A: b}}\nfunctions:\n  f: {handlr: a.b, mine: x, events: [{websocket: $connect}]}\n", Options{})
	want := "serverless.yml:2: enviroment of the provider is not a key that is known here: did you mean environment?\nserverless.yml:4: handlr of function f is not a key that is known here: did you mean handler?\n"
	if err != nil || notes != want {
		t.Errorf("notes %q, %v, want %q", notes, err, want)
	}
}
