// Package dev runs an app on this machine, as 'wirepost dev' does: a gateway with its
// functions, tables and store, until it is told to end.
//
//	d, err := dev.New(dev.Config{Folder: ".wirepost", App: a, Report: report})
//	...
//	closed, err := d.Run(ctx)
//
// What it consists of is the list in [New]: small parts that start in the order of the
// list and stop in reverse. One that cannot start stops those that have, so a dev runs
// whole or leaves nothing behind. No client is let in before every part has started.
//
// It knows neither flags nor the terminal: a [Config] says what to run, and a [Reporter]
// is told what people have to know. Sentences for people do name the flags of the
// command where those are what to change. Errors may have a hint of package hint, or
// are a [ConfigError].
//
// Two devs may run in one process, in two folders.
package dev

import (
	"context"
	"errors"
)

// Dev is an app that can be run once.
type Dev struct {
	parts   parts
	serving *serving
}

// New makes a dev, and starts nothing. An error is a *ConfigError.
func New(config Config) (*Dev, error) {
	c := &config
	if err := c.check(); err != nil {
		return nil, err
	}
	c.setDefaults()

	// Parts start from top to bottom, and stop from bottom to top. Each may use what is
	// above it.
	d := &Dev{}
	lock := add(d, &lock{c: c})
	api := add(d, &apiID{c: c})
	listener := add(d, &listener{c: c})
	app := add(d, &resolution{c: c, api: api, listener: listener})
	trust := add(d, &trust{c: c, listener: listener})
	store := add(d, &store{c: c})
	control := add(d, &controlServer{c: c, listener: listener, store: store})
	credentials := add(d, &credentials{c: c, listener: listener})
	handler := add(d, &handler{c: c, listener: listener, store: store, credentials: credentials})
	env := add(d, &functionEnv{c: c, listener: listener, app: app, trust: trust, control: control, credentials: credentials})
	tables := add(d, &tables{c: c, app: app, store: store})
	site := add(d, &site{c: c})
	functions := add(d, &functions{c: c, env: env, tables: tables, calls: &awsCalls{c: c, api: api, listener: listener}})
	routes := add(d, &routes{c: c, app: app, handler: handler, functions: functions})
	add(d, &watcher{c: c, functions: functions})
	gateway := add(d, &gatewayServer{c: c, api: api, listener: listener, trust: trust, credentials: credentials, routes: routes, site: site})
	add(d, &stageRecord{c: c, lock: lock, api: api, listener: listener, store: store})
	add(d, &inspection{c: c, listener: listener, store: store, control: control, credentials: credentials, handler: handler, gateway: gateway})
	d.serving = add(d, &serving{c: c, listener: listener, store: store, handler: handler, site: site, gateway: gateway})
	return d, nil
}

func add[P part](d *Dev, p P) P {
	d.parts = append(d.parts, p)
	return p
}

// Run starts all parts, serves until ctx ends, and stops them. It returns when nothing
// runs any more, with how many connections were open when ctx ended.
//
// If a part does not start, or ctx ends before all have started, the error says why,
// and nothing is left but files in the folder. It is a *ConfigError if the Config was
// wrong. Clients and $disconnect functions get ten seconds at the end; what has not
// ended by then is reported and is no error.
func (d *Dev) Run(ctx context.Context) (closed int, err error) {
	if err := d.parts.start(ctx); err != nil {
		return 0, err
	}
	d.serving.c.Report.Serves()
	err = d.serving.wait(ctx)
	err = errors.Join(err, d.parts.stop(ctx))
	return d.serving.closed, err
}
