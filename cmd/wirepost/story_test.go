package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/internal/lambdart"
	"github.com/wirepost/wirepost/wireposttest"
)

// readyMade is the program in the zip that 'wirepost package' makes of
// cmd/wirepost-function.
func readyMade(t *testing.T) string {
	t.Helper()
	_, bootstrap := packed(t)
	return bootstrap
}

// The README's story, as it goes on AWS: the ready-made function in one process for
// the clients and in another for a publisher, a table, and tokens.
func TestTheReadyMadeFunctionTellsTheReadmesStoryWithTokensOnDynamoDB(t *testing.T) {
	t.Parallel()
	server := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	bootstrap := readyMade(t)
	storeURL := "dynamodb://story-with-tokens?endpoint=" + server
	store, err := dynamostore.OpenURL(t.Context(), storeURL)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	secret := []byte("0123456789abcdef0123456789abcdef")
	settings := []string{"WIREPOST_STORE=" + storeURL, "WIREPOST_JWT_KEY=hmac:" + base64.StdEncoding.EncodeToString(secret), "WIREPOST_JWT_ISSUER=https://id.example.com", "WIREPOST_JWT_AUDIENCE=chat"}
	envFile := filepath.Join(t.TempDir(), "function.env")
	write(t, envFile, strings.Join(append(settings, "WIREPOST_HANDLERS=websocket"), "\n"))
	dev := startDevProcess(t, nil, "--store", storeURL, "--env-file", envFile, "--route-response", "$default", "--", bootstrap)

	token := func(user string, ends time.Duration, change jwt.MapClaims) http.Header {
		claims := jwt.MapClaims{"iss": "https://id.example.com", "aud": "chat", "sub": user, "exp": time.Now().Add(ends).Unix(),
			"wirepost": map[string]any{"subscribe": []string{"lobby", "news.*"}, "publish": []string{"lobby"}}}
		for k, v := range change {
			claims[k] = v
		}
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		h.Set("Sec-WebSocket-Protocol", "wirepost.v1, bearer."+text)
		return h
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for name, c := range map[string]struct {
		header http.Header
		query  string
		want   int
	}{
		"no token":                   {nil, "?user=alice", 401},
		"expired":                    {token("alice", -2*time.Minute, nil), "", 401},
		"not yet valid":              {token("alice", time.Hour, jwt.MapClaims{"nbf": time.Now().Add(5 * time.Minute).Unix()}), "", 401},
		"another audience":           {token("alice", time.Hour, jwt.MapClaims{"aud": "mail"}), "", 401},
		"a topic outside the claims": {token("alice", time.Hour, nil), "?topic=secret", 403},
	} {
		_, err := wireposttest.Dial(ctx, dev.url+c.query, c.header)
		var refused *wireposttest.HandshakeError
		if !errors.As(err, &refused) || refused.Status != c.want {
			t.Errorf("%s: %v, want %d", name, err, c.want)
		}
	}
	dial := func(header http.Header) *wireposttest.Client {
		c, err := wireposttest.Dial(ctx, dev.url+"?topic=lobby", header)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Cut() })
		if c.Subprotocol != wirepost.Subprotocol {
			t.Errorf("the subprotocol is %q", c.Subprotocol)
		}
		return c
	}
	receive := func(c *wireposttest.Client) string {
		t.Helper()
		got, err := c.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	ask := func(c *wireposttest.Client, frame string) string {
		t.Helper()
		if err := c.Send(frame); err != nil {
			t.Fatal(err)
		}
		return receive(c)
	}
	alice, bob := dial(token("alice", time.Hour, nil)), dial(token("bob", time.Hour, nil))

	// The command, and a program that has never seen a connection.
	if status, out, errs := dev.command(t, "send", "--store", storeURL, "--to", "topic:lobby", `{"text":"hi"}`); status != exitDone || out != "sent 2\n" {
		t.Errorf("send: %d, %s%s", status, out, errs)
	}
	publisher := wirepost.NewPublisher(store, nil)
	defer publisher.CloseIdleConnections()
	if r, err := publisher.Publish(ctx, wirepost.ToUser("bob"), []byte("from elsewhere"), nil); err != nil || r.Sent != 1 {
		t.Errorf("publish: %v, %v", r, err)
	}
	for c, want := range map[*wireposttest.Client][]string{alice: {`{"text":"hi"}`}, bob: {`{"text":"hi"}`, "from elsewhere"}} {
		for _, w := range want {
			if got := receive(c); got != w {
				t.Errorf("received %q, want %q", got, w)
			}
		}
	}

	// The same zip as the function that others invoke.
	source, err := lambdart.ParseSource([]string{bootstrap}, "")
	if err != nil {
		t.Fatal(err)
	}
	second, err := lambdart.Start(ctx, lambdart.Config{Name: "publish", Source: source, Region: "us-east-1",
		Env: append(append(os.Environ(), settings...), "WIREPOST_HANDLERS=invoke,sqs", "AWS_ACCESS_KEY_ID=wirepost", "AWS_SECRET_ACCESS_KEY=wirepost")})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close(context.WithoutCancel(ctx))
	if out, err := second.Invoke(ctx, []byte(`{"to":"topic:lobby","id":"order-1","data":{"n":1}}`)); err != nil || string(out) != `{"id":"order-1","sent":2,"gone":0,"removed":0,"failed":0,"problems":{}}` {
		t.Errorf("invoke: %s, %v", out, err)
	}
	if out, err := second.Invoke(ctx, []byte(`{"Records":[{"messageId":"m1","eventSource":"aws:sqs","body":"{\"to\":\"topic:lobby\",\"data\":2}"},{"messageId":"m2","eventSource":"aws:sqs","body":"x"}]}`)); err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"m2"}]}` {
		t.Errorf("a batch: %s, %v", out, err)
	}
	var failed *lambdart.FunctionError
	if _, err := second.Invoke(ctx, []byte(`{"to":"lobby","data":1}`)); !errors.As(err, &failed) || failed.Type != "InvalidRequest" {
		t.Errorf("a bad publish object: %v", err)
	}
	for _, c := range []*wireposttest.Client{alice, bob} {
		for _, want := range []string{`{"type":"message","id":"order-1","to":"topic:lobby","data":{"n":1}}`, `{"type":"message","id":"m1","to":"topic:lobby","data":2}`} {
			if got := receive(c); got != want {
				t.Errorf("received %s, want %s", got, want)
			}
		}
	}

	// Clients between each other, as far as their tokens allow.
	for frame, want := range map[string]string{
		`{"action":"subscribe","ref":1,"topic":"news.today"}`:    `{"type":"ack","ref":1,"topic":"news.today"}`,
		`{"action":"subscribe","ref":2,"topic":"secret"}`:        `{"type":"error","ref":2,"code":"forbidden"}`,
		`{"action":"send","ref":3,"to":"user:bob","data":1}`:     `{"type":"error","ref":3,"code":"forbidden"}`,
		`{"action":"send","ref":4,"to":"topic:news.x","data":1}`: `{"type":"error","ref":4,"code":"forbidden"}`,
		`{"action":"unsubscribe","ref":5,"topic":"lobby"}`:       `{"type":"ack","ref":5,"topic":"lobby"}`,
		`{"action":"ping","ref":6}`:                              `{"type":"pong","ref":6}`,
	} {
		if got := ask(alice, frame); got != want {
			t.Errorf("%s is answered with %s, want %s", frame, got, want)
		}
	}
	var ack struct{ ID string }
	if err := json.Unmarshal([]byte(ask(alice, `{"action":"send","to":"topic:lobby","data":"hello"}`)), &ack); err != nil || ack.ID == "" {
		t.Errorf("the ack: %+v, %v", ack, err)
	}
	if got, want := receive(bob), `{"type":"message","id":"`+ack.ID+`","to":"topic:lobby","from":"alice","data":"hello"}`; got != want {
		t.Errorf("received %s, want %s", got, want)
	}

	// A connection ends with its token. Clocks may differ by a minute, so this one
	// ends in three seconds.
	short := dial(token("carol", -jwtLeeway+3*time.Second, nil))
	for got := ""; got != `{"type":"error","code":"expired"}`; {
		if got = ask(short, `{"action":"ping"}`); got != `{"type":"pong"}` && got != `{"type":"error","code":"expired"}` {
			t.Fatalf("answered %s", got)
		}
	}
	var closed *wireposttest.CloseError
	if _, err := short.Receive(ctx); !errors.As(err, &closed) || closed.Code != 1000 {
		t.Errorf("then %v, want a close with 1000", err)
	}

	// Who is there, and who has to go.
	if status, out, _ := dev.command(t, "list", "--store", storeURL); status != exitDone || !strings.Contains(out, " alice ") || !strings.Contains(out, " bob ") || strings.Contains(out, "carol") {
		t.Errorf("list: %d, %s", status, out)
	}
	if status, out, errs := dev.command(t, "kick", "--store", storeURL, "--to", "user:bob"); status != exitDone || out != "closed 1\n" {
		t.Errorf("kick: %d, %s%s", status, out, errs)
	}
	if _, err := bob.Receive(ctx); !errors.As(err, &closed) || closed.Code != 1000 {
		t.Errorf("bob: %v, want a close with 1000", err)
	}
}

// jwtLeeway is jwtauth.Leeway; the command does not link that package.
const jwtLeeway = time.Minute

// Under dev, and only there, it works without a key.
func TestTheReadyMadeFunctionWithoutAKeySaysSoUnderDev(t *testing.T) {
	t.Parallel()
	bootstrap := readyMade(t)
	dev := startDevProcess(t, nil, "--route-response", "$default", "--", bootstrap)
	dev.url += "?user=alice"
	c := dev.dial(t)
	dev.await(t, "NOBODY IS AUTHENTICATED")
	if err := c.Send(`{"action":"send","to":"everyone","data":1}`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if got, err := c.Receive(ctx); err != nil || !strings.Contains(got, `"from":"alice","data":1}`) {
		t.Errorf("received %s, %v", got, err)
	}

	alone := exec.Command(bootstrap)
	alone.Env = []string{"WIREPOST_STORE=mem:", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001"}
	if out, err := alone.CombinedOutput(); err == nil || !strings.Contains(string(out), "neither WIREPOST_JWT_JWKS_URL nor WIREPOST_JWT_KEY is set") {
		t.Errorf("elsewhere: %v, %s", err, out)
	}
}
