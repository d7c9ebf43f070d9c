package lambdart

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// actAs is the variable that makes this test binary a Lambda function.
const actAs = "LAMBDART_TEST_FUNCTION"

func TestMain(m *testing.M) {
	if name := os.Getenv(actAs); name != "" {
		functions[name]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// functions are what this binary can be. Those that loop end with their Runtime API.
var functions = map[string]func(){
	"echo": func() {
		serve(func(_ http.Header, event []byte) ([]byte, error) { return event, nil })
	},
	"environment": func() {
		serve(func(h http.Header, _ []byte) ([]byte, error) {
			return json.Marshal(map[string]any{"environment": os.Environ(), "headers": h})
		})
	},
	"pid": func() {
		serve(func(http.Header, []byte) ([]byte, error) { return fmt.Appendf(nil, "%d", os.Getpid()), nil })
	},
	"tenth": func() {
		n := 0
		serve(func(_ http.Header, event []byte) ([]byte, error) {
			if n++; n == 10 {
				fmt.Fprintln(os.Stderr, "the tenth was too much")
				os.Exit(3)
			}
			return event, nil
		})
	},
	// hold says that it has an event and answers when the file that it names exists.
	"hold": func() {
		serve(func(_ http.Header, event []byte) ([]byte, error) {
			var file string
			if err := json.Unmarshal(event, &file); err != nil {
				return event, nil
			}
			fmt.Println("holding", file)
			for {
				if _, err := os.Stat(file); err == nil {
					return fmt.Appendf(nil, "%d", os.Getpid()), nil
				}
				<-time.After(5 * time.Millisecond)
			}
		})
	},
	"lingers": func() {
		serve(func(_ http.Header, event []byte) ([]byte, error) { return event, nil }, func() { select {} })
	},
	"silent":  func() { select {} },
	"address": func() { fmt.Println("at", os.Getenv("AWS_LAMBDA_RUNTIME_API"), "."); select {} },
	"talks": func() {
		serve(func(_ http.Header, event []byte) ([]byte, error) {
			fmt.Println("out")
			fmt.Fprintln(os.Stderr, "err")
			fmt.Printf("\r\n%s\nthe end\n", strings.Repeat("x", maxLine+10))
			return event, nil
		})
	},
	"returns": func() {},
	"fails":   func() { fmt.Println("no database"); os.Exit(7) },
	"lazy":    func() { call("GET", "invocation/next", nil); select {} },
	"takes":   func() { go call("GET", "invocation/next", nil); <-time.After(50 * time.Millisecond); os.Exit(4) },
	"init": func() {
		call("POST", "init/error", []byte(`{"errorType":"Own.Error","errorMessage":"no luck"}`))
		os.Exit(1)
	},
	"stubborn": func() {
		signal.Ignore(syscall.SIGTERM)
		serve(func(http.Header, []byte) ([]byte, error) { return fmt.Appendf(nil, "%d", os.Getpid()), nil })
	},
	"once": func() {
		serve(func(_ http.Header, event []byte) ([]byte, error) { return event, nil }, func() { fmt.Println("enough"); os.Exit(6) })
	},
	"children": children,
	"stray":    stray,
	"forks":    forks,
	"owner":    owner,
	"echo-go": func() {
		lambda.Start(func(_ context.Context, event json.RawMessage) (json.RawMessage, error) { return event, nil })
	},
	"lambda-go": func() {
		lambda.Start(func(ctx context.Context, event map[string]string) (any, error) {
			lc, _ := lambdacontext.FromContext(ctx)
			deadline, _ := ctx.Deadline()
			switch event["do"] {
			case "fail":
				return nil, errors.New("as asked")
			case "panic":
				panic("as asked")
			}
			return map[string]any{"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "left": time.Until(deadline).Milliseconds(), "trace": os.Getenv("_X_AMZN_TRACE_ID")}, nil
		})
	},
}

// children starts a process of its own, says which, and lives on.
func children() {
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		panic(err)
	}
	serve(func(http.Header, []byte) ([]byte, error) { return fmt.Appendf(nil, "%d", c.Process.Pid), nil })
}

// owner runs a function as wirepost does, until its standard input ends.
func owner() {
	f, err := Start(context.Background(), Config{
		Name: "pid", Source: Source{Kind: Program, Args: []string{os.Args[0]}}, Freeze: true,
		Env: append(os.Environ(), actAs+"=pid"),
	})
	if err != nil {
		panic(err)
	}
	pid, err := f.Invoke(context.Background(), nil)
	if err != nil {
		panic(err)
	}
	for f.Stats().Idle == 0 {
		runtime.Gosched()
	}
	fmt.Println(string(pid), "frozen")
	io.Copy(io.Discard, os.Stdin)
}

// call is a client of the Runtime API that knows nothing of the package.
func call(method, path string, body []byte) (*http.Response, []byte) {
	r, err := http.NewRequest(method, "http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/"+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		os.Exit(0) // the one that ran this has gone
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(answer.Body)
	return answer, said
}

func serve(handle func(http.Header, []byte) ([]byte, error), after ...func()) {
	for {
		next, event := call("GET", "invocation/next", nil)
		id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
		answer, err := handle(next.Header, event)
		if err != nil {
			call("POST", "invocation/"+id+"/error", fmt.Appendf(nil, `{"errorType":"Error","errorMessage":%q}`, err))
			continue
		}
		call("POST", "invocation/"+id+"/response", answer)
		for _, f := range after {
			f()
		}
	}
}

// as is this binary as one of functions.
func as(tb testing.TB, name string, change ...func(*Config)) Config {
	tb.Helper()
	if functions[name] == nil {
		tb.Fatalf("there is no function %q", name)
	}
	c := Config{
		Name:   name,
		Source: Source{Kind: Program, Args: []string{os.Args[0]}, Dir: tb.TempDir()},
		Env:    append(os.Environ(), actAs+"="+name),
		Output: tb.Output(),
		after:  patient,
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

// patient is time.AfterFunc, but on a busy machine too a process that has answered is
// waited for.
func patient(d time.Duration, do func()) func() bool {
	if d == returnTime {
		return func() bool { return true }
	}
	return time.AfterFunc(d, do).Stop
}

// begin starts a function that ends with the test, with nothing left.
func begin(tb testing.TB, c Config) *Function {
	tb.Helper()
	f, err := Start(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := f.Close(ctx); err != nil {
			tb.Error(err)
		}
		if s := f.Stats(); s.Processes+s.Idle+s.Waiting != 0 {
			tb.Errorf("after Close there is something left: %+v", s)
		}
	})
	return f
}

// noGoroutineStays fails the test if, at its end, anything of this package still
// runs. Tests that use it are not parallel.
func noGoroutineStays(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		t.Helper()
		all := ""
		awaitThat(t, func() bool {
			buffer := make([]byte, 4<<20)
			all = ""
			for _, stack := range strings.Split(string(buffer[:runtime.Stack(buffer, true)]), "\n\n")[1:] {
				if strings.Contains(stack, "/lambdart.") && !strings.Contains(stack, "testing.tRunner") || strings.Contains(stack, "net/http.(*conn)") || strings.Contains(stack, "net/http.(*Server)") {
					all += stack + "\n\n"
				}
			}
			return all == ""
		}, func() string { return "goroutines stay:\n" + all })
	})
}

// awaitThat polls a state that nothing announces.
func awaitThat(tb testing.TB, holds func() bool, otherwise func() string) {
	tb.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			tb.Fatal(otherwise())
		}
	}
}

// listener is an Output that lets a test wait for a line.
type listener struct {
	mu      sync.Mutex
	said    strings.Builder
	changed chan struct{}
}

func listen() *listener { return &listener{changed: make(chan struct{})} }

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said.Write(p)
	close(l.changed)
	l.changed = make(chan struct{})
	return len(p), nil
}

func (l *listener) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String()
}

func (l *listener) await(tb testing.TB, text string) {
	tb.Helper()
	limit := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		said, changed := l.said.String(), l.changed
		l.mu.Unlock()
		if strings.Contains(said, text) {
			return
		}
		select {
		case <-changed:
		case <-limit:
			tb.Fatalf("%q was not said, but\n%s", text, said)
		}
	}
}

// held is an invocation that has begun, in a process of the function "hold".
type held struct {
	file  string
	ended chan string
}

func hold(t *testing.T, f *Function, said *listener) *held {
	t.Helper()
	h := &held{filepath.Join(t.TempDir(), "release"), make(chan string, 1)}
	go func() { // ends with the invocation, at the latest with the function
		answer, err := f.Invoke(context.WithoutCancel(t.Context()), []byte(strconv.Quote(h.file)))
		if err != nil {
			answer = []byte(err.Error())
		}
		h.ended <- string(answer)
	}()
	said.await(t, "holding "+h.file)
	return h
}

func (h *held) release(t *testing.T) string {
	t.Helper()
	write(t, "", h.file)
	return <-h.ended
}
