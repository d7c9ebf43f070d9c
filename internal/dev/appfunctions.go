package dev

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
)

// appFunctions is the part that has the functions of an app. Those of routes and
// authorizers are started at the start; any other is when it is first invoked.
// Without an app there are none.
type appFunctions struct {
	c         *Config
	app       *resolution
	functions *functions
	nothingToStop

	mu    sync.Mutex
	made  map[string]gateway.Function // by logical ID
	named map[string]string           // logical IDs, by the name that a function knows itself by

	// found are parts that cannot be run although nothing was wrong with their template.
	found []error
}

func (a *appFunctions) start(ctx context.Context) error {
	a.made, a.named = map[string]gateway.Function{}, map[string]string{}
	return nil
}

// running starts a function of the app, once.
func (a *appFunctions) running(ctx context.Context, logicalID string) (gateway.Function, error) {
	return a.function(ctx, logicalID, false)
}

// lookup is a function of the app by its logical ID or one of its names, or nil.
func (a *appFunctions) lookup(name string) *app.Function {
	if a.app.app == nil {
		return nil
	}
	if f := a.app.app.Function(name); f != nil {
		return f
	}
	for i := range a.app.app.Functions {
		if f := &a.app.app.Functions[i]; f.Name == name {
			return f
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.app.app.Function(a.named[name])
}

// prepared is a function of the app, which may start when it is invoked. What cannot be
// run is a gateway.Unavailable.
func (a *appFunctions) prepared(ctx context.Context, logicalID string) (gateway.Function, error) {
	if f := a.app.app.Function(logicalID); f != nil && f.Unrunnable != nil && f.StandIn == "" {
		return unavailable(f.Unrunnable), nil
	}
	return a.function(ctx, logicalID, true)
}

func (a *appFunctions) function(ctx context.Context, logicalID string, lazy bool) (gateway.Function, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.made[logicalID]; f != nil {
		return f, nil
	}
	f, err := a.make(ctx, logicalID, lazy)
	if err == nil {
		a.made[logicalID] = f
	}
	return f, err
}

func (a *appFunctions) make(ctx context.Context, logicalID string, lazy bool) (gateway.Function, error) {
	f := a.app.app.Function(logicalID)
	if f == nil {
		return nil, fmt.Errorf("the template has no function %s", logicalID) // its reader would have said so
	}
	config := a.functions.describe(f)
	a.named[config.Name] = logicalID
	how := launching{of: f, lazy: lazy}
	if f.StandIn != "" {
		made, err := elsewhere(f.StandIn)
		if made == nil && err == nil {
			if config.Source, err = sourceNamed(f.StandIn, f.Handler); err == nil {
				made, err = a.functions.launch(ctx, config, how)
			}
		}
		return made, standInError("--function", f.LogicalID, err)
	}
	if f.Unrunnable != nil || f.Launch == nil { // AuthorizerUnrunnable and RouteUnrunnable have been asked
		return nil, fmt.Errorf("function %s cannot be run, and its template's reader has not said why", logicalID)
	}
	if f.Launch.Bundle != nil {
		return a.functions.launchBundle(ctx, f.Launch.Bundle, config, how)
	}
	source, err := a.functions.source(f, config)
	if err == nil {
		config.Source = source
		made, failed := a.functions.launch(ctx, config, how)
		if failed == nil || ctx.Err() != nil {
			return made, failed
		}
		err = failed
	}
	flag := app.Flag("--function", f.LogicalID, "FUNCTION")
	return a.find(&app.Unrunnable{What: "function " + app.Clip(f.LogicalID), For: a.needing(f.LogicalID), Why: err.Error(), Fix: "give " + flag, StandIn: flag, Position: f.Position}), nil
}

// needing are the parts that need a function.
func (a *appFunctions) needing(logicalID string) (parts []string) {
	api := &a.app.app.APIs[0]
	for _, r := range api.Routes {
		if r.Integration.Function == logicalID && r.StandIn == "" {
			parts = append(parts, "route "+app.Clip(r.Key))
		}
	}
	for _, z := range api.Authorizers {
		if z.Function == logicalID && z.StandIn == "" {
			parts = append(parts, "authorizer "+app.Clip(z.LogicalID))
		}
	}
	for _, h := range a.app.app.HTTPAPIs {
		for _, r := range h.Routes {
			if r.Function == logicalID || r.Authorizer == logicalID {
				parts = append(parts, "the "+string(h.Kind)+" "+app.Clip(h.LogicalID))
				break
			}
		}
	}
	for _, s := range a.app.app.Sources {
		if s.Function == logicalID && !s.Disabled {
			parts = append(parts, "the "+string(s.Kind)+" "+app.Clip(s.Name))
		}
	}
	return parts
}

// find reports a part that cannot be run, and is what the gateway has in its place.
func (a *appFunctions) find(u *app.Unrunnable) *gateway.Unavailable {
	line := u.Note(true).String()
	a.found = append(a.found, errors.New(line))
	if !a.c.Strict {
		a.c.Report.Hint(line)
	}
	return unavailable(u)
}

// unavailable stands for what cannot be run.
func unavailable(u *app.Unrunnable) *gateway.Unavailable {
	return &gateway.Unavailable{Reason: u.Position.String() + ": " + u.String()}
}
