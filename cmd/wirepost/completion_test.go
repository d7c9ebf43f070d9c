//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// patient is wirepost that lets a completion take its time, on a machine that does
// other work too.
func patient() {
	c := newCommand(os.Stdin, os.Stdout, os.Stderr)
	c.completionTime = time.Minute
	os.Exit(c.run(context.Background(), os.Args[1:]))
}

func TestBashCompletesWhoIsConnected(t *testing.T) {
	_, noBash := exec.LookPath("bash")
	_, noCompletion := os.Stat("/usr/share/bash-completion/bash_completion")
	needs(t, "bash-completion", noBash == nil && noCompletion == nil)
	runScripts(t, filepath.Join("testdata", "completion"), nil)
}

// complete is what a shell is offered for the last argument, one a line, and how it
// is to take that.
func complete(t *testing.T, within time.Duration, args ...string) string {
	t.Helper()
	var out, err bytes.Buffer
	c := newCommand(strings.NewReader(""), &out, &err)
	c.completionTime = within
	if status := c.run(t.Context(), append([]string{"__completeNoDesc"}, args...)); status != exitDone || err.Len() > 0 {
		t.Errorf("completing %q: status %d, %s", args, status, &err)
	}
	return out.String()
}

// connect puts rows into the store of the folder, a user and a topic each.
func connect(t *testing.T, users ...string) {
	t.Helper()
	if err := os.MkdirAll(string(folder), 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := wirepost.OpenStore(t.Context(), folder.DefaultStore())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for n, user := range users {
		row := wirepost.Connection{ID: fmt.Sprintf("Connection%04d=", n), Endpoint: wirepost.Identity{APIID: "abcdefghij", Stage: "dev", Region: "us-east-1"},
			User: user, Topics: []string{"t" + user}, ConnectedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
		if err := store.Put(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAudiencesAreCompletedFromTheStoreOfTheFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("WIREPOST_STORE", "")
	connect(t, "alice", "bob@example.com", "alice", "zoë", "a b", "$(id)", "a=b", "auth0|1", "`x`", "-rf", "\u202eesrever", "c;d", "e'f", `g"h`, "~", "!!")
	all := "everyone topic:t-rf topic:ta=b topic:talice topic:tbob@example.com user:-rf user:a=b user:alice user:bob@example.com :4"
	for _, c := range []struct{ args, want string }{
		{"send --to _", all},
		{"kick --to _", all},
		{"invoke --event publish --to _", all},
		{"send hi --store sqlite:.wirepost/store.db --to _", all},
		{"send --to user:a", "user:a=b user:alice :4"},
		{"send --to=user:al", "user:alice :4"},
		{"send --to user:a=", ":4"},
		{"send --to t", "topic:t-rf topic:ta=b topic:talice topic:tbob@example.com :4"},
		{"send --to connection:Connection000", "connection:Connection0000= connection:Connection0001= connection:Connection0002= connection:Connection0003= connection:Connection0004= connection:Connection0005= connection:Connection0006= connection:Connection0007= connection:Connection0008= connection:Connection0009= :4"},
		{"send --to nobody", ":4"},
		{"list --user _", "-rf a=b alice bob@example.com :4"},
		{"list --topic ta", "ta=b talice :4"},
		{"send --to user:alice _", ":4"},
		{"send --store sqlite:elsewhere.db --to _", ":4"},
		{"send --store nothing:x --to _", ":4"},
	} {
		checkCompletion(t, c.args, c.want)
	}
}

// checkCompletion completes the last of the arguments. A _ at the end of an argument
// is nothing: it shows where an empty one is.
func checkCompletion(t *testing.T, arguments, want string) {
	t.Helper()
	args := strings.Fields(arguments)
	for i := range args {
		args[i] = strings.TrimSuffix(args[i], "_")
	}
	if got := strings.Join(strings.Fields(complete(t, time.Minute, args...)), " "); got != want {
		t.Errorf("%s is completed by\n%s\nwant\n%s", arguments, got, want)
	}
}

func TestCommandsFlagsAndKnownValuesAreCompleted(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct{ args, want string }{
		{"d", "dev doctor :4"},
		{"table _", "create describe check :4"},
		{"help t", "tail table :4"},
		{"help table c", "create check :4"},
		{"dev --route", "--route-selection --route --route-response :4"},
		{"dev --credentials _", "dev inherit :4"},
		{"init --stack _", "sam terraform cdk :4"},
		{"package --arch a", "arm64 amd64 :4"},
		{"completion _", "bash zsh fish powershell :4"},
		{"dev --template _", ":0"}, // files
		{"dev --env-file=_", ":0"},
		{"dev _", ":0"},
		{"dev --listen _", ":4"},
		{"dev -- ./bootstrap --l", ":0"},
	} {
		checkCompletion(t, c.args, c.want)
	}
}

func TestACompletionReadsTheFirst200Connections(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("WIREPOST_STORE", "")
	var users []string
	for n := range 250 {
		users = append(users, fmt.Sprintf("u%03d", n))
	}
	connect(t, users...)
	got := strings.Fields(complete(t, time.Minute, "list", "--user", ""))
	if len(got) != 200+1 || !slices.IsSorted(got[:200]) {
		t.Errorf("%d are offered: %q", len(got)-1, got)
	}
}

// A store that does not answer keeps nobody at the Tab key.
func TestACompletionDoesNotWaitForAStoreThatDoesNotAnswer(t *testing.T) {
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-ended }))
	defer server.Close()
	defer close(ended)
	t.Chdir(t.TempDir())
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	t.Setenv("WIREPOST_STORE", "dynamodb://connections?region=us-east-1&endpoint="+server.URL)
	if got := complete(t, completionTime, "send", "--to", ""); got != "everyone\n:4\n" {
		t.Errorf("it is completed by %q", got)
	}
}

func TestTheScriptsOfShellsArePrintedAsTheyAre(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var want bytes.Buffer
		c := &command{}
		if err := shells[shell](c.root(), &want); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := runCommand(t.Context(), "completion", shell)
		if status != exitDone || stderr != "" || stdout != want.String() || !strings.Contains(stdout, "__complete") {
			t.Errorf("%s: status %d, %s\n%s", shell, status, stderr, stdout)
		}
	}
}
