package dev

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/inspector"
)

// callAs is a function that does what a message says: "METHOD URL", signed for API
// Gateway, "env NAME" or "domain".
func callAs(ctx context.Context, e events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error) {
	answer := func(text string) (events.APIGatewayProxyResponse, error) {
		return events.APIGatewayProxyResponse{StatusCode: 200, Body: text}, nil
	}
	what, value, _ := strings.Cut(e.Body, " ")
	switch what {
	case "domain":
		return answer(e.RequestContext.DomainName)
	case "env":
		return answer(os.Getenv(value))
	}
	value = strings.ReplaceAll(value, "CONNECTION", strings.ReplaceAll(e.RequestContext.ConnectionID, "=", "%3D"))
	r, err := http.NewRequestWithContext(ctx, what, value, strings.NewReader("hello"))
	if err != nil {
		return answer(notCalled + err.Error())
	}
	sum := sha256.Sum256([]byte("hello"))
	pair := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
	if err := signer.NewSigner().SignHTTP(ctx, pair, r, hex.EncodeToString(sum[:]), "execute-api", os.Getenv("AWS_REGION"), time.Now()); err != nil {
		return answer(notCalled + err.Error())
	}
	// A client of its own, as the usual one keeps what it has once read.
	client := &http.Client{Transport: http.DefaultTransport, CheckRedirect: stay}
	got, err := client.Do(r)
	if err != nil {
		return answer(notCalled + err.Error())
	}
	defer got.Body.Close()
	text, _ := io.ReadAll(got.Body)
	return answer(fmt.Sprintf("%d %s", got.StatusCode, text))
}

// notCalled begins the answer of callAs if nobody has answered it.
const notCalled = "not called: "

// calling is a dev with a function that calls.
func calling(t *testing.T, c Config, env ...string) *running {
	t.Helper()
	c.Named, c.Env = program(t), append(functionDoes("call"), env...)
	c.Processes.Concurrency = 1
	return start(t, c)
}

func TestAPostToTheAPIsNameOnAWSArrives(t *testing.T) {
	r := calling(t, Config{})
	client := r.dial(t, "")
	name := partOf[*apiID](r.dev).id + ".execute-api.us-east-1."
	for _, url := range []string{
		name + "amazonaws.com/dev/@connections/CONNECTION", name + "api.aws/dev/@connections/CONNECTION", name + "amazonaws.com/dev//@connections/CONNECTION", name + "amazonaws.com/@connections/CONNECTION",
	} {
		for _, scheme := range []string{"https", "http"} {
			if got := exchange(t, client, "POST "+scheme+"://"+url, 2); len(got) != 2 || got[0] != "200 " || got[1] != "hello" {
				t.Fatalf("%s://%s: %q", scheme, url, got)
			}
		}
	}
	r.await(t, "hint: a management call has an empty segment in its path")
	r.await(t, "hint: a management call has no stage in its path")
	leave(t, client)
}

func TestTheAPIsNameOnAWSIsRefusedAtTheGatewaysOwnPort(t *testing.T) {
	r := calling(t, Config{})
	name := partOf[*apiID](r.dev).id + ".execute-api.us-east-1.amazonaws.com"
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.await(t, "endpoint ")+"/@connections/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{name: "it was sent to the name", "rebound.evil.test": "it was sent to the name"} {
		q.Host = host
		answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", host, answer.StatusCode)
		}
		r.await(t, "hint: refused a management call: "+want)
	}
}

func TestACallToAnIDThatTheAPIHasOnAWSArrivesWhereItIsNamed(t *testing.T) {
	const deployed = "zyxwvutsrq.execute-api.us-east-1.amazonaws.com"
	r := calling(t, Config{Deployed: []string{"a1b2c3d4e5", "zyxwvutsrq"}, More: Environment{"API_URL=https://" + deployed + "/dev"}})
	client := r.dial(t, "")
	for _, scheme := range []string{"https", "http"} {
		if got := exchange(t, client, "POST "+scheme+"://"+deployed+"/dev/@connections/CONNECTION", 2); len(got) != 2 || got[0] != "200 " || got[1] != "hello" {
			t.Errorf("%s: %q", scheme, got)
		}
	}
	leave(t, client)
	if said := partOf[*gatewayServer](r.dev).c.Report.(*reported).String(); strings.Contains(said, "zyxwvutsrq") {
		t.Errorf("something is said of the API's own name:\n%s", said)
	}
	for _, wrong := range []string{"", "https://" + deployed, "ZYXWVUTSRQ", "zyxwvutsr"} {
		if _, err := New(Config{Folder: "x", Named: program(t), Deployed: []string{wrong}}); err == nil || !strings.Contains(err.Error(), "ten lower-case letters and digits") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// A post to the API of a deployed stage is another's: its clients are not here.
func TestACallToAnotherAPISaysBothIDs(t *testing.T) {
	const another = "zyxwvutsrq.execute-api.us-east-1.amazonaws.com"
	aws := newFakeAWS(t)
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": fakeKey, "AWS_SECRET_ACCESS_KEY": fakeSecret, "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	for _, inherit := range []bool{false, true} {
		r := calling(t, Config{Inherit: inherit}, "HTTPS_PROXY="+aws.proxy, "SSL_CERT_FILE="+aws.roots)
		id := partOf[*apiID](r.dev).id
		client := r.dial(t, "")
		post, want := exchange(t, client, "POST https://"+another+"/dev/@connections/CONNECTION", 1), `403 {"message":"Forbidden"}`
		how := ", and was refused, because it is signed with the development pair of keys"
		if inherit {
			want, how = `200 {"Item":{"word":{"S":"from AWS"}}}`, ""
		}
		if post[0] != want {
			t.Fatalf("inherited: %v: %s, want %s", inherit, post, want)
		}
		r.await(t, "hint: function dev called "+another+", which is AWS and not this machine"+how+"; that is the API zyxwvutsrq, and the one that runs here is "+id+" at http://localhost:")
		if said := partOf[*gatewayServer](r.dev).c.Report.(*reported).String(); !strings.Contains(said, ": if it is this one on AWS, give --deployed-api zyxwvutsrq") {
			t.Errorf("the cure is not said: %s", said)
		}
		if asked := aws.asked(); (len(asked) == 1) != inherit {
			t.Errorf("inherited: %v: the caller's proxy is asked for %q", inherit, asked)
		}
		leave(t, client)
	}
}

func TestACallToAWSItselfIsToldAndRecorded(t *testing.T) {
	aws := newFakeAWS(t)
	aws.refuses = true
	r := calling(t, Config{}, "HTTPS_PROXY="+aws.proxy, "SSL_CERT_FILE="+aws.roots)
	client := r.dial(t, "")
	for range 2 {
		if got := exchange(t, client, "POST https://sts.us-east-1.amazonaws.com/", 1); !strings.HasPrefix(got[0], "403 not signed") {
			t.Fatalf("%s", got)
		}
	}
	const line = "function dev called sts.us-east-1.amazonaws.com, which is AWS and not this machine"
	r.await(t, "hint: "+line)
	if got := exchange(t, client, "POST https://dynamodb.eu-west-1.amazonaws.com/", 1); strings.HasPrefix(got[0], "200") {
		t.Errorf("%s", got)
	}
	if n := strings.Count(partOf[*gatewayServer](r.dev).c.Report.(*reported).String(), line); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	if !strings.Contains(exported(t, r), "wirepost: "+line) {
		t.Error("the record of the invocation does not have it")
	}
	leave(t, client)
}

func TestACallByTheNameOfAnotherRegionIsTold(t *testing.T) {
	r := calling(t, Config{Region: "eu-west-1"})
	name := partOf[*apiID](r.dev).id + ".execute-api.us-east-1.amazonaws.com"
	client := r.dial(t, "")
	if got := exchange(t, client, "POST https://"+name+"/dev/@connections/CONNECTION", 2); len(got) != 2 || got[0] != "200 " {
		t.Fatalf("%q", got)
	}
	r.await(t, "hint: function dev called "+name+", which is in us-east-1; the app is in eu-west-1")
	leave(t, client)
}

func TestWithNamesOfAWSEventsHaveTheAPIsName(t *testing.T) {
	for region, suffix := range map[string]string{"eu-west-1": "amazonaws.com", "cn-north-1": "amazonaws.com.cn"} {
		r := calling(t, Config{AWSNames: true, Region: region})
		name := partOf[*apiID](r.dev).id + ".execute-api." + region + "." + suffix
		client := r.dial(t, "")
		if got := exchange(t, client, "domain", 1); got[0] != name {
			t.Errorf("%s: the domainName is %s, want %s", region, got, name)
		}
		if got := exchange(t, client, "POST https://"+name+"/dev/@connections/CONNECTION", 2); len(got) != 2 || got[0] != "200 " {
			t.Fatalf("%s: %q", region, got)
		}
		r.await(t, "hint: events have the domainName "+name+", which leads here for functions and for nothing else: a browser cannot reach it")
		leave(t, client)
	}
	c, said := complete(t, Config{AWSNames: true})
	c.App = described(func(names app.Names) (*app.App, []app.Note, error) {
		if names.APIs["Api"].Endpoint != nil {
			t.Error("addresses in variables are replaced")
		}
		return described(nil), nil, nil
	})
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	begin(t, d, said).await(t, "store ")
	if _, err := New(Config{Folder: folder(t), AWSNames: true, InProcess: echo()}); err == nil || !strings.Contains(err.Error(), "--names aws") {
		t.Errorf("with a function in this process: %v", err)
	}
}

func TestAFunctionIsLedHereByItsEnvironment(t *testing.T) {
	r := calling(t, Config{More: Environment{"NODE_OPTIONS=--no-warnings"}}, "NO_PROXY=.amazonaws.com", "no_proxy=*", "AWS_ACCOUNT_ID=1", "AWS_USE_DUALSTACK_ENDPOINT=true", "AWS_USE_FIPS_ENDPOINT=true")
	client := r.dial(t, "")
	proxy := partOf[*interception](r.dev).at.Proxy()
	preload := absolute(partOf[*lock](r.dev).c.Folder.file("intercept.cjs"))
	for name, want := range map[string]string{
		"NO_PROXY": "localhost,127.0.0.1,::1", "no_proxy": "localhost,127.0.0.1,::1", "AWS_ACCOUNT_ID": "", "AWS_USE_DUALSTACK_ENDPOINT": "", "AWS_USE_FIPS_ENDPOINT": "",
		"NODE_OPTIONS": `--require "` + preload + `" --no-warnings`,
	} {
		if got := exchange(t, client, "env "+name, 1); got[0] != want {
			t.Errorf("%s=%s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
		if got := exchange(t, client, "env "+name, 1); !strings.HasPrefix(got[0], "http://dev:") || !strings.HasSuffix(got[0], "@"+proxy) {
			t.Errorf("%s=%s", name, got)
		}
	}
	leave(t, client)
}

// What a dev leaves on the disk lets nobody speak for AWS, and leads nobody here.
func TestNoKeyAndNoTokenOfARunIsWritten(t *testing.T) {
	r := calling(t, Config{})
	client := r.dial(t, "")
	proxy := exchange(t, client, "env HTTPS_PROXY", 1)[0]
	token, _, _ := strings.Cut(strings.TrimPrefix(proxy, "http://dev:"), "@")
	if len(token) < 30 {
		t.Fatalf("the token is %q", token)
	}
	certificate := partOf[*interception](r.dev).authority()
	where := string(partOf[*lock](r.dev).c.Folder)
	var holds []string
	err := filepath.WalkDir(where, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(where, path)
		if bytes.Contains(text, []byte(token)) {
			t.Errorf("%s has a token", name)
		}
		if bytes.Contains(text, []byte("PRIVATE KEY")) && name != "ca-key.pem" {
			t.Errorf("%s has a key", name)
		}
		if bytes.Contains(text, certificate) {
			holds = append(holds, name)
			if info, err := d.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
		return err
	})
	if got := strings.Join(holds, " "); err != nil || got != "ca-bundle.pem ca-functions.pem" {
		t.Errorf("the authority is in %s, %v", got, err)
	}
	leave(t, client)
}

// exported is what the inspector has kept.
func exported(t *testing.T, r *running) string {
	t.Helper()
	control := partOf[*controlServer](r.dev).at
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, control.URL+inspector.Path+"api/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+control.Token)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", answer.StatusCode, text, err)
	}
	return string(text)
}
