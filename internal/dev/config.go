package dev

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/inspector"
)

// Config says what a dev runs and how. Folder and exactly one of App, Named and
// InProcess are needed.
type Config struct {
	// Folder is where the dev keeps what outlives it. It is made if it is not there.
	// One dev runs in a folder at a time. Below code that is watched its name has to be
	// .wirepost, which package lambdart does not watch.
	Folder Folder

	// App is an app that was read from a template, and not yet resolved. Named are
	// functions that were named one by one. InProcess is a function in this process.
	//
	// What of App cannot be run is reported, and a gateway.Unavailable. Functions that
	// do not start are tried again when they are invoked.
	App       *app.App
	Named     *Named
	InProcess *InProcess

	// Differences are what the caller wants of App that its template does not say.
	Differences Differences

	// Strict makes an error of everything of App that cannot be run, and of every
	// function that does not start.
	Strict bool

	// AWSNames has events with the domainName that the API would have on AWS, which
	// leads here for functions, and leaves addresses in variables as they are there. It
	// needs functions that are processes.
	AWSNames bool

	// Deployed are IDs that the API has on AWS and that functions have written down, in
	// their code or in a file: their calls to it come to the API that runs. They need
	// functions that are processes.
	Deployed []string

	// Listen is HOST:PORT; port 0 takes a free one. Empty means 127.0.0.1:3001.
	Listen string

	// Stage and RouteSelection empty mean those of App, else dev and the gateway's
	// default. Region empty means that of App, else us-east-1.
	Stage, RouteSelection, Region string

	// IdleTimeout, MaxAge and ConnectRate are the gateway's; zero means AWS's.
	IdleTimeout, MaxAge time.Duration
	// IntegrationTimeout bounds the invocations of all routes, to see what takes too long
	// without waiting for it; zero means AWS's 29 s, or less where the App says so.
	IntegrationTimeout time.Duration
	ConnectRate        int

	// Origins may connect from a browser, as well as pages of this machine; * is any.
	Origins []string

	// Store is the URL of the store. Empty means WIREPOST_STORE of Env, else a file in
	// Folder.
	Store string

	// Bundle makes what runs of functions in TypeScript, and of those that a tool of
	// App's bundles. Nil means that these cannot be run.
	Bundle Bundler

	// Processes says how functions of App and Named are run.
	Processes Processes

	// DynamoDB is LocalEngine for an engine that is started, with its data in Folder, or the
	// URL of a server: the tables of App are created there, and functions get them. Empty
	// means that there are no tables: calls are answered so. SQS is the same for queues and
	// SNS topics. With Inherit nothing is created at a URL.
	DynamoDB, SQS string

	// Tools is the folder where engines are installed. Empty means one in the user's cache.
	Tools string

	// Schedules has the schedules of App invoke their functions. Otherwise one line says
	// that they do not: a schedule may send mails or delete rows.
	Schedules bool

	// More are more variables for functions, as ReadEnvFile gives them. What an app says
	// of a function comes before them.
	More Environment

	// Given are variables that come before all others, also those of an app: of its
	// functions they are in the app itself.
	Given Environment

	// Inherit lets functions sign with the credentials of AWS's own chain in this
	// process. Otherwise they have the development pair, and nothing of the caller's.
	Inherit bool

	// Page is a folder whose files are served at /. Empty means the page of InProcess,
	// if that has one.
	Page string

	// Control is HOST:PORT of the control address. Empty means the port after that of
	// Listen on 127.0.0.1, or a free one if that is taken. ControlPublic allows one
	// that other machines reach.
	Control       string
	ControlPublic bool

	// NoInspector records nothing and serves no inspector.
	NoInspector bool

	// Faults decide what goes wrong. Nil means that nothing does until somebody asks.
	Faults *gateway.Faults

	// Env is the environment that functions get a part of, as os.Environ gives it,
	// which is what nil means.
	Env []string

	// Report is told what people have to know. Nil means that nothing is reported.
	// Verbose reports also the notes of a template that are only good to know.
	Report  Reporter
	Verbose bool

	// Output gets the lines that functions print. Logger gets what the gateway and the
	// functions do. Nil means nowhere.
	Output io.Writer
	Logger *slog.Logger
}

// Named are functions that were named one by one. A function is a program, go:DIR,
// node:DIR#HANDLER, python:DIR#HANDLER, a URL (HTTP integration), lambda:URL#NAME
// (Invoke) or mock:BODY.
type Named struct {
	// Function is the function of every route that has none of its own: a program with
	// its arguments, go:DIR with arguments, or a folder with Handler in it. Both may be
	// empty: then there are the Routes alone.
	Function []string
	Handler  string

	Routes         []NamedRoute
	RouteResponses []string // keys of two-way routes

	// Authorizer is a function that is asked before $connect. Empty means none.
	Authorizer      string
	IdentitySources []string
}

// Differences are what a caller wants of an app that its template does not say.
// Stand-ins for functions, routes and authorizers are in the App itself.
type Differences struct {
	// RouteResponses are keys of routes that are two-way.
	RouteResponses []string

	// IdentitySources replace those of the authorizers that have a stand-in.
	IdentitySources []string
}

// NamedRoute is a route with a function of its own.
type NamedRoute struct{ Key, Function string }

// InProcess is a function that runs in this process, on the store of the dev.
type InProcess struct {
	// New makes the function, for the API that has the endpoint: an environment that names
	// another, or a region, is for other programs. It must not post before the dev has
	// started.
	New func(wirepost.Store, *wirepost.Publisher, wirepost.Endpoint, *slog.Logger) *wirepost.Mux

	// Query is proposed for clients, such as user=alice. Page is served at / if
	// Config.Page is empty; nil means no page.
	Query string
	Page  fs.FS

	// Keep is for how long the messages that it sends to topics are kept, as in
	// [wirepost.PublisherOptions], unless WIREPOST_KEEP says so.
	Keep map[string]time.Duration

	// IfPublic is a hint for people who let other machines connect. Empty means none.
	IfPublic string
}

// Processes says how functions are run that are processes. Zero values mean the
// defaults of package lambdart.
type Processes struct {
	Concurrency int           // of each function
	Timeout     time.Duration // of an invocation; zero means also that of the function in App
	NoTimeout   bool
	DebugPort   int
	Freeze      bool
	Watch       bool // restarts a function when its files change
}

func (c *Config) setDefaults() {
	if c.App != nil {
		c.Stage = cmp.Or(c.Stage, c.App.APIs[0].Stage)
		c.RouteSelection = cmp.Or(c.RouteSelection, c.App.APIs[0].RouteSelection)
		c.Region = cmp.Or(c.Region, c.App.Region)
	} else {
		c.Stage = cmp.Or(c.Stage, "dev")
	}
	c.Region = cmp.Or(c.Region, app.DefaultRegion)
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:3001")
	if c.Faults == nil {
		c.Faults = gateway.NewFaults(1, nil)
	}
	if c.Env == nil {
		c.Env = os.Environ()
	}
	if c.Report == nil {
		c.Report = silent{}
	}
	if c.Output == nil {
		c.Output = io.Discard
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	// What is logged while a function runs is in its record, too.
	c.Logger = slog.New(inspector.LogHandler(c.Logger.Handler()))
}

// check says what is missing, which only a program can have forgotten.
func (c *Config) check() error {
	what := 0
	for _, given := range []bool{c.App != nil, c.Named != nil, c.InProcess != nil} {
		if given {
			what++
		}
	}
	switch {
	case c.Folder == "":
		return &ConfigError{errors.New("dev: Config.Folder is empty"), ""}
	case what != 1:
		return &ConfigError{errors.New("dev: exactly one of Config.App, Config.Named and Config.InProcess is needed"), ""}
	case c.AWSNames && c.InProcess != nil:
		return &ConfigError{errors.New("--names aws works only with functions that run as processes"), "leave --names out"}
	case len(c.Deployed) > 0 && c.InProcess != nil:
		return &ConfigError{errors.New("--deployed-api works only with functions that run as processes"), "leave --deployed-api out"}
	case slices.ContainsFunc(c.Deployed, func(id string) bool { return !apiIDForm.MatchString(id) }):
		return &ConfigError{errors.New("--deployed-api: an API ID has ten lower-case letters and digits"), "it is the first part of the API's name: for https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com give --deployed-api a1b2c3d4e5"}
	case c.App != nil && len(c.App.APIs) == 0:
		return &ConfigError{errors.New("dev: Config.App has no API"), ""}
	}
	return nil
}

// hasProcesses reports whether functions are processes, or somewhere else, and not in
// this process.
func (c *Config) hasProcesses() bool { return c.InProcess == nil }

// account is the AWS account of the app; empty if it has none.
func (c *Config) account() string {
	if c.App == nil {
		return ""
	}
	return c.App.Account
}

// settings are the flags by which people change what a field of the gateway has
// refused.
func (c *Config) settings() map[string]string {
	return map[string]string{"ConnectRate": "--connect-rate", "Origin": "--allow-origin", "Region": "--region"}
}

// A ConfigError is a mistake of the person who started the dev: something in the Config
// cannot be run. Other errors of Run are of what the dev found on this machine.
type ConfigError struct {
	err error
	fix string
}

// Error says what cannot be run.
func (e *ConfigError) Error() string { return e.err.Error() }

// Unwrap is the underlying error.
func (e *ConfigError) Unwrap() error { return e.err }

// Fix is what to do about it; it may be empty.
func (e *ConfigError) Fix() string { return e.fix }
