// Package dev runs an app on this machine, as 'wirepost dev' does: a gateway with its
// functions, tables and store, until it is told to end.
//
//	d, err := dev.New(dev.Config{Folder: ".wirepost", App: a, Report: report})
//	...
//	closed, err := d.Run(ctx)
//
// What it consists of is the list in [New]: small parts that start in the order of the
// list and stop in reverse. One that cannot start stops those that have, so a dev runs
// whole or leaves nothing behind. WebSocket clients are let in when all that answers them
// has started; only then do queues, streams and schedules begin to invoke functions, and
// they are the first to stop.
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

// Run starts all parts, serves until ctx ends, and stops them. It returns when nothing
// runs any more, with how many connections were open when ctx ended.
//
// If a part does not start, or ctx ends before all have started, the error says why,
// and nothing is left but files in the folder. It is a *ConfigError if the Config was
// wrong. At the end queues, streams and schedules get ten seconds to finish what they have
// taken or to give it back, then clients and $disconnect functions, then HTTP requests;
// what has not ended by then is reported and is no error.
func (d *Dev) Run(ctx context.Context) (closed int, err error) {
	if err := d.parts.start(ctx); err != nil {
		return 0, err
	}
	d.serving.c.Report.Serves()
	err = d.serving.wait(ctx)
	err = errors.Join(err, d.parts.stop(ctx))
	return d.serving.closed, err
}
