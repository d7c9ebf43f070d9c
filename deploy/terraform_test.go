package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

func TestTerraformIsFormatted(t *testing.T) {
	files := read(t, "terraform")
	for name, text := range only(own(t, "terraform"), ".tf") {
		files["of one's own: "+name] = text
	}
	for name, text := range files {
		if formatted := string(hclwrite.Format([]byte(text))); formatted != text {
			t.Errorf("%s is not formatted: write\n%s", name, formatted)
		}
	}
}

// What Terraform's own attributes are in the common vocabulary. region and account
// are those that CloudFormation's templates are resolved with.
var attributes = map[string]map[string]string{
	"aws_dynamodb_table":                      {"name": "${ID}", "arn": "${ID.Arn}"},
	"aws_sqs_queue":                           {"url": "${ID}", "arn": "${ID.Arn}", "name": "${ID.QueueName}"},
	"aws_apigatewayv2_api":                    {"id": "${ID}", "execution_arn": "arn:aws:execute-api:us-east-1:000000000000:${ID}"},
	"aws_apigatewayv2_stage":                  {},
	"aws_apigatewayv2_integration":            {"id": "${ID}"},
	"aws_apigatewayv2_integration_response":   {"id": "${ID}"},
	"aws_apigatewayv2_route":                  {"id": "${ID}"},
	"aws_apigatewayv2_route_response":         {"id": "${ID}"},
	"aws_lambda_function":                     {"function_name": "${ID}", "arn": "${ID.Arn}", "invoke_arn": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${ID.Arn}/invocations"},
	"aws_lambda_permission":                   {},
	"aws_lambda_alias":                        {},
	"aws_lambda_function_event_invoke_config": {},
	"aws_lambda_event_source_mapping":         {},
	"aws_cloudwatch_event_rule":               {"name": "${ID}", "arn": "${ID.Arn}"},
	"aws_cloudwatch_event_target":             {},
	"aws_cloudwatch_log_group":                {"name": "${ID}", "arn": "${ID.WithoutStar}"},
	"aws_cloudwatch_metric_alarm":             {},
	"aws_iam_policy":                          {"arn": "${ID}"},
	"aws_iam_role":                            {"name": "${ID}", "arn": "${ID.Arn}"},
	"aws_iam_role_policy":                     {},
	"aws_iam_role_policy_attachment":          {},
}

// kinds says what each resource of Terraform is, and where its arguments are there.
// Every argument has to be here; what is empty is of Terraform alone.
var kinds = map[string]struct {
	typ       string
	arguments map[string]string
}{
	"aws_dynamodb_table": {"AWS::DynamoDB::Table", map[string]string{
		"name": "TableName", "billing_mode": "BillingMode", "hash_key": "KeySchema", "range_key": "KeySchema", "attribute": "AttributeDefinitions",
		"ttl.attribute_name": "TimeToLiveSpecification.AttributeName", "ttl.enabled": "TimeToLiveSpecification.Enabled"}},
	"aws_sqs_queue": {"AWS::SQS::Queue", map[string]string{
		"name": "QueueName", "visibility_timeout_seconds": "VisibilityTimeout", "sqs_managed_sse_enabled": "SqsManagedSseEnabled",
		"message_retention_seconds": "MessageRetentionPeriod", "redrive_policy": "RedrivePolicy"}},
	"aws_apigatewayv2_api": {"AWS::ApiGatewayV2::Api", map[string]string{
		"name": "Name", "protocol_type": "ProtocolType", "route_selection_expression": "RouteSelectionExpression"}},
	"aws_apigatewayv2_stage": {"AWS::ApiGatewayV2::Stage", map[string]string{
		"api_id": "ApiId", "name": "StageName", "auto_deploy": "AutoDeploy",
		"default_route_settings.throttling_rate_limit": "DefaultRouteSettings.ThrottlingRateLimit", "default_route_settings.throttling_burst_limit": "DefaultRouteSettings.ThrottlingBurstLimit",
		"access_log_settings.destination_arn": "AccessLogSettings.DestinationArn", "access_log_settings.format": "AccessLogSettings.Format"}},
	"aws_apigatewayv2_integration": {"AWS::ApiGatewayV2::Integration", map[string]string{
		"api_id": "ApiId", "integration_type": "IntegrationType", "integration_method": "IntegrationMethod", "integration_uri": "IntegrationUri",
		"template_selection_expression": "TemplateSelectionExpression", "request_templates": "RequestTemplates"}},
	"aws_apigatewayv2_integration_response": {"AWS::ApiGatewayV2::IntegrationResponse", map[string]string{
		"api_id": "ApiId", "integration_id": "IntegrationId", "integration_response_key": "IntegrationResponseKey",
		"template_selection_expression": "TemplateSelectionExpression", "response_templates": "ResponseTemplates"}},
	"aws_apigatewayv2_route": {"AWS::ApiGatewayV2::Route", map[string]string{
		"api_id": "ApiId", "route_key": "RouteKey", "target": "Target", "route_response_selection_expression": "RouteResponseSelectionExpression"}},
	"aws_apigatewayv2_route_response": {"AWS::ApiGatewayV2::RouteResponse", map[string]string{
		"api_id": "ApiId", "route_id": "RouteId", "route_response_key": "RouteResponseKey"}},
	"aws_lambda_function": {"AWS::Lambda::Function", map[string]string{
		"function_name": "FunctionName", "description": "Description", "runtime": "Runtime", "handler": "Handler", "filename": "Code", "source_code_hash": "",
		"architectures": "Architectures", "memory_size": "MemorySize", "timeout": "Timeout", "role": "Role", "environment.variables": "Environment.Variables",
		"logging_config.log_group": "LoggingConfig.LogGroup", "logging_config.log_format": "LoggingConfig.LogFormat"}},
	"aws_lambda_alias": {"AWS::Lambda::Alias", map[string]string{
		"function_name": "FunctionName", "function_version": "FunctionVersion", "name": "Name"}},
	"aws_lambda_function_event_invoke_config": {"AWS::Lambda::EventInvokeConfig", map[string]string{
		"function_name": "FunctionName", "qualifier": "Qualifier", "maximum_retry_attempts": "MaximumRetryAttempts", "maximum_event_age_in_seconds": "MaximumEventAgeInSeconds"}},
	"aws_lambda_permission": {"AWS::Lambda::Permission", map[string]string{
		"function_name": "FunctionName", "action": "Action", "principal": "Principal", "source_arn": "SourceArn"}},
	"aws_lambda_event_source_mapping": {"AWS::Lambda::EventSourceMapping", map[string]string{
		"function_name": "FunctionName", "event_source_arn": "EventSourceArn", "batch_size": "BatchSize",
		"function_response_types": "FunctionResponseTypes", "scaling_config.maximum_concurrency": "ScalingConfig.MaximumConcurrency"}},
	"aws_cloudwatch_event_rule": {"AWS::Events::Rule", map[string]string{
		"name_prefix": "", "description": "Description", "schedule_expression": "ScheduleExpression"}},
	"aws_cloudwatch_log_group": {"AWS::Logs::LogGroup", map[string]string{
		"name": "LogGroupName", "retention_in_days": "RetentionInDays"}},
	"aws_cloudwatch_metric_alarm": {"AWS::CloudWatch::Alarm", map[string]string{
		"alarm_name": "AlarmName", "alarm_description": "AlarmDescription", "namespace": "Namespace", "metric_name": "MetricName", "dimensions": "Dimensions",
		"statistic": "Statistic", "period": "Period", "evaluation_periods": "EvaluationPeriods", "threshold": "Threshold",
		"comparison_operator": "ComparisonOperator", "treat_missing_data": "TreatMissingData", "alarm_actions": "AlarmActions"}},
	// Their names are made by AWS, as CloudFormation makes its own.
	"aws_iam_policy": {"AWS::IAM::ManagedPolicy", map[string]string{"name_prefix": "", "description": "Description", "policy": "PolicyDocument"}},
	"aws_iam_role":   {"AWS::IAM::Role", map[string]string{"name_prefix": "", "assume_role_policy": "AssumeRolePolicyDocument"}},
}

// terraform evaluates a module without a provider and without Terraform.
type terraform struct {
	t         *testing.T
	blocks    []*hclsyntax.Block
	variables map[string]cty.Value // of the context: var, local, and one for each type of resource
	locals    map[string]cty.Value
	objects   map[string]map[string]cty.Value // type to label to value
	instances map[string][]instance           // by address
	documents map[string]any                  // of policies, by the text that stands for them
}

// instance is one resource of a block.
type instance struct {
	key, name string // name is the one to compare by
	context   *hcl.EvalContext
}

func terraformOf(t *testing.T, files map[string]string, values map[string]string) *stack {
	t.Helper()
	tf := &terraform{t: t, variables: map[string]cty.Value{}, locals: map[string]cty.Value{}, objects: map[string]map[string]cty.Value{}, instances: map[string][]instance{}, documents: map[string]any{}}
	tf.parse(files)
	s := &stack{parameters: map[string]parameter{}, outputs: map[string]any{}, resources: map[string]resource{}}
	tf.inputs(s, values)
	tf.names()
	tf.resources(s)
	for _, b := range tf.each("output") {
		s.outputs[plainName(b.Labels[0])] = tf.attribute(b.Body, "value", tf.context())
	}
	return s
}

func (tf *terraform) parse(files map[string]string) {
	tf.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file, diagnostics := hclsyntax.ParseConfig([]byte(files[name]), name, hcl.InitialPos)
		tf.check(diagnostics)
		tf.blocks = append(tf.blocks, file.Body.(*hclsyntax.Body).Blocks...)
	}
}

func (tf *terraform) each(typ string) (all []*hclsyntax.Block) {
	for _, b := range tf.blocks {
		if b.Type == typ {
			all = append(all, b)
		}
	}
	return all
}

// inputs gives variables their values, and checks them.
func (tf *terraform) inputs(s *stack, values map[string]string) {
	given := map[string]string{}
	for name, v := range values {
		given[plainName(name)] = v
	}
	all := map[string]cty.Value{}
	for _, b := range tf.each("variable") {
		name := plainName(b.Labels[0])
		kind := map[string]cty.Type{"string": cty.String, "number": cty.Number}[hcl.ExprAsKeyword(b.Body.Attributes["type"].Expr)]
		value, diagnostics := b.Body.Attributes["default"].Expr.Value(tf.context())
		tf.check(diagnostics)
		switch name {
		case "name": // CloudFormation's is the stack's
			value = cty.StringVal("local")
		case "package":
		default:
			p := parameter{map[cty.Type]string{cty.String: "String", cty.Number: "Number"}[kind], text(plain(value)), false}
			if sensitive := b.Body.Attributes["sensitive"]; sensitive != nil {
				v, _ := sensitive.Expr.Value(nil)
				p.secret = v.True()
			}
			s.parameters[name] = p
			if v, ok := given[name]; ok {
				value = cty.StringVal(v)
			}
		}
		var err error
		if all[b.Labels[0]], err = convert.Convert(value, kind); err != nil {
			tf.t.Fatalf("variable %s: %v", b.Labels[0], err)
		}
	}
	tf.variables["var"] = cty.ObjectVal(all)
	tf.variables["path"] = cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(".")})
	for _, b := range tf.each("variable") {
		if !tf.valid(b) {
			tf.t.Errorf("variable %s refuses %v", b.Labels[0], plain(all[b.Labels[0]]))
		}
	}
}

// valid asks the validations of a variable about its value.
func (tf *terraform) valid(variable *hclsyntax.Block) bool {
	for _, b := range variable.Body.Blocks {
		v, diagnostics := b.Body.Attributes["condition"].Expr.Value(tf.context())
		tf.check(diagnostics)
		if v.False() {
			return false
		}
	}
	return true
}

func (tf *terraform) check(diagnostics hcl.Diagnostics) {
	tf.t.Helper()
	if diagnostics.HasErrors() {
		tf.t.Fatal(diagnostics)
	}
}

// names makes locals and what can be referred to, in the order in which they need
// each other.
func (tf *terraform) names() {
	tf.variables["data"] = cty.ObjectVal(map[string]cty.Value{
		"aws_region":          cty.ObjectVal(map[string]cty.Value{"current": cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("us-east-1")})}),
		"aws_partition":       cty.ObjectVal(map[string]cty.Value{"current": cty.ObjectVal(map[string]cty.Value{"dns_suffix": cty.StringVal("amazonaws.com"), "partition": cty.StringVal("aws")})}),
		"aws_caller_identity": cty.ObjectVal(map[string]cty.Value{"current": cty.ObjectVal(map[string]cty.Value{"account_id": cty.StringVal("000000000000")})}),
	})
	type pending struct {
		name string
		try  func() (cty.Value, hcl.Diagnostics)
		done func(cty.Value)
	}
	var todo []pending
	for _, b := range tf.each("locals") {
		for name, a := range b.Body.Attributes {
			todo = append(todo, pending{"local." + name, func() (cty.Value, hcl.Diagnostics) { return a.Expr.Value(tf.context()) }, func(v cty.Value) { tf.locals[name] = v }})
		}
	}
	for _, b := range tf.blocks {
		if b.Type != "resource" && b.Type != "data" {
			continue
		}
		typ, label := b.Labels[0], b.Labels[1]
		if b.Type == "data" && typ != "aws_iam_policy_document" {
			continue
		}
		each, many := b.Body.Attributes["for_each"]
		try := func() (cty.Value, hcl.Diagnostics) { return cty.EmptyObjectVal, nil }
		if many {
			try = func() (cty.Value, hcl.Diagnostics) { return each.Expr.Value(tf.context()) }
		}
		todo = append(todo, pending{typ + "." + label, try, func(v cty.Value) { tf.declare(b, many, v) }})
	}
	for len(todo) > 0 {
		var left []pending
		var why []string
		for _, p := range todo {
			if v, diagnostics := p.try(); diagnostics.HasErrors() {
				left = append(left, p)
				why = append(why, p.name+": "+diagnostics.Error())
			} else {
				p.done(v)
			}
		}
		if len(left) == len(todo) {
			tf.t.Fatalf("what is referred to is not there:\n%s", strings.Join(why, "\n"))
		}
		todo = left
	}
}

// declare makes what the others see of a resource or a policy document.
func (tf *terraform) declare(b *hclsyntax.Block, many bool, each cty.Value) {
	typ, label := b.Labels[0], b.Labels[1]
	seen := func(key, name string) cty.Value {
		of, known := attributes[typ]
		if typ == "aws_iam_policy_document" {
			of, known = map[string]string{"json": "${document." + label + "." + key + "}"}, true
		}
		if !known {
			tf.t.Fatalf("%s %s is of a type that is not compared", typ, label)
		}
		out := map[string]cty.Value{}
		for k, v := range of {
			out[k] = cty.StringVal(strings.ReplaceAll(v, "ID", name))
		}
		return cty.ObjectVal(out)
	}
	value := seen("", plainName(label))
	if many {
		all := map[string]cty.Value{}
		for it := each.ElementIterator(); it.Next(); {
			k, v := it.Element()
			key := k.AsString()
			tf.instances[typ+"."+label] = append(tf.instances[typ+"."+label], instance{key, plainName(key + label), &hcl.EvalContext{
				Variables: map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": k, "value": v})}}})
			all[key] = seen(key, plainName(key+label))
		}
		value = cty.ObjectVal(all)
	} else {
		tf.instances[typ+"."+label] = []instance{{"", plainName(label), &hcl.EvalContext{}}}
	}
	if tf.objects[typ] == nil {
		tf.objects[typ] = map[string]cty.Value{}
	}
	tf.objects[typ][label] = value
	if typ == "aws_iam_policy_document" {
		data := tf.variables["data"].AsValueMap()
		data[typ] = cty.ObjectVal(tf.objects[typ])
		tf.variables["data"] = cty.ObjectVal(data)
	} else {
		tf.variables[typ] = cty.ObjectVal(tf.objects[typ])
	}
}

func (tf *terraform) context() *hcl.EvalContext {
	tf.variables["local"] = cty.ObjectVal(tf.locals)
	return &hcl.EvalContext{Variables: tf.variables, Functions: map[string]function.Function{
		"can": tryfunc.CanFunc, "coalesce": stdlib.CoalesceFunc, "contains": stdlib.ContainsFunc, "jsonencode": stdlib.JSONEncodeFunc,
		"merge": stdlib.MergeFunc, "regex": stdlib.RegexFunc, "replace": stdlib.ReplaceFunc, "toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"filebase64sha256": function.New(&function.Spec{Params: []function.Parameter{{Type: cty.String}}, Type: function.StaticReturnType(cty.String),
			Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.StringVal("hash"), nil }}),
	}}
}

// within is the context of an instance.
func (tf *terraform) within(i instance) *hcl.EvalContext {
	c := tf.context().NewChild()
	c.Variables = i.context.Variables
	return c
}

func (tf *terraform) attribute(body *hclsyntax.Body, name string, c *hcl.EvalContext) any {
	tf.t.Helper()
	v, diagnostics := body.Attributes[name].Expr.Value(c)
	tf.check(diagnostics)
	return plain(v)
}

// arguments are those of a block, with the blocks in it as lists.
func (tf *terraform) arguments(body *hclsyntax.Body, c *hcl.EvalContext) map[string]any {
	tf.t.Helper()
	out := map[string]any{}
	for name, a := range body.Attributes {
		if name == "for_each" || name == "depends_on" {
			continue
		}
		v, diagnostics := a.Expr.Value(c)
		tf.check(diagnostics)
		if !v.IsNull() {
			out[name] = plain(v)
		}
	}
	for _, b := range body.Blocks {
		if b.Type == "lifecycle" {
			continue
		}
		if b.Type != "dynamic" {
			out[b.Type] = append(items(out[b.Type]), tf.arguments(b.Body, c))
			continue
		}
		each, diagnostics := b.Body.Attributes["for_each"].Expr.Value(c)
		tf.check(diagnostics)
		for it := each.ElementIterator(); it.Next(); {
			_, v := it.Element()
			child := c.NewChild()
			child.Variables = map[string]cty.Value{b.Labels[0]: cty.ObjectVal(map[string]cty.Value{"value": v})}
			out[b.Labels[0]] = append(items(out[b.Labels[0]]), tf.arguments(b.Body.Blocks[0].Body, child))
		}
	}
	return out
}

// plain is a value as the other stacks have it.
func plain(v cty.Value) any {
	switch {
	case v.IsNull():
		return nil
	case v.Type() == cty.String:
		return v.AsString()
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case v.Type() == cty.Bool:
		return fmt.Sprint(v.True())
	case v.Type().IsObjectType() || v.Type().IsMapType():
		out := map[string]any{}
		for k, item := range v.AsValueMap() {
			out[k] = plain(item)
		}
		return out
	}
	out := []any{}
	for _, item := range v.AsValueSlice() {
		out = append(out, plain(item))
	}
	return out
}
