package dev

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/wirepost/wirepost/gateway"
)

// module is the one of this program, and of the library.
const module = "github.com/wirepost/wirepost"

// askTime bounds the question for a function's routes. A function that has not answered
// by then has the routes that every function has.
const askTime = 5 * time.Second

// ownRoutes are the keys of the routes that a function has handlers for, if it is a
// program with a wirepost.Mux. Only a program whose build information names this module
// is asked, once, as it starts: the question would be an event that no other function
// expects.
func ownRoutes(ctx context.Context, f gateway.Function, log *slog.Logger) []string {
	p, ok := f.(*process)
	if !ok || !namesModule(p.Executable()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer, err := p.Function.Invoke(ctx, []byte(`{"wirepost":"routes"}`))
	var said struct{ Routes []string }
	if err == nil {
		err = json.Unmarshal(answer, &said)
	}
	if err != nil { // it uses the library for something else
		log.Debug("a function did not say which routes it has", "function", p.name, "error", err)
		return nil
	}
	return said.Routes
}

// namesModule reports whether a program was built with this module, as its build
// information says.
func namesModule(path string) bool {
	if path == "" {
		return false
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return false
	}
	return info.Main.Path == module || slices.ContainsFunc(info.Deps, func(m *debug.Module) bool { return m.Path == module })
}
