package cloudformation

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// source keeps what invokes a function. With a why it cannot be run here; a disabled
// one needs nothing.
func (r *reader) source(s app.Source, why string) { r.sourceWith(s, "", why) }

// sourceWith is source with the sample of the event for an OtherSource.
func (r *reader) sourceWith(s app.Source, sample, why string) {
	what := "event source " + document.Clip(s.Name)
	switch {
	case s.Unrunnable != nil:
		r.Add(s.Unrunnable.Note(!s.Disabled))
	case why != "":
		s.Unrunnable = app.UnrunnableSource(s, sample, "%s", why)
		r.Add(s.Unrunnable.Note(!s.Disabled))
	case s.Disabled:
		r.Note(s.Position, app.Info, "%s of function %s is disabled", what, document.Clip(s.Function))
	case s.Kind == app.EventBridge:
		s.Unrunnable = app.UnrunnableSource(s, "", "there is no event bus on this machine")
		r.Add(s.Unrunnable.Note(true))
	default:
		r.invokedBy(s.Function, what)
	}
	r.sources = append(r.sources, s)
}

// eventSources finds what invokes functions and is no API, but for topics.
func (r *reader) eventSources() {
	for _, x := range r.each("AWS::Lambda::EventSourceMapping") {
		r.mapping(x)
	}
	for _, x := range r.each("AWS::Events::Rule") {
		r.rule(x)
	}
	for _, x := range r.each("AWS::Scheduler::Schedule") {
		r.schedule(x)
	}
	r.otherSources()
}

// mapping reads an event source mapping. (AWS docs, CloudFormation template reference:
// AWS::Lambda::EventSourceMapping; Lambda API reference: CreateEventSourceMapping.)
func (r *reader) mapping(x *resource) {
	p, what := x.props, "event source "+document.Clip(x.id)
	s := app.Source{Name: x.id, Kind: app.OtherSource, Position: x.pos, Disabled: r.text(p.Get("Enabled"), "Enabled of "+what) == "false"}
	var why string
	if s.Function, why = r.sourceFunction(p.Get("FunctionName"), "FunctionName"); why != "" {
		r.source(s, why)
		return
	}
	if p.Get("EventSourceArn").Empty() && !p.Get("SelfManagedEventSource").Empty() {
		r.source(s, "Kafka is not on this machine")
		return
	}
	if s.ARN, why = r.must(p.Get("EventSourceArn"), "EventSourceArn"); why != "" {
		r.source(s, why)
		return
	}
	s.Batch, why = r.batch(x, what)
	switch service := arnService(s.ARN); {
	case service == "sqs":
		s.Kind, s.From = app.SQSQueue, r.queueOfARN(s.ARN)
	case service == "dynamodb":
		s.Kind = app.DynamoDBStream
		var missing string
		if s.From, missing = r.tableOfStream(s.ARN); why == "" {
			why = missing
		}
		if s.Batch.StartAt == "" {
			r.Note(x.pos, app.Warning, "%s has no StartingPosition, without which AWS refuses it: LATEST is used", what)
			s.Batch.StartAt = "LATEST"
		} else if s.Batch.StartAt != "LATEST" && s.Batch.StartAt != "TRIM_HORIZON" {
			r.Note(x.pos, app.Warning, "%s begins at %s, and for a DynamoDB stream AWS takes only LATEST and TRIM_HORIZON: LATEST is used", what, document.Clip(s.Batch.StartAt))
			s.Batch.StartAt = "LATEST"
		}
	default:
		why = sourceServices[service] + " is not on this machine"
		if sourceServices[service] == "" {
			why = "its source " + document.Clip(s.ARN) + " is not a queue and not a stream of a table"
		}
	}
	r.source(s, why)
}

// sourceServices are those whose records are not read here.
var sourceServices = map[string]string{"kinesis": "Kinesis", "kafka": "Kafka", "mq": "Amazon MQ", "rds": "DocumentDB"}

// arnService is the service in an ARN, or empty.
func arnService(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		return parts[2]
	}
	return ""
}

// sourceFunction is the logical ID of the function that a source names, or why there
// is none.
func (r *reader) sourceFunction(v *value, what string) (id, why string) {
	name, why := r.must(v, what)
	if why != "" {
		return "", why
	}
	return r.functionOf(name)
}

// tableOfStream is the logical ID of the table with that stream, empty if it is not
// the template's, or why there can be no stream of it.
func (r *reader) tableOfStream(arn string) (id, why string) {
	_, rest, _ := strings.Cut(arn, ":table/")
	name, _, ok := strings.Cut(rest, "/")
	if !ok {
		return "", "its source " + document.Clip(arn) + " is not the ARN of a stream"
	}
	for _, x := range r.each("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable") {
		if r.physical(x, x.pos).Text != name {
			continue
		}
		if x.props.Get("StreamSpecification").Empty() && x.typ == "AWS::DynamoDB::Table" {
			return x.id, "table " + document.Clip(x.id) + " has no StreamSpecification"
		}
		return x.id, ""
	}
	return "", ""
}

// batch reads how records are given to the function, or why AWS refuses it.
func (r *reader) batch(x *resource, what string) (b app.Batch, why string) {
	p := x.props
	seconds := func(name string) time.Duration {
		n := r.whole(p.Get(name), 0, 604800, name+" of "+what)
		if n == nil {
			return 0
		}
		return time.Duration(*n) * time.Second
	}
	count := func(v *value, name string, limit int) int {
		if n := r.whole(v, 1, limit, name+" of "+what); n != nil {
			return *n
		}
		return 0
	}
	b = app.Batch{
		Size: count(p.Get("BatchSize"), "BatchSize", 10000), Window: seconds("MaximumBatchingWindowInSeconds"),
		MaxConcurrency: count(r.eval(p.Get("ScalingConfig")).Get("MaximumConcurrency"), "MaximumConcurrency", 1000),
		StartAt:        r.text(p.Get("StartingPosition"), "StartingPosition of "+what),
		Bisect:         r.text(p.Get("BisectBatchOnFunctionError"), "BisectBatchOnFunctionError of "+what) == "true",
		Parallel:       count(p.Get("ParallelizationFactor"), "ParallelizationFactor", 10),
		OnFailure:      r.text(r.eval(p.Get("DestinationConfig")).Get("OnFailure", "Destination"), "the destination of "+what),
		TumbleAfter:    seconds("TumblingWindowInSeconds"),
	}
	for _, kind := range r.texts(p.Get("FunctionResponseTypes"), "FunctionResponseTypes of "+what) {
		b.Partial = b.Partial || kind == "ReportBatchItemFailures"
	}
	if n := r.whole(p.Get("MaximumRetryAttempts"), -1, 10000, "MaximumRetryAttempts of "+what); n != nil && *n >= 0 {
		b.Retries = n
	}
	if n := r.whole(p.Get("MaximumRecordAgeInSeconds"), -1, 604800, "MaximumRecordAgeInSeconds of "+what); n != nil && *n >= 0 {
		age := time.Duration(*n) * time.Second
		b.MaxAge = &age
	}
	for _, f := range r.items(r.eval(p.Get("FilterCriteria")).Get("Filters"), "the filters of "+what) {
		pattern, no := r.must(f.Get("Pattern"), "pattern")
		switch {
		case no != "":
			why = "a filter of it cannot be used: " + no
		case !json.Valid([]byte(pattern)):
			why = "the pattern " + document.Clip(pattern) + " of a filter is not JSON, and AWS refuses it"
		default:
			b.Filters = append(b.Filters, pattern)
		}
	}
	return b, why
}

// whole is a number from least to most, or nil if it is not written; one that is no
// such number is left out, with a note.
func (r *reader) whole(v *value, least, most int, what string) *int {
	s := r.text(v, what)
	if s == "" {
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		r.Note(v.Where(), app.Warning, "%s is not a number from %d to %d and is left out", what, least, most)
		return nil
	}
	return &n
}

// invokedSource is a source of the template that is not run on any machine but AWS's.
func (r *reader) invokedSource(x *resource, pos app.Position, arn *value, i invoker) {
	name := r.final(arn)
	if name.Kind != document.Scalar || arnService(name.Text) != "lambda" {
		return
	}
	function, why := r.functionOf(name.Text)
	if why == "" {
		why = i.service + " is not on this machine"
	}
	r.sourceWith(app.Source{Name: x.id, Kind: app.OtherSource, Function: function, Position: pos}, i.sample, why)
}
