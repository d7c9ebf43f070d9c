//go:build unix

package inspector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/wireposttest"
)

// needs returns the path of a program. Without the program it skips the test, or fails it
// in CI.
func needs(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not installed; run make test-needs (with CI=true nothing is skipped)", program)
	default:
		t.Skipf("skipped: %s is not installed; run make test-needs", program)
	}
	return ""
}

// copied returns the commands that the page copies for texts. The expression is
// JavaScript that calls functions of command.js with the variable text. Where it throws,
// the command is "error: " and the message.
func copied(t *testing.T, expression string, texts []string) (commands []string) {
	t.Helper()
	node := needs(t, "node")
	module, err := os.ReadFile(filepath.Join("page", "command.js"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "command.mjs"), module, 0o600); err != nil {
		t.Fatal(err)
	}
	program := `import { quote, wscat, wirepostSend, wirepostKick, wirepostFault, json } from "./command.mjs";
		import { readFileSync } from "node:fs";
		const made = JSON.parse(readFileSync(0)).map((text) => { try { return ` + expression + `; } catch (error) { return "error: " + error.message; } });
		console.log(JSON.stringify(made));`
	if err := os.WriteFile(filepath.Join(dir, "copy.mjs"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), node, "copy.mjs")
	c.Dir, c.Stdin, c.Stderr = dir, bytes.NewReader(in), os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &commands); err != nil || len(commands) != len(texts) {
		t.Fatalf("%d commands of %d texts: %v", len(commands), len(texts), err)
	}
	return commands
}

// hostile returns messages of clients that attack users who copy commands.
func hostile() (all []string) {
	all = []string{"", "-", "--", "-x", "--to=everyone", "-rf", "=ls", "~root", "$HOME", "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", `\'; touch pwned; \'`, "it's", "it's !!", "!! !$",
		`{"text":"it's"}`, "\x03\ntouch pwned\n", "\x03\rtouch pwned\r", "\x15touch pwned\n", "\x04\x04", "\x1a\n", "\x16\x03\ntouch pwned\n", "\x12touch\n", "\t\t", "\x1b\x05$(touch pwned)", "\x18\x05", "\x1b[201~\ntouch pwned\n",
		"\u0145\u0105$(touch pwned)", "\u008d\ntouch pwned", "\u202egnp\u2066\u200b\u2028", "Grüße, 世界 😀", "a\nb", "a\\\nb", "\\", "\\x41", "\x01f", "'f", "\x7f", "\U000e0041", "{a,b}", "*", "#", "%s%n", "&& touch pwned"}
	for c := rune(1); c < 0x100; c++ {
		all = append(all, string(c), "a"+string(c)+"b", "0"+string([]rune{c, c})+"0")
	}
	return all
}

const endOfCall = "(end of the call)"

// recording makes programs that append their arguments to a file, each with a NUL after
// it, and then endOfCall.
func recording(t *testing.T, names ...string) (dir, file string) {
	t.Helper()
	dir, file = t.TempDir(), filepath.Join(t.TempDir(), "arguments")
	for _, name := range names {
		program := "#!/bin/sh\nprintf '%s\\0' " + name + " \"$@\" >>'" + file + "'\nprintf '%s\\0' '" + endOfCall + "' >>'" + file + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(program), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir, file
}

// recorded returns the calls of such programs.
func recorded(t *testing.T, file string) (calls [][]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for call := range strings.SplitSeq(strings.TrimSuffix(string(b), "\x00"+endOfCall+"\x00"), "\x00"+endOfCall+"\x00") {
		calls = append(calls, strings.Split(call, "\x00"))
	}
	return calls
}

const asURL = `wscat("ws://127.0.0.1:3001/dev", "user=a b&room='1", text)`

// asWscat returns the call of wscat that a copied message should make.
func asWscat(text string) []string {
	call := []string{"npx", "wscat", "-c", "ws://127.0.0.1:3001/dev?user=a b&room='1"}
	if strings.HasPrefix(text, "-") {
		return append(call, "--execute="+text)
	}
	return append(call, "-x", text)
}

func asSend(to, text string) []string {
	call := []string{"wirepost", "send", "--to", to}
	if strings.HasPrefix(text, "-") && text != "-" { // - comes by standard input
		call = append(call, "--")
	}
	return append(call, text)
}

func TestACopiedCommandGivesItsProgramTheMessage(t *testing.T) {
	bash := needs(t, "bash")
	texts := hostile()
	dir, file := recording(t, "npx", "wirepost")
	var want [][]string
	script := "cd " + dir + "\n"
	for i, command := range slices.Concat(copied(t, asURL, texts), copied(t, `wirepostSend(text, text)`, texts)) {
		text := texts[i%len(texts)]
		if i < len(texts) {
			want = append(want, asWscat(text))
		} else {
			want = append(want, asSend(text, text))
		}
		script += command + "\n"
		if at := strings.IndexFunc(command, func(r rune) bool { return r < ' ' || r > '~' }); at >= 0 {
			t.Errorf("the command of %q has what cannot be seen: %q", text, command)
		}
	}
	for _, locale := range []string{"C", "C.UTF-8"} {
		os.Remove(file)
		c := exec.CommandContext(t.Context(), bash, "--norc", "--noprofile")
		c.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "LC_ALL=" + locale}
		c.Stdin = strings.NewReader(script)
		if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%v: %s", err, out)
		}
		got := recorded(t, file)
		if len(got) != len(want) {
			t.Fatalf("%d calls came, of %d", len(got), len(want))
		}
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("a program was called with %q, want %q", got[i], want[i])
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "pwned")); left != nil {
		t.Error("a message ran a command")
	}
}

func TestWhatNoProgramCanBeGivenIsNotCopied(t *testing.T) {
	for _, expression := range []string{asURL, `wirepostSend("everyone", text)`, `wirepostKick(text)`, `wirepostFault([text])`} {
		for _, said := range copied(t, expression, []string{"\x00", "a\x00b", "\x00\ntouch pwned\n"}) {
			if !strings.HasPrefix(said, "error: A NUL byte cannot") {
				t.Errorf("%s of a NUL copies %q", expression, said)
			}
		}
	}
}

func TestACopiedEventIsEqualAndHasNothingInvisible(t *testing.T) {
	var texts []string
	for _, text := range hostile() {
		b, err := json.Marshal(map[string]string{"body": text})
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	for i, got := range copied(t, "json(text)", texts) {
		var before, after any
		if json.Unmarshal([]byte(texts[i]), &before) != nil || json.Unmarshal([]byte(got), &after) != nil || before.(map[string]any)["body"] != after.(map[string]any)["body"] {
			t.Errorf("%s is copied as %s", texts[i], got)
		}
		if strings.ContainsAny(got, "\x03\x7f\u0085\u009b\u202e\u2066\u200b\u2028\U000e0041") {
			t.Errorf("%q is copied as %q", texts[i], got)
		}
	}
}

// wscat takes messages that look like flags for messages.
func TestWscatSendsACopiedMessage(t *testing.T) {
	needs(t, "bash")
	wscat, err := filepath.Abs(filepath.Join("..", "..", ".tools", "node", "node_modules", "wscat", "bin", "wscat"))
	if err != nil {
		t.Fatal(err)
	}
	needs(t, wscat)
	got := make(chan string, 10)
	g := wireposttest.NewGateway(t, gateway.FunctionFunc(func(_ context.Context, payload []byte) ([]byte, error) {
		var event struct {
			Body           *string
			RequestContext struct{ EventType string }
		}
		if err := json.Unmarshal(payload, &event); err != nil {
			return nil, err
		}
		if event.RequestContext.EventType == "MESSAGE" {
			got <- *event.Body
		}
		return []byte(`{"statusCode":200}`), nil
	}), nil)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "npx"), []byte("#!/bin/sh\nshift\nexec "+wscat+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	texts := []string{"-x", "--connect=ws://elsewhere", "--", "-", "it's\x03\n\u202e!", "plain"}
	var running []*exec.Cmd
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, command := range copied(t, `wscat("`+g.URL+`", "", text)`, texts) {
		c := exec.CommandContext(ctx, "bash", "-c", command)
		c.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		stdin, err := c.StdinPipe() // wscat exits when it ends
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, c)
	}
	var all []string
	for range texts {
		select {
		case text := <-got:
			all = append(all, text)
		case <-ctx.Done():
			t.Fatalf("%d of %d messages came: %q", len(all), len(texts), all)
		}
	}
	for _, c := range running {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(all)
	slices.Sort(texts)
	if !slices.Equal(all, texts) {
		t.Errorf("the messages %q came, want %q", all, texts)
	}
}
