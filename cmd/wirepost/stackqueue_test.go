//go:build unix

package main

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/wireposttest"
)

// readme is the README. It is read before a dev changes the folder.
type readme string

func readReadme(t *testing.T) readme {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return readme(text)
}

// command are the arguments of the README's command that begins so, with the address of a
// queue in it.
func (r readme) command(t *testing.T, begins, queue string) []string {
	t.Helper()
	line := regexp.MustCompile("(?m)^" + regexp.QuoteMeta(begins) + ".*$").FindString(string(r))
	line, _, _ = strings.Cut(line, "  #")
	if line == "" {
		t.Fatalf("the README has no %q", begins)
	}
	if at, err := url.Parse(queue); err == nil {
		line = strings.ReplaceAll(line, "127.0.0.1:PORT", at.Host)
	}
	var args []string
	for _, word := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line, -1) {
		args = append(args, strings.Trim(word, "'"))
	}
	return args
}

// sendMessage sends the README's message to a queue as it does, with AWS's command line.
func (r readme) sendMessage(t *testing.T, queue string) {
	t.Helper()
	args := r.command(t, "aws sqs send-message", queue)
	if !slices.Contains(args, queue) {
		t.Fatalf("the README sends with %q, and the queue is %s", args, queue)
	}
	c := exec.CommandContext(t.Context(), args[0], args[1:]...)
	c.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=wirepost", "AWS_SECRET_ACCESS_KEY=wirepost", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// theReadmesMessage is what a client of the lobby gets of the README's commands.
const theReadmesMessage = `"type":"message".*"to":"topic:lobby".*"data":\{"text":"hi"\}`

// publishes sends the README's message to the stack's queue, and then to its publish
// function, and has a client of the lobby receive both.
func (r readme) publishes(t *testing.T, dev *running, client *wireposttest.Client) {
	t.Helper()
	expect(t, client, `{"action":"subscribe","ref":"1","topic":"lobby"}`, `"type":"ack".*"ref":"1"`)
	r.sendMessage(t, dev.await(t, `^queue +(http://\S+-publish)$`)[1])
	expect(t, client, "", theReadmesMessage)
	if status, stdout, stderr := dev.command(t, r.command(t, "wirepost invoke PublishFunction", "")[1:]...); status != exitDone {
		t.Errorf("invoke: %d %s%s", status, stdout, stderr)
	}
	expect(t, client, "", theReadmesMessage)
}

// From a queue to a client, and from an invocation, by two functions that no connection has
// ever reached.
func TestTheStackPublishesWhatItsQueueGets(t *testing.T) {
	t.Parallel()
	tools := engineTools(t)
	needs(t, "AWS's command line", exec.Command("aws", "--version").Run() == nil)
	readme := readReadme(t)
	template, _ := packed(t)
	args := readme.command(t, "wirepost dev --template template.yaml --dynamodb local --sqs local", "")[2:]
	args[slices.Index(args, "template.yaml")] = template
	dev := startDevProcess(t, []string{tools}, append(args,
		"--parameter", "JwtKey=hmac:dGhpcnR5LXR3byBieXRlcyB0aGF0IG5vYm9keSBrbm93cw==", "--parameter", "JwtIssuer=https://id.example.com", "--parameter", "JwtAudience=push")...)
	bearer := http.Header{"Authorization": {"Bearer " + token(t, []byte("thirty-two bytes that nobody knows"), "alice", map[string]any{"subscribe": []string{"lobby"}})}}
	client, err := wireposttest.Dial(t.Context(), dev.url, bearer)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Cut()
	readme.publishes(t, dev, client)
}

func TestTheProgramsThatInitWritesPublishWhatTheirQueueGets(t *testing.T) {
	t.Parallel()
	tools := engineTools(t)
	needs(t, "AWS's command line", exec.Command("aws", "--version").Run() == nil)
	readme := readReadme(t)
	dir := ownProgram(t, "sam")
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"package", "--arch", runtime.GOARCH, "--output", filepath.Join(dir, "function.zip"), dir}, nil, &out, &errs); status != exitDone {
		t.Fatalf("package: %s", errs.String())
	}
	dev := startDevProcess(t, []string{tools}, "--template", filepath.Join(dir, "template.yaml"), "--sqs", "local")
	client, err := wireposttest.Dial(t.Context(), dev.url+"?user=alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Cut()
	readme.publishes(t, dev, client)
}
