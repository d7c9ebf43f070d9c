package cloudformation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// ref is Ref: the value of a parameter, or the name of a resource.
func (t *template) ref(name string, pos app.Position) *value {
	if pseudo, ok := strings.CutPrefix(name, "AWS::"); ok {
		return t.pseudo(pseudo, pos)
	}
	if v := t.boundParameter(name, pos); v != nil {
		return v
	}
	if p := t.parameters.Get(name); p != nil {
		return t.parameter(name, p, pos)
	}
	if id, generated, ok := strings.Cut(name, "."); ok && t.resources[name] == nil { // SAM: !Ref Api.Stage, !Ref Function.Alias
		return t.attribute(id, generated, pos)
	}
	if t.symbolic {
		return t.symbol(name, "", pos)
	}
	x, why := t.resource(name)
	if x == nil {
		return document.NewUnknown(pos, why)
	}
	return t.physical(x, pos)
}

// nameProperty is where a resource says what Ref gives.
var nameProperty = map[string]string{
	"AWS::Lambda::Function":         "FunctionName",
	"AWS::Serverless::Function":     "FunctionName",
	"AWS::DynamoDB::Table":          "TableName",
	"AWS::DynamoDB::GlobalTable":    "TableName",
	"AWS::Serverless::SimpleTable":  "TableName",
	"AWS::ApiGatewayV2::Stage":      "StageName",
	"AWS::ApiGateway::Stage":        "StageName",
	"AWS::Lambda::LayerVersion":     "LayerName",
	"AWS::Serverless::LayerVersion": "LayerName",
	"AWS::IAM::Role":                "RoleName",
	"AWS::S3::Bucket":               "BucketName",
	"AWS::Logs::LogGroup":           "LogGroupName",
	"AWS::SSM::Parameter":           "Name",
	"AWS::Events::EventBus":         "Name",
	"AWS::Kinesis::Stream":          "Name",
	"AWS::Events::Rule":             "Name",
	"AWS::Scheduler::Schedule":      "Name",
}

// hasOwnID reports whether AWS makes the ID that Ref gives. The logical ID stands for
// it here: only the template itself uses it.
func hasOwnID(typ string) bool {
	return strings.HasPrefix(typ, "AWS::ApiGatewayV2::") || strings.HasPrefix(typ, "AWS::ApiGateway::") || isAPI(typ) || isHTTPAPI(typ)
}

// isMadeHere reports whether a resource is made for the run, or changes nothing in it,
// so that its logical ID does for a name.
func isMadeHere(typ string) bool {
	return isFunction(typ) || hasOwnID(typ) || slices.Contains([]string{
		"AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Serverless::SimpleTable",
		"AWS::Lambda::LayerVersion", "AWS::Serverless::LayerVersion", "AWS::IAM::Role", "AWS::Logs::LogGroup",
		"AWS::Events::Rule", "AWS::Scheduler::Schedule", "AWS::Lambda::EventSourceMapping"}, typ)
}

// physical is Ref of a resource: what the caller gives for it, or its name or ID on
// AWS, for a layer the ARN of its version, for a queue its URL. Where that cannot be
// known, the logical ID stands for it, as a placeholder.
func (t *template) physical(x *resource, pos app.Position) *value {
	if isAPI(x.typ) || isHTTPAPI(x.typ) {
		return document.NewText(pos, t.apiID(x.id))
	}
	if x.name != nil {
		return document.NewText(pos, x.name.Text)
	}
	s, ok := t.given(x.id)
	if !ok {
		s, ok = t.more(x)
	}
	if ok {
		x.name = document.NewText(x.pos, s)
		return document.NewText(pos, s)
	}
	if t.engines && isEngines(x.typ) {
		return t.enginePhysical(x, pos)
	}
	if !t.enter(x.id, pos) {
		return document.NewUnknown(pos, document.Clip(x.id)+" refers to itself")
	}
	name := document.NewText(x.pos, x.id)
	switch property, named := nameProperty[x.typ]; {
	case x.typ == "AWS::Lambda::Alias" || x.typ == "AWS::Lambda::Version":
		name = t.qualified(x)
	case named && x.props.Get(property) != nil:
		if name = t.final(x.props.Get(property)); name.Kind == document.Absent || name.Kind == document.Null {
			name = document.NewText(x.pos, x.id)
		}
	case x.typ == "AWS::SQS::Queue": // its URL, which a stand-in would not be
		name = document.NewUnknown(pos, "the URL of "+document.Clip(x.id)+", of type AWS::SQS::Queue, is made by AWS; "+give(x.id))
	case !isMadeHere(x.typ):
		t.placeholders[x.id] = x
		name = document.NewText(x.pos, cmp.Or(t.options.Origin.Placeholders[x.id], x.id))
	}
	t.leave()
	if name.Kind != document.Scalar {
		return document.OrUnknown(name, pos, "the name of "+document.Clip(x.id)+" is not a string")
	}
	switch x.typ {
	case "AWS::Lambda::LayerVersion", "AWS::Serverless::LayerVersion":
		name = document.NewText(x.pos, t.arn("lambda", "layer:"+name.Text+":1"))
	}
	if _, standIn := t.placeholders[x.id]; !standIn {
		x.name = name
	}
	return document.NewText(pos, name.Text)
}

// qualified is Ref of an alias or a version: the function's ARN and a
// qualifier, which does not matter here.
func (t *template) qualified(x *resource) *value {
	f := t.eval(x.props.Get("FunctionName"))
	if f.Kind != document.Scalar {
		return document.OrUnknown(f, x.pos, "the function of "+document.Clip(x.id)+" is not known")
	}
	qualifier := "1"
	if n := t.eval(x.props.Get("Name")); n.Kind == document.Scalar && x.typ == "AWS::Lambda::Alias" {
		qualifier = n.Text
	}
	return document.NewText(x.pos, t.arn("lambda", "function:"+app.FunctionName(f.Text))+":"+qualifier)
}

// apiID is what Ref of an API gives: its own ID if it is run, else its logical ID,
// which must not be taken for that of one that is run.
func (t *template) apiID(id string) string {
	if given, ok := t.apiIDs[id]; ok {
		return given
	}
	if s, ok := t.given(id); ok {
		return s
	}
	for _, given := range t.apiIDs {
		if given == id {
			return id + "-of-the-template"
		}
	}
	return cmp.Or(t.options.Origin.Placeholders[id], id)
}

// maxChain is how many references may be resolved one within the other.
const maxChain = 100

// enter remembers what is being resolved, until leave. If it is being resolved
// already, it refers to itself, which is a mistake.
func (t *template) enter(name string, pos app.Position) bool {
	if i := slices.Index(t.active, name); i >= 0 {
		chain := append(slices.Clone(t.active[i:]), name)
		if len(chain) > 6 {
			chain = append(append(chain[:3:3], "…"), chain[len(chain)-2:]...)
		}
		t.Fail(pos, "%s refers to itself: %s", document.Clip(name), document.Clip(strings.Join(chain, " → ")))
		return false
	}
	if len(t.active) >= maxChain {
		t.Fail(pos, "%s refers to too many others, one after the other", document.Clip(name))
		return false
	}
	t.active = append(t.active, name)
	return true
}

func (t *template) leave() { t.active = t.active[:len(t.active)-1] }
