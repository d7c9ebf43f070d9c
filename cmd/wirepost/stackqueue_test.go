//go:build unix

package main

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/wirepost/wirepost/wireposttest"
)

// sendMessage sends a message to a queue as people do, with AWS's command line.
func sendMessage(t *testing.T, queue, body string) {
	t.Helper()
	at, err := url.Parse(queue)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "aws", "sqs", "send-message", "--endpoint-url", "http://"+at.Host, "--queue-url", queue, "--message-body", body)
	c.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=wirepost", "AWS_SECRET_ACCESS_KEY=wirepost", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("aws sqs send-message: %v\n%s", err, out)
	}
}

func invokesPublish(t *testing.T, to string) {
	t.Helper()
	event := filepath.Join(t.TempDir(), "event.json")
	write(t, event, `{"to":"`+to+`","data":{"by":"an invocation"}}`)
	if status, stdout, stderr := runCommand(t.Context(), "invoke", "PublishFunction", "--event", event); status != exitDone {
		t.Errorf("invoke: %d %s%s", status, stdout, stderr)
	}
}

// From a queue to a client, and from an invocation, by two functions that no connection has
// ever reached.
func TestTheStackPublishesWhatItsQueueGets(t *testing.T) {
	withEngines(t)
	needs(t, "AWS's command line", exec.Command("aws", "--version").Run() == nil)
	template, _ := packed(t)
	dev := startDev(t, "--template", template, "--dynamodb", "local", "--sqs", "local",
		"--parameter", "JwtKey=hmac:dGhpcnR5LXR3byBieXRlcyB0aGF0IG5vYm9keSBrbm93cw==", "--parameter", "JwtIssuer=https://id.example.com", "--parameter", "JwtAudience=push")
	bearer := http.Header{"Authorization": {"Bearer " + token(t, []byte("thirty-two bytes that nobody knows"), "alice", map[string]any{"subscribe": []string{"lobby"}})}}
	client, err := wireposttest.Dial(t.Context(), dev.url, bearer)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Cut()
	expect(t, client, `{"action":"subscribe","ref":"1","topic":"lobby"}`, `"type":"ack".*"ref":"1"`)
	sendMessage(t, dev.await(t, `^queue +(http://\S+-publish)$`)[1], `{"to":"topic:lobby","data":{"by":"a queue"}}`)
	expect(t, client, "", `"to":"topic:lobby".*"data":\{"by":"a queue"\}`)
	invokesPublish(t, "user:alice")
	expect(t, client, "", `"to":"user:alice".*"data":\{"by":"an invocation"\}`)
}

func TestTheProgramsThatInitWritesPublishWhatTheirQueueGets(t *testing.T) {
	withEngines(t)
	needs(t, "AWS's command line", exec.Command("aws", "--version").Run() == nil)
	dir := ownProgram(t, "sam")
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"package", "--arch", runtime.GOARCH, "--output", filepath.Join(dir, "function.zip"), dir}, nil, &out, &errs); status != exitDone {
		t.Fatalf("package: %s", errs.String())
	}
	dev := startDev(t, "--template", filepath.Join(dir, "template.yaml"), "--sqs", "local")
	client, err := wireposttest.Dial(t.Context(), dev.url+"?user=alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Cut()
	expect(t, client, `{"action":"subscribe","ref":"1","topic":"lobby"}`, `"type":"ack".*"ref":"1"`)
	sendMessage(t, dev.await(t, `^queue +(http://\S+-publish)$`)[1], `{"to":"topic:lobby","data":{"by":"a queue"}}`)
	expect(t, client, "", `"to":"topic:lobby".*"data":\{"by":"a queue"\}`)
	invokesPublish(t, "topic:lobby")
	expect(t, client, "", `"to":"topic:lobby".*"data":\{"by":"an invocation"\}`)
}
