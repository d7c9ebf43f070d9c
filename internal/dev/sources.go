package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/eventsource"
	"github.com/wirepost/wirepost/internal/lambdart"
	"github.com/wirepost/wirepost/internal/terminal"
)

// sources is the part that invokes functions for queues, topics, streams and schedules. It
// is the last in the list of parts: what it invokes reaches clients, and it stops first and
// gives back what it has taken.
type sources struct {
	c   *Config
	app *resolution

	// engine is the URL of what answers for a kind of source, and queueURL that of a
	// queue as requests name it. Without an engine they are empty.
	engine   func(app.SourceKind) string
	queueURL func(name string) string

	// function is the function with a logical ID. Cause says what invokes it, for people.
	// An asynchronous one returns when the event is in a queue. An invocation that has no
	// place is an eventsource.ErrNoPlace.
	function func(logicalID, cause string, asynchronous bool) eventsource.Function

	transport *http.Transport
	end       context.CancelFunc // of all that run; nil if none does
	running   sync.WaitGroup
}

// runner is a source that runs until its context ends.
type runner interface {
	Run(context.Context) error
}

func (s *sources) start(ctx context.Context) error {
	if s.app.app == nil {
		return nil
	}
	s.transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	s.end = end
	var errs []error
	idle := idleSources{}
	for i := range s.app.app.Sources {
		source := &s.app.app.Sources[i]
		if source.Disabled || source.Unrunnable != nil { // which has been said
			continue
		}
		r, why := s.runner(source, &idle)
		if r == nil {
			if why != "" {
				errs = append(errs, s.refuse(source, why))
			}
			continue
		}
		s.running.Go(func() { // stop ends it
			if err := r.Run(life); err != nil {
				s.c.Report.Problem(fmt.Sprintf("%s: event source %s invokes nothing: %v", source.Position, source.Name, err))
			}
		})
	}
	idle.tell(s.c)
	if err := errors.Join(errs...); err != nil {
		return errors.Join(err, s.stop(ctx))
	}
	return nil
}

func (s *sources) stop(ctx context.Context) error {
	if s.end == nil {
		return nil
	}
	s.end()
	ended := make(chan struct{})
	go func() { // ends with the sources
		s.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		return errors.New("event sources did not end in time; messages that they have taken are visible again after the visibility timeout of their queue")
	}
	s.transport.CloseIdleConnections()
	return nil
}

// refuse reports a source that cannot run. With Strict it is an error.
func (s *sources) refuse(source *app.Source, why string) error {
	text := fmt.Sprintf("%s: event source %s cannot be run here: %s", source.Position, app.Clip(source.Name), why)
	if s.c.Strict {
		return errors.New(text)
	}
	s.c.Report.Hint(text)
	return nil
}

// idleSources are the sources that would run with another flag, and those that only people
// invoke.
type idleSources struct{ queues, streams, schedules, topics []string }

func (i *idleSources) tell(c *Config) {
	nowhere, report := "they are nowhere", c.Report
	if c.Inherit {
		nowhere = "they are on AWS"
	}
	for _, of := range []struct {
		names []string
		text  string
	}{
		{i.queues, "queues invoke nothing, as " + nowhere + ": %s; start an engine for them with --sqs local"},
		{i.streams, "streams of tables invoke nothing, as " + strings.Replace(nowhere, "they", "the tables", 1) + ": %s; start an engine for them with --dynamodb local"},
		{i.schedules, "schedules do not run: %s; run them with --schedules, or invoke a function once with 'wirepost invoke NAME --event schedule'"},
	} {
		if len(of.names) > 0 {
			report.Hint(fmt.Sprintf(of.text, app.Few(of.names)))
		}
	}
	for _, line := range i.topics {
		report.Hint(line)
	}
}

// runner makes what runs a source. Nil is a source that does not run: with a reason, or
// one of the idle ones.
func (s *sources) runner(source *app.Source, idle *idleSources) (r runner, why string) {
	f := s.app.app.Function(source.Function)
	if f == nil {
		return nil, "its function is not of this template"
	}
	if f.Unrunnable != nil && f.StandIn == "" { // which has been said, with all that need it
		return nil, ""
	}
	of := app.Clip(source.Name) + " of function " + app.Clip(source.Function)
	switch source.Kind {
	case app.SQSQueue:
		if s.engine(source.Kind) == "" {
			idle.queues = append(idle.queues, of)
			return nil, ""
		}
		return s.queue(source, f)
	case app.DynamoDBStream:
		if s.engine(source.Kind) == "" {
			idle.streams = append(idle.streams, of)
			return nil, ""
		}
		return s.stream(source)
	case app.SNSTopic:
		if s.engine(source.Kind) != "" && source.From != "" {
			return s.topic(source, f)
		}
	case app.Scheduled:
		schedule := &eventsource.Schedule{
			Name: source.Name, Region: s.c.Region, Account: s.account(), When: source.Schedule,
			Function: s.function(source.Function, "schedule "+source.Name, true), Notice: s.c.Report.Hint,
		}
		if err := schedule.Check(); err != nil {
			return nil, err.Error()
		}
		if !s.c.Schedules {
			idle.schedules = append(idle.schedules, of)
			return nil, ""
		}
		return schedule, ""
	}
	sample := map[app.SourceKind]string{app.SNSTopic: "sns", app.EventBridge: "eventbridge"}[source.Kind]
	or := ""
	if source.Kind == app.SNSTopic && source.From != "" {
		or = ", or an engine for it, with --sqs local"
	}
	idle.topics = append(idle.topics, fmt.Sprintf("%s: the %s %s invokes nothing here: 'wirepost invoke %s --event %s' does%s",
		source.Position, source.Kind, of, terminal.Word(source.Function), cmp.Or(sample, "FILE"), or))
	return nil, ""
}

func (s *sources) queue(source *app.Source, f *app.Function) (runner, string) {
	queues := s.app.app.Queues
	i := slices.IndexFunc(queues, func(q app.Queue) bool { return q.LogicalID == source.From })
	switch {
	case i < 0 || source.From == "":
		return nil, "its queue is not of this template"
	case queues[i].Unrunnable != nil:
		return nil, "its queue cannot be made"
	}
	name := queues[i].Name
	return checked(&eventsource.Queue{
		Name: source.Name, URL: s.queueURL(name), ARN: cmp.Or(source.ARN, "arn:aws:sqs:"+s.c.Region+":"+s.account()+":"+name), Region: s.c.Region,
		Server: s.server(source.Kind), Function: s.function(source.Function, "queue "+name, false),
		Timeout: cmp.Or(s.c.Processes.Timeout, f.Timeout), Batch: source.Batch, Notice: s.c.Report.Hint,
	})
}

// topic reads the queue that is between a topic and its function.
func (s *sources) topic(source *app.Source, f *app.Function) (runner, string) {
	topics := s.app.app.Topics
	i := slices.IndexFunc(topics, func(t app.Topic) bool { return t.LogicalID == source.From })
	switch {
	case i < 0:
		return nil, "its topic is not of this template"
	case topics[i].Unrunnable != nil:
		return nil, "its topic cannot be made"
	case isFIFO(topics[i]):
		return nil, "its topic is a FIFO topic, from which AWS lets no function subscribe"
	}
	name := topicQueue(topics[i], f.LogicalID)
	function := s.function(source.Function, "topic "+topics[i].Name, false)
	return &eventsource.Queue{
		Name: name, URL: s.queueURL(name), ARN: "arn:aws:sqs:" + s.c.Region + ":" + s.account() + ":" + name, Region: s.c.Region,
		Server: s.server(source.Kind), Function: eventsource.FromTopic(function, topics[i].Name, s.c.Report.Hint),
		Batch: app.Batch{Size: 1, MaxConcurrency: cmp.Or(s.c.Processes.Concurrency, lambdart.DefaultConcurrency)}, Notice: s.c.Report.Hint,
	}, ""
}

func (s *sources) stream(source *app.Source) (runner, string) {
	tables := s.app.app.Tables
	i := slices.IndexFunc(tables, func(t app.Table) bool { return t.LogicalID == source.From })
	switch {
	case i < 0 || source.From == "":
		return nil, "its table is not of this template"
	case tables[i].Unrunnable != nil:
		return nil, "its table cannot be made"
	case tables[i].Stream == "":
		return nil, "its table has no StreamSpecification"
	}
	arn, _, _ := strings.Cut(source.ARN, "/stream/")
	return checked(&eventsource.Stream{
		Name: source.Name, Table: tables[i].Name, ARN: cmp.Or(arn, "arn:aws:dynamodb:"+s.c.Region+":"+s.account()+":table/"+tables[i].Name), Region: s.c.Region,
		Server: s.server(source.Kind), Function: s.function(source.Function, "stream of table "+tables[i].Name, false),
		Batch: source.Batch, Began: s.app.began, Folder: s.c.Folder.file("streams"), Notice: s.c.Report.Hint,
	})
}

// checked is a source whose filters can be read, or why they cannot.
func checked[R interface {
	runner
	Check() error
}](r R) (runner, string) {
	if err := r.Check(); err != nil {
		return nil, err.Error()
	}
	return r, ""
}

func (s *sources) account() string { return cmp.Or(s.c.account(), app.DefaultAccount) }

// server is an engine, with the key and the region with which tables and queues are made.
func (s *sources) server(kind app.SourceKind) *eventsource.Server {
	pair := gateway.DevelopmentCredentials()
	return &eventsource.Server{URL: s.engine(kind), Region: s.c.Region, Transport: s.transport, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey}, nil
	})}
}
