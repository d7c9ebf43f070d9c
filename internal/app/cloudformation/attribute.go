package cloudformation

import (
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// attribute is Fn::GetAtt.
func (t *template) attribute(id, attribute string, pos app.Position) *value {
	if t.symbolic {
		return t.symbol(id, attribute, pos)
	}
	x, why := t.resource(id)
	if x == nil {
		return document.NewUnknown(pos, why)
	}
	name := t.physical(x, pos)
	switch {
	case x.typ == "AWS::SQS::Queue" && attribute == "QueueName":
		return t.queueName(x, pos)
	case x.typ == "AWS::SQS::Queue" && attribute != "QueueUrl":
		return document.NewUnknown(pos, fmt.Sprintf("%s of %s, of type %s, is made by AWS", document.Clip(attribute), document.Clip(id), x.typ))
	case name.Kind != document.Scalar:
		return name
	}
	if v := t.known(x, attribute, name, pos); v != nil {
		return v
	}
	return document.NewUnknown(pos, fmt.Sprintf("%s of %s, of type %s, is made by AWS", document.Clip(attribute), document.Clip(id), document.Clip(x.typ)))
}

// known is an attribute of a resource of that name, or nil if only AWS knows it.
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
			return text("wss://" + name.Text + ".execute-api." + t.options.Region + "." + t.urlSuffix())
		case "Stage":
			if stage := t.resources[t.samStages[x.id]]; stage != nil {
				return t.physical(stage, pos)
			}
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
	if attribute != "Arn" {
		return nil
	}
	switch x.typ {
	case "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Serverless::SimpleTable":
		return text(t.arn("dynamodb", "table/"+name.Text))
	case "AWS::IAM::Role":
		return text(fmt.Sprintf("arn:%s:iam::%s:role/%s", t.partition(), t.options.Account, name.Text))
	case "AWS::S3::Bucket":
		return text(fmt.Sprintf("arn:%s:s3:::%s", t.partition(), name.Text))
	}
	return nil
}

// queueName is the name that a queue has in the template, if it has one.
func (t *template) queueName(x *resource, pos app.Position) *value {
	if name := x.props.Get("QueueName"); !name.Empty() {
		if name = t.eval(name); name.Kind == document.Scalar {
			return document.NewText(pos, name.Text)
		}
		return document.OrUnknown(name, pos, "the name of "+document.Clip(x.id)+" is not a string")
	}
	return document.NewUnknown(pos, "the name of "+document.Clip(x.id)+", of type AWS::SQS::Queue, is made by AWS")
}
