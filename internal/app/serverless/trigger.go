package serverless

import (
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// A trigger is an event of a function that is not of a WebSocket API.
type trigger struct {
	function field  // of functions
	id       string // the logical ID of its Lambda function
	name     string // such as sqs
	pos      app.Position
	value    *value
}

func (t trigger) get(key string) *value { return t.value.Get(key) }
func (t trigger) arn() *value           { return document.ARN(t.pos, t.id) }
func (t trigger) text(s string) *value  { return document.NewText(t.pos, s) }

// isMap reports whether the event says more than one word.
func (t trigger) isMap() bool {
	_, _, intrinsic := t.value.Intrinsic()
	return t.value != nil && t.value.Kind == document.Map && !intrinsic
}

// owned is the value of a key, or the event itself if it is one word or a reference.
func (t trigger) owned(key string) *value {
	if t.isMap() {
		return t.get(key)
	}
	return t.value
}

// make adds a resource of the function, which has its condition.
func (s *service) makeFor(t trigger, id, typ string, properties ...field) string {
	return s.add(id, typ, t.pos, t.function.Value.Get("condition"), nil, properties...)
}

// onAWSOnly are the events that become nothing that could be run here: what has them,
// and the sample of 'wirepost invoke' that is like them.
var onAWSOnly = map[string][2]string{
	"s3": {"S3", "s3"}, "alb": {"a load balancer", ""}, "alexaSkill": {"Alexa", ""}, "alexaSmartHome": {"Alexa", ""}, "cloudFront": {"CloudFront", ""},
	"cloudwatchLog": {"CloudWatch Logs", ""}, "cognitoUserPool": {"Cognito", ""}, "iot": {"AWS IoT", ""}, "iotFleetProvisioning": {"AWS IoT", ""},
	"kafka": {"Kafka", ""}, "msk": {"Kafka", ""}, "activemq": {"Amazon MQ", ""}, "rabbitmq": {"Amazon MQ", ""},
}

// otherEvent writes out one event. One that the framework does not have, of a plugin
// for instance, is said.
func (s *service) otherEvent(t trigger) {
	if t.value != nil && t.value.Kind == document.Unknown {
		s.noTrigger(t, "", t.value.Text)
		return
	}
	if other, ok := onAWSOnly[t.name]; ok {
		s.noTrigger(t, other[1], other[0]+" is not on this machine")
		return
	}
	switch t.name {
	case "sqs":
		s.queue(t)
	case "stream":
		s.stream(t)
	case "sns":
		s.topic(t)
	case "schedule":
		s.schedule(t)
	case "eventBridge":
		s.bus(t, "pattern")
	case "cloudwatchEvent":
		s.bus(t, "event")
	case "httpApi":
		s.httpRoute(t)
	case "http":
		s.method(t)
	default:
		near := ""
		if known := app.Nearest(t.name, keysOf("functions.NAME.events.")); known != "" {
			near = ": did you mean " + known + "?"
		}
		s.noTrigger(t, "", "event "+document.Clip(t.name)+" is not one of the framework"+near)
	}
}

// noTrigger is a source that says why it does not work here.
func (s *service) noTrigger(t trigger, sample, why string) {
	source := app.Source{Name: normalized(t.function.Key) + capital(t.name), Kind: app.OtherSource, Function: t.id, Position: t.pos}
	source.Unrunnable = app.UnrunnableSource(source, sample, "%s", why)
	s.sources = append(s.sources, source)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// nameIn is what an ARN or a reference calls a queue, a stream or a topic, as the
// framework puts it into logical IDs.
func nameIn(arn *value) string {
	name := arn.ScalarText()
	if function, argument, ok := arn.Intrinsic(); ok {
		switch function {
		case "Fn::GetAtt":
			name, _, _ = strings.Cut(argument.ScalarText(), ".")
			if argument.Kind == document.List && len(argument.Items) > 0 {
				name = argument.Items[0].ScalarText()
			}
		case "Ref", "Fn::ImportValue":
			name = argument.ScalarText()
		case "Fn::Join", "Fn::Sub":
			name = lastText(argument, 0)
		}
	}
	if _, table, ok := strings.Cut(name, ":table/"); ok {
		name, _, _ = strings.Cut(table, "/")
	}
	return document.LogicalID(capital(name[strings.LastIndexAny(name, ":/")+1:]))
}

// lastText is the last text in a value.
func lastText(v *value, depth int) string {
	switch {
	case v == nil || depth > document.MaxNesting:
	case v.Kind == document.List && len(v.Items) > 0:
		return lastText(v.Items[len(v.Items)-1], depth+1)
	case v.Kind == document.Map && len(v.Fields) > 0:
		return lastText(v.Fields[len(v.Fields)-1].Value, depth+1)
	}
	return v.ScalarText()
}

// mapping makes an event source mapping. The names are the framework's keys, and what
// they are called in CloudFormation.
func (s *service) mapping(t trigger, kind string, arn *value, names map[string]string) {
	if arn.Empty() {
		s.noTrigger(t, "", "it has no arn")
		return
	}
	fields := []field{{Key: "EventSourceArn", Value: arn}, {Key: "FunctionName", Value: t.arn()}}
	if t.isMap() {
		for _, f := range t.value.Fields {
			if name := names[f.Key]; name != "" && f.Value.Kind != document.Null {
				fields = append(fields, field{Key: name, Pos: f.Pos, Value: f.Value})
			}
		}
		if v := t.get("functionResponseType"); !v.Empty() {
			fields = append(fields, field{Key: "FunctionResponseTypes", Value: document.NewList(v.Pos, v)})
		}
		if v := t.get("maximumConcurrency"); !v.Empty() {
			fields = append(fields, field{Key: "ScalingConfig", Value: document.NewMap(v.Pos, field{Key: "MaximumConcurrency", Value: v})})
		}
		if v := t.get("filterPatterns"); v != nil && v.Kind == document.List {
			filters := document.NewList(v.Pos)
			for _, item := range v.Items {
				pattern := item
				if item.Kind == document.Map {
					pattern = document.NewText(item.Pos, item.JSON())
				}
				filters.Items = append(filters.Items, document.NewMap(item.Pos, field{Key: "Pattern", Value: pattern}))
			}
			fields = append(fields, field{Key: "FilterCriteria", Value: document.NewMap(v.Pos, field{Key: "Filters", Value: filters})})
		}
		if v := t.get("destinations").Get("onFailure"); !v.Empty() {
			if inner := v.Get("arn"); inner != nil {
				v = inner
			}
			fields = append(fields, field{Key: "DestinationConfig", Value: document.NewMap(v.Pos, field{Key: "OnFailure", Value: document.NewMap(v.Pos, field{Key: "Destination", Value: v})})})
		}
	}
	s.makeFor(t, normalized(t.function.Key)+"EventSourceMapping"+kind+nameIn(arn), "AWS::Lambda::EventSourceMapping", fields...)
}

// queue is the event 'sqs'. (Serverless Framework docs, "AWS - SQS".)
func (s *service) queue(t trigger) {
	s.mapping(t, "SQS", t.owned("arn"), map[string]string{"batchSize": "BatchSize", "maximumBatchingWindow": "MaximumBatchingWindowInSeconds", "enabled": "Enabled"})
}

// stream is the event 'stream', of a table or of Kinesis. What the framework sets
// unless the event says otherwise is a batch of 10 from the oldest record on.
// (Serverless Framework docs, "AWS - DynamoDB / Kinesis".)
func (s *service) stream(t trigger) {
	arn, kind := t.owned("arn"), "Dynamodb"
	if typ := t.get("type").ScalarText(); t.isMap() && typ == "kinesis" || strings.Contains(arn.ScalarText(), ":kinesis:") {
		kind = "Kinesis"
	}
	with := t
	if !t.isMap() {
		with.value = document.NewMap(t.pos, field{Key: "arn", Value: arn})
	}
	with.value = document.Merge(document.NewMap(t.pos, field{Key: "batchSize", Value: t.text("10")}, field{Key: "startingPosition", Value: t.text("TRIM_HORIZON")}), with.value)
	s.mapping(with, kind, arn, map[string]string{
		"batchSize": "BatchSize", "batchWindow": "MaximumBatchingWindowInSeconds", "enabled": "Enabled", "startingPosition": "StartingPosition",
		"maximumRetryAttempts": "MaximumRetryAttempts", "maximumRecordAgeInSeconds": "MaximumRecordAgeInSeconds", "bisectBatchOnFunctionError": "BisectBatchOnFunctionError",
		"parallelizationFactor": "ParallelizationFactor", "tumblingWindowInSeconds": "TumblingWindowInSeconds",
	})
}

// topic is the event 'sns': a topic of its own by its name, or one by its ARN.
// (Serverless Framework docs, "AWS - SNS".)
func (s *service) topic(t trigger) {
	arn, name := t.value, t.get("topicName")
	if t.isMap() {
		arn = t.get("arn")
	} else if text := t.value.ScalarText(); text != "" && !strings.HasPrefix(text, "arn:") {
		arn, name = nil, t.value
	}
	if arn.Empty() && name.Empty() {
		s.noTrigger(t, "sns", "it has neither an arn nor a topicName")
		return
	}
	called := nameIn(name)
	if called == "" {
		called = nameIn(arn)
	}
	if arn.Empty() {
		id := "SNSTopic" + called
		if !s.ids[id] {
			s.makeFor(t, id, "AWS::SNS::Topic", field{Key: "TopicName", Value: name}, field{Key: "DisplayName", Value: t.get("displayName")})
		}
		arn = document.Ref(t.pos, id)
	}
	s.makeFor(t, normalized(t.function.Key)+"SnsSubscription"+called, "AWS::SNS::Subscription", field{Key: "TopicArn", Value: arn},
		field{Key: "Protocol", Value: t.text("lambda")}, field{Key: "Endpoint", Value: t.arn()},
		field{Key: "FilterPolicy", Value: t.get("filterPolicy")}, field{Key: "FilterPolicyScope", Value: t.get("filterPolicyScope")})
}

// rules counts the rules of a function, which have numbers in their logical IDs.
func (s *service) rules(t trigger, kind string) int {
	s.counts[t.id+kind]++
	return s.counts[t.id+kind]
}

// schedule is the event 'schedule': one expression or several. (Serverless Framework
// docs, "AWS - Schedule".)
func (s *service) schedule(t trigger) {
	rate := t.owned("rate")
	expressions := []*value{rate}
	if rate != nil && rate.Kind == document.List {
		expressions = rate.Items
	}
	if rate.Empty() {
		s.noTrigger(t, "schedule", "it has no rate")
		return
	}
	for _, expression := range expressions {
		fields := []field{{Key: "ScheduleExpression", Value: expression}, {Key: "State", Value: s.state(t)}}
		id := fmt.Sprintf("%sEventsRuleSchedule%d", normalized(t.function.Key), s.rules(t, "schedule"))
		target := document.NewMap(t.pos, field{Key: "Arn", Value: t.arn()}, field{Key: "Input", Value: t.input()}, field{Key: "InputPath", Value: t.get("inputPath")}, field{Key: "InputTransformer", Value: t.get("inputTransformer")})
		if t.get("method").ScalarText() == "scheduler" {
			s.makeFor(t, id, "AWS::Scheduler::Schedule", append(fields, field{Key: "ScheduleExpressionTimezone", Value: t.get("timezone")}, field{Key: "Target", Value: target})...)
			continue
		}
		s.makeFor(t, id, "AWS::Events::Rule", append(fields, field{Key: "Targets", Value: document.NewList(t.pos, target)})...)
	}
}

// input is the event that the function gets, as JSON.
func (t trigger) input() *value {
	v := t.get("input")
	if _, _, ok := v.Intrinsic(); ok || v == nil || v.Kind != document.Map && v.Kind != document.List {
		return v
	}
	return document.NewText(v.Pos, v.JSON())
}

// state is DISABLED if the event is not enabled.
func (s *service) state(t trigger) *value {
	if v := t.get("enabled"); v.ScalarText() == "false" {
		return document.NewText(v.Pos, "DISABLED")
	}
	return t.get("state")
}

// bus is the events 'eventBridge' and 'cloudwatchEvent': a rule with a pattern or a
// schedule. (Serverless Framework docs, "AWS - EventBridge" and "AWS - CloudWatch
// Event".)
func (s *service) bus(t trigger, pattern string) {
	kind := "EventBridgeRule"
	if t.name == "cloudwatchEvent" {
		kind = "EventsRuleCloudWatchEvent"
	}
	target := document.NewMap(t.pos, field{Key: "Arn", Value: t.arn()}, field{Key: "Input", Value: t.input()}, field{Key: "InputPath", Value: t.get("inputPath")}, field{Key: "InputTransformer", Value: t.get("inputTransformer")})
	s.makeFor(t, fmt.Sprintf("%s%s%d", normalized(t.function.Key), kind, s.rules(t, kind)), "AWS::Events::Rule",
		field{Key: "ScheduleExpression", Value: t.get("schedule")}, field{Key: "EventPattern", Value: t.get(pattern)}, field{Key: "State", Value: s.state(t)},
		field{Key: "Targets", Value: document.NewList(t.pos, target)})
}
