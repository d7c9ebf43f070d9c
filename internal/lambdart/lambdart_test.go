package lambdart

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAProgramGetsEventsAndItsAnswersComeBack(t *testing.T) {
	noGoroutineStays(t)
	f := begin(t, as(t, "echo"))
	for _, event := range []string{`{"a":1}`, `"ü"`, "not json", strings.Repeat("x", 1<<20)} {
		answer, err := f.Invoke(t.Context(), []byte(event))
		if err != nil || string(answer) != event {
			t.Errorf("%.20s: got %.20s, %v", event, answer, err)
		}
	}
	if s := f.Stats(); s.Invocations != 4 || s.Starts != 1 || s.Processes != 1 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAProcessHasTheEnvironmentAndHeadersOfLambda(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	f := begin(t, as(t, "environment", func(c *Config) {
		c.Region, c.AccountID, c.Timeout = "cn-north-1", "123456789012", 3*time.Second
		c.Now = func() time.Time { return now }
		c.Env = append(c.Env, "AWS_REGION=elsewhere", "OWN=1")
	}))
	invoke := func(event string) (environment []string, headers http.Header) {
		answer, err := f.Invoke(t.Context(), []byte(event))
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Environment []string
			Headers     http.Header
		}
		if err := json.Unmarshal(answer, &said); err != nil {
			t.Fatal(err)
		}
		return said.Environment, said.Headers
	}
	environment, headers := invoke(`{}`)
	for _, want := range []string{
		"OWN=1", "_HANDLER=bootstrap", "AWS_LAMBDA_FUNCTION_NAME=environment", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/environment",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "AWS_REGION=cn-north-1", "AWS_DEFAULT_REGION=cn-north-1", "TZ=:UTC",
		"LAMBDA_TASK_ROOT=" + f.c.Source.Dir, "LAMBDA_RUNTIME_DIR=" + f.folder,
	} {
		if !slices.Contains(environment, want) {
			t.Errorf("%s is not in the environment", want)
		}
	}
	if all := strings.Join(environment, "\n"); !regexp.MustCompile(`(?m)^AWS_LAMBDA_LOG_STREAM_NAME=2026/03/04/\[\$LATEST\][0-9a-f]{32}$`).MatchString(all) || !regexp.MustCompile(`(?m)^AWS_LAMBDA_RUNTIME_API=127\.0\.0\.1:\d+$`).MatchString(all) || strings.Contains(all, "elsewhere") {
		t.Error("the environment is wrong:\n" + all)
	}
	for name, want := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id":       `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		"Lambda-Runtime-Deadline-Ms":          `^1772600770000$`,
		"Lambda-Runtime-Invoked-Function-Arn": `^arn:aws-cn:lambda:cn-north-1:123456789012:function:environment$`,
		"Lambda-Runtime-Trace-Id":             `^Root=1-69a7bdbf-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`,
	} {
		if got := headers.Get(name); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s is %q", name, got)
		}
	}
	_, headers = invoke(`{"headers":{"x-amzn-trace-ID":"Root=1-5759e988-bd862e3fe1be46a994272793"}}`)
	if got := headers.Get("Lambda-Runtime-Trace-Id"); !regexp.MustCompile(`^Root=1-5759e988-bd862e3fe1be46a994272793;Parent=[0-9a-f]{16};Sampled=0$`).MatchString(got) {
		t.Errorf("the event's trace ID became %q", got)
	}
	_, headers = invoke(`{"headers":{"x-amzn-trace-ID":"Root=1-a;Parent=b;Sampled=1"}}`)
	if got := headers.Get("Lambda-Runtime-Trace-Id"); got != "Root=1-a;Parent=b;Sampled=1" {
		t.Errorf("the event's whole trace ID became %q", got)
	}
	_, headers = invoke(`{"headers":{"X-Amzn-Trace-Id":"Root=1\r\nX-Bad: 1"}}`)
	if got := headers.Get("Lambda-Runtime-Trace-Id"); strings.Contains(got, "Bad") || headers.Get("X-Bad") != "" {
		t.Errorf("a made-up trace ID became %q", got)
	}
}

func TestLambdaStartOfAWSRunsUnchanged(t *testing.T) {
	f := begin(t, as(t, "lambda-go", func(c *Config) { c.Timeout = 20 * time.Second }))
	answer, err := f.Invoke(t.Context(), []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		ID, ARN, Trace string
		Left           int
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		t.Fatal(err)
	}
	if len(said.ID) != 36 || said.ARN != "arn:aws:lambda:us-east-1:000000000000:function:lambda-go" || said.Left < 1000 || said.Left > 20_000 || !strings.HasPrefix(said.Trace, "Root=1-") {
		t.Errorf("%+v", said)
	}
	_, err = f.Invoke(t.Context(), []byte(`{"do":"fail"}`))
	var functionError *FunctionError
	if !errors.As(err, &functionError) || functionError.Type != "errorString" || functionError.Message != "as asked" || functionError.RequestID == "" {
		t.Errorf("%v", err)
	}
	_, err = f.Invoke(t.Context(), []byte(`{"do":"panic"}`))
	if !errors.As(err, &functionError) || functionError.Message != "as asked" || len(functionError.StackTrace) == 0 {
		t.Errorf("%v", err)
	}
	// A panic ends the process; the next invocation has another.
	if _, err := f.Invoke(t.Context(), []byte(`{}`)); err != nil {
		t.Error(err)
	}
	if s := f.Stats(); s.Failed != 2 || s.Starts != 2 {
		t.Errorf("%+v", s)
	}
}

func TestACrashFailsItsInvocationOnly(t *testing.T) {
	noGoroutineStays(t)
	f := begin(t, as(t, "tenth"))
	for i := 1; i <= 40; i++ {
		answer, err := f.Invoke(t.Context(), []byte("x"))
		if i%10 != 0 {
			if err != nil || string(answer) != "x" {
				t.Errorf("invocation %d: %q, %v", i, answer, err)
			}
			continue
		}
		var exited *ExitError
		if !errors.As(err, &exited) || exited.State != "exit status 3" || !slices.Contains(exited.Output, "the tenth was too much") {
			t.Errorf("invocation %d: %v", i, err)
		} else if want := "Error: Runtime exited with error: exit status 3"; !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	if s := f.Stats(); s.Failed != 4 || s.Starts < 4 || s.FailedStarts != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWithNoTimeoutAnInvocationTakesItsTime(t *testing.T) {
	said := listen()
	f := begin(t, as(t, "hold", func(c *Config) { c.Timeout, c.NoTimeout, c.Output = time.Nanosecond, true, said }))
	h := hold(t, f, said)
	if got := h.release(t); !regexp.MustCompile(`^\d+$`).MatchString(got) {
		t.Error(got)
	}
}

func TestAnInvocationThatTakesTooLongEndsItsProcess(t *testing.T) {
	noGoroutineStays(t)
	f := begin(t, as(t, "hold", func(c *Config) { c.Timeout, c.Concurrency = 150*time.Millisecond, 1 }))
	_, err := f.Invoke(t.Context(), []byte(`"never"`))
	var late *TimeoutError
	if !errors.As(err, &late) || !strings.HasSuffix(err.Error(), "Task timed out after 0.15 seconds") {
		t.Errorf("%v", err)
	}
	if answer, err := f.Invoke(t.Context(), []byte(`1`)); err != nil || string(answer) != "1" {
		t.Errorf("the next got %q, %v", answer, err)
	}
	if s := f.Stats(); s.TimedOut != 1 || s.Failed != 1 || s.Starts != 2 {
		t.Errorf("%+v", s)
	}
}

func TestAProcessThatAnswersAndDoesNotComeBackIsKilled(t *testing.T) {
	f := begin(t, as(t, "lingers", func(c *Config) { c.Timeout, c.Concurrency = 150*time.Millisecond, 1 }))
	for range 2 {
		if answer, err := f.Invoke(t.Context(), []byte(`1`)); err != nil || string(answer) != "1" {
			t.Errorf("%q, %v", answer, err)
		}
	}
}

func TestAFunctionThatDoesNotStartSaysWhy(t *testing.T) {
	noGoroutineStays(t)
	for name, want := range map[string]string{
		"returns": "function returns did not start: it ended (exit status 0) without asking for an invocation; a Lambda function runs until",
		"fails":   "function fails did not start: it ended (exit status 7) before it asked for an invocation",
		"init":    "function init did not start: it said Own.Error: no luck",
		"silent":  "function silent did not start: it did not ask for an invocation within 10s; a Lambda function gets",
	} {
		_, err := Start(t.Context(), as(t, name, func(c *Config) {
			c.after = func(d time.Duration, do func()) func() bool {
				if d == initLimit && name == "silent" {
					d = 100 * time.Millisecond
				}
				return time.AfterFunc(d, do).Stop
			}
		}))
		var failed *StartError
		if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", name, err, want)
		}
		if said := failed != nil && slices.Equal(failed.Output, []string{"no database"}); said != (name == "fails") {
			t.Errorf("%s: the last lines are %q", name, failed.Output)
		}
	}
}

func TestAProgramThatCannotRunSaysWhy(t *testing.T) {
	dir := t.TempDir()
	foreign := dir + "/foreign"
	if err := os.WriteFile(foreign, []byte("\x7fELF of another machine"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Name: "f", Source: Source{Kind: Program, Args: []string{foreign}}})
	if err == nil || !strings.Contains(err.Error(), "is not a program for this machine; build it for") {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, as(t, "silent")); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	for _, c := range []Config{{}, {Name: "a b", Source: Source{Kind: Program}}, {Name: "f"}, {Name: "f", Source: Source{Kind: Program}}, {Name: "f", Source: Source{Kind: 9}}, {Name: "f", Source: Source{Kind: Program, Args: []string{"x"}}, Timeout: -1}} {
		if _, err := Start(t.Context(), c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
