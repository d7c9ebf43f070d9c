// Package template reads the templates that people already have and says which
// WebSocket API they describe, so that it can be run on this machine.
//
//	api, notes, err := template.Read("template.yaml", &template.Options{
//		Parameters:    map[string]string{"TableName": "people"},
//		LocalAPIID:    "local12345",
//		LocalEndpoint: func(stage string) string { return "http://localhost:3001/" + stage },
//	})
//
// Resolve works out a whole template instead, for whoever compares two.
//
// It hides three languages behind one description: what SAM and serverless.yml
// say in short is first written out as the CloudFormation that they become,
// with the logical IDs that they give, and only that is read. Nothing in a
// template is executed, no network is asked, and no file is read but the
// template and, for ${file()}, files under its directory.
//
// # What is understood
//
//   - CloudFormation in YAML with all its short forms, and in JSON: Parameters
//     with defaults, Mappings, Conditions, the pseudo parameters, Ref, GetAtt,
//     Sub, Join, Split, Select, If, FindInMap, Base64, Length, Equals, And, Or
//     and Not. The same as CDK writes it to cdk.out, with the code where its
//     asset is.
//   - SAM: Globals, AWS::Serverless::Function, LayerVersion, SimpleTable and
//     WebSocketApi.
//   - serverless.yml: websocket events with authorizers and route responses,
//     the provider's settings, layers, packages, images, resources, and the
//     variables self, opt, env, file, param, sls, aws and strToBool, one within
//     another and with fallbacks. Sections may be lists of files.
//   - AWS::ApiGatewayV2::Api, Route, RouteResponse, Integration, Stage,
//     Deployment and Authorizer; AWS::Lambda::Function, Alias, Version,
//     Permission and LayerVersion; AWS::DynamoDB::Table and GlobalTable.
//
// A function is found however its integration names it: by Ref, by Arn, by an
// alias, by its name in a written ARN, or by a stage variable.
//
// # What is rewritten
//
// In environments and stage variables the address of the API that is run,
// https or wss, becomes the one that Options.LocalEndpoint gives, and a Note
// says so. Addresses of other APIs stay, with a Note. An ID or a host name
// alone stays too: what a function makes of it leads to AWS, as the Note says.
//
// # What is not
//
//   - A value that only AWS has, such as ImportValue, ssm:, cf:, a dynamic
//     reference or an attribute of a resource that is not run: the variable is
//     left out and a Note says why. Ref of such a resource is its logical ID.
//   - Mapping templates, models, integration responses but for the plain text
//     that a MOCK answers with, custom domains, throttling, API keys' values and
//     IAM authorization: a Note.
//   - Queues: a variable with the URL or the ARN of one is left out, and a Note
//     says so. Roles, policies, log groups, alarms and permissions are passed over
//     in silence: they change nothing here.
//   - Streams, queues, schedules and other events of functions: a Note.
//   - Nested stacks, macros, Fn::ForEach, Fn::Transform, plugins, .env files
//     and templates that are programs: a Note, or an error if the API hangs on
//     them.
//   - YAML 1.1's yes, no, on and off are strings, not booleans.
//
// What is known of AWS::Serverless::WebSocketApi and of the framework is from
// their public documentation. UNCERTAIN: whether API Gateway refuses posts to
// an API whose execute-api endpoint is disabled; params of stages in
// serverless.yml of version 4.
//
// # Bounds
//
// A file has at most 2 MiB, 100,000 values with its aliases followed, and 100
// levels; ${file()} reads at most 64 files of 8 MiB together; and what all
// values become is bounded, so that a small template cannot describe a large
// one. What refers to itself is an error that names the circle.
package template
