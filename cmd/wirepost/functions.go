package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// functionFlags are what the flags of dev say of the functions that it runs.
type functionFlags struct {
	args            []string // behind the flags: the function of all routes
	handler         string
	routes          many // KEY=FUNCTION
	responses       many // two-way route keys
	authorizer      string
	identitySources many
	concurrency     int
	timeout         time.Duration
	noTimeout       bool
	debugPort       int
	freeze, watch   bool
}

func (f *functionFlags) given() bool { return len(f.args)+len(f.routes) > 0 || f.handler != "" }

// used reports whether a flag is given that needs a function.
func (f *functionFlags) used(others bool) bool {
	return others || f.watch || f.freeze || f.noTimeout || f.debugPort != 0 || f.timeout != 0 || f.authorizer != "" || len(f.responses)+len(f.identitySources) > 0
}

// functions are those that dev has started.
type functions struct {
	started []*lambdart.Function
	watched []watchedFunction
	bySpec  map[string]gateway.Function
	config  lambdart.Config // but for name and source
	names   map[string]bool
	begin   func() // called before a process is started

	absentTables []string // of the template
}

type watchedFunction struct {
	function *lambdart.Function
	name     string
	paths    []string
}

func newFunctions(f functionFlags, config lambdart.Config) *functions {
	config.Concurrency, config.Timeout, config.NoTimeout = f.concurrency, f.timeout, f.noTimeout
	config.DebugPort, config.Freeze = f.debugPort, f.freeze
	return &functions{bySpec: map[string]gateway.Function{}, config: config, names: map[string]bool{}, begin: func() {}}
}

// ofFlags starts the functions that the flags name, and makes the routing table.
func (all *functions) ofFlags(ctx context.Context, f *functionFlags) (map[string]gateway.Route, error) {
	routes := map[string]gateway.Route{}
	if len(f.args) > 0 || f.handler != "" {
		function, err := all.run(ctx, f.args, f.handler)
		if err != nil {
			return nil, err
		}
		for _, key := range []string{"$connect", "$disconnect", "$default"} {
			routes[key] = gateway.Route{Function: function}
		}
	}
	for _, r := range f.routes {
		key, spec, ok := strings.Cut(r, "=")
		if !ok || key == "" || spec == "" {
			return nil, usage1("--route %q: write KEY=FUNCTION, such as sendmessage=./send", r)
		}
		if _, twice := routes[key]; twice && len(f.args) == 0 && f.handler == "" {
			return nil, usage1("--route %s is given twice", key)
		}
		function, err := all.named(ctx, spec, f.handler)
		if err != nil {
			return nil, fmt.Errorf("--route %s: %w", key, err)
		}
		routes[key] = gateway.Route{Function: function}
	}
	for _, key := range f.responses {
		r, ok := routes[key]
		if !ok && len(f.args)+len(f.handler) > 0 && !strings.HasPrefix(key, "$") {
			r, ok = routes["$default"], true // a route of its own on the one function
		}
		if !ok {
			return nil, usage1("--route-response %s: there is no such route", key)
		}
		r.RouteResponse = true
		routes[key] = r
	}
	if f.authorizer != "" {
		function, err := all.named(ctx, f.authorizer, "")
		if err != nil {
			return nil, fmt.Errorf("--authorizer: %w", err)
		}
		r, ok := routes["$connect"]
		if !ok { // AWS asks it all the same
			r.Function = &gateway.Mock{}
		}
		r.Authorizer = &gateway.Authorizer{Function: unauthorized{function}, IdentitySources: f.identitySources}
		routes["$connect"] = r
	} else if len(f.identitySources) > 0 {
		return nil, usage1("--identity-source is of an --authorizer, and there is none")
	}
	return routes, nil
}

// misused is a mistake of whoever gave the flags.
type misused struct{ error }

func usage1(format string, args ...any) error { return misused{fmt.Errorf(format, args...)} }

// named is the function of a route: a program, go:DIR, node:DIR#HANDLER,
// python:DIR#HANDLER, a URL for HTTP_PROXY, lambda:URL#NAME or mock:BODY.
func (all *functions) named(ctx context.Context, spec, handler string) (gateway.Function, error) {
	switch {
	case strings.HasPrefix(spec, "http://"), strings.HasPrefix(spec, "https://"):
		return &gateway.HTTPProxy{URL: spec}, nil
	case strings.HasPrefix(spec, "mock:"):
		return &gateway.Mock{Body: strings.TrimPrefix(spec, "mock:")}, nil
	case strings.HasPrefix(spec, "lambda:"):
		url, name, ok := strings.Cut(strings.TrimPrefix(spec, "lambda:"), "#")
		if !ok || name == "" {
			return nil, usage1("%q: write lambda:URL#NAME, such as lambda:http://127.0.0.1:3001#Chat", spec)
		}
		return &gateway.LambdaEndpoint{URL: url, Name: name}, nil
	}
	program, own, ok := strings.Cut(spec, "#")
	if ok {
		handler = own
	} else if !strings.HasPrefix(spec, "node:") && !strings.HasPrefix(spec, "python:") {
		handler = ""
	}
	return all.run(ctx, []string{program}, handler)
}

// run starts a function, once for each way of naming it.
func (all *functions) run(ctx context.Context, args []string, handler string) (gateway.Function, error) {
	spec := strings.Join(args, "\x00") + "#" + handler
	if f := all.bySpec[spec]; f != nil {
		return f, nil
	}
	source, err := lambdart.ParseSource(args, handler)
	if err != nil {
		return nil, misused{err}
	}
	config := all.config
	config.Source, config.Name = source, all.nameOf(args, handler)
	f, err := all.start(ctx, config)
	if err != nil {
		return nil, err
	}
	all.bySpec[spec] = f
	return f, nil
}

func (all *functions) start(ctx context.Context, config lambdart.Config) (gateway.Function, error) {
	all.begin()
	f, err := lambdart.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	all.started = append(all.started, f)
	all.watched = append(all.watched, watchedFunction{f, config.Name, config.Source.WatchPaths()})
	return f, nil
}

var notInFunctionName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// nameOf is a name for a function that nobody has named.
func (all *functions) nameOf(args []string, handler string) string {
	base := handler
	if len(args) > 0 {
		_, path, ok := strings.Cut(args[0], ":")
		if !ok {
			path = args[0]
		}
		if abs, err := filepath.Abs(path); err == nil {
			base = strings.TrimSuffix(filepath.Base(abs), filepath.Ext(abs))
		}
	}
	base = strings.Trim(notInFunctionName.ReplaceAllString(base, "-"), "-")
	if base == "" {
		base = "function"
	}
	base = base[:min(len(base), 50)]
	name := base
	for n := 2; all.names[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	all.names[name] = true
	return name
}

// watch restarts a function when one of its files changes, until ctx ends. A build
// that fails leaves the old process, and the sockets stay open in any case.
func (all *functions) watch(ctx context.Context, out io.Writer, logger *slog.Logger) {
	for _, w := range all.watched {
		o := &lambdart.WatchOptions{Worked: w.function.Worked, Own: func(file string) {
			fmt.Fprintf(out, "wirepost: hint: function %s is not restarted for %s, which changed while it worked; on Lambda a function can write to /tmp only\n", w.name, shorten([]string{file}))
		}}
		go lambdart.Watch(ctx, w.paths, o, func(files []string) { // ends with ctx
			what := shorten(files)
			if err := w.function.Restart(ctx); err != nil && ctx.Err() == nil {
				fmt.Fprintf(out, "wirepost: error: function %s cannot be started since %s changed; the old one goes on: %v\n", w.name, what, err)
				return
			}
			logger.Info("function restarted", "function", w.name, "files", files)
			fmt.Fprintf(out, "wirepost: hint: function %s was restarted, because %s changed\n", w.name, what)
		})
	}
}

// shorten names the first of some files, as somebody in this folder would.
func shorten(files []string) string {
	name := files[0]
	if here, err := os.Getwd(); err == nil {
		if inside, err := filepath.Rel(here, name); err == nil && filepath.IsLocal(inside) {
			name = inside
		}
	}
	if more := len(files) - 1; more > 0 {
		return fmt.Sprintf("%s (and %d more)", name, more)
	}
	return name
}

func (all *functions) close(ctx context.Context) error {
	var errs []error
	for _, f := range all.started {
		errs = append(errs, f.Close(ctx))
	}
	return errors.Join(errs...)
}

// unauthorized makes of a function's error "Unauthorized" what the gateway answers
// with 401.
type unauthorized struct{ gateway.Function }

func (u unauthorized) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	answer, err := u.Function.Invoke(ctx, payload)
	var failed *lambdart.FunctionError
	if errors.As(err, &failed) && failed.Message == gateway.ErrUnauthorized.Error() {
		return nil, gateway.ErrUnauthorized
	}
	return answer, err
}
