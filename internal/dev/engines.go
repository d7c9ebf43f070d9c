package dev

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/awslocal"
	"github.com/wirepost/wirepost/internal/engine"
)

// LocalEngine is the value of Config.DynamoDB and Config.SQS for an engine that the dev
// starts.
const LocalEngine = "local"

// engines is the part that has what answers functions for DynamoDB, SQS and SNS: an
// engine of its own, a server that was named, or an answer that says that there is none.
type engines struct {
	c    *Config
	app  *resolution
	port *servicePort

	// aws sends a request to the https host of AWS's that it names, for functions with
	// somebody's credentials, and passes the answer on. Nil means that what is not here is
	// not looked for there.
	aws          http.Handler
	interception *interception
	credentials  *credentials

	tables, queues *awslocal.Backend // nil where there is none
	local          *awslocal.Services
	missing        missing

	started []*engine.Engine
	ending  chan struct{}
	watched sync.WaitGroup
}

func (e *engines) start(ctx context.Context) error {
	if !e.port.wanted() {
		return nil
	}
	e.ending = make(chan struct{})
	if err := e.startEngines(ctx); err != nil {
		return errors.Join(err, e.stop(context.WithoutCancel(ctx)))
	}
	if e.aws == nil {
		e.aws = realAWS(e.interception.at, e.c.Env)
	}
	e.missing = missing{c: e.c, own: e.owns}
	e.local = awslocal.New(awslocal.Config{
		Region: e.c.Region, Account: e.account(), Base: e.port.url(),
		Tables: e.tables, Queues: e.queues,
		Own: e.owns, Forward: e.forward(), Missing: e.missing.told,
	})
	e.port.serve(e.local)
	if e.tables == nil {
		return nil
	}
	if err := e.c.Folder.keepTablesURL(e.port.url()); err != nil {
		return errors.Join(err, e.stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// forward asks AWS for what is not here; nil if nobody is to.
func (e *engines) forward() func(awslocal.Service, http.ResponseWriter, *http.Request) {
	if e.aws == nil || !e.c.Inherit {
		return nil
	}
	return onward{pair: func() gateway.Credentials { return e.credentials.functions }, region: e.c.Region, aws: e.aws}.forward
}

// startEngines starts those that were asked for, at the same time.
func (e *engines) startEngines(ctx context.Context) error {
	var errs [2]error
	var starting sync.WaitGroup
	var mu sync.Mutex
	for i, of := range []struct {
		kind    engine.Kind
		asked   string
		backend **awslocal.Backend
	}{{engine.DynamoDB, e.c.DynamoDB, &e.tables}, {engine.SQS, e.c.SQS, &e.queues}} {
		switch of.asked {
		case "":
			continue
		case LocalEngine:
		default:
			*of.backend = &awslocal.Backend{URL: of.asked}
			continue
		}
		e.c.Report.Begins("starting " + of.kind.String())
		starting.Go(func() {
			made, err := e.startEngine(ctx, of.kind)
			if err != nil {
				errs[i] = err
				return
			}
			mu.Lock()
			defer mu.Unlock()
			e.started = append(e.started, made)
			*of.backend = &awslocal.Backend{URL: made.URL(), Authorize: made.Authorize}
		})
	}
	starting.Wait()
	return errors.Join(errs[:]...)
}

func (e *engines) startEngine(ctx context.Context, kind engine.Kind) (*engine.Engine, error) {
	tools := e.c.Tools
	if tools == "" {
		var err error
		if tools, err = engine.UserTools(); err != nil {
			return nil, err
		}
	}
	made, err := engine.Start(ctx, engine.Config{Kind: kind, Folder: e.c.Folder.file("engines"), Tools: tools, Region: e.c.Region, Account: e.account(), Say: e.c.Report.Hint})
	if err != nil {
		return nil, err
	}
	// It ends with the engine, at the latest when stop closes that.
	e.watched.Go(func() {
		<-made.Ended()
		select {
		case <-e.ending:
		default:
			e.c.Report.Problem(fmt.Sprintf("%s has ended, and functions that call it fail: %v", kind, made.Err()))
		}
	})
	return made, nil
}

func (e *engines) stop(ctx context.Context) error {
	if e.ending == nil {
		return nil
	}
	close(e.ending)
	var errs []error
	for _, one := range e.started {
		errs = append(errs, one.Close(ctx))
	}
	e.watched.Wait()
	if e.tables != nil {
		errs = append(errs, e.c.Folder.forgetTablesURL())
	}
	if e.local != nil {
		e.local.Close()
		e.missing.count()
	}
	return errors.Join(errs...)
}

// services are the handlers of services of AWS's, by the first labels of their hosts. One
// that is not there is left to AWS.
func (e *engines) services() map[string]http.Handler {
	all := map[string]http.Handler{}
	if e.local == nil {
		return all
	}
	add := func(there *awslocal.Backend, services ...awslocal.Service) {
		if there == nil && e.c.Inherit {
			return
		}
		for _, s := range services {
			all[string(s)] = e.local.Handler(s)
		}
	}
	add(e.tables, awslocal.DynamoDB, awslocal.Streams)
	add(e.queues, awslocal.SQS, awslocal.SNS)
	return all
}

// endpoints are the variables by which today's clients find the services.
func (e *engines) endpoints() (all Environment) {
	url := e.port.url()
	for service, variable := range map[awslocal.Service]string{awslocal.DynamoDB: "AWS_ENDPOINT_URL_DYNAMODB", awslocal.Streams: "AWS_ENDPOINT_URL_DYNAMODB_STREAMS",
		awslocal.SQS: "AWS_ENDPOINT_URL_SQS", awslocal.SNS: "AWS_ENDPOINT_URL_SNS"} {
		if e.services()[string(service)] != nil {
			all = append(all, variable+"="+url)
		}
	}
	slices.Sort(all)
	return all
}

func (e *engines) account() string {
	if account := e.c.account(); account != "" {
		return account
	}
	return app.DefaultAccount
}

// owns reports whether a table, queue or topic is one of the app's.
func (e *engines) owns(s awslocal.Service, name string) bool {
	a := e.app.app
	if a == nil {
		return false
	}
	switch s {
	case awslocal.SQS:
		return slices.ContainsFunc(a.Queues, func(q app.Queue) bool { return q.Name == name })
	case awslocal.SNS:
		return slices.ContainsFunc(a.Topics, func(t app.Topic) bool { return t.Name == name })
	}
	return slices.ContainsFunc(a.Tables, func(t app.Table) bool { return t.Name == name })
}

// tablesURL is where the app's tables are for commands; empty if they are nowhere. A
// server of somebody's is there after the dev has ended, too.
func (e *engines) tablesURL() string {
	switch {
	case e.tables == nil:
		return ""
	case e.c.DynamoDB != LocalEngine:
		return e.tables.URL
	}
	return e.port.url()
}

// named is a server, for people.
func named(asked string, kind engine.Kind) string {
	if asked == LocalEngine {
		return strings.TrimSpace(kind.String())
	}
	return asked
}
