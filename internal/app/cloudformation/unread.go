package cloudformation

import (
	"maps"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// quiet are types that change nothing for a local run.
var quiet = []string{"AWS::IAM::", "AWS::CDK::", "AWS::Logs::", "AWS::CloudWatch::", "AWS::Lambda::", "AWS::ApiGatewayV2::", "AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::CustomResource", "AWS::S3::BucketPolicy",
	"AWS::SNS::Topic", "AWS::SNS::Subscription", "AWS::SQS::Queue", "AWS::Events::Rule", "AWS::Scheduler::",
	"AWS::ApiGateway::RestApi", "AWS::ApiGateway::Resource", "AWS::ApiGateway::Method", "AWS::ApiGateway::Stage", "AWS::ApiGateway::Deployment", "AWS::ApiGateway::Authorizer",
	"AWS::ApiGateway::Account", "AWS::ApiGateway::ApiKey", "AWS::ApiGateway::UsagePlan"}

var understood = []string{"AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Serverless::SimpleTable", "AWS::Serverless::Function", "AWS::Serverless::WebSocketApi", "AWS::Serverless::LayerVersion", "AWS::Serverless::HttpApi", "AWS::Serverless::Api"}

// unread names what is in the template and is not run.
func (r *reader) unread() {
	for _, x := range r.order {
		switch {
		case slices.Contains(understood, x.typ) || !r.present(x):
		case x.typ == "AWS::CloudFormation::Stack" || x.typ == "AWS::Serverless::Application":
			r.Note(x.pos, app.Warning, "%s is a template of its own, which is not read", document.Clip(x.id))
		case x.typ == "AWS::ApiGatewayV2::ApiMapping" || x.typ == "AWS::ApiGatewayV2::DomainName":
			r.Note(x.pos, app.Info, "%s is not done: there are no custom domains here", document.Clip(x.id))
		case slices.Contains(slices.Collect(maps.Values(r.answers)), x):
		case x.typ == "AWS::ApiGatewayV2::IntegrationResponse":
			r.Note(x.pos, app.Info, "%s, of type %s, is of an integration that no route has, or of a proxy integration, which has none", document.Clip(x.id), x.typ)
		case !slices.ContainsFunc(quiet, func(p string) bool { return strings.HasPrefix(x.typ, p) }):
			r.Note(x.pos, app.Info, "%s, of type %s, is not run here", document.Clip(x.id), document.Clip(x.typ))
		}
	}
}
