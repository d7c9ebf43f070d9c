package lambdart

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
)

func TestAnInvocationThatDoesNotWaitIsRefusedWhenAllPlacesAreTaken(t *testing.T) {
	noGoroutineStays(t)
	said := listen()
	f := begin(t, as(t, "hold", func(c *Config) { c.Output, c.Concurrency = said, 1 }))
	try := &InvokeOptions{Try: true}
	held := hold(t, f, said)
	if _, err := f.InvokeWith(t.Context(), []byte("{}"), try); !errors.Is(err, ErrBusy) {
		t.Errorf("with the only place taken it got %v", err)
	}
	held.release(t)
	if s := f.Stats(); s.Processes != 1 || s.Invocations != 1 {
		t.Errorf("%+v", s)
	}
}

func TestOfManyThatDoNotWaitAsManyRunAsThereArePlaces(t *testing.T) {
	noGoroutineStays(t)
	f, err := New(as(t, "echo", func(c *Config) { c.Concurrency = 2 })) // not started: that takes no place more
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close(t.Context()) })
	defer f.Close(t.Context())
	var mu sync.Mutex
	results := map[string]int{}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			_, err := f.InvokeWith(t.Context(), []byte("{}"), &InvokeOptions{Try: true})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				results["answered"]++
			case errors.Is(err, ErrBusy):
				results["busy"]++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if results["answered"] < 2 || results["answered"]+results["busy"] != 50 {
		t.Error(results)
	}
	if s := f.Stats(); s.Starts > 2 {
		t.Errorf("%d processes were started", s.Starts)
	}
	if _, err := f.InvokeWith(t.Context(), []byte("{}"), &InvokeOptions{Try: true}); err != nil {
		t.Errorf("with every place free again it got %v", err)
	}
}

func TestAnInvocationHasItsCallersIDContextAndQualifier(t *testing.T) {
	f := begin(t, as(t, "environment"))
	answer, err := f.InvokeWith(t.Context(), []byte("{}"), &InvokeOptions{RequestID: "11111111-2222-4333-8444-555555555555", ClientContext: `{"custom":{"a":"b"}}`, Qualifier: "live"})
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ Headers http.Header }
	if err := json.Unmarshal(answer, &said); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id":       "11111111-2222-4333-8444-555555555555",
		"Lambda-Runtime-Client-Context":       `{"custom":{"a":"b"}}`,
		"Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:environment:live",
	} {
		if got := said.Headers.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestAHandlerFindsTheClientContextOfItsCaller(t *testing.T) {
	for _, h := range []struct {
		kind Kind
		name string
		file []string
	}{
		{Node, "index.handler", []string{"index.mjs", `export const handler = async (event, context) => context.clientContext?.custom?.a ?? null`}},
		{Python, "app.handler", []string{"app.py", "def handler(event, context):\n    c = context.client_context\n    return c and c.custom['a']\n"}},
	} {
		f := begin(t, handler(t, h.kind, h.name, h.file...))
		for want, o := range map[string]*InvokeOptions{`"b"`: {ClientContext: `{"custom":{"a":"b"},"client":{"app_title":"x"}}`}, `null`: nil} {
			answer, err := f.InvokeWith(t.Context(), []byte("{}"), o)
			if err != nil || string(answer) != want {
				t.Errorf("%v: got %s, %v, want %s", h.kind, answer, err, want)
			}
		}
	}
}
