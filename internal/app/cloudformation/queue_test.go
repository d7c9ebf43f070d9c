package cloudformation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

// shownEngines are the queues and topics of an app, one a line.
func shownEngines(a *app.App) string {
	var lines []string
	attributes := func(m map[string]string) (out string) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			out += " " + name + "=" + m[name]
		}
		return out
	}
	why := func(u *app.Unrunnable) string {
		if u == nil {
			return ""
		}
		return " ! " + u.Why
	}
	for _, q := range a.Queues {
		lines = append(lines, fmt.Sprintf("%d: queue %s %s", q.Position.Line, q.LogicalID, q.Name)+attributes(q.Attributes)+why(q.Unrunnable))
	}
	for _, topic := range a.Topics {
		lines = append(lines, fmt.Sprintf("%d: topic %s %s", topic.Position.Line, topic.LogicalID, topic.Name)+attributes(topic.Attributes)+why(topic.Unrunnable))
		for _, s := range topic.Subscriptions {
			lines = append(lines, fmt.Sprintf("%d: to %s%s", s.Position.Line, s.Queue, s.Function)+attributes(s.Attributes))
		}
	}
	return strings.Join(lines, "\n")
}

func TestQueuesAndTopicsAreRead(t *testing.T) {
	for _, c := range []struct{ name, more, want, note string }{
		{"a queue", "  Q: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 30, DelaySeconds: 1, Tags: [{Key: a, Value: b}]}}\n", "6: queue Q Q DelaySeconds=1 VisibilityTimeout=30", ""},
		{"a dead-letter queue", "  Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn, maxReceiveCount: 3}}}\n  D: {Type: AWS::SQS::Queue, Properties: {QueueName: dead}}\n", "7: queue D dead\n6: queue Q Q RedrivePolicy={\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":3}", ""},
		{"a dead-letter queue by its ARN on AWS", "  Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: '{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:111122223333:dead\",\"maxReceiveCount\":\"3\"}'}}\n  D: {Type: AWS::SQS::Queue, Properties: {QueueName: dead}}\n", "7: queue D dead\n6: queue Q Q RedrivePolicy={\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":\"3\"}", ""},
		{"a dead-letter queue of another stack", "  Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: 'arn:aws:sqs:eu-west-1:111122223333:x', maxReceiveCount: 3}}}\n", "6: queue Q Q", "warning t.yaml:6: RedrivePolicy of queue Q is left out: queue arn:aws:sqs:eu-west-1:111122223333:x is not in the template"},
		{"a redrive policy that is none", "  Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: a b}}\n", "6: queue Q Q", "warning t.yaml:6: RedrivePolicy of queue Q is not JSON and is left out"},
		{"a chain of dead letters", "  Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn, maxReceiveCount: 3}}}\n  D: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt E.Arn, maxReceiveCount: 1}}}\n  E: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt E.Arn, maxReceiveCount: 1}}}\n", "8: queue E E RedrivePolicy={\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:E\",\"maxReceiveCount\":1}\n7: queue D D RedrivePolicy={\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:E\",\"maxReceiveCount\":1}\n6: queue Q Q RedrivePolicy={\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:D\",\"maxReceiveCount\":3}", ""},
		{"a policy as text", "  Q: {Type: AWS::SQS::Queue, Properties: {RedriveAllowPolicy: '{\"redrivePermission\":\"allowAll\"}'}}\n", "6: queue Q Q RedriveAllowPolicy={\"redrivePermission\":\"allowAll\"}", ""},
		{"FIFO", "  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, ContentBasedDeduplication: true}}\n", "6: queue Q Q.fifo ContentBasedDeduplication=true FifoQueue=true", ""},
		{"FIFO with a name", "  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, QueueName: !Sub '${AWS::StackName}.fifo'}}\n", "6: queue Q local.fifo FifoQueue=true", ""},
		{"FIFO with a name that does not say so", "  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, QueueName: jobs}}\n", "6: queue Q jobs FifoQueue=true ! it is a FIFO queue, and its name jobs does not end with .fifo, which AWS refuses", "stops t.yaml:6: queue Q cannot be run here: it is a FIFO queue"},
		{"a name of FIFO only", "  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: false, QueueName: jobs.fifo}}\n", "6: queue Q jobs.fifo FifoQueue=false ! its name ends with .fifo, but FifoQueue is not true, which AWS refuses", ""},
		{"not FIFO", "  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: false}}\n", "6: queue Q Q", ""},
		{"a name that is not known", "  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !ImportValue a}}\n", "6: queue Q Q", "warning t.yaml:6: the name of queue Q is not known here and is its logical ID: Fn::ImportValue"},
		{"a topic", "  N: {Type: AWS::SNS::Topic, Properties: {TopicName: news, Subscription: [{Protocol: sqs, Endpoint: !GetAtt Q.Arn}, {Protocol: email, Endpoint: a@b.example}]}}\n" + oneQueue, "7: queue Q jobs\n6: topic N news\n6: to Q", "stops t.yaml:6: a subscription of topic N cannot be run here: its protocol is email, and only sqs and lambda are supported here"},
		{"a subscription", "  N: {Type: AWS::SNS::Topic}\n  S: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref N, Protocol: sqs, Endpoint: !GetAtt Q.Arn, RawMessageDelivery: true, FilterPolicy: {kind: [a]}, FilterPolicyScope: MessageBody}}\n" + oneQueue, "8: queue Q jobs\n6: topic N N\n7: to Q FilterPolicy={\"kind\":[\"a\"]} FilterPolicyScope=MessageBody RawMessageDelivery=true", ""},
		{"a subscription of a function", "  N: {Type: AWS::SNS::Topic}\n  S: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref N, Protocol: lambda, Endpoint: !GetAtt F.Arn}}\n", "6: topic N N\n7: to F\n7: SNS topic S of F from=N", ""},
		{"a subscription of another stack's topic", "  S: {Type: AWS::SNS::Subscription, Properties: {TopicArn: 'arn:aws:sns:us-east-1:111122223333:x', Protocol: lambda, Endpoint: !GetAtt F.Arn}}\n", "6: SNS topic S of F arn=arn:aws:sns:us-east-1:111122223333:x ! topic arn:aws:sns:us-east-1:111122223333:x is not in the template", "stops t.yaml:6: event source S of function F cannot be run here: topic arn:aws:sns:us-east-1:111122223333:x is not in the template" + byHand + "sns'"},
		{"another stack's topic to a queue", "  S: {Type: AWS::SNS::Subscription, Properties: {TopicArn: 'arn:aws:sns:us-east-1:111122223333:x', Protocol: sqs, Endpoint: !GetAtt Q.Arn}}\n" + oneQueue, "7: queue Q jobs", "stops t.yaml:6: subscription S cannot be run here: topic arn:aws:sns:us-east-1:111122223333:x is not in the template"},
		{"a FIFO topic", "  N: {Type: AWS::SNS::Topic, Properties: {FifoTopic: true}}\n", "6: topic N N.fifo FifoTopic=true", ""},
		{"a queue of itself", "  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetAtt Q.QueueName}}\n", "error t.yaml:6: Q refers to itself: Q → Q", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, notes, err := readText(goodLines+c.more, Options{})
			got := "error " + errorText(err)
			if err == nil {
				got = strings.TrimSpace(shownEngines(a) + "\n" + shownSources(a))
			}
			if got != c.want {
				t.Errorf("read\n%s\nwant\n%s", got, c.want)
			}
			if said := severeLines(notes); !strings.Contains(said, c.note) {
				t.Errorf("notes\n%s\nwant\n%s", said, c.note)
			}
		})
	}
}

func TestWithAnEngineRefIsItsAddress(t *testing.T) {
	text := variable("!Sub '${Q} ${Q.QueueUrl} ${Q.QueueName} ${Q.Arn}', W: !Sub '${N} ${N.TopicName}', S: !GetAtt T.StreamArn", "  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}\n  N: {Type: AWS::SNS::Topic}\n"+oneTable)
	read, notes, err := readOnly(text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if said := noteLines(notes); !strings.Contains(said, "give --value Q=VALUE") || !strings.Contains(said, "give --value N=VALUE") {
		t.Errorf("without an engine the notes are %s, want those that ask for values", said)
	}
	a, notes, err := read.Resolve(app.Names{Queues: func(name string) string { return "http://127.0.0.1:9324/000000000000/" + name }})
	if err != nil {
		t.Fatal(err)
	}
	const url = "http://127.0.0.1:9324/000000000000/Q.fifo"
	want := map[string]string{
		"V": url + " " + url + " Q.fifo arn:aws:sqs:us-east-1:000000000000:Q.fifo", "W": "arn:aws:sns:us-east-1:000000000000:N N",
		"S": "arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/2024-01-01T00:00:00.000",
	}
	if got := a.Functions[0].Env; !maps.Equal(got, want) {
		t.Errorf("variables %v, want %v", got, want)
	}
	if said := noteLines(notes); strings.Contains(said, "--value") {
		t.Errorf("with an engine the notes are %s", said)
	}
}

func TestAQueueWhoseValueIsGivenIsElsewhere(t *testing.T) {
	text := mapped("FunctionName: !Ref F, EventSourceArn: !GetAtt Q.Arn", oneQueue)
	a, notes, err := readText(text, Options{Values: map[string]string{"Q": "https://sqs.us-east-1.amazonaws.com/111122223333/jobs"}})
	if err != nil || len(a.Queues) != 0 || shownSources(a) != "6: SQS queue M of F arn=arn:aws:sqs:us-east-1:111122223333:jobs" {
		t.Errorf("queues %v, sources %s, %v", a.Queues, shownSources(a), err)
	}
	if said := noteLines(notes); !strings.Contains(said, "t.yaml:7: queue Q is the one whose value is given, and is not made here") {
		t.Errorf("notes %s", said)
	}
}
