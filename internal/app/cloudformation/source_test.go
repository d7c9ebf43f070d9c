package cloudformation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

// shownSource is a source in one line, without what is zero.
func shownSource(s app.Source) string {
	out := fmt.Sprintf("%d: %s %s of %s", s.Position.Line, s.Kind, s.Name, s.Function)
	add := func(word string, v any) {
		if text := fmt.Sprint(v); text != "" && text != "0" && text != "0s" && text != "false" && text != "[]" {
			out += " " + word + "=" + text
		}
	}
	add("from", s.From)
	if s.From == "" {
		add("arn", s.ARN)
	}
	add("disabled", s.Disabled)
	b := s.Batch
	add("size", b.Size)
	add("window", b.Window)
	add("filters", b.Filters)
	add("partial", b.Partial)
	add("max", b.MaxConcurrency)
	add("at", b.StartAt)
	if b.Retries != nil {
		out += fmt.Sprintf(" retries=%d", *b.Retries)
	}
	if b.MaxAge != nil {
		add("age", *b.MaxAge)
	}
	add("bisect", b.Bisect)
	add("parallel", b.Parallel)
	add("failed", b.OnFailure)
	add("tumble", b.TumbleAfter)
	add("at", s.Schedule.Expressions)
	add("zone", s.Schedule.TimeZone)
	add("scheduler", s.Schedule.Scheduler)
	add("input", s.Schedule.Input)
	add("pattern", s.Pattern)
	if s.Unrunnable != nil {
		out += " ! " + s.Unrunnable.Why
	}
	return out
}

func shownSources(a *app.App) string {
	var lines []string
	for _, s := range a.Sources {
		lines = append(lines, shownSource(s))
	}
	return strings.Join(lines, "\n")
}

// mapped has an event source mapping on line 6, and more resources.
func mapped(properties, more string) string {
	return goodLines + "  M: {Type: AWS::Lambda::EventSourceMapping, Properties: {" + properties + "}}\n" + more
}

const (
	oneQueue = "  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}\n"
	oneTable = "  T: {Type: AWS::DynamoDB::Table, Properties: {StreamSpecification: {StreamViewType: NEW_IMAGE}, AttributeDefinitions: [{AttributeName: a, AttributeType: S}], KeySchema: [{AttributeName: a, KeyType: HASH}]}}\n"
	byHand   = "; invoke the function by hand with 'wirepost invoke F --event "
)

func TestWhatInvokesFunctionsIsReadFromCloudFormation(t *testing.T) {
	target := "Targets: [{Id: a, Arn: !GetAtt F.Arn"
	for _, c := range []struct{ name, text, want, note string }{
		{"a queue", mapped("FunctionName: !Ref F, EventSourceArn: !GetAtt Q.Arn, BatchSize: 5, MaximumBatchingWindowInSeconds: 2, FunctionResponseTypes: [ReportBatchItemFailures], ScalingConfig: {MaximumConcurrency: 3}, FilterCriteria: {Filters: [{Pattern: '{\"a\":[1]}'}]}", oneQueue), `6: SQS queue M of F from=Q size=5 window=2s filters=[{"a":[1]}] partial=true max=3`, ""},
		{"a queue by its ARN", mapped("FunctionName: !GetAtt F.Arn, EventSourceArn: 'arn:aws:sqs:eu-west-1:111122223333:jobs'", oneQueue), "6: SQS queue M of F from=Q", ""},
		{"a queue of another stack", mapped("FunctionName: !Ref F, EventSourceArn: 'arn:aws:sqs:eu-west-1:111122223333:other'", oneQueue), "6: SQS queue M of F arn=arn:aws:sqs:eu-west-1:111122223333:other", ""},
		{"a queue that another stack exports", mapped("FunctionName: !Ref F, EventSourceArn: !ImportValue jobs", ""), "6: other source M of F ! its EventSourceArn is not known here: Fn::ImportValue takes it from another stack; give --value import:jobs=VALUE", "stops t.yaml:6: event source M of function F cannot be run here: its EventSourceArn is not known here: Fn::ImportValue takes it from another stack; give --value import:jobs=VALUE" + byHand + "FILE'"},
		{"a function of another stack", mapped("FunctionName: elsewhere, EventSourceArn: !GetAtt Q.Arn", oneQueue), "6: other source M of  ! function elsewhere is not in the template", "stops t.yaml:6: event source M cannot be run here: function elsewhere is not in the template"},
		{"one that is off", mapped("FunctionName: !Ref F, EventSourceArn: !GetAtt Q.Arn, Enabled: false", oneQueue), "6: SQS queue M of F from=Q disabled=true", "info t.yaml:6: event source M of function F is disabled"},
		{"a stream", mapped("FunctionName: !Ref F, EventSourceArn: !GetAtt T.StreamArn, StartingPosition: TRIM_HORIZON, MaximumRetryAttempts: 0, MaximumRecordAgeInSeconds: 60, BisectBatchOnFunctionError: true, ParallelizationFactor: 2, TumblingWindowInSeconds: 9, DestinationConfig: {OnFailure: {Destination: !GetAtt Q.Arn}}", oneTable+oneQueue), "6: DynamoDB stream M of F from=T at=TRIM_HORIZON retries=0 age=1m0s bisect=true parallel=2 failed=arn:aws:sqs:us-east-1:000000000000:jobs tumble=9s", ""},
		{"a stream as AWS keeps it", mapped("FunctionName: !Ref F, EventSourceArn: !GetAtt T.StreamArn, StartingPosition: LATEST, MaximumRetryAttempts: -1, MaximumRecordAgeInSeconds: -1", oneTable), "6: DynamoDB stream M of F from=T at=LATEST", ""},
		{"a stream of another stack's table", mapped("FunctionName: !Ref F, EventSourceArn: 'arn:aws:dynamodb:eu-west-1:111122223333:table/x/stream/2020', StartingPosition: LATEST", oneTable), "6: DynamoDB stream M of F arn=arn:aws:dynamodb:eu-west-1:111122223333:table/x/stream/2020 at=LATEST", ""},
		{"a table without a stream", mapped("FunctionName: !Ref F, EventSourceArn: 'arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/x', StartingPosition: LATEST", strings.Replace(oneTable, "StreamSpecification: {StreamViewType: NEW_IMAGE}, ", "", 1)), "6: DynamoDB stream M of F from=T at=LATEST ! table T has no StreamSpecification", "stops t.yaml:6: event source M of function F cannot be run here: table T has no StreamSpecification" + byHand + "dynamodb'"},
		{"no starting position", mapped("FunctionName: !Ref F, EventSourceArn: !GetAtt T.StreamArn", oneTable), "6: DynamoDB stream M of F from=T at=LATEST", "warning t.yaml:6: event source M has no StartingPosition, without which AWS refuses it: LATEST is used"},
		{"Kinesis", mapped("FunctionName: !Ref F, EventSourceArn: 'arn:aws:kinesis:us-east-1:111122223333:stream/s', StartingPosition: LATEST", ""), "6: other source M of F arn=arn:aws:kinesis:us-east-1:111122223333:stream/s at=LATEST ! Kinesis is not on this machine", "stops t.yaml:6: event source M of function F cannot be run here: Kinesis is not on this machine" + byHand + "FILE'"},
		{"Kafka", mapped("FunctionName: !Ref F, SelfManagedEventSource: {Endpoints: {}}", ""), "6: other source M of F ! Kafka is not on this machine", ""},
		{"a number that is none", mapped("FunctionName: !Ref F, EventSourceArn: !GetAtt Q.Arn, BatchSize: many", oneQueue), "6: SQS queue M of F from=Q", "warning t.yaml:6: BatchSize of event source M is not a number from 1 to 10000 and is left out"},
		{"a pattern that is none", mapped("FunctionName: !Ref F, EventSourceArn: !GetAtt Q.Arn, FilterCriteria: {Filters: [{Pattern: a b}]}", oneQueue), "6: SQS queue M of F from=Q ! the pattern a b of a filter is not JSON, and AWS refuses it", "stops t.yaml:6: event source M of function F cannot be run here: the pattern a b of a filter is not JSON, and AWS refuses it" + byHand + "sqs'"},
		{"no source", mapped("FunctionName: !Ref F", ""), "6: other source M of F ! it has no EventSourceArn", ""},

		{"a rule with a schedule", goodLines + "  R1: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 minute), " + target + ", Input: '{\"a\":1}'}]}}\n", `6: schedule R1 of F at=[rate(1 minute)] input={"a":1}`, ""},
		{"a rule with several targets", goodLines + "  R1:\n    Type: AWS::Events::Rule\n    Properties:\n      ScheduleExpression: rate(1 hour)\n      Targets:\n        - {Id: a, Arn: !GetAtt F.Arn}\n        - {Id: b, Arn: !GetAtt F.Arn, Input: '1'}\n        - {Id: c, Arn: !GetAtt Q.Arn}\n" + oneQueue, "11: schedule R1 of F at=[rate(1 hour)]\n12: schedule R1 of F at=[rate(1 hour)] input=1", "info t.yaml:13: target arn:aws:sqs:us-east-1:000000000000:jobs of rule R1 is not a function and gets nothing here"},
		{"a rule that is off", goodLines + "  R1: {Type: AWS::Events::Rule, Properties: {State: DISABLED, ScheduleExpression: rate(1 hour), " + target + "}]}}\n", "6: schedule R1 of F disabled=true at=[rate(1 hour)]", "info t.yaml:6: event source R1 of function F is disabled"},
		{"a rule with a pattern", goodLines + "  R1: {Type: AWS::Events::Rule, Properties: {EventPattern: {source: [app], detail: {n: [{numeric: ['>', 3]}, \"4\"], b: [true]}}, " + target + "}]}}\n", `6: EventBridge rule R1 of F pattern={"detail":{"b":[true],"n":[{"numeric":[">",3]},"4"]},"source":["app"]} ! there is no event bus on this machine`, "stops t.yaml:6: event source R1 of function F cannot be run here: there is no event bus on this machine" + byHand + "eventbridge'"},
		{"a rule with both", goodLines + "  R1: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 hour), EventPattern: '{\"source\":[\"a\"]}', " + target + "}]}}\n", "6: schedule R1 of F at=[rate(1 hour)]\n6: EventBridge rule R1 of F pattern={\"source\":[\"a\"]} ! there is no event bus on this machine", ""},
		{"a rule without a target", goodLines + "  R1: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 hour)}}\n", "", "info t.yaml:6: rule R1 has no targets: it invokes nothing"},
		{"a rule of nothing", goodLines + "  R1: {Type: AWS::Events::Rule, Properties: {" + target + "}]}}\n", "", "warning t.yaml:6: rule R1 has neither a ScheduleExpression nor an EventPattern and is left out"},
		{"a schedule that is none", goodLines + "  R1: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: hourly, " + target + "}]}}\n", "6: schedule R1 of F at=[hourly] ! its schedule hourly is not one of rate(…), cron(…), and AWS refuses it", "stops t.yaml:6: event source R1 of function F cannot be run here: its schedule hourly is not one of rate(…), cron(…), and AWS refuses it" + byHand + "schedule'"},
		{"an input that is none", goodLines + "  R1: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 hour), " + target + ", Input: a b}]}}\n", "6: schedule R1 of F at=[rate(1 hour)]", "warning t.yaml:6: Input of rule R1 is not JSON, and AWS refuses it: it is left out"},
		{"an input of parts", goodLines + "  R1: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 hour), " + target + ", InputPath: $.detail}]}}\n", "6: schedule R1 of F at=[rate(1 hour)]", "warning t.yaml:6: InputPath of rule R1 is left out: the function gets AWS's own event"},
		{"Scheduler", goodLines + "  S: {Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: 'at(2030-01-01T00:00:00)', ScheduleExpressionTimezone: Europe/Rome, FlexibleTimeWindow: {Mode: 'OFF'}, Target: {Arn: !GetAtt F.Arn, RoleArn: r, Input: '{}'}}}\n", "6: schedule S of F at=[at(2030-01-01T00:00:00)] zone=Europe/Rome scheduler=true input={}", ""},
		{"Scheduler with an end", goodLines + "  S: {Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(1 day), EndDate: x, Target: {Arn: !GetAtt F.Arn}}}\n", "6: schedule S of F at=[rate(1 day)] scheduler=true", "warning t.yaml:6: EndDate of schedule S is left out: the schedule is always on here"},
		{"Scheduler of a queue", goodLines + "  S: {Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(1 day), Target: {Arn: !GetAtt Q.Arn}}}\n" + oneQueue, "", "info t.yaml:6: target arn:aws:sqs:us-east-1:000000000000:jobs of schedule S is not a function and gets nothing here"},

		{"a bucket", goodLines + "  B:\n    Type: AWS::S3::Bucket\n    Properties:\n      NotificationConfiguration:\n        LambdaConfigurations:\n          - {Event: 's3:ObjectCreated:*', Function: !GetAtt F.Arn}\n", "11: other source B of F ! S3 is not on this machine", "stops t.yaml:11: event source B of function F cannot be run here: S3 is not on this machine" + byHand + "s3'"},
		{"a bucket of CDK", goodLines + "  B: {Type: \"Custom::S3BucketNotifications\", Properties: {NotificationConfiguration: {LambdaFunctionConfigurations: [{LambdaFunctionArn: !GetAtt F.Arn}]}}}\n", "6: other source B of F ! S3 is not on this machine", ""},
		{"a user pool", goodLines + "  P: {Type: AWS::Cognito::UserPool, Properties: {LambdaConfig: {PreSignUp: !GetAtt F.Arn}}}\n", "6: other source P of F ! Cognito is not on this machine", ""},
		{"a log group", goodLines + "  P: {Type: AWS::Logs::SubscriptionFilter, Properties: {DestinationArn: !GetAtt F.Arn}}\n", "6: other source P of F ! CloudWatch Logs is not on this machine", ""},
		{"a load balancer", goodLines + "  P: {Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {Targets: [{Id: !GetAtt F.Arn}]}}\n", "6: other source P of F ! a load balancer is not on this machine", ""},
		{"a pipe", goodLines + "  P: {Type: AWS::Pipes::Pipe, Properties: {Source: x, Target: !GetAtt F.Arn}}\n", "6: other source P of F ! EventBridge Pipes is not on this machine", ""},
		{"what a condition leaves out", goodLines + "  R1: {Type: AWS::Events::Rule, Condition: No, Properties: {ScheduleExpression: rate(1 hour), " + target + "}]}}\nConditions: {No: !Equals [a, b]}\n", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, notes, err := readText(c.text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := shownSources(a); got != c.want {
				t.Errorf("the sources are\n%s\nwant\n%s", got, c.want)
			}
			if said := severeLines(notes); !strings.Contains(said, c.note) {
				t.Errorf("notes\n%s\nwant\n%s", said, c.note)
			}
		})
	}
}

// severeLines are notes with their severity.
func severeLines(notes []app.Note) string {
	var b strings.Builder
	for _, n := range notes {
		b.WriteString(n.Severity.String() + " " + n.String() + "\n")
	}
	return b.String()
}

func TestASourceNeedsItsFunction(t *testing.T) {
	text := mapped("FunctionName: !Ref G, EventSourceArn: !GetAtt Q.Arn", oneQueue+"  G: {Type: AWS::Lambda::Function, Properties: {Runtime: java21, Handler: a.B, Code: .}}\n")
	for state, want := range map[string]string{
		"":                "stops t.yaml:8: function G, which event source M needs, cannot be run here: its runtime is java21",
		"Enabled: false,": "info t.yaml:8: function G cannot be run here: its runtime is java21",
	} {
		_, notes, err := readText(strings.Replace(text, "FunctionName: !Ref G", state+" FunctionName: !Ref G", 1), Options{})
		if said := severeLines(notes); err != nil || !strings.Contains(said, want) {
			t.Errorf("%q: notes %s, %v, want %s", state, said, err, want)
		}
	}
}
