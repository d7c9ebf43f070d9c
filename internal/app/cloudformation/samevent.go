package cloudformation

import (
	"slices"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// expandEvents writes out the events and the URLs of SAM's functions as the resources
// that SAM makes, under its logical IDs, and SAM's HTTP and REST APIs. An API of SAM is
// an OpenAPI document on AWS; here it is routes, methods and integrations. (AWS docs,
// SAM developer guide: sam-property-function-eventsource and
// sam-specification-generated-resources-function.)
func (t *template) expandEvents(globals *value) {
	e := &events{template: t, globals: globals, apis: map[string]*samAPI{}}
	for _, x := range slices.Clone(t.order) {
		if x.typ == "AWS::Serverless::HttpApi" || x.typ == "AWS::Serverless::Api" {
			e.expandAPI(x)
		}
	}
	for _, x := range slices.Clone(t.order) {
		if x.typ != "AWS::Serverless::Function" {
			continue
		}
		if url := x.props.Get("FunctionUrlConfig"); !url.Empty() {
			t.make(x, x.id+"Url", "AWS::Lambda::Url", url.Pos, field{Key: "TargetFunctionArn", Value: document.Ref(url.Pos, x.id)},
				field{Key: "AuthType", Value: url.Get("AuthType")}, field{Key: "Cors", Value: url.Get("Cors")}, field{Key: "InvokeMode", Value: url.Get("InvokeMode")})
		}
		for _, f := range x.props.Get("Events").Each() {
			if _, _, ok := x.props.Get("Events").Intrinsic(); ok {
				t.Note(f.Pos, app.Warning, "the events of function %s are not written as a map and are not understood", document.Clip(x.id))
				break
			}
			e.event(event{function: x, name: f.Key, pos: f.Pos, props: f.Value.Get("Properties")}, f.Value)
		}
	}
	e.preflights()
}

// events writes out those of a template.
type events struct {
	*template
	globals *value
	apis    map[string]*samAPI
}

// An event is one of a function of SAM.
type event struct {
	function *resource
	name     string
	pos      app.Position
	props    *value
}

func (v event) id() string          { return v.function.id + v.name }
func (v event) arn() *value         { return document.ARN(v.pos, v.function.id) }
func (v event) get(k string) *value { return v.props.Get(k) }

// copied are properties that the event has under the same names.
func (v event) copied(names ...string) (fields []field) {
	for _, name := range names {
		if p := v.props.Get(name); p != nil {
			fields = append(fields, field{Key: name, Value: p})
		}
	}
	return fields
}

// mappedFrom are the types of events that are event source mappings, with the property
// that names the source.
var mappedFrom = map[string]string{"SQS": "Queue", "DynamoDB": "Stream", "Kinesis": "Stream", "MSK": "Stream", "MQ": "Broker", "DocumentDB": "Cluster", "SelfManagedKafka": ""}

// onAWSOnly are the types of events that become no resource here: what has them, and
// the sample that is like them.
var onAWSOnly = map[string][2]string{
	"S3": {"S3", "s3"}, "CloudWatchLogs": {"CloudWatch Logs", ""}, "IoTRule": {"AWS IoT", ""}, "Cognito": {"Cognito", ""}, "AlexaSkill": {"Alexa", ""},
}

func (e *events) event(v event, written *value) {
	typ := e.eval(written.Get("Type"))
	if source, ok := mappedFrom[typ.Text]; ok && typ.Kind == document.Scalar {
		fields := append(v.copied(mappingProperties...), field{Key: "FunctionName", Value: document.Ref(v.pos, v.function.id)}, field{Key: "EventSourceArn", Value: v.get(source)})
		if source == "" {
			fields = append(fields, field{Key: "SelfManagedEventSource", Value: document.NewMap(v.pos)})
		}
		e.make(v.function, v.id(), "AWS::Lambda::EventSourceMapping", v.pos, fields...)
		return
	}
	if other, ok := onAWSOnly[typ.Text]; ok {
		s := app.Source{Name: v.id(), Kind: app.OtherSource, Function: v.function.id, Position: v.pos}
		s.Unrunnable = app.UnrunnableSource(s, other[1], "%s is not on this machine", other[0])
		e.short = append(e.short, s)
		return
	}
	switch typ.Text {
	case "Schedule":
		e.eventRule(v, field{Key: "ScheduleExpression", Value: v.get("Schedule")})
	case "EventBridgeRule", "CloudWatchEvent":
		e.eventRule(v, field{Key: "EventPattern", Value: v.get("Pattern")})
	case "ScheduleV2":
		target := document.NewMap(v.pos, field{Key: "Arn", Value: v.arn()}, field{Key: "Input", Value: v.get("Input")})
		e.make(v.function, v.id(), "AWS::Scheduler::Schedule", v.pos, append(v.copied("ScheduleExpression", "ScheduleExpressionTimezone", "State", "StartDate", "EndDate"), field{Key: "Target", Value: target})...)
	case "SNS":
		e.eventTopic(v)
	case "HttpApi":
		e.httpEvent(v)
	case "Api":
		e.restEvent(v)
	default:
		text := typ.Text
		if typ.Kind != document.Scalar {
			text = ""
		}
		s := app.Source{Name: v.id(), Kind: app.OtherSource, Function: v.function.id, Position: v.pos}
		why := "SAM has no type of events " + document.Clip(text) + didYouMean(text, eventTypes)
		if text == "" {
			why = "it has no Type"
		}
		s.Unrunnable = app.UnrunnableSource(s, "", "%s", why)
		e.short = append(e.short, s)
	}
}

var eventTypes = []string{"SQS", "DynamoDB", "Kinesis", "MSK", "MQ", "DocumentDB", "SelfManagedKafka", "S3", "CloudWatchLogs", "IoTRule", "Cognito", "AlexaSkill", "Schedule", "ScheduleV2", "EventBridgeRule", "CloudWatchEvent", "SNS", "HttpApi", "Api"}

// mappingProperties are what an event has as its event source mapping has it.
var mappingProperties = []string{
	"BatchSize", "Enabled", "FilterCriteria", "FunctionResponseTypes", "MaximumBatchingWindowInSeconds", "ScalingConfig", "StartingPosition",
	"MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "ParallelizationFactor", "DestinationConfig", "TumblingWindowInSeconds",
}

// eventRule makes the rule of an event.
func (e *events) eventRule(v event, what field) {
	state := v.get("State")
	if enabled := v.get("Enabled"); state.Empty() && !enabled.Empty() && e.eval(enabled).Text == "false" {
		state = document.NewText(enabled.Pos, "DISABLED")
	}
	target := document.NewMap(v.pos, append(v.copied("Input", "InputPath", "InputTransformer"), field{Key: "Arn", Value: v.arn()})...)
	e.make(v.function, v.id(), "AWS::Events::Rule", v.pos, append(v.copied("Name", "EventBusName"), what, field{Key: "State", Value: state}, field{Key: "Targets", Value: document.NewList(v.pos, target)})...)
}

// eventTopic makes the subscription of an event; with SqsSubscription a queue of its
// own is between the topic and the function.
func (e *events) eventTopic(v event) {
	more := v.copied("FilterPolicy", "FilterPolicyScope", "RedrivePolicy")
	subscribe := func(protocol string, endpoint *value) {
		fields := append([]field{{Key: "TopicArn", Value: v.get("Topic")}, {Key: "Protocol", Value: document.NewText(v.pos, protocol)}, {Key: "Endpoint", Value: endpoint}}, more...)
		e.make(v.function, v.id(), "AWS::SNS::Subscription", v.pos, fields...)
	}
	sqs := v.get("SqsSubscription")
	if own := e.eval(sqs); own.Empty() || own.Text == "false" {
		subscribe("lambda", v.arn())
		return
	}
	arn, url := sqs.Get("QueueArn"), sqs.Get("QueueUrl")
	if arn.Empty() && url.Empty() {
		queue := e.make(v.function, v.id()+"Queue", "AWS::SQS::Queue", v.pos)
		arn = document.ARN(v.pos, queue)
	}
	subscribe("sqs", arn)
	e.make(v.function, v.id()+"EventSourceMapping", "AWS::Lambda::EventSourceMapping", v.pos,
		field{Key: "FunctionName", Value: document.Ref(v.pos, v.function.id)}, field{Key: "EventSourceArn", Value: arn},
		field{Key: "BatchSize", Value: sqs.Get("BatchSize")}, field{Key: "Enabled", Value: sqs.Get("Enabled")})
}
