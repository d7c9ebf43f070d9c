package lambdart

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
)

func TestAProcessHasVariablesOfItsOwnAndTellsWhichInvocationItHas(t *testing.T) {
	noGoroutineStays(t)
	var mu sync.Mutex
	var currents []func() context.Context
	ended := make(chan int, 10)
	f := begin(t, as(t, "environment", func(c *Config) {
		c.Env = append(c.Env, "OWN=of all")
		c.ForProcess = func(current func() context.Context) ([]string, func()) {
			mu.Lock()
			defer mu.Unlock()
			currents = append(currents, current)
			n := len(currents)
			return []string{fmt.Sprintf("OWN=of process %d", n)}, func() { ended <- n }
		}
		c.Concurrency = 1
	}))
	answer, err := f.Invoke(t.Context(), []byte(`{}`))
	var said struct{ Environment []string }
	if err != nil || json.Unmarshal(answer, &said) != nil || !slices.Contains(said.Environment, "OWN=of process 1") || slices.Contains(said.Environment, "OWN=of all") {
		t.Errorf("%v, %q", err, said.Environment)
	}
	if err := f.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := <-ended; n != 1 || len(currents) != 2 {
		t.Errorf("process %d ended of %d", n, len(currents))
	}
	if ctx := currents[1](); ctx != nil {
		t.Errorf("a process that has had no invocation has %v", ctx)
	}
}

func TestTheInvocationOfAProcessIsTheOneThatItWasGiven(t *testing.T) {
	p := &process{f: &Function{}}
	var current func() context.Context
	p.f.c.ForProcess = func(c func() context.Context) ([]string, func()) { current = c; return nil, nil }
	if _, ended := p.ownEnvironment(); ended == nil {
		t.Error("there is nothing to call at the end")
	}
	for _, c := range []struct {
		i    *invocation
		want context.Context
	}{{nil, nil}, {&invocation{ctx: t.Context()}, nil}, {&invocation{ctx: t.Context(), isGiven: true}, t.Context()}} {
		p.current = c.i
		if got := current(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.i, got, c.want)
		}
	}
}
