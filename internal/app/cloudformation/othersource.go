package cloudformation

import (
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// An invoker is a type of resource that invokes functions and has nothing like it here:
// the names on the way to the ARN of a function, with [] for the items of a list and {} for
// each field of a map.
type invoker struct {
	typ, service string
	sample       string // of 'wirepost invoke --event', or empty
	path         []string
}

// otherInvokers are those that templates have most.
var otherInvokers = []invoker{
	{"AWS::S3::Bucket", "S3", "s3", []string{"NotificationConfiguration", "LambdaConfigurations", "[]", "Function"}},
	{"Custom::S3BucketNotifications", "S3", "s3", []string{"NotificationConfiguration", "LambdaFunctionConfigurations", "[]", "LambdaFunctionArn"}}, // CDK's
	{"AWS::Cognito::UserPool", "Cognito", "", []string{"LambdaConfig", "{}"}},
	{"AWS::Logs::SubscriptionFilter", "CloudWatch Logs", "", []string{"DestinationArn"}},
	{"AWS::IoT::TopicRule", "AWS IoT", "", []string{"TopicRulePayload", "Actions", "[]", "Lambda", "FunctionArn"}},
	{"AWS::ElasticLoadBalancingV2::TargetGroup", "a load balancer", "", []string{"Targets", "[]", "Id"}},
	{"AWS::Pipes::Pipe", "EventBridge Pipes", "", []string{"Target"}},
	{"AWS::AppSync::DataSource", "AppSync", "", []string{"LambdaConfig", "LambdaFunctionArn"}},
	{"AWS::Config::ConfigRule", "AWS Config", "", []string{"Source", "SourceIdentifier"}},
	{"AWS::SecretsManager::RotationSchedule", "Secrets Manager", "", []string{"RotationLambdaARN"}},
	{"AWS::KinesisFirehose::DeliveryStream", "Data Firehose", "", []string{"ExtendedS3DestinationConfiguration", "ProcessingConfiguration", "Processors", "[]", "Parameters", "[]", "ParameterValue"}},
}

// otherSources are those that are not run here: of the invokers, and those that
// another form of the template has written in short.
func (r *reader) otherSources() {
	for _, i := range otherInvokers {
		for _, x := range r.each(i.typ) {
			r.invokesAt(x, i, x.props, i.path, x.pos)
		}
	}
	for _, s := range append(r.options.Origin.Sources, r.short...) {
		if x, _ := r.resource(s.Function); x != nil {
			r.source(s, "")
		}
	}
}

// invokesAt follows the path to the functions that a resource invokes.
func (r *reader) invokesAt(x *resource, i invoker, v *value, path []string, pos app.Position) {
	if v != nil && v.Pos.Line != 0 {
		pos = v.Pos
	}
	if len(path) == 0 {
		r.invokedSource(x, pos, v, i)
		return
	}
	if _, _, ok := v.Intrinsic(); ok {
		v = r.eval(v)
	}
	switch {
	case v == nil:
	case path[0] == "[]":
		for _, item := range v.Items {
			r.invokesAt(x, i, item, path[1:], pos)
		}
	case path[0] == "{}":
		for _, f := range v.Each() {
			r.invokesAt(x, i, f.Value, path[1:], f.Pos)
		}
	case v.Kind == document.Map:
		r.invokesAt(x, i, v.Get(path[0]), path[1:], pos)
	}
}
