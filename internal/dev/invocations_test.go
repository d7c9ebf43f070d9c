package dev

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// link is what the functions of a chain are invoked with.
type link struct {
	Next []string // functions to invoke, one by the other
	Fail bool     // the last one fails
	Hold string   // a file that the last one waits for
}

// invokesNext is a function that invokes the next one by Lambda's Invoke API.
func invokesNext(ctx context.Context, l link) (string, error) {
	if len(l.Next) == 0 {
		fmt.Println("the end of the chain")
		for l.Hold != "" && !isThere(l.Hold) {
			time.Sleep(5 * time.Millisecond)
		}
		if l.Fail {
			return "", fmt.Errorf("it was to fail")
		}
		return os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), nil
	}
	payload, err := json.Marshal(link{l.Next[1:], l.Fail, l.Hold})
	if err != nil {
		return "", err
	}
	status, header, body, err := invokeAt(ctx, os.Getenv("AWS_ENDPOINT_URL_LAMBDA"), l.Next[0], payload)
	switch {
	case err != nil:
		return "", err
	case status != 200 || header.Get("X-Amz-Function-Error") != "":
		return "", fmt.Errorf("%d %s", status, body)
	}
	var said string
	err = json.Unmarshal(body, &said)
	return os.Getenv("AWS_LAMBDA_FUNCTION_NAME") + " " + said, err
}

func isThere(file string) bool { _, err := os.Stat(file); return err == nil }

// invokeAt is one signed call of the Invoke API. Headers are names and values in turn.
func invokeAt(ctx context.Context, url, function string, payload []byte, headers ...string) (status int, header http.Header, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, "POST", url+"/2015-03-31/functions/"+function+"/invocations", bytes.NewReader(payload))
	if err != nil {
		return 0, nil, nil, err
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	pair := gateway.DevelopmentCredentials()
	sum := sha256.Sum256(payload)
	err = v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey}, r, hex.EncodeToString(sum[:]), "lambda", "us-east-1", time.Now())
	if err != nil {
		return 0, nil, nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header, body, err
}

// chained is an app of functions that can invoke each other. Only First has a route.
func chained(t *testing.T, names ...string) Config {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a := &app.App{Region: "us-east-1", Account: "000000000000", APIs: []app.API{{LogicalID: "Api", Stage: "prod", RouteSelection: "$request.body.action",
		Routes: []app.Route{{Key: "go", TwoWay: true, Integration: app.Integration{Kind: app.AWSProxy, Function: names[0]}}}}}}
	for _, name := range names {
		a.Functions = append(a.Functions, app.Function{LogicalID: name, Name: "stack-" + name + "-1", StandIn: path, Timeout: 40 * time.Second, Env: map[string]string{"WIREPOST_TEST_FUNCTION": "chain"}})
	}
	return Config{App: a}
}

// invokes invokes a function of a dev that runs.
func (r *running) invokes(t *testing.T, function string, l link, headers ...string) (status int, header http.Header, body string) {
	t.Helper()
	payload, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	status, header, said, err := invokeAt(t.Context(), partOf[*lambdaEndpoint](r.dev).url(), function, payload, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return status, header, string(said)
}

func TestAFunctionWithoutARouteRunsWhenItIsInvoked(t *testing.T) {
	r := start(t, chained(t, "First", "Second", "Third"))
	if n := len(partOf[*functions](r.dev).started); n != 1 {
		t.Errorf("%d functions were made before anybody had asked for more than the one with a route", n)
	}
	for _, name := range []string{"Second", "stack-Second-1", "stack-Second-1:live", "000000000000:function:stack-Second-1", "arn:aws:lambda:us-east-1:000000000000:function:stack-Second-1"} {
		if status, _, body := r.invokes(t, name, link{}); status != 200 || body != `"stack-Second-1"` {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, header, body := r.invokes(t, "First", link{Next: []string{"stack-Second-1", "Third"}}, "X-Amz-Log-Type", "Tail"); status != 200 || body != `"stack-First-1 stack-Second-1 stack-Third-1"` || header.Get("X-Amz-Log-Result") == "" {
		t.Errorf("%d %s %v", status, body, header)
	}
	if status, header, body := r.invokes(t, "First", link{Next: []string{"Third"}, Fail: true}); status != 200 || header.Get("X-Amz-Function-Error") != "Unhandled" || !strings.Contains(body, "it was to fail") {
		t.Errorf("%d %s %v", status, body, header)
	}
	if status, _, body := r.invokes(t, "Fourth", link{}); status != 404 || !strings.Contains(body, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:Fourth") {
		t.Errorf("%d %s", status, body)
	}
	r.await(t, "hint: function arn:aws:lambda:us-east-1:000000000000:function:Fourth was invoked, and the app that runs here has no function of that name")
}

func TestAFunctionThatCannotRunAnswersItsOwnInvocationsWithAnError(t *testing.T) {
	c := chained(t, "First", "Second")
	c.App.Functions[1].StandIn = ""
	c.App.Functions[1].Unrunnable = &app.Unrunnable{What: "function Second", Why: "it is Java"}
	r := start(t, c)
	status, header, body := r.invokes(t, "Second", link{})
	if status != 200 || header.Get("X-Amz-Function-Error") != "Unhandled" || !strings.Contains(body, `"errorType":"Wirepost.Unavailable"`) || !strings.Contains(body, "it is Java") {
		t.Errorf("%d %s %v", status, body, header)
	}
	r.await(t, "hint: function Second was invoked by Lambda's Invoke API: ")
	if status, _, body := r.invokes(t, "First", link{}); status != 200 {
		t.Errorf("the other one: %d %s", status, body)
	}
}

func TestTwoHundredInvocationsAtOnceAreAllAnsweredThoseWithoutAPlaceWith429(t *testing.T) {
	c := chained(t, "First", "Second", "Third")
	c.Processes.Concurrency = 2
	r := start(t, c)
	began := time.Now()
	var mu sync.Mutex
	results := map[string]int{}
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			status, header, body := r.invokes(t, "First", link{Next: []string{"Second", "Third"}})
			mu.Lock()
			defer mu.Unlock()
			results[fmt.Sprint(status, " ", header.Get("X-Amz-Function-Error"))]++
			switch {
			case status == 200 && body == `"stack-First-1 stack-Second-1 stack-Third-1"`:
			case status == 200 && strings.Contains(body, "429"): // the second or the third had none
			case status == 429 && strings.Contains(body, `"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"`):
			default:
				t.Errorf("%d %v %s", status, header, body)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	t.Logf("200 in %v: %v", took, results)
	if took > 30*time.Second || results["200 "] < 2 || results["429 "] == 0 {
		t.Errorf("200 in %v: %v", took, results)
	}
}

func TestAnEventIsAnsweredAtOnceAndDoneLater(t *testing.T) {
	r := start(t, chained(t, "First", "Second"))
	file := t.TempDir() + "/go"
	status, _, body := r.invokes(t, "Second", link{Hold: file}, "X-Amz-Invocation-Type", "Event")
	if status != 202 || body != "" {
		t.Fatalf("%d %s", status, body)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	page := partOf[*gatewayServer](r.dev).recorder
	record := awaitRecord(t, page, func(x *inspector.Record) bool { return x.Kind == "call" && !x.Running })
	if record.Function != "Second" || record.Cause != "Lambda's Invoke API, as an event" || record.Answer != `"stack-Second-1"` || !slices.Contains(record.Lines, "the end of the chain") {
		t.Errorf("%+v", record)
	}
}

// awaitRecord is the first record that fits.
func awaitRecord(t *testing.T, r *inspector.Recorder, fits func(*inspector.Record) bool) *inspector.Record {
	t.Helper()
	late := time.After(patience)
	for {
		for _, record := range r.Records() {
			if fits(record) {
				return record
			}
		}
		select {
		case <-late:
			t.Fatal("there is no such record")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestTheInvokeAPIListensOnLoopbackOnlyAndKnowsNoPagesAndNoOtherNames(t *testing.T) {
	c := chained(t, "First")
	c.Listen, c.Control, c.ControlPublic = "0.0.0.0:0", "0.0.0.0:0", true
	r := start(t, c)
	endpoint := partOf[*lambdaEndpoint](r.dev)
	if address := endpoint.listener.Addr().String(); !strings.HasPrefix(address, "127.0.0.1:") {
		t.Errorf("it listens on %s", address)
	}
	ask := func(host string, headers ...string) (int, string) {
		q, err := http.NewRequestWithContext(t.Context(), "POST", endpoint.url()+"/2015-03-31/functions/First/invocations", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		q.Host = cmp.Or(host, q.Host)
		for i := 0; i < len(headers); i += 2 {
			q.Header.Set(headers[i], headers[i+1])
		}
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, _ := io.ReadAll(a.Body)
		return a.StatusCode, a.Header.Get("X-Amzn-Errortype") + " " + string(b)
	}
	for name, try := range map[string]func() (int, string){
		"unsigned":       func() (int, string) { return ask("") },
		"a page":         func() (int, string) { return ask("", "Origin", "http://127.0.0.1:3001") },
		"a rebound name": func() (int, string) { return ask("evil.example") },
		"Lambda's own":   func() (int, string) { return ask("lambda.us-east-1.amazonaws.com") },
		"the dev pair": func() (int, string) { // which is known to everybody, and where others reach the gateway not accepted
			status, header, body, err := invokeAt(t.Context(), endpoint.url(), "First", []byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			return status, header.Get("X-Amzn-Errortype") + " " + string(body)
		},
	} {
		if status, body := try(); status != 403 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	at := partOf[*controlServer](r.dev).at
	for _, url := range []string{at.URL, strings.Replace(r.await(t, "endpoint "), "/prod", "", 1)} {
		status, _, body, err := invokeAt(t.Context(), url, "First", []byte("{}"))
		if err != nil || status < 400 {
			t.Errorf("%s answered %d %s, %v", url, status, body, err)
		}
	}
}

func TestAnythingOfADevInvokesAFunctionWithItsCause(t *testing.T) {
	r := start(t, chained(t, "First", "Second"))
	invocations := partOf[*invocations](r.dev)
	answer, err := invocations.Invoke(t.Context(), "Second", []byte("{}"), How{Cause: "schedule Nightly"})
	if err != nil || string(answer) != `"stack-Second-1"` {
		t.Errorf("%s, %v", answer, err)
	}
	_, err = invocations.Invoke(t.Context(), "Second", []byte(`{"Fail":true}`), How{Cause: "queue Jobs"})
	if failed, ok := err.(*lambdart.FunctionError); !ok || failed.Message != "it was to fail" {
		t.Errorf("%v", err)
	}
	recorder := partOf[*gatewayServer](r.dev).recorder
	for cause, failed := range map[string]bool{"schedule Nightly": false, "queue Jobs": true} {
		if record := awaitRecord(t, recorder, func(x *inspector.Record) bool { return x.Cause == cause }); record.Failed != failed || record.Function != "Second" {
			t.Errorf("%+v", record)
		}
	}
}

func TestWhatIsNotOfTheAppIsSignedAnewAndSentToAWSWithInheritedCredentials(t *testing.T) {
	pair := gateway.Credentials{AccessKeyID: "AKID", SecretAccessKey: "SECRET", SessionToken: "TOKEN"}
	verifier := &gateway.Verifier{Service: "lambda", Region: "eu-west-1", Credentials: []gateway.Credentials{pair}}
	aws := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, err := verifier.Verify(r, body); err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		w.WriteHeader(200)
		fmt.Fprintf(w, "%s %s %s", r.URL.RequestURI(), r.Header.Get("X-Amz-Invocation-Type"), body)
	})}
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go aws.Serve(l)
	defer aws.Close()
	front := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f := newLambdaForward(pair, &http.Transport{DisableKeepAlives: true})
		f.base = "http://" + l.Addr().String()
		f.forward(w, r, "eu-west-1", body)
	})}
	at, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go front.Serve(at)
	defer front.Close()
	status, header, body, err := invokeAt(t.Context(), "http://"+at.Addr().String(), "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Amail", []byte(`{"a":1}`), "X-Amz-Invocation-Type", "Event")
	if err != nil || status != 200 || header.Get("X-Amz-Function-Error") != "Unhandled" || string(body) != `/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Amail/invocations Event {"a":1}` {
		t.Errorf("%d %v %s, %v", status, header, body, err)
	}
}
