//go:build unix

package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/wireposttest"
)

// onePython has the functions of a dev run by one of the Pythons with boto3.
func onePython(t *testing.T) (env string) {
	t.Helper()
	for version, folder := range pythons(t) {
		t.Logf("with boto3 %s", version)
		return pathWith(folder)
	}
	return ""
}

// copied is a file of a copy of a folder of testdata.
func copied(t *testing.T, folder, file string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(filepath.Join("testdata", folder))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, file)
}

// inbox is a client that keeps what it has received.
type inbox struct {
	*wireposttest.Client
	seen map[string]bool
}

// receives waits for a message, which may have come already.
func (b *inbox) receives(t *testing.T, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for !b.seen[want] {
		got, err := b.Receive(ctx)
		if err != nil {
			t.Fatalf("%v, while waiting for %q; received %v", err, want, b.seen)
		}
		b.seen[got] = true
	}
}

func posts(t *testing.T, url string) {
	t.Helper()
	answer, err := (&http.Client{Timeout: time.Minute}).Post(url, "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 202 || string(body) != "posted" {
		t.Errorf("%s: %d %s %v", url, answer.StatusCode, body, err)
	}
}

func TestWhateverInvokesAFunctionMakesAClientReceiveAMessage(t *testing.T) {
	t.Parallel()
	dev := startDevProcess(t, []string{engineTools(t), onePython(t)}, "--template", copied(t, "sources", "template.yaml"), "--dynamodb", "local", "--sqs", "local", "--schedules")
	client := &inbox{dev.dial(t), map[string]bool{}}
	for _, c := range []struct{ message, want string }{
		{`{"action":"do","what":"stream"}`, "a stream: row"},
		{`{"action":"do","what":"queue"}`, "a queue: one"},
		{`{"action":"do","what":"topic"}`, "a topic: told told"},
		{`{"action":"do","what":"function"}`, "another function"},
		{`{"action":"do","what":"event"}`, "another function, as an event"},
		{`{"action":"do","what":"url"}`, "a function's URL: /whole/path"},
		{`{"action":"later"}`, "an asynchronous integration"},
	} {
		if err := client.Send(c.message); err != nil {
			t.Fatal(err)
		}
		client.receives(t, c.want)
	}
	posts(t, dev.await(t, `^HTTP API +(http://\S+)$`)[1]+"/http/hello")
	client.receives(t, "an HTTP API: hello body")
	posts(t, dev.await(t, `^REST API +(http://\S+)$`)[1]+"/rest/hello")
	client.receives(t, "a REST API: hello /Prod/rest/hello")
	event := filepath.Join(t.TempDir(), "event.json")
	write(t, event, `{"by":"a person"}`)
	if status, stdout, stderr := dev.command(t, "invoke", "Post", "--event", event); status != exitDone {
		t.Errorf("invoke: %d %s%s", status, stdout, stderr)
	}
	client.receives(t, "a person")
	client.receives(t, "a schedule") // within the minute

	// All of it is seen: the request and the message with what they have led to.
	status, seen, stderr := dev.command(t, "tail", "--kept")
	for _, want := range []string{" http ", "= to the HTTP API ServerlessHttpApi\n", "= by POST /http/{word} of the HTTP API ServerlessHttpApi\n", "= by queue jobs\n", "= by topic news\n", "= by stream of table changes\n", "= by schedule PostTime\n", "= by 'wirepost invoke'\n"} {
		if status != exitDone || !strings.Contains(seen, want) {
			t.Errorf("tail: %d %s, without %q in\n%s", status, stderr, want, seen)
		}
	}
	begun := time.Now()
	if status := dev.stop(); status != exitDone || time.Since(begun) > 15*time.Second {
		t.Errorf("it ended with %d after %v", status, time.Since(begun))
	}
	for line := range strings.Lines(dev.output.String()) {
		if strings.HasPrefix(line, "wirepost: error:") || strings.Contains(line, "cannot be run here") || strings.Contains(line, "invokes nothing") {
			t.Errorf("it said %s", line)
		}
	}
}
