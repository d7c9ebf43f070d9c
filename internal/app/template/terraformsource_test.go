package template

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

func TestWhateverInvokesAFunctionIsReadFromTerraform(t *testing.T) {
	const dir = "testdata/terraform"
	a, _, err := Read(dir, &Options{})
	if err != nil {
		t.Fatal(err)
	}
	names := here(a)
	names.Queues = func(name string) string { return "http://queues/" + name }
	names.HTTPAPIs = map[app.HTTPKind]map[string]string{app.HTTPOfAPI: {"aws_apigatewayv2_api.web": "http://web"}, app.RESTAPI: {"aws_api_gateway_rest_api.rest": "http://rest"}, app.FunctionURL: {"aws_lambda_function.f": "http://url"}}
	a, notes, err := a.Resolve(names)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range a.Queues {
		got = append(got, fmt.Sprint("queue ", q.Name, q.Attributes))
	}
	for _, n := range a.Topics {
		for _, s := range n.Subscriptions {
			got = append(got, fmt.Sprint("topic ", n.Name, " to ", s.Queue, s.Function, s.Attributes))
		}
	}
	for _, s := range a.Sources {
		got = append(got, fmt.Sprint(s.Kind, " ", s.Name, " from ", s.From, s.Batch.Size, s.Batch.Filters, s.Batch.Partial, s.Batch.StartAt, s.Schedule.Expressions, s.Schedule.TimeZone, s.Schedule.Input, s.Unrunnable))
	}
	for _, h := range a.HTTPAPIs {
		for _, r := range h.Routes {
			got = append(got, fmt.Sprint(h.Kind, " ", h.Stage, " ", r.Method, r.Path, " ", r.Function, r.Unrunnable))
		}
	}
	for _, f := range a.Functions {
		got = append(got, fmt.Sprint(f.Env))
	}
	const want = `queue jobs-deadmap[]
queue jobsmap[RedrivePolicy:{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:jobs-dead","maxReceiveCount":"3"} VisibilityTimeout:60]
topic news to aws_sqs_queue.jobsmap[FilterPolicy:{"kind":["a"]} RawMessageDelivery:true]
topic news to aws_lambda_function.fmap[]
SNS topic aws_sns_topic_subscription.f from aws_sns_topic.news0 [] false[]<nil>
SQS queue aws_lambda_event_source_mapping.q from aws_sqs_queue.jobs5 [{"body":{"kind":["a"]}}] true[]<nil>
DynamoDB stream aws_lambda_event_source_mapping.s from aws_dynamodb_table.t0 [] falseLATEST[]<nil>
schedule aws_cloudwatch_event_rule.often from 0 [] false[rate(5 minutes)]{"a":1}<nil>
schedule aws_scheduler_schedule.nightly from 0 [] false[cron(0 3 * * ? *)]Europe/Berlin<nil>
HTTP API $default GET/items/{id} aws_lambda_function.f<nil>
REST API prod POST/things aws_lambda_function.f<nil>
function URL $default  aws_lambda_function.f<nil>
map[POOL:arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_POOL QUEUE:http://queues/jobs REST:http://rest/prod/x STREAM:arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2024-01-01T00:00:00.000 TOPIC:arn:aws:sns:us-east-1:000000000000:news WEB:http://web/x]
map[URL:http://url/]`
	made := regexp.MustCompile(`us-east-1_[a-z0-9]{9}`)
	if all := made.ReplaceAllString(strings.Join(got, "\n"), "us-east-1_POOL"); all != want {
		t.Errorf("got\n%s\nwant\n%s", all, want)
	}
	const said = "variable POOL of aws_lambda_function.f names aws_cognito_user_pool.people, of type aws_cognito_user_pool, which is not run here: what is made up stands for it; give --value aws_cognito_user_pool.people=VALUE"
	if !slices.ContainsFunc(notes, func(n app.Note) bool { return n.Text == said }) {
		t.Errorf("notes %v, want %s", notes, said)
	}
	a, _, err = Read(dir, &Options{Values: map[string]string{"aws_cognito_user_pool.people": "eu-west-1_AbC123"}})
	if err == nil {
		a, _, err = a.Resolve(here(a))
	}
	if want := "userpool/eu-west-1_AbC123"; err != nil || !strings.HasSuffix(a.Function("aws_lambda_function.f").Env["POOL"], want) {
		t.Errorf("%v, want %s", err, want)
	}
}
