package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/terminal"
)

// A resource of a template.
type resource struct {
	id, typ   string
	props     *value // Properties, with SAM's Globals
	metadata  *value
	condition *value // the name of its condition
	pos       Position
	made      bool // by this package, from something shorter

	name *value // Ref, once it is known
}

// ref is what CloudFormation's Ref gives: a parameter's value or what a
// resource is called.
func (r *reader) ref(name string, pos Position) *value {
	if pseudo, ok := strings.CutPrefix(name, "AWS::"); ok {
		return r.pseudo(pseudo, pos)
	}
	if p := r.parameters.get(name); p != nil {
		return r.parameter(name, p, pos)
	}
	if id, generated, ok := strings.Cut(name, "."); ok { // SAM: !Ref Api.Stage, !Ref Function.Alias
		return r.attribute(id, generated, pos)
	}
	if r.symbolic {
		return r.symbol(name, "", pos)
	}
	x, why := r.resource(name)
	if x == nil {
		return newUnknown(pos, why)
	}
	return r.physical(x, pos)
}

func (r *reader) pseudo(name string, pos Position) *value {
	china := strings.HasPrefix(r.region(), "cn-")
	switch name {
	case "Region":
		return newText(pos, r.region())
	case "AccountId":
		return newText(pos, r.options.AccountID)
	case "Partition":
		return newText(pos, r.partition())
	case "URLSuffix":
		if china {
			return newText(pos, "amazonaws.com.cn")
		}
		return newText(pos, "amazonaws.com")
	case "StackName":
		return newText(pos, r.stackName())
	case "StackId":
		return newText(pos, r.arn("cloudformation", "stack/"+r.stackName()+"/00000000-0000-0000-0000-000000000000").text)
	case "NoValue":
		return &value{kind: absent, pos: pos}
	case "NotificationARNs":
		return newList(pos)
	}
	return newUnknown(pos, "AWS::"+clip(name)+" is not a pseudo parameter")
}

func (r *reader) partition() string {
	switch region := r.region(); {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func (r *reader) stackName() string {
	if r.stack != "" {
		return r.stack
	}
	return "local"
}

func (r *reader) arn(service, rest string) *value {
	return newText(Position{}, fmt.Sprintf("arn:%s:%s:%s:%s:%s", r.partition(), service, r.region(), r.options.AccountID, rest))
}

func (r *reader) parameter(name string, p *value, pos Position) *value {
	typ := p.get("Type")
	text, given := r.options.Parameters[name]
	switch d := p.get("Default"); {
	case given:
	case typ != nil && strings.HasPrefix(typ.text, "AWS::SSM::"):
		return newUnknown(pos, fmt.Sprintf("parameter %s comes from Systems Manager: give --parameter %s=VALUE", clip(name), terminal.Word(clip(name))))
	case d.empty() || d.kind == unknown:
		if r.absentParameters[name] == (Position{}) {
			r.absentParameters[name] = p.pos
		}
		return newUnknown(pos, fmt.Sprintf("parameter %s has no value", clip(name)))
	case d.kind == list: // not CloudFormation, but unmistakable
		return d
	default:
		text = d.text
	}
	if typ != nil && (typ.text == "CommaDelimitedList" || strings.HasPrefix(typ.text, "List<")) {
		if !r.spend(pos, len(text)) {
			return newUnknown(pos, "the template is too large once it is resolved")
		}
		out := newList(pos)
		for item := range strings.SplitSeq(text, ",") {
			out.items = append(out.items, newText(pos, strings.TrimSpace(item)))
		}
		return out
	}
	if !r.spend(pos, len(text)) {
		return newUnknown(pos, "the template is too large once it is resolved")
	}
	return newText(pos, text)
}

// allowed refuses a parameter that was given a value that the template does not
// allow, as CloudFormation does.
func (r *reader) allowed() error {
	for _, f := range r.parameters.each() {
		text, given := r.options.Parameters[f.key]
		allowed := f.value.get("AllowedValues")
		if !given || allowed == nil || allowed.kind != list {
			continue
		}
		var values []string
		for _, v := range allowed.items {
			values = append(values, clip(v.text))
		}
		texts := []string{text}
		if typ := f.value.get("Type"); typ != nil && typ.text == "CommaDelimitedList" {
			texts = strings.Split(text, ",")
		}
		for _, text := range texts {
			if text = strings.TrimSpace(text); !slices.ContainsFunc(allowed.items, func(v *value) bool { return v.text == text }) {
				return mistake(f.pos, "parameter %s may not be %s: give --parameter %s=VALUE with one of %s", clip(f.key), clip(text), terminal.Word(clip(f.key)), strings.Join(values, ", "))
			}
		}
	}
	return nil
}

// missing names the parameters that something needed and nobody gave.
func (r *reader) missing() error {
	var first Position
	var flags, names []string
	for _, f := range r.parameters.each() {
		if pos, ok := r.absentParameters[f.key]; ok {
			if len(names) == 0 {
				first = pos
			}
			names = append(names, clip(f.key))
			flags = append(flags, "--parameter "+terminal.Word(clip(f.key))+"=VALUE")
		}
	}
	switch {
	case len(names) == 0:
		return nil
	case len(names) == 1:
		return mistake(first, "parameter %s has no default: give %s", names[0], flags[0])
	case len(names) > 20:
		return mistake(first, "%d parameters have no default, the first is %s: give %s and so on", len(names), names[0], flags[0])
	}
	return mistake(first, "parameters %s have no default: give %s", strings.Join(names, ", "), strings.Join(flags, " "))
}

// resource is one that this template has and whose condition holds, or why not.
func (r *reader) resource(id string) (*resource, string) {
	x := r.resources[id]
	if x == nil {
		return nil, clip(id) + " is not in the template"
	}
	if !r.present(x) {
		return nil, clip(id) + " is left out by its condition"
	}
	return x, ""
}

func (r *reader) present(x *resource) bool {
	return x.condition.empty() || r.condition(x.condition.text, x.pos)
}

// nameProperty is where a resource says what Ref gives.
var nameProperty = map[string]string{
	"AWS::Lambda::Function":         "FunctionName",
	"AWS::Serverless::Function":     "FunctionName",
	"AWS::DynamoDB::Table":          "TableName",
	"AWS::DynamoDB::GlobalTable":    "TableName",
	"AWS::Serverless::SimpleTable":  "TableName",
	"AWS::ApiGatewayV2::Stage":      "StageName",
	"AWS::Lambda::LayerVersion":     "LayerName",
	"AWS::Serverless::LayerVersion": "LayerName",
	"AWS::IAM::Role":                "RoleName",
	"AWS::S3::Bucket":               "BucketName",
	"AWS::Logs::LogGroup":           "LogGroupName",
	"AWS::SSM::Parameter":           "Name",
	"AWS::Events::EventBus":         "Name",
	"AWS::Kinesis::Stream":          "Name",
}

// hasOwnID are the types whose Ref and IDs are made by AWS: the logical ID
// stands for them, as all that matters is that both sides agree.
func hasOwnID(typ string) bool {
	return strings.HasPrefix(typ, "AWS::ApiGatewayV2::") || isAPI(typ)
}

func isAPI(typ string) bool {
	return typ == "AWS::ApiGatewayV2::Api" || typ == "AWS::Serverless::WebSocketApi"
}

// physical is Ref of a resource.
func (r *reader) physical(x *resource, pos Position) *value {
	if isAPI(x.typ) {
		return newText(pos, r.apiID(x.id))
	}
	if x.name != nil {
		return newText(pos, x.name.text)
	}
	if !r.enter(x.id, pos) {
		return newUnknown(pos, clip(x.id)+" refers to itself")
	}
	name := newText(x.pos, x.id)
	switch property, named := nameProperty[x.typ]; {
	case x.typ == "AWS::Lambda::Alias" || x.typ == "AWS::Lambda::Version":
		name = r.qualified(x)
	case named && x.props.get(property) != nil:
		if name = r.eval(x.props.get(property)); name.kind == absent || name.kind == null {
			name = newText(x.pos, x.id)
		}
	case x.typ == "AWS::SQS::Queue": // its URL, which a stand-in would not be
		name = newUnknown(pos, "the URL of "+clip(x.id)+", of type AWS::SQS::Queue, is made by AWS")
	case !named && !hasOwnID(x.typ):
		r.placeholders[x.id] = x
	}
	r.leave()
	if name.kind != scalar {
		return orUnknown(name, pos, "the name of "+clip(x.id)+" is not a string")
	}
	switch x.typ {
	case "AWS::Lambda::LayerVersion", "AWS::Serverless::LayerVersion":
		name = r.arn("lambda", "layer:"+name.text+":1")
	}
	if _, standIn := r.placeholders[x.id]; !standIn {
		x.name = name
	}
	return newText(pos, name.text)
}

// qualified is Ref of an alias or a version: the function's ARN and a
// qualifier, which does not matter here.
func (r *reader) qualified(x *resource) *value {
	f := r.eval(x.props.get("FunctionName"))
	if f.kind != scalar {
		return orUnknown(f, x.pos, "the function of "+clip(x.id)+" is not known")
	}
	qualifier := "1"
	if n := r.eval(x.props.get("Name")); n.kind == scalar && x.typ == "AWS::Lambda::Alias" {
		qualifier = n.text
	}
	return newText(x.pos, r.arn("lambda", "function:"+functionName(f.text)).text+":"+qualifier)
}

// attribute is Fn::GetAtt.
func (r *reader) attribute(id, attribute string, pos Position) *value {
	if r.symbolic {
		return r.symbol(id, attribute, pos)
	}
	x, why := r.resource(id)
	if x == nil {
		return newUnknown(pos, why)
	}
	name := r.physical(x, pos)
	switch {
	case x.typ == "AWS::SQS::Queue" && attribute == "QueueName":
		return r.queueName(x, pos)
	case x.typ == "AWS::SQS::Queue" && attribute != "QueueUrl":
		return newUnknown(pos, fmt.Sprintf("%s of %s, of type %s, is made by AWS", clip(attribute), clip(id), x.typ))
	case name.kind != scalar:
		return name
	}
	switch x.typ {
	case "AWS::Lambda::Function", "AWS::Serverless::Function":
		switch attribute {
		case "Arn":
			return newText(pos, r.arn("lambda", "function:"+name.text).text)
		case "Alias", "Version": // SAM's AutoPublishAlias
			return newText(pos, r.arn("lambda", "function:"+name.text).text+":"+strings.ToLower(attribute))
		}
	case "AWS::Lambda::Alias", "AWS::Lambda::Version":
		switch attribute {
		case "AliasArn", "FunctionArn":
			return name
		case "Version":
			return newText(pos, "1")
		}
	case "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Serverless::SimpleTable":
		if attribute == "Arn" {
			return newText(pos, r.arn("dynamodb", "table/"+name.text).text)
		}
	case "AWS::ApiGatewayV2::Api", "AWS::Serverless::WebSocketApi":
		switch attribute {
		case "ApiId":
			return name
		case "ApiEndpoint": // of a WebSocket API it begins with wss
			return newText(pos, "wss://"+name.text+".execute-api."+r.region()+"."+r.pseudo("URLSuffix", pos).text)
		case "Stage":
			if stage := r.resources[r.samStages[x.id]]; stage != nil {
				return r.physical(stage, pos)
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
	case "AWS::IAM::Role":
		if attribute == "Arn" {
			return newText(pos, fmt.Sprintf("arn:%s:iam::%s:role/%s", r.partition(), r.options.AccountID, name.text))
		}
	case "AWS::S3::Bucket":
		if attribute == "Arn" {
			return newText(pos, fmt.Sprintf("arn:%s:s3:::%s", r.partition(), name.text))
		}
	}
	return newUnknown(pos, fmt.Sprintf("%s of %s, of type %s, is made by AWS", clip(attribute), clip(id), clip(x.typ)))
}

// queueName is the name that a queue has in the template, if it has one.
func (r *reader) queueName(x *resource, pos Position) *value {
	if name := x.props.get("QueueName"); !name.empty() {
		if name = r.eval(name); name.kind == scalar {
			return newText(pos, name.text)
		}
		return orUnknown(name, pos, "the name of "+clip(x.id)+" is not a string")
	}
	return newUnknown(pos, "the name of "+clip(x.id)+", of type AWS::SQS::Queue, is made by AWS")
}

// apiID is what Ref of an API gives: the local ID for the one that is run.
func (r *reader) apiID(id string) string {
	if r.selected != nil && id == r.selected.id {
		return r.options.LocalAPIID
	}
	if id == r.options.LocalAPIID {
		return id + "-of-the-template"
	}
	return id
}

// functionName is the name in an ARN of a function, in the URI of an
// integration or in a bare name.
func functionName(s string) string {
	if _, after, ok := strings.Cut(s, "/functions/"); ok {
		s = strings.TrimSuffix(after, "/invocations")
	}
	if parts := strings.Split(s, ":"); len(parts) >= 7 && parts[2] == "lambda" && parts[5] == "function" {
		return parts[6]
	} else if parts[0] != "arn" {
		return parts[0] // NAME or NAME:ALIAS
	}
	return s
}
