package cloudformation

import (
	"strings"
	"testing"
)

// samWith is a template of SAM whose function F has one event E, on line 12, with more
// resources.
func samWith(event, more string) string {
	return "Transform: AWS::Serverless-2016-10-31\nResources:\n" + apiLine +
		"  I: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref A, IntegrationType: MOCK}}\n" +
		"  R: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref A, RouteKey: $default, Target: !Sub \"integrations/${I}\"}}\n" +
		"  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Runtime: nodejs22.x\n      Handler: a.b\n      Events:\n        E: " + event + "\n" + more
}

func TestEventsOfSAMAreWrittenOut(t *testing.T) {
	const topic = "  N: {Type: AWS::SNS::Topic}\n"
	const h, w = "12: HTTP API ServerlessHttpApi stage $default\n", "12: REST API ServerlessRestApi stage Prod\n"
	httpAPI := func(properties string) string {
		return "  H: {Type: AWS::Serverless::HttpApi, Properties: {" + properties + "}}\n"
	}
	restAPI := func(properties string) string {
		return "  W: {Type: AWS::Serverless::Api, Properties: {StageName: v1, " + properties + "}}\n"
	}
	for _, c := range []struct{ name, event, more, want, note string }{
		{"SQS", "{Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: 5, Enabled: false, MaximumBatchingWindowInSeconds: 1, ScalingConfig: {MaximumConcurrency: 2}}}", oneQueue, "12: SQS queue FE of F from=Q disabled=true size=5 window=1s max=2\n13: queue Q jobs", "info t.yaml:12: event source FE of function F is disabled"},
		{"DynamoDB", "{Type: DynamoDB, Properties: {Stream: !GetAtt T.StreamArn, StartingPosition: TRIM_HORIZON, BisectBatchOnFunctionError: true}}", oneTable, "12: DynamoDB stream FE of F from=T at=TRIM_HORIZON bisect=true", ""},
		{"Kinesis", "{Type: Kinesis, Properties: {Stream: 'arn:aws:kinesis:us-east-1:1:stream/s', StartingPosition: LATEST}}", "", "12: other source FE of F arn=arn:aws:kinesis:us-east-1:1:stream/s at=LATEST ! Kinesis is not on this machine", "stops t.yaml:12: event source FE of function F cannot be run here: Kinesis is not on this machine" + byHand + "FILE'"},
		{"MSK", "{Type: MSK, Properties: {Stream: 'arn:aws:kafka:us-east-1:1:cluster/s', Topics: [a]}}", "", "12: other source FE of F arn=arn:aws:kafka:us-east-1:1:cluster/s ! Kafka is not on this machine", ""},
		{"SelfManagedKafka", "{Type: SelfManagedKafka, Properties: {Topics: [a]}}", "", "12: other source FE of F ! Kafka is not on this machine", ""},
		{"MQ", "{Type: MQ, Properties: {Broker: 'arn:aws:mq:us-east-1:1:broker:b:1'}}", "", "12: other source FE of F arn=arn:aws:mq:us-east-1:1:broker:b:1 ! Amazon MQ is not on this machine", ""},
		{"DocumentDB", "{Type: DocumentDB, Properties: {Cluster: 'arn:aws:rds:us-east-1:1:cluster:c'}}", "", "12: other source FE of F arn=arn:aws:rds:us-east-1:1:cluster:c ! DocumentDB is not on this machine", ""},
		{"Schedule", "{Type: Schedule, Properties: {Schedule: 'cron(0 8 * * ? *)', Input: '{\"a\":1}', Enabled: false}}", "", `12: schedule FE of F disabled=true at=[cron(0 8 * * ? *)] input={"a":1}`, ""},
		{"ScheduleV2", "{Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), ScheduleExpressionTimezone: Europe/Rome, State: DISABLED}}", "", "12: schedule FE of F disabled=true at=[rate(1 hour)] zone=Europe/Rome scheduler=true", ""},
		{"EventBridgeRule", "{Type: EventBridgeRule, Properties: {Pattern: {source: [app]}}}", "", `12: EventBridge rule FE of F pattern={"source":["app"]} ! there is no event bus on this machine`, "stops t.yaml:12: event source FE of function F cannot be run here: there is no event bus on this machine" + byHand + "eventbridge'"},
		{"CloudWatchEvent", "{Type: CloudWatchEvent, Properties: {Pattern: {source: [app]}}}", "", `12: EventBridge rule FE of F pattern={"source":["app"]} ! there is no event bus on this machine`, ""},
		{"SNS", "{Type: SNS, Properties: {Topic: !Ref N, FilterPolicy: {kind: [a]}}}", topic, "12: SNS topic FE of F from=N\n13: topic N N\n12: to F FilterPolicy={\"kind\":[\"a\"]}", ""},
		{"SNS by a queue", "{Type: SNS, Properties: {Topic: !Ref N, SqsSubscription: true}}", topic, "12: SQS queue FEEventSourceMapping of F from=FEQueue\n12: queue FEQueue FEQueue\n13: topic N N\n12: to FEQueue", ""},
		{"SNS by a queue of its own", "{Type: SNS, Properties: {Topic: !Ref N, SqsSubscription: {QueueArn: !GetAtt Q.Arn, QueueUrl: !Ref Q, BatchSize: 3}}}", topic + oneQueue, "12: SQS queue FEEventSourceMapping of F from=Q size=3\n14: queue Q jobs\n13: topic N N\n12: to Q", ""},
		{"S3", "{Type: S3, Properties: {Bucket: !Ref B}}", "", "12: other source FE of F ! S3 is not on this machine", "stops t.yaml:12: event source FE of function F cannot be run here: S3 is not on this machine" + byHand + "s3'"},
		{"CloudWatchLogs", "{Type: CloudWatchLogs}", "", "12: other source FE of F ! CloudWatch Logs is not on this machine", ""},
		{"IoTRule", "{Type: IoTRule}", "", "12: other source FE of F ! AWS IoT is not on this machine", ""},
		{"Cognito", "{Type: Cognito}", "", "12: other source FE of F ! Cognito is not on this machine", ""},
		{"AlexaSkill", "{Type: AlexaSkill}", "", "12: other source FE of F ! Alexa is not on this machine", ""},
		{"a type that there is not", "{Type: Schdule}", "", "12: other source FE of F ! SAM has no type of events Schdule: did you mean Schedule?", ""},
		{"no type", "{}", "", "12: other source FE of F ! it has no Type", "stops t.yaml:12: event source FE of function F cannot be run here: it has no Type"},

		{"HttpApi", "{Type: HttpApi, Properties: {Path: /a, Method: post, TimeoutInMillis: 5000, PayloadFormatVersion: '1.0'}}", "", h + "12: POST/a F 1.0 5s", ""},
		{"HttpApi with nothing", "{Type: HttpApi}", "", h + "12:  F 2.0", ""},
		{"HttpApi of any method", "{Type: HttpApi, Properties: {Path: '/{proxy+}', Method: any}}", "", h + "12: ANY/{proxy+} F 2.0", ""},
		{"HttpApi of an API", "{Type: HttpApi, Properties: {ApiId: !Ref H, Path: /a, Method: get}}", httpAPI("StageName: v1, StageVariables: {a: b}, CorsConfiguration: true"), "13: HTTP API H stage v1 map[a:b] cors {[*] [] [] [] 0 false}\n12: GET/a F 2.0", ""},
		{"HttpApi with Globals", "{Type: HttpApi, Properties: {Path: /a, Method: get}}", "Globals: {HttpApi: {CorsConfiguration: {AllowOrigins: [x]}}}\n", "12: HTTP API ServerlessHttpApi stage $default cors {[x] [] [] [] 0 false}\n12: GET/a F 2.0", ""},
		{"HttpApi with a default authorizer", "{Type: HttpApi, Properties: {ApiId: !Ref H, Path: /a, Method: get}}", httpAPI("Auth: {DefaultAuthorizer: J, Authorizers: {J: {IdentitySource: $request.header.Authorization, JwtConfiguration: {issuer: i, audience: [a]}, AuthorizationScopes: [s]}}}"), "13: HTTP API H stage $default\n12: GET/a F 2.0 JWT  [$request.header.Authorization] of i for [a] scopes [s]", ""},
		{"HttpApi without it", "{Type: HttpApi, Properties: {ApiId: !Ref H, Path: /a, Method: get, Auth: {Authorizer: NONE}}}", httpAPI("Auth: {DefaultAuthorizer: J, Authorizers: {J: {JwtConfiguration: {issuer: i}}}}"), "13: HTTP API H stage $default\n12: GET/a F 2.0", ""},
		{"HttpApi with a function's authorizer", "{Type: HttpApi, Properties: {ApiId: !Ref H, Path: /a, Method: get, Auth: {Authorizer: L}}}", httpAPI("Auth: {Authorizers: {L: {FunctionArn: !GetAtt F.Arn, AuthorizerPayloadFormatVersion: '2.0', EnableSimpleResponses: true, Identity: {Headers: [A], QueryStrings: [b]}}}}"), "13: HTTP API H stage $default\n12: GET/a F 2.0 REQUEST F [$request.header.A $request.querystring.b] 2.0 simple", ""},
		{"HttpApi with an authorizer that there is not", "{Type: HttpApi, Properties: {ApiId: !Ref H, Path: /a, Method: get, Auth: {Authorizer: L}}}", httpAPI("Auth: {}"), "13: HTTP API H stage $default\n12: GET/a  2.0 ! its AuthorizerId is not known here: authorizer L is not one of its API", "stops t.yaml:12: route GET /a of HTTP API H cannot be run here: its AuthorizerId is not known here: authorizer L is not one of its API"},
		{"HttpApi with IAM", "{Type: HttpApi, Properties: {Path: /a, Method: get, Auth: {Authorizer: AWS_IAM}}}", "", h + "12: GET/a F 2.0 AWS_IAM  []", ""},
		{"HttpApi of OpenAPI", "{Type: HttpApi, Properties: {ApiId: !Ref H, Path: /a, Method: get}}", httpAPI("DefinitionBody: {paths: {}}"), "13: HTTP API H stage $default\n12: GET/a F 2.0", "warning t.yaml:13: the routes of HTTP API H that are in an OpenAPI document are not read"},

		{"Api", "{Type: Api, Properties: {Path: '/a/{id}', Method: get}}", "", w + "12: GET/a/{id} F 1.0", ""},
		{"Api of the root", "{Type: Api, Properties: {Path: /, Method: any}}", "", w + "12: ANY/ F 1.0", ""},
		{"Api without a path", "{Type: Api, Properties: {Method: any}}", "", w[:len(w)-1], "stops t.yaml:12: route FEMethod of REST API ServerlessRestApi cannot be run here: its ResourceId is not known here: event E has no Path"},
		{"Api of an API", "{Type: Api, Properties: {RestApiId: !Ref W, Path: /a, Method: get}}", restAPI("Variables: {a: b}"), "13: REST API W stage v1 map[a:b]\n12: GET/a F 1.0", ""},
		{"Api with TOKEN", "{Type: Api, Properties: {RestApiId: !Ref W, Path: /a, Method: get}}", restAPI("Auth: {DefaultAuthorizer: L, Authorizers: {L: {FunctionArn: !GetAtt F.Arn}}}"), "13: REST API W stage v1\n12: GET/a F 1.0 TOKEN F [method.request.header.Authorization] 1.0", ""},
		{"Api with REQUEST", "{Type: Api, Properties: {RestApiId: !Ref W, Path: /a, Method: get, Auth: {Authorizer: L}}}", restAPI("Auth: {Authorizers: {L: {FunctionArn: !GetAtt F.Arn, FunctionPayloadType: REQUEST, Identity: {QueryStrings: [a]}}}}"), "13: REST API W stage v1\n12: GET/a F 1.0 REQUEST F [method.request.querystring.a] 1.0", ""},
		{"Api with Cognito", "{Type: Api, Properties: {RestApiId: !Ref W, Path: /a, Method: get, Auth: {Authorizer: C, ApiKeyRequired: true}}}", restAPI("Auth: {Authorizers: {C: {UserPoolArn: 'arn:aws:cognito-idp:cn-north-1:1:userpool/cn-north-1_A'}}}"), "13: REST API W stage v1\n12: GET/a F 1.0 COGNITO  [method.request.header.Authorization] of https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_A for []", "warning t.yaml:12: route GET /a of REST API W needs an API key, which is not checked here"},
		{"Api with CORS", "{Type: Api, Properties: {RestApiId: !Ref W, Path: /a, Method: get}}", restAPI("Cors: \"'*'\""), "13: REST API W stage v1\n12: GET/a F 1.0\n12: OPTIONS/a  1.0 answers 200 map[Access-Control-Allow-Methods:GET,OPTIONS Access-Control-Allow-Origin:*] \"\" []", ""},
		{"Api of any method with all of CORS", "{Type: Api, Properties: {RestApiId: !Ref W, Path: /a, Method: any}}", restAPI("Cors: {AllowOrigin: \"'https://a.example'\", AllowHeaders: \"'x-a,x-b'\", MaxAge: \"'600'\", AllowCredentials: true}"), "13: REST API W stage v1\n12: ANY/a F 1.0\n12: OPTIONS/a  1.0 answers 200 map[Access-Control-Allow-Credentials:true Access-Control-Allow-Headers:x-a,x-b Access-Control-Allow-Methods:DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT Access-Control-Allow-Origin:https://a.example Access-Control-Max-Age:600] \"\" []", ""},
		{"Api with CORS and an OPTIONS of its own", "{Type: Api, Properties: {RestApiId: !Ref W, Path: /a, Method: options}}", restAPI("Cors: \"'*'\""), "13: REST API W stage v1\n12: OPTIONS/a F 1.0", ""},
		{"Api with CORS and a default authorizer", "{Type: Api, Properties: {RestApiId: !Ref W, Path: /a, Method: get}}", restAPI("Cors: \"'*'\", Auth: {DefaultAuthorizer: L, AddDefaultAuthorizerToCorsPreflight: false, Authorizers: {L: {FunctionArn: !GetAtt F.Arn}}}"), "13: REST API W stage v1\n12: GET/a F 1.0 TOKEN F [method.request.header.Authorization] 1.0\n12: OPTIONS/a  1.0 answers 200 map[Access-Control-Allow-Methods:GET,OPTIONS Access-Control-Allow-Origin:*] \"\" []", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, notes, err := readText(samWith(c.event, c.more), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var parts []string
			for _, part := range []string{shownSources(a), shownEngines(a), shownHTTP(a)} {
				if part != "" {
					parts = append(parts, part)
				}
			}
			if got := strings.Join(parts, "\n"); got != c.want {
				t.Errorf("read\n%s\nwant\n%s", got, c.want)
			}
			if said := severeLines(notes); !strings.Contains(said, c.note) {
				t.Errorf("notes\n%s\nwant\n%s", said, c.note)
			}
		})
	}
}

func TestAFunctionOfSAMHasAURL(t *testing.T) {
	text := strings.Replace(samWith("{Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}", oneQueue), "Handler: a.b\n", "Handler: a.b\n      FunctionUrlConfig: {AuthType: NONE, Cors: {AllowMethods: [GET]}}\n      Environment: {Variables: {U: !GetAtt FUrl.FunctionUrl}}\n", 1)
	a, _, err := readText(text, Options{})
	if err != nil || shownHTTP(a) != "11: function URL F stage $default cors {[] [GET] [] [] 0 false}\n11:  F 2.0" {
		t.Fatalf("%v, %s", err, shownHTTP(a))
	}
	if got := a.Functions[0].Env["U"]; got != "https://furl.lambda-url.us-east-1.on.aws/" {
		t.Errorf("the variable is %q", got)
	}
}

func TestTheStageOfAnAPIOfSAMIsAReference(t *testing.T) {
	text := strings.Replace(samWith("{Type: Api, Properties: {Path: /a, Method: get}}", "  H: {Type: AWS::Serverless::HttpApi, Properties: {StageName: v1}}\n"), "Handler: a.b\n", "Handler: a.b\n      Environment: {Variables: {A: !Ref ServerlessRestApi.Stage, B: !Ref H.Stage, C: !Ref ServerlessRestApiProdStage}}\n", 1)
	a, notes, err := readText(text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if env := a.Functions[0].Env; env["A"] != "Prod" || env["B"] != "v1" || env["C"] != "Prod" {
		t.Errorf("variables %v, notes %s", env, noteLines(notes))
	}
}
