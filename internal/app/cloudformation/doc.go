// Package cloudformation reads templates of CloudFormation and SAM, also as CDK
// writes them, and says which app they describe. What SAM says in short is first
// written out as the CloudFormation that it becomes, with the logical IDs that SAM
// gives; only that is read.
//
// Read is the first step, and app.App.Resolve the second: each is one pass over the
// template, the second with IDs and addresses. Evaluate gives a whole template
// instead, to compare two.
//
// Nothing is executed and no network is asked. Where a function has its code, it is
// looked at what is there (app.Function.Decide). Read opens the templates of nested
// stacks and what AWS::Include names, 64 files of 8 MB together at most; Evaluate opens
// the template.
//
// # What is understood
//
//   - Parameters with defaults and constraints, Rules, Mappings, Conditions, the
//     pseudo parameters, Ref, GetAtt, Sub, Join, Split, Select, If, FindInMap, Base64,
//     Length, ToJsonString, ForEach, Equals, And, Or and Not. CDK's templates in cdk.out, with the code where
//     its asset is.
//   - Nested stacks and applications with a local path, AWS::Include, and stacks that are
//     read with the template (Options.Others), whose exports it may import. They become
//     one document before anything is read.
//   - SAM: Globals, AWS::Serverless::Function, LayerVersion, SimpleTable and
//     WebSocketApi.
//   - AWS::ApiGatewayV2::Api, Route, RouteResponse, Integration, Stage, Deployment
//     and Authorizer; AWS::Lambda::Function, Alias, Version, Permission and
//     LayerVersion; AWS::DynamoDB::Table and GlobalTable.
//   - AWS::SQS::Queue, AWS::SNS::Topic and Subscription.
//   - What invokes functions: AWS::Lambda::EventSourceMapping of queues and streams of
//     tables, AWS::Events::Rule, AWS::Scheduler::Schedule, and all events of SAM.
//   - HTTP APIs (AWS::ApiGatewayV2), REST APIs (AWS::ApiGateway), AWS::Lambda::Url, and
//     what SAM makes of its events HttpApi and Api, of AWS::Serverless::HttpApi and Api
//     and of FunctionUrlConfig. Only integrations with functions, as a proxy, are read.
//
// A function is found by every name that an integration may have for it: Ref, Arn,
// an alias, the name in a written ARN, or a stage variable.
//
// # What is rewritten
//
// In environments and stage variables, the address of the API that is run, with https,
// wss or no scheme, becomes the one that app.Names gives, and a Note says so. So do the
// addresses of HTTP APIs, REST APIs and functions. Ref of a queue is the URL that
// app.Names gives, and Ref of a topic is its ARN; without app.Names.Queues both are
// values that only AWS has. The ARN of a table's stream is made up. Addresses
// of other APIs stay, with a Note. An ID alone stays too: the program that
// runs the app has to bring the calls here that a function makes to an address with it.
//
// # What is not
//
//   - A route, an authorizer, a function, a table, a queue, a topic or an event source
//     that cannot be run on this machine says why (app.Unrunnable), and stops nothing
//     else.
//   - A value that only AWS has, such as ImportValue, a dynamic reference or an
//     attribute of a resource that is not run: Options.Values has it, or the variable
//     is left out, and a Note says why and names the value. Ref of such a resource is
//     its logical ID.
//   - Properties that are left out: properties.txt has a row for each, which its Note
//     follows.
//   - OpenAPI documents of HTTP APIs and REST APIs: the API says why it is not served.
//   - Targets of rules and schedules that are not functions: a Note.
//   - Nested stacks that are only on AWS, macros and Fn::Transform: a Note, or an error if
//     there is no API without them.
//   - Roles, policies, log groups and alarms: nothing is said, because they change
//     nothing here.
//
// What is known of AWS::Serverless::WebSocketApi is from AWS's documentation.
// UNCERTAIN: whether API Gateway refuses posts to an API whose execute-api endpoint
// is disabled, and whether it makes a stage $default of a WebSocket API.
//
// # Bounds
//
// The work for one template is bounded (document.Reading.Spend). What refers to
// itself is an error that names the circle.
package cloudformation
