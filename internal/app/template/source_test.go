package template

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

// eventsOf is a service whose function f has these events, of which the first is on
// line 9.
func eventsOf(events, more string) string {
	return "service: a\nprovider:\n  name: aws\n  runtime: nodejs22.x\nfunctions:\n  f:\n    handler: a.b\n    events:\n" + events + "      - websocket: $connect\n" + more
}

func TestEventsOfServerlessInvokeTheirFunction(t *testing.T) {
	t.Chdir(t.TempDir())
	const queue = "resources: {Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}}}\n"
	const hand = "; invoke the function by hand with 'wirepost invoke FLambdaFunction --event "
	for _, c := range []struct{ name, events, more, want, note string }{
		{"sqs", "      - sqs: arn:aws:sqs:us-east-1:111122223333:jobs\n", queue, "9 SQS queue FEventSourceMappingSQSJobs from Q", ""},
		{"sqs of another stack", "      - sqs: {arn: 'arn:aws:sqs:us-east-1:111122223333:x'}\n", "", "9 SQS queue FEventSourceMappingSQSX arn:aws:sqs:us-east-1:111122223333:x", ""},
		{"sqs by a reference", "      - sqs: !GetAtt Q.Arn\n", queue, "9 SQS queue FEventSourceMappingSQSQ from Q", ""},
		{"sqs without an arn", "      - sqs: {batchSize: 1}\n", "", "9 other source FSqs ! it has no arn", "9: event source FSqs of function FLambdaFunction cannot be run here: it has no arn" + hand + "FILE'"},
		{"sqs that is off", "      - sqs: {arn: !GetAtt Q.Arn, enabled: false}\n", queue, "9 SQS queue FEventSourceMappingSQSQ from Q disabled", "9: event source FEventSourceMappingSQSQ of function FLambdaFunction is disabled"},
		{"stream of Kinesis", "      - stream: {type: kinesis, arn: 'arn:aws:kinesis:us-east-1:1:stream/s'}\n", "", "9 other source FEventSourceMappingKinesisS arn:aws:kinesis:us-east-1:1:stream/s ! Kinesis is not on this machine", ""},
		{"stream of another stack", "      - stream: arn:aws:dynamodb:us-east-1:1:table/x/stream/2\n", "", "9 DynamoDB stream FEventSourceMappingDynamodbX arn:aws:dynamodb:us-east-1:1:table/x/stream/2", ""},
		{"schedule", "      - schedule: rate(1 hour)\n", "", "9 schedule FEventsRuleSchedule1 at [rate(1 hour)]", ""},
		{"schedule without a rate", "      - schedule: {enabled: true}\n", "", "9 other source FSchedule ! it has no rate", ""},
		{"schedule that is none", "      - schedule: hourly\n", "", "9 schedule FEventsRuleSchedule1 at [hourly] ! its schedule hourly is not one of rate(…), cron(…), and AWS refuses it", ""},
		{"sns", "      - sns: news\n", "", "9 SNS topic FSnsSubscriptionNews from SNSTopicNews", ""},
		{"sns of another stack", "      - sns: arn:aws:sns:us-east-1:1:x\n", "", "9 SNS topic FSnsSubscriptionX arn:aws:sns:us-east-1:1:x ! topic arn:aws:sns:us-east-1:1:x is not in the template", ""},
		{"sns of nothing", "      - sns: {filterPolicy: {}}\n", "", "9 other source FSns ! it has neither an arn nor a topicName", ""},
		{"eventBridge", "      - eventBridge: {pattern: {source: [a]}}\n", "", "9 EventBridge rule FEventBridgeRule1 ! there is no event bus on this machine", "cannot be run here: there is no event bus on this machine" + hand + "eventbridge'"},
		{"cloudwatchEvent", "      - cloudwatchEvent: {event: {source: [a]}}\n", "", "9 EventBridge rule FEventsRuleCloudWatchEvent1 ! there is no event bus on this machine", ""},
		{"s3", "      - s3: photos\n", "", "9 other source FS3 ! S3 is not on this machine", "cannot be run here: S3 is not on this machine" + hand + "s3'"},
		{"alb", "      - alb: {listenerArn: x}\n", "", "9 other source FAlb ! a load balancer is not on this machine", ""},
		{"cognitoUserPool", "      - cognitoUserPool: {pool: p, trigger: PreSignUp}\n", "", "9 other source FCognitoUserPool ! Cognito is not on this machine", ""},
		{"iot", "      - iot: {sql: x}\n", "", "9 other source FIot ! AWS IoT is not on this machine", ""},
		{"kafka", "      - kafka: {topic: x}\n", "", "9 other source FKafka ! Kafka is not on this machine", ""},
		{"an event of a plugin", "      - myEvent: x\n", "", "9 other source FMyEvent ! event myEvent is not one of the framework", ""},
		{"a mistyped event", "      - shedule: rate(1 hour)\n", "", "9 other source FShedule ! event shedule is not one of the framework: did you mean schedule?", ""},
		{"a value that is not known", "      - sqs: ${ssm:/queue}\n", "", "9 other source FSqs ! ${ssm:/queue} is only on AWS; give --value ssm:/queue=VALUE", ""},

		{"httpApi", "      - httpApi: 'post /a/{id}'\n", "", "HTTP API HttpApi $default: 9 POST /a/{id} 2.0", ""},
		{"httpApi of all", "      - httpApi: '*'\n", "", "HTTP API HttpApi $default: 9   2.0", ""},
		{"httpApi of all methods", "      - httpApi: '* /a'\n", "", "HTTP API HttpApi $default: 9 ANY /a 2.0", ""},
		{"httpApi with an authorizer that there is not", "      - httpApi: {method: get, path: /a, authorizer: x}\n", "", "HTTP API HttpApi $default: 9 GET /a 2.0 ! its AuthorizerId is not known here: HttpApiAuthorizerX is not in the template", ""},
		{"httpApi with IAM", "      - httpApi: {method: get, path: /a, authorizer: {type: aws_iam}}\n", "", "HTTP API HttpApi $default: 9 GET /a 2.0 AWS_IAM", ""},
		{"http", "      - http: get a/{id}\n", "", "REST API ApiGatewayRestApi dev: 9 GET /a/{id} 1.0", ""},
		{"http of the root", "      - http: {method: any, path: /}\n", "", "REST API ApiGatewayRestApi dev: 9 ANY / 1.0", ""},
		{"http with a function", "      - http: {method: get, path: a, authorizer: f}\n", "", "REST API ApiGatewayRestApi dev: 9 GET /a 1.0 TOKEN FLambdaFunction", ""},
		{"http with a user pool", "      - http: {method: get, path: a, authorizer: {name: p, type: COGNITO_USER_POOLS, arn: 'arn:aws:cognito-idp:us-east-1:1:userpool/p'}}\n", "", "REST API ApiGatewayRestApi dev: 9 GET /a 1.0 COGNITO  of https://cognito-idp.us-east-1.amazonaws.com/p[] []", ""},
		{"http with a function that there is not", "      - http: {method: get, path: a, authorizer: g}\n", "", "REST API ApiGatewayRestApi dev: 9 GET /a 1.0 TOKEN ! its authorizer GApiGatewayAuthorizer cannot be asked: its AuthorizerUri is not known here: function g is not in the service", ""},
		{"http with CORS of several events", "      - http: {method: get, path: a, cors: true}\n      - http: {method: any, path: a, cors: {origins: ['https://a.example', 'https://*.b.example'], headers: 'x-a, x-b', allowCredentials: true, maxAge: 60, cacheControl: max-age=60}}\n", "",
			"REST API ApiGatewayRestApi dev: 9 GET /a 1.0\nREST API ApiGatewayRestApi dev: 10 ANY /a 1.0\nREST API ApiGatewayRestApi dev: 9 OPTIONS /a 1.0  MOCK 200 map[Access-Control-Allow-Credentials:true Access-Control-Allow-Headers:Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token,X-Amz-User-Agent,X-Amzn-Trace-Id,x-a,x-b Access-Control-Allow-Methods:OPTIONS,GET,DELETE,HEAD,PATCH,POST,PUT Access-Control-Allow-Origin:https://a.example Access-Control-Max-Age:60 Cache-Control:max-age=60] [https://a\\.example https://.*\\.b\\.example]", ""},
		{"http with CORS and an OPTIONS of its own", "      - http: {method: get, path: a, cors: true}\n      - http: {method: options, path: a}\n", "", "REST API ApiGatewayRestApi dev: 9 GET /a 1.0\nREST API ApiGatewayRestApi dev: 10 OPTIONS /a 1.0", ""},
		{"http with templates", "      - http: {method: get, path: a, integration: lambda}\n", "", "REST API ApiGatewayRestApi dev: 9 GET /a 1.0 ! its integration is of type AWS, and only AWS_PROXY with a function, and MOCK, are run here", "stops serverless.yml:9: route GET /a of REST API ApiGatewayRestApi cannot be run here"},
		{"http that is asynchronous", "      - http: {method: get, path: a, async: true}\n", "", "REST API ApiGatewayRestApi dev: 9 GET /a 1.0 ! its integration is of type AWS, and only AWS_PROXY with a function, and MOCK, are run here", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile("serverless.yml", []byte(eventsOf(c.events, c.more)), 0o600); err != nil {
				t.Fatal(err)
			}
			a, notes, err := readHere("serverless.yml", nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := shownEvents(a); got != c.want {
				t.Errorf("read\n%s\nwant\n%s", got, c.want)
			}
			var said strings.Builder
			for _, n := range notes {
				said.WriteString(n.Severity.String() + " " + n.String() + "\n")
			}
			if !strings.Contains(said.String(), c.note) {
				t.Errorf("notes\n%s\nwant\n%s", &said, c.note)
			}
		})
	}
}

// shownEvents are the sources and the routes of an app, in short.
func shownEvents(a *app.App) string {
	var lines []string
	why := func(u *app.Unrunnable) string {
		if u == nil {
			return ""
		}
		return " ! " + u.Why
	}
	for _, s := range a.Sources {
		line := strings.TrimPrefix(s.Position.String(), "serverless.yml:") + " " + string(s.Kind) + " " + s.Name
		switch {
		case s.From != "":
			line += " from " + s.From
		case s.ARN != "":
			line += " " + s.ARN
		}
		if s.Disabled {
			line += " disabled"
		}
		if len(s.Schedule.Expressions) > 0 {
			line += " at [" + strings.Join(s.Schedule.Expressions, ", ") + "]"
		}
		lines = append(lines, line+why(s.Unrunnable))
	}
	for _, api := range a.HTTPAPIs {
		for _, r := range api.Routes {
			line := strings.Join([]string{string(api.Kind), api.LogicalID, api.Stage + ":", strings.TrimPrefix(r.Position.String(), "serverless.yml:"), r.Method, r.Path, r.Payload, r.AuthorizerKind, r.Authorizer}, " ")
			if f := r.Answer; f != nil {
				line += fmt.Sprintf("MOCK %d %v %v", f.Status, f.Header, f.Origins)
			}
			if r.JWT != nil {
				line += fmt.Sprint(" of ", r.JWT.Issuer, r.JWT.Audiences, r.Scopes)
			}
			lines = append(lines, strings.TrimRight(line, " ")+why(r.Unrunnable))
		}
	}
	return strings.Join(lines, "\n")
}

func TestAFunctionOfServerlessHasAURL(t *testing.T) {
	t.Chdir(t.TempDir())
	text := strings.Replace(eventsOf("", ""), "    events:\n", "    url: true\n    environment: {U: !GetAtt FLambdaFunctionUrl.FunctionUrl}\n    events:\n", 1)
	if err := os.WriteFile("serverless.yml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, err := readWithAll("serverless.yml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := shownEvents(a); got != "function URL FLambdaFunction $default: 8   2.0" || a.Functions[0].Env["U"] != "http://127.0.0.1:3003/" {
		t.Errorf("read %s, variables %v", got, a.Functions[0].Env)
	}
}
