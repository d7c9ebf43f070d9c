package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait of these tests, on a machine that does other work too.
const patience = time.Minute

var kinds = []Kind{DynamoDB, SQS}

// tools is where scripts/test-needs has installed the engines.
func tools(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs("../../.tools/cache/wirepost/tools")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []tool{dynamoDBTool, sqsTool, nodeTool} {
		in, err := tool.in(folder)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(in); err != nil || Java(t.Context()) == "" {
			const missing = "the engines or Java 17 are not installed: run make test-needs"
			if os.Getenv("CI") == "true" {
				t.Fatal(missing)
			}
			t.Skip("skipped: " + missing)
		}
	}
	return folder
}

// run starts an engine that ends with the test.
func run(t *testing.T, c Config) *Engine {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	begun := time.Now()
	e, err := Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s started within %v", c.Kind, time.Since(begun).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// ask sends one request of AWS's JSON protocols, and returns the answer.
func ask(t *testing.T, url string, authorize func(*http.Request), target, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("X-Amz-Date", "20200101T000000Z")
	r.Header.Set("Origin", "https://foreign.example")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=wirepost/20200101/eu-west-1/any/aws4_request, SignedHeaders=host, Signature=0")
	if authorize != nil {
		authorize(r)
	}
	response, err := (&http.Client{Timeout: patience}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	if response.Header.Get("Access-Control-Allow-Origin") == "*" {
		t.Errorf("%s lets pages of every origin read its answers", target)
	}
	return response.StatusCode, string(text)
}

var probe = map[Kind][2]string{DynamoDB: {"DynamoDB_20120810.ListTables", "{}"}, SQS: {"AmazonSQS.ListQueues", "{}"}}

func TestAnEngineAnswersOnlyRequestsWithItsToken(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			e := run(t, Config{Kind: kind, Folder: t.TempDir(), Tools: tools(t)})
			if status, answer := ask(t, e.URL(), e.Authorize, probe[kind][0], probe[kind][1]); status != http.StatusOK {
				t.Errorf("with the token: %d %s", status, answer)
			}
			if status, answer := ask(t, e.URL(), nil, probe[kind][0], probe[kind][1]); status != http.StatusForbidden {
				t.Errorf("without the token: %d %s", status, answer)
			}
			other := func(r *http.Request) { r.Header.Set(TokenHeader, "another") }
			if status, answer := ask(t, e.URL(), other, probe[kind][0], probe[kind][1]); status != http.StatusForbidden {
				t.Errorf("with another token: %d %s", status, answer)
			}
		})
	}
}

func TestAnEngineListensOnLoopbackOnly(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: the listening addresses of a process are read in /proc, which Linux has")
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			e := run(t, Config{Kind: kind, Folder: t.TempDir(), Tools: tools(t)})
			addresses := listeningAt(t, e.process.pid())
			if len(addresses) == 0 {
				t.Fatal("no listening address was found")
			}
			for _, a := range addresses {
				if ip := net.ParseIP(a.host); !ip.IsLoopback() {
					t.Errorf("it listens on %s, port %d", a.host, a.port)
				}
			}
			if addresses[0].port != e.port || len(addresses) != 1 {
				t.Errorf("it listens at %v and says port %d", addresses, e.port)
			}
		})
	}
}

func TestQueuesOutliveTheirEngine(t *testing.T) {
	folder := t.TempDir()
	c := Config{Kind: SQS, Folder: folder, Tools: tools(t), Region: "eu-west-1", Account: "123456789012"}
	const sent = 200
	e := run(t, c)
	if status, answer := ask(t, e.URL(), e.Authorize, "AmazonSQS.CreateQueue", `{"QueueName":"jobs"}`); status != http.StatusOK {
		t.Fatal(answer)
	}
	const url = "http://127.0.0.1/123456789012/jobs"
	if _, answer := ask(t, e.URL(), e.Authorize, "AmazonSQS.GetQueueAttributes", `{"QueueUrl":"`+url+`","AttributeNames":["QueueArn"]}`); !strings.Contains(answer, "arn:aws:sqs:eu-west-1:123456789012:jobs") {
		t.Errorf("the queue is not of the app's account: %s", answer)
	}
	for i := range sent {
		if status, answer := ask(t, e.URL(), e.Authorize, "AmazonSQS.SendMessage", fmt.Sprintf(`{"QueueUrl":"%s","MessageBody":"%d"}`, url, i)); status != http.StatusOK {
			t.Fatal(answer)
		}
	}
	if err := e.process.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-e.Ended()

	e = run(t, c)
	got := map[string]bool{}
	for range sent {
		_, answer := ask(t, e.URL(), e.Authorize, "AmazonSQS.ReceiveMessage", `{"QueueUrl":"`+url+`","MaxNumberOfMessages":10,"VisibilityTimeout":600}`)
		var received struct{ Messages []struct{ Body string } }
		if err := json.Unmarshal([]byte(answer), &received); err != nil {
			t.Fatal(err)
		}
		for _, m := range received.Messages {
			got[m.Body] = true
		}
		if len(received.Messages) == 0 {
			break
		}
	}
	if len(got) != sent {
		t.Errorf("%d of %d messages are there after the engine was killed", len(got), sent)
	}
}

func TestRowsOutliveTheirEngine(t *testing.T) {
	c := Config{Kind: DynamoDB, Folder: t.TempDir(), Tools: tools(t)}
	e := run(t, c)
	for target, body := range map[string]string{"CreateTable": `{"TableName":"rows","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}`} {
		if status, answer := ask(t, e.URL(), e.Authorize, "DynamoDB_20120810."+target, body); status != http.StatusOK {
			t.Fatal(answer)
		}
	}
	if status, answer := ask(t, e.URL(), e.Authorize, "DynamoDB_20120810.PutItem", `{"TableName":"rows","Item":{"id":{"S":"1"}}}`); status != http.StatusOK {
		t.Fatal(answer)
	}
	if err := e.process.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-e.Ended()
	e = run(t, c)
	if status, answer := ask(t, e.URL(), e.Authorize, "DynamoDB_20120810.GetItem", `{"TableName":"rows","Key":{"id":{"S":"1"}}}`); status != http.StatusOK || !strings.Contains(answer, `"id"`) {
		t.Errorf("the row is gone: %d %s", status, answer)
	}
}

// ownerOf is the variable that makes this binary a program with an engine of its own,
// which prints its process ID and waits for the end of its standard input.
const ownerOf = "ENGINE_TEST_OWNER"

func TestOwner(t *testing.T) {
	kind, folder, ok := strings.Cut(os.Getenv(ownerOf), "=")
	if !ok {
		return // The test below runs it.
	}
	e, err := Start(t.Context(), Config{Kind: Kind(kind), Folder: folder, Tools: tools(t)})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("engine %d\n", e.process.pid())
	io.Copy(io.Discard, os.Stdin)
}

func TestAnEngineEndsWhenItsOwnerIsKilled(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			pid, kill := owned(t, kind, t.TempDir())
			kill()
			awaitEnd(t, pid)
		})
	}
}

// owned is an engine of another program, and what kills that.
func owned(t *testing.T, kind Kind, folder string) (pid int, kill func()) {
	t.Helper()
	tools(t) // It skips or fails here if anything is missing.
	owner := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOwner$", "-test.v")
	owner.Env = append(os.Environ(), ownerOf+"="+string(kind)+"="+folder)
	if _, err := owner.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	said, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(said); pid == 0 && lines.Scan(); {
		if number, ok := strings.CutPrefix(lines.Text(), "engine "); ok {
			if pid, err = strconv.Atoi(number); err != nil {
				t.Fatal(err)
			}
		}
	}
	if pid == 0 {
		t.Fatalf("the other program ended without an engine: %v", owner.Wait())
	}
	return pid, func() {
		t.Helper()
		if err := owner.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		owner.Wait() // It was killed, which Wait calls an error.
	}
}

func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	tick, end := time.NewTicker(5*time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer end.Stop()
	for commandLine(pid) != "" {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("process %d still runs", pid)
		}
	}
}
