package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost/deploy"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/wireposttest"
)

// packed is a folder with the SAM template and the zip of the ready-made function
// next to it, and the program in it.
func packed(t *testing.T) (template, bootstrap string) {
	t.Helper()
	template = samTemplate(t)
	dir := filepath.Dir(template)
	file := filepath.Join(dir, "function.zip")
	if err := os.WriteFile(file, readyMadeZip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return template, unzip(t, file)
}

// unzip puts the program of a zip file next to it.
func unzip(t *testing.T, file string) (program string) {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	b, err := fs.ReadFile(z, "bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(filepath.Dir(file), "bootstrap")
	if err := os.WriteFile(program, b, 0o700); err != nil {
		t.Fatal(err)
	}
	return program
}

// samTemplate is a copy of the template in a folder of its own.
func samTemplate(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(moduleFolder(t, "../../deploy/sam"), "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	template := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(template, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return template
}

func readyMadeZip(t *testing.T) []byte {
	t.Helper()
	zip, err := theReadyMade()
	if err != nil {
		t.Fatal(err)
	}
	return zip
}

// theReadyMade is built once, by 'wirepost package' for this machine. A test that asks for it
// has not changed the working directory.
var theReadyMade = sync.OnceValues(func() ([]byte, error) {
	source, err := filepath.Abs("../wirepost-function")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ready-made-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // it may compile everything
	defer cancel()
	zip := filepath.Join(dir, "function.zip")
	if status, _, said := runCommand(ctx, "package", "--arch", runtime.GOARCH, "--output", zip, source); status != exitDone {
		return nil, fmt.Errorf("package %s: %s", source, said)
	}
	return os.ReadFile(zip)
})

func token(t *testing.T, secret []byte, user string, rights map[string]any) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user, "iss": "https://id.example.com", "aud": "push",
		"exp": time.Now().Add(time.Hour).Unix(), "wirepost": rights}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// expect sends a frame and waits for one that matches.
func expect(t *testing.T, c *wireposttest.Client, frame, pattern string) {
	t.Helper()
	if frame != "" {
		if err := c.Send(frame); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.Receive(t.Context())
	if err != nil || !regexp.MustCompile(pattern).MatchString(got) {
		t.Fatalf("%s is answered with %q, %v, want %s", frame, got, err, pattern)
	}
}

// The whole of it without AWS: the template as it is deployed, the zip as it is
// uploaded, tokens, the table that the template makes, and publishes by an invoke and
// from a queue, of processes that have never seen a connection.
func TestTheStackRunsHereWithTokens(t *testing.T) {
	t.Parallel()
	template, bootstrap := packed(t)
	server := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	secret := []byte("thirty-two bytes that nobody knows")
	table := "stack"
	dev := startDevProcess(t, nil, "--template", template, "--dynamodb", server, "--parameter", "TableName="+table,
		"--parameter", "JwtKey=hmac:dGhpcnR5LXR3byBieXRlcyB0aGF0IG5vYm9keSBrbm93cw==", "--parameter", "JwtIssuer=https://id.example.com", "--parameter", "JwtAudience=push")
	dev.await(t, `the template's queues and topics are not there: local-publish-dead, local-publish; start them with --sqs local`)

	if c, err := wireposttest.Dial(t.Context(), dev.url, nil); err == nil || !strings.Contains(err.Error(), "401") {
		if c != nil {
			c.Cut()
		}
		t.Errorf("without a token: %v, want 401", err)
	}
	rights := map[string]any{"subscribe": []string{"lobby"}, "publish": []string{"lobby"}}
	bearer := http.Header{"Authorization": {"Bearer " + token(t, secret, "alice", rights)}}
	client, err := wireposttest.Dial(t.Context(), dev.url, bearer)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Cut()
	expect(t, client, `{"action":"ping"}`, `^\{"type":"pong"\}$`) // by the API alone
	expect(t, client, `{"action":"subscribe","ref":"1","topic":"lobby"}`, `"type":"ack".*"ref":"1"`)
	expect(t, client, `{"action":"subscribe","ref":"2","topic":"staff"}`, `"code":"forbidden"`)

	store := "dynamodb://" + table + "?region=us-east-1&endpoint=" + server
	for _, c := range []struct{ event, to, answer string }{
		{"publish", "topic:lobby", `"sent":1,`},
		{"publish", "user:alice", `"sent":1,`},
		{"sqs", "topic:lobby", `^\{"batchItemFailures":\[\]\}$`},
		{"eventbridge", "everyone", ``},
		{"sns", "user:alice", ``},
	} {
		status, stdout, stderr := dev.command(t, "invoke", "--store", store, "--event", c.event, "--to", c.to, "--data", `{"by":"`+c.event+`"}`, "--", bootstrap)
		if status != exitDone {
			t.Fatalf("invoke with %s: %s", c.event, stderr)
		}
		if !regexp.MustCompile(c.answer).MatchString(strings.TrimSpace(stdout)) {
			t.Errorf("invoke with %s is answered with %s, want %s", c.event, stdout, c.answer)
		}
		expect(t, client, "", `"type":"message".*"to":"`+c.to+`".*"data":\{"by":"`+c.event+`"\}`)
	}
}

// Without a DynamoDB server and without tokens the stack runs all the same, with
// the store of dev.
func TestTheStackRunsHereWithNothingElse(t *testing.T) {
	t.Parallel()
	template, bootstrap := packed(t)
	dev := startDevProcess(t, nil, "--template", template)
	dev.await(t, `^wirepost: hint: functions whose WIREPOST_STORE is such a table get the store below instead`)
	client, err := wireposttest.Dial(t.Context(), dev.url+"?user=alice&topic=lobby", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Cut()
	expect(t, client, `{"action":"ping","ref":"1"}`, `^\{"type":"pong"\}$`)
	if status, stdout, stderr := dev.command(t, "send", "--to", "topic:lobby", `{"text":"hi"}`); status != exitDone || stdout != "sent 1\n" {
		t.Fatalf("send says %q and %q", stdout, stderr)
	}
	expect(t, client, "", `^\{"text":"hi"\}$`)

	// A sample event of a connection leaves nothing in the store of dev.
	if status, stdout, stderr := dev.command(t, "invoke", "--event", "connect", "--query", "user=bob", "--", bootstrap); status != exitDone || !strings.Contains(stdout, `"statusCode":200`) {
		t.Fatalf("invoke with connect says %q and %q", stdout, stderr)
	}
	if status, stdout, stderr := dev.command(t, "list"); status != exitDone || !strings.Contains(stdout, "alice") || strings.Contains(stdout, "bob") {
		t.Errorf("list says %q and %q", stdout, stderr)
	}
}

// ownProgram is what init writes for a stack, as a module that is on this machine.
func ownProgram(t *testing.T, stack string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "push")
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"init", "--stack", stack, dir}, nil, &out, &errs); status != exitDone {
		t.Fatalf("init: %s", errs.String())
	}
	root := moduleFolder(t, "../..")
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	goTool(t, dir, "mod", "edit", "-replace", "github.com/wirepost/wirepost="+root) // as its hint says
	goTool(t, dir, "list", "-mod=mod", "-deps", "-test", ".")                       // go.mod has then all that it needs
	return dir
}

// goTool runs go in a folder.
func goTool(t *testing.T, dir string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// What init writes passes its own tests and runs, for each stack: by its Makefile's
// commands, and with no flag.
func TestWhatInitWritesPassesItsTestsAndRuns(t *testing.T) {
	t.Parallel()
	for _, stack := range deploy.Stacks {
		t.Run(stack, func(t *testing.T) {
			t.Parallel()
			dir := ownProgram(t, stack)
			goTool(t, dir, "vet", ".")
			goTool(t, dir, "test", ".")
			dev := startDevProcess(t, nil, "go:"+dir)
			client, err := wireposttest.Dial(t.Context(), dev.url+"?user=alice", nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, dev.output)
			}
			defer client.Cut()
			expect(t, client, `{"action":"track","ref":"1","order":"17"}`, `^\{"type":"ack","ref":"1","data":\{"order":"17","state":"on its way"\}\}$`)
			expect(t, client, `{"action":"ping","ref":"2"}`, `^\{"type":"pong","ref":"2"\}$`)
		})
	}
}

// The template of init runs the program's zip: with the store of dev, and its other two
// functions by invoke.
func TestTheTemplateThatInitWritesRuns(t *testing.T) {
	t.Parallel()
	dir := ownProgram(t, "sam")
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"package", "--arch", runtime.GOARCH, "--output", filepath.Join(dir, "function.zip"), dir}, nil, &out, &errs); status != exitDone {
		t.Fatalf("package: %s", errs.String())
	}
	program := unzip(t, filepath.Join(dir, "function.zip"))
	dev := startDevProcess(t, nil, "--template", filepath.Join(dir, "template.yaml"))
	client, err := wireposttest.Dial(t.Context(), dev.url+"?user=alice", nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, dev.output)
	}
	defer client.Cut()
	expect(t, client, `{"action":"subscribe","ref":"1","topic":"lobby"}`, `"type":"ack".*"ref":"1"`)
	expect(t, client, `{"action":"track","order":"17"}`, `^\{"type":"ack","data":\{"order":"17","state":"on its way"\}\}$`)
	expect(t, client, `{"action":"ping"}`, `^\{"type":"pong"\}$`)
	for handlers, c := range map[string]struct{ event, answer string }{
		"invoke,doctor": {"publish", `^\{"id":"[A-Z0-9]+","sent":1,"gone":0,"removed":0,"failed":0,"problems":\{\}\}$`},
		"sqs":           {"sqs", `^\{"batchItemFailures":\[\]\}$`},
	} {
		status, stdout, stderr := dev.commandWith(t, []string{"WIREPOST_HANDLERS=" + handlers}, "invoke", "--event", c.event, "--", program)
		if status != exitDone {
			t.Fatalf("invoke with %s: %s", c.event, stderr)
		}
		if got := strings.TrimSpace(stdout); !regexp.MustCompile(c.answer).MatchString(got) {
			t.Errorf("invoke with %s is answered with %s, want %s", c.event, got, c.answer)
		}
		expect(t, client, "", `"type":"message".*"to":"topic:lobby".*"data":\{"text":"hi"\}`)
	}
	env := []string{"WIREPOST_HANDLERS=invoke,doctor", "WIREPOST_DOCTOR=1"}
	if _, stdout, stderr := dev.commandWith(t, env, "invoke", "--event", "doctor", "--", program); !strings.Contains(stdout, `"checks"`) {
		t.Errorf("invoke with doctor is answered with %s, %s", stdout, stderr)
	}
}

// A route that is added without a permission is told before AWS refuses it.
func TestATemplateOfInitWithoutAPermissionIsTold(t *testing.T) {
	t.Parallel()
	dir := ownProgram(t, "sam")
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"package", "--arch", runtime.GOARCH, "--output", filepath.Join(dir, "function.zip"), dir}, nil, &out, &errs); status != exitDone {
		t.Fatalf("package: %s", errs.String())
	}
	file := filepath.Join(dir, "template.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	without := regexp.MustCompile(`(?s)  # Of the route of your own\.\n.*?\n\n`).ReplaceAll(text, nil)
	if bytes.Equal(text, without) {
		t.Fatal("the template has no permission to take out")
	}
	if err := os.WriteFile(file, without, 0o600); err != nil {
		t.Fatal(err)
	}
	dev := startDevProcess(t, nil, "--template", file)
	if want := "no AWS::Lambda::Permission of WebSocketFunction has a SourceArn for route track"; !strings.Contains(dev.output.String(), want) {
		t.Errorf("the dev says\n%s\nand not %s", dev.output, want)
	}
}

func TestATemplateWhoseZipIsNotBuiltSaysHow(t *testing.T) {
	template := samTemplate(t)
	t.Chdir(t.TempDir())
	var out transcript
	out.said = make(chan struct{}, 1)
	if status := run(t.Context(), []string{"dev", "--listen", "127.0.0.1:0", "--strict", "--template", template}, nil, &out, &out); status != exitFailed {
		t.Errorf("the dev ends with %d", status)
	}
	for _, want := range []string{`(?m)^wirepost: error: .*template.yaml:\d+: function WebSocketFunction, which .*, cannot be run here: its code \S+function.zip is not there; 'wirepost package --output \S+function.zip PACKAGE' builds it`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("the dev says\n%s\nwant %s", out.String(), want)
		}
	}
}

func TestASampleEventIsOneOfItsKind(t *testing.T) {
	s := sample{now: time.Now(), to: "user:alice", body: `{"action":"send"}`, data: json.RawMessage(`{"n":1}`), queries: many{"topic=a", "topic=b"}, headers: many{"authorization: x"}}
	for name, want := range map[string]string{
		"connect":     `"multiValueQueryStringParameters":\{"topic":\["a","b"\]\}.*"eventType":"CONNECT"`,
		"message":     `"body":"\{\\"action\\":\\"send\\"\}".*"routeKey":"send"`,
		"disconnect":  `"disconnectStatusCode":1001.*"eventType":"DISCONNECT"`,
		"publish":     `^\{"data":\{"n":1\},"to":"user:alice"\}$`,
		"sqs":         `"body":"\{\\"data\\":\{\\"n\\":1\},\\"to\\":\\"user:alice\\"\}".*"eventSource":"aws:sqs"`,
		"sns":         `"EventSource":"aws:sns".*"Message":"\{\\"data\\"`,
		"eventbridge": `"detail":\{"data":\{"n":1\},"to":"user:alice"\}`,
		"schedule":    `"detail-type":"Scheduled Event".*"source":"aws.events"`,
		"dynamodb":    `"eventSource":"aws:dynamodb"`,
		"s3":          `"eventSource":"aws:s3"`,
		"http":        `"queryStringParameters":\{"topic":"a,b"\}.*"version":"2.0"`,
		"authorizer":  `"Authorization":"x".*"type":"REQUEST"`,
	} {
		got, err := s.make(name)
		if err != nil || !regexp.MustCompile(want).Match(got) {
			t.Errorf("%s is %s, %v, want %s", name, got, err, want)
		}
	}
	if _, err := s.make("kafka"); err == nil {
		t.Error("kafka is an event")
	}
}
