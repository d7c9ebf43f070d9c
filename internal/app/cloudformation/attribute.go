package cloudformation

import (
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// attribute is Fn::GetAtt: what the caller gives for it, or what follows from Ref of
// the resource.
func (t *template) attribute(id, attribute string, pos app.Position) *value {
	if t.symbolic {
		return t.symbol(id, attribute, pos)
	}
	x, why := t.resource(id)
	if x == nil {
		return document.NewUnknown(pos, why)
	}
	if s, ok := t.given(id + "." + attribute); ok {
		return document.NewText(pos, s)
	}
	if x.typ == "AWS::SQS::Queue" {
		return t.queueAttribute(x, attribute, pos)
	}
	if x.typ == "AWS::Lambda::Url" && attribute == "FunctionUrl" {
		return t.urlOf(x, pos)
	}
	if x.typ == "AWS::Lambda::Url" && attribute == "FunctionArn" {
		return t.eval(x.props.Get("TargetFunctionArn"))
	}
	if x.typ == "AWS::SSM::Parameter" && attribute == "Value" && !x.props.Get("Value").Empty() {
		return t.eval(x.props.Get("Value"))
	}
	name := t.physical(x, pos)
	if name.Kind != document.Scalar {
		return name
	}
	if v := t.known(x, attribute, name, pos); v != nil {
		return v
	}
	_, madeUp := t.placeholders[x.id]
	if form := attributes[x.typ][attribute]; form != "" && !madeUp {
		return document.NewText(pos, t.fill(form, name.Text))
	} else if form != "" {
		return t.madeByAWS(x, attribute, x.id, pos)
	}
	return t.madeByAWS(x, attribute, id+"."+attribute, pos)
}

// madeByAWS is an attribute that only AWS knows, and the value from which it is known
// here.
func (t *template) madeByAWS(x *resource, attribute, value string, pos app.Position) *value {
	return document.NewUnknown(pos, fmt.Sprintf("%s of %s, of type %s, is made by AWS; %s", document.Clip(attribute), document.Clip(x.id), document.Clip(x.typ), give(value)))
}

// attributes are those that follow from what Ref gives, {ref}, in the region and the
// account of the stack. (AWS docs, CloudFormation template reference: "Return values"
// of each type.) {last} is what comes after the last colon or slash of {ref}.
var attributes = map[string]map[string]string{
	"AWS::Cognito::UserPool": {
		"Arn":          "arn:{partition}:cognito-idp:{region}:{account}:userpool/{ref}",
		"ProviderName": "cognito-idp.{region}.{suffix}/{ref}",
		"ProviderURL":  "https://cognito-idp.{region}.{suffix}/{ref}",
		"UserPoolId":   "{ref}",
	},
	"AWS::Cognito::UserPoolClient": {"ClientId": "{ref}"},
	"AWS::Cognito::IdentityPool":   {"Id": "{ref}"},
	"AWS::S3::Bucket": {
		"DomainName":         "{ref}.s3.{suffix}",
		"RegionalDomainName": "{ref}.s3.{region}.{suffix}",
	},
	"AWS::SNS::Topic":                      {"TopicArn": "{ref}", "TopicName": "{last}"},
	"AWS::StepFunctions::StateMachine":     {"Arn": "{ref}", "Name": "{last}"},
	"AWS::Serverless::StateMachine":        {"Arn": "{ref}", "Name": "{last}"},
	"AWS::Kinesis::Stream":                 {"Arn": "arn:{partition}:kinesis:{region}:{account}:stream/{ref}"},
	"AWS::KinesisFirehose::DeliveryStream": {"Arn": "arn:{partition}:firehose:{region}:{account}:deliverystream/{ref}"},
	"AWS::KMS::Key":                        {"Arn": "arn:{partition}:kms:{region}:{account}:key/{ref}", "KeyId": "{ref}"},
	"AWS::Events::EventBus":                {"Arn": "arn:{partition}:events:{region}:{account}:event-bus/{ref}", "Name": "{ref}"},
	"AWS::SecretsManager::Secret":          {"Id": "{ref}"},
}

// fill puts a resource's Ref and the stack's place into a form. A user pool says its
// region itself.
func (t *template) fill(form, ref string) string {
	region := t.options.Region
	if m := poolID.FindStringSubmatch(ref); m != nil {
		region = m[1]
	}
	last := ref[strings.LastIndexAny(ref, ":/")+1:]
	return strings.NewReplacer("{ref}", ref, "{last}", last, "{region}", region, "{account}", t.options.Account,
		"{partition}", t.partition(), "{suffix}", t.urlSuffix()).Replace(form)
}

// known is an attribute of a resource of that name that is run or named here, or nil.
func (t *template) known(x *resource, attribute string, name *value, pos app.Position) *value {
	text := func(s string) *value { return document.NewText(pos, s) }
	switch x.typ {
	case "AWS::Lambda::Function", "AWS::Serverless::Function":
		switch attribute {
		case "Arn":
			return text(t.arn("lambda", "function:"+name.Text))
		case "Alias", "Version": // SAM's AutoPublishAlias
			return text(t.arn("lambda", "function:"+name.Text) + ":" + strings.ToLower(attribute))
		}
	case "AWS::Lambda::Alias", "AWS::Lambda::Version":
		switch attribute {
		case "AliasArn", "FunctionArn":
			return name
		case "Version":
			return text("1")
		}
	case "AWS::ApiGatewayV2::Api", "AWS::Serverless::WebSocketApi":
		switch attribute {
		case "ApiId":
			return name
		case "ApiEndpoint": // of a WebSocket API it begins with wss
			scheme := "wss://"
			if t.eval(x.props.Get("ProtocolType")).Text == "HTTP" {
				scheme = "https://"
			}
			return text(scheme + name.Text + ".execute-api." + t.options.Region + "." + t.urlSuffix())
		case "Stage":
			if stage := t.resources[t.samStages[x.id]]; stage != nil {
				return t.physical(stage, pos)
			}
		}
	case "AWS::ApiGateway::RestApi", "AWS::Serverless::Api", "AWS::Serverless::HttpApi":
		return t.httpAttribute(x, attribute, name, pos)
	case "AWS::ApiGateway::Resource", "AWS::ApiGateway::Authorizer", "AWS::ApiGateway::Deployment":
		if strings.HasSuffix(attribute, "Id") {
			return name
		}
	case "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Authorizer", "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Deployment":
		if strings.HasSuffix(attribute, "Id") {
			return name
		}
	case "AWS::Lambda::LayerVersion":
		if attribute == "LayerVersionArn" {
			return name
		}
	}
	if attribute == "StreamArn" && !x.props.Get("StreamSpecification").Empty() || attribute == "StreamArn" && x.typ == "AWS::DynamoDB::GlobalTable" {
		return text(t.arn("dynamodb", "table/"+name.Text+"/stream/"+streamLabel))
	}
	if attribute != "Arn" {
		return nil
	}
	switch x.typ {
	case "AWS::Events::Rule":
		return text(t.arn("events", "rule/"+name.Text))
	case "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Serverless::SimpleTable":
		return text(t.arn("dynamodb", "table/"+name.Text))
	case "AWS::IAM::Role":
		return text(fmt.Sprintf("arn:%s:iam::%s:role/%s", t.partition(), t.options.Account, name.Text))
	case "AWS::S3::Bucket":
		return text(fmt.Sprintf("arn:%s:s3:::%s", t.partition(), name.Text))
	}
	return nil
}

// httpAttribute is an attribute of a REST API, or of an API of SAM, or nil.
func (t *template) httpAttribute(x *resource, attribute string, name *value, pos app.Position) *value {
	switch attribute {
	case "RestApiId", "ApiId":
		return name
	case "RootResourceId":
		return document.NewText(pos, t.rootResource(x))
	case "ApiEndpoint":
		return document.NewText(pos, "https://"+name.Text+".execute-api."+t.options.Region+"."+t.urlSuffix())
	case "Stage":
		if stage := t.resources[t.samStages[x.id]]; stage != nil {
			return t.physical(stage, pos)
		}
	}
	return nil
}

// streamLabel is the time in the ARN of a table's stream. It is made up: a stream has
// one of its own each time that it is made.
const streamLabel = "2024-01-01T00:00:00.000"

// queueAttribute is an attribute of a queue: it follows from the queue's URL, and its
// name may be in the template.
func (t *template) queueAttribute(x *resource, attribute string, pos app.Position) *value {
	url := t.physical(x, pos)
	if url.Kind == document.Scalar {
		name := url.Text[strings.LastIndexByte(url.Text, '/')+1:]
		if t.engines {
			if own := t.engineName(x, pos); own.Kind == document.Scalar {
				if _, given := t.given(x.id); !given {
					name = own.Text
				}
			}
		}
		switch attribute {
		case "QueueUrl":
			return url
		case "QueueName":
			return document.NewText(pos, name)
		case "Arn":
			return document.NewText(pos, t.arn("sqs", name))
		}
	}
	if name := x.props.Get("QueueName"); attribute == "QueueName" && !name.Empty() {
		if name = t.eval(name); name.Kind == document.Scalar {
			return document.NewText(pos, name.Text)
		}
		return document.OrUnknown(name, pos, "the name of "+document.Clip(x.id)+" is not a string")
	}
	if attribute == "QueueName" {
		return document.NewUnknown(pos, "the name of "+document.Clip(x.id)+", of type AWS::SQS::Queue, is made by AWS; "+give(x.id))
	}
	return t.madeByAWS(x, attribute, x.id, pos)
}
