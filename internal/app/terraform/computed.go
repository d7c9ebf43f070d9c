package terraform

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// computed are the attributes that AWS makes, by type, as they look on AWS. {name} is
// the resource's name, {ref} and {get:X} stand for what Ref and Fn::GetAtt of X give,
// {arg:X} is an argument. (AWS provider docs: "Attribute Reference" of each resource;
// AWS docs, Service Authorization Reference, for the ARNs.)
var computed = map[string]map[string]string{
	"aws_apigatewayv2_api":                  {"id": "{ref}", "arn": "arn:{partition}:apigateway:{region}::/apis/{ref}", "api_endpoint": "{scheme}://{ref}.execute-api.{region}.{suffix}", "execution_arn": "arn:{partition}:execute-api:{region}:{account}:{ref}"},
	"aws_apigatewayv2_stage":                {"id": "{arg:name}", "arn": "arn:{partition}:apigateway:{region}::/apis/{arg:api_id}/stages/{arg:name}", "execution_arn": "arn:{partition}:execute-api:{region}:{account}:{arg:api_id}/{arg:name}", "invoke_url": "{scheme}://{arg:api_id}.execute-api.{region}.{suffix}/{stage}"},
	"aws_apigatewayv2_integration":          {"id": "{ref}"},
	"aws_apigatewayv2_integration_response": {"id": "{ref}"},
	"aws_apigatewayv2_route":                {"id": "{ref}"},
	"aws_apigatewayv2_route_response":       {"id": "{ref}"},
	"aws_apigatewayv2_authorizer":           {"id": "{ref}"},
	"aws_apigatewayv2_deployment":           {"id": "{ref}"},
	"aws_api_gateway_rest_api":              {"id": "{ref}", "root_resource_id": "{get:RootResourceId}", "arn": "arn:{partition}:apigateway:{region}::/restapis/{ref}", "execution_arn": "arn:{partition}:execute-api:{region}:{account}:{ref}"},
	"aws_api_gateway_resource":              {"id": "{ref}", "path": "/{arg:path_part}"},
	"aws_api_gateway_authorizer":            {"id": "{ref}", "arn": "arn:{partition}:apigateway:{region}::/restapis/{arg:rest_api_id}/authorizers/{ref}"},
	"aws_api_gateway_deployment":            {"id": "{ref}", "invoke_url": "https://{arg:rest_api_id}.execute-api.{region}.{suffix}/{arg:stage_name}"},
	"aws_api_gateway_stage":                 {"id": "{arg:stage_name}", "invoke_url": "https://{arg:rest_api_id}.execute-api.{region}.{suffix}/{arg:stage_name}", "execution_arn": "arn:{partition}:execute-api:{region}:{account}:{arg:rest_api_id}/{arg:stage_name}"},
	"aws_api_gateway_method":                {"id": "{hash}"},
	"aws_api_gateway_integration":           {"id": "{hash}"},
	"aws_lambda_function": {"id": "{name}", "version": "$LATEST", "arn": "arn:{partition}:lambda:{region}:{account}:function:{name}", "qualified_arn": "arn:{partition}:lambda:{region}:{account}:function:{name}:$LATEST",
		"invoke_arn": "{invoke}arn:{partition}:lambda:{region}:{account}:function:{name}/invocations", "qualified_invoke_arn": "{invoke}arn:{partition}:lambda:{region}:{account}:function:{name}:$LATEST/invocations", "source_code_size": "1", "last_modified": "2026-01-01T00:00:00.000+0000"},
	"aws_lambda_alias":                {"id": "{hash}", "arn": "arn:{partition}:lambda:{region}:{account}:function:{function}:{name}", "invoke_arn": "{invoke}arn:{partition}:lambda:{region}:{account}:function:{function}:{name}/invocations"},
	"aws_lambda_layer_version":        {"id": "arn:{partition}:lambda:{region}:{account}:layer:{name}:1", "arn": "arn:{partition}:lambda:{region}:{account}:layer:{name}:1", "layer_arn": "arn:{partition}:lambda:{region}:{account}:layer:{name}", "version": "1"},
	"aws_lambda_event_source_mapping": {"id": "{hash}", "uuid": "{uuid}"},
	"aws_lambda_function_url":         {"id": "{function}", "function_url": "{get:FunctionUrl}", "url_id": "{hash}", "function_arn": "arn:{partition}:lambda:{region}:{account}:function:{function}"},
	"aws_lambda_permission":           {"id": "{hash}"},
	"aws_dynamodb_table":              {"id": "{name}", "arn": "arn:{partition}:dynamodb:{region}:{account}:table/{name}", "stream_arn": "{get:StreamArn}", "stream_label": "2026-01-01T00:00:00.000"},
	"aws_sqs_queue":                   {"id": "{ref}", "url": "{ref}", "arn": "arn:{partition}:sqs:{region}:{account}:{name}"},
	"aws_sns_topic":                   {"id": "arn:{partition}:sns:{region}:{account}:{name}", "arn": "arn:{partition}:sns:{region}:{account}:{name}"},
	"aws_sns_topic_subscription":      {"id": "{arg:topic_arn}:{uuid}", "arn": "{arg:topic_arn}:{uuid}"},
	"aws_cloudwatch_event_rule":       {"id": "{name}", "arn": "arn:{partition}:events:{region}:{account}:rule/{name}"},
	"aws_cloudwatch_event_bus":        {"id": "{name}", "arn": "arn:{partition}:events:{region}:{account}:event-bus/{name}"},
	"aws_scheduler_schedule":          {"id": "default/{name}", "arn": "arn:{partition}:scheduler:{region}:{account}:schedule/default/{name}"},
	"aws_scheduler_schedule_group":    {"id": "{name}", "arn": "arn:{partition}:scheduler:{region}:{account}:schedule-group/{name}"},
	"aws_cloudwatch_log_group":        {"id": "{name}", "arn": "arn:{partition}:logs:{region}:{account}:log-group:{name}"},
	"aws_iam_role":                    {"id": "{name}", "unique_id": "AROA{HASH}", "arn": "arn:{partition}:iam::{account}:role/{name}"},
	"aws_iam_policy":                  {"id": "arn:{partition}:iam::{account}:policy/{name}", "arn": "arn:{partition}:iam::{account}:policy/{name}", "policy_id": "ANPA{HASH}"},
	"aws_iam_role_policy":             {"id": "{hash}"},
	"aws_iam_role_policy_attachment":  {"id": "{hash}"},
	"aws_s3_bucket":                   {"id": "{name}", "arn": "arn:{partition}:s3:::{name}", "bucket_domain_name": "{name}.s3.{suffix}", "bucket_regional_domain_name": "{name}.s3.{region}.{suffix}", "region": "{region}"},
	"aws_s3_object":                   {"id": "{arg:key}", "etag": "{hash}", "version_id": "{hash}"},
	"aws_s3_bucket_object":            {"id": "{arg:key}", "etag": "{hash}", "version_id": "{hash}"},
	"aws_kms_key":                     {"id": "{uuid}", "key_id": "{uuid}", "arn": "arn:{partition}:kms:{region}:{account}:key/{uuid}"},
	"aws_sfn_state_machine":           {"id": "arn:{partition}:states:{region}:{account}:stateMachine:{name}", "arn": "arn:{partition}:states:{region}:{account}:stateMachine:{name}"},
	"aws_kinesis_stream":              {"id": "arn:{partition}:kinesis:{region}:{account}:stream/{name}", "arn": "arn:{partition}:kinesis:{region}:{account}:stream/{name}"},
	"aws_ssm_parameter":               {"id": "{name}", "arn": "arn:{partition}:ssm:{region}:{account}:parameter/{name}", "version": "1"},
	"aws_cognito_user_pool":           {"id": "{ref}", "arn": "arn:{partition}:cognito-idp:{region}:{account}:userpool/{ref}", "endpoint": "cognito-idp.{region}.{suffix}/{ref}"},
	"aws_cognito_user_pool_client":    {"id": "{ref}"},
	"aws_cognito_identity_pool":       {"id": "{ref}", "arn": "arn:{partition}:cognito-identity:{region}:{account}:identitypool/{ref}"},

	"random_id":       {"id": "{hash}", "hex": "{hex}", "dec": "1234567890", "b64_url": "{hash}", "b64_std": "{hash}"},
	"random_pet":      {"id": "made-up"},
	"random_uuid":     {"id": "{uuid}", "result": "{uuid}"},
	"random_string":   {"id": "none", "result": "{random}"},
	"random_password": {"id": "none", "result": "{random}"},
	"random_integer":  {"id": "{arg:min}", "result": "{arg:min}"},
	"null_resource":   {"id": "1234567890"},
	"terraform_data":  {"id": "{uuid}"},
	"time_static":     {"id": "2026-01-01T00:00:00Z", "rfc3339": "2026-01-01T00:00:00Z", "unix": "1767225600"},
	"archive_file":    {"id": "{hash}", "output_sha": "{hash}", "output_sha256": "{hash}", "output_sha512": "{hash}", "output_base64sha256": "{hash}", "output_base64sha512": "{hash}", "output_md5": "{hash}", "output_size": "1"},
}

// names are the arguments that name a resource. Without it, and without name_prefix,
// AWS makes one.
var names = map[string]string{
	"aws_lambda_function": "function_name", "aws_lambda_layer_version": "layer_name", "aws_dynamodb_table": "name", "aws_sqs_queue": "name", "aws_sns_topic": "name",
	"aws_cloudwatch_event_rule": "name", "aws_cloudwatch_event_bus": "name", "aws_scheduler_schedule": "name", "aws_scheduler_schedule_group": "name", "aws_cloudwatch_log_group": "name",
	"aws_iam_role": "name", "aws_iam_policy": "name", "aws_s3_bucket": "bucket", "aws_sfn_state_machine": "name", "aws_kinesis_stream": "name", "aws_ssm_parameter": "name", "aws_lambda_alias": "name",
}

var placeholder = regexp.MustCompile(`\{[A-Za-z]+(?::[A-Za-z_]+)?\}`)

// withComputed is the object of an instance: its arguments, what AWS makes, and what
// expressions ask for and nobody here knows.
func (x *instance) withComputed(b *body) cty.Value {
	out := b.values()
	if name := names[x.typ]; name != "" && x.block.typ == "resource" {
		if v, ok := out[name]; !ok || v.IsNull() {
			made := document.Clip(x.label) + "-" + hash(x.address)[:6]
			if prefix := text(out[name+"_prefix"]); prefix != "" {
				made = prefix + made
			}
			if name == "bucket" {
				made = strings.ToLower(strings.ReplaceAll(made, "_", "-"))
			}
			if text(out["fifo_queue"]) == "true" || text(out["fifo_topic"]) == "true" {
				made += ".fifo"
			}
			out[name] = cty.StringVal(made)
		}
	}
	if x.block.typ == "data" {
		x.look(out, b)
	} else {
		x.compute(out)
	}
	for name := range x.mentioned {
		if _, ok := out[name]; !ok {
			out[name] = x.absent(name)
		}
	}
	x.meter.spend(len(x.mentioned) / 8)
	return cty.ObjectVal(out)
}

// compute adds the attributes that AWS makes.
func (x *instance) compute(out map[string]cty.Value) {
	for name, form := range computed[x.typ] {
		if s, ok := x.give(name); ok {
			out[name] = cty.StringVal(s)
			continue
		}
		if v, there := out[name]; there && !v.IsNull() {
			continue
		}
		out[name] = x.fill(form, out)
	}
	if x.typ == "terraform_data" {
		out["output"] = orNull(out["input"])
	}
	if x.typ == "random_shuffle" {
		out["result"] = orNull(out["input"])
	}
}

func orNull(v cty.Value) cty.Value {
	if v == cty.NilVal {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return v
}

// give is what the caller says for an attribute: of id by the address alone, too.
func (x *instance) give(attribute string) (string, bool) {
	if s, ok := x.value1(x.address + "." + attribute); ok {
		return s, true
	}
	if attribute == "id" || attribute == "url" || attribute == "arn" && strings.HasPrefix(computed[x.typ]["id"], "arn:") {
		if s, ok := x.value1(x.address); ok {
			return s, true
		}
	}
	return "", false
}

// value1 is a value that the caller gives, by its name.
func (c *configuration) value1(name string) (string, bool) {
	c.asked[name] = true
	s, ok := c.options.Values[name]
	if !ok {
		s, ok = c.options.MoreValues[name]
	}
	return s, ok
}

// absent is an attribute that is not in the configuration: an argument that is not
// written, or what only AWS knows.
func (x *instance) absent(name string) cty.Value {
	if s, ok := x.give(name); ok {
		return cty.StringVal(s)
	}
	if x.block.typ == "resource" && isArgument(x.typ, name) || slices.Contains([]string{"tags", "tags_all", "name_prefix", "description"}, name) {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	asked := x.address + "." + name
	if name == "id" {
		asked = x.address
	}
	made := "is made by AWS"
	switch {
	case x.block.typ == "data":
		made = "is looked up outside of this machine"
	case !strings.HasPrefix(x.typ, "aws_"):
		made = "is made by a provider"
	}
	return unknown("%s of %s %s; give %s", document.Clip(name), document.Clip(x.address), made, app.Flag("--value", asked, "VALUE"))
}

// fill puts what an instance is into a form.
func (x *instance) fill(form string, out map[string]cty.Value) cty.Value {
	bad := cty.NilVal
	made := placeholder.ReplaceAllStringFunc(form, func(p string) string {
		v := x.part(strings.Trim(p, "{}"), out)
		if s := text(v); s != "" {
			return s
		}
		if bad == cty.NilVal {
			bad = v
		}
		return ""
	})
	if bad != cty.NilVal {
		return cty.DynamicVal.Mark(reason(bad, why{text: "it needs an argument that " + document.Clip(x.address) + " does not have"}))
	}
	return cty.StringVal(made)
}

// part is what stands for a placeholder.
func (x *instance) part(p string, out map[string]cty.Value) cty.Value {
	h := hash(x.address)
	name, of, _ := strings.Cut(p, ":")
	s := ""
	switch name {
	case "partition":
		s = x.partition()
	case "region":
		s = x.region
	case "account":
		s = x.account
	case "suffix":
		s = x.suffix()
	case "invoke":
		s = fmt.Sprintf("arn:%s:apigateway:%s:lambda:path/2015-03-31/functions/", x.partition(), x.region)
	case "name":
		return orNull(out[names[x.typ]])
	case "function":
		return nameOnly(orNull(out["function_name"]))
	case "arg":
		return orNull(out[of])
	case "stage":
		if s = text(out["name"]); s == "" {
			return orNull(out["name"])
		} else if s == "$default" {
			return cty.StringVal("/")
		}
	case "scheme":
		s = x.scheme(out)
	case "ref":
		s = x.token("")
	case "get":
		s = x.token(of)
	case "hash":
		s = h
	case "HASH":
		s = strings.ToUpper(h[:17])
	case "hex":
		s = hexHash(x.address)[:16]
	case "random":
		n, ok := whole(orNull(out["length"]))
		if !ok || n < 1 || n > 512 {
			n = 16
		}
		s = strings.Repeat(h, n/len(h)+1)[:n]
	case "uuid":
		x := hexHash(x.address)
		s = x[:8] + "-" + x[8:12] + "-4" + x[13:16] + "-8" + x[17:20] + "-" + x[20:32]
	}
	return cty.StringVal(s)
}

// nameOnly is a function's name, of its ARN too.
func nameOnly(v cty.Value) cty.Value {
	if s := text(v); s != "" {
		return cty.StringVal(app.FunctionName(s))
	}
	return v
}

// scheme is that of an API's addresses.
func (x *instance) scheme(out map[string]cty.Value) string {
	protocol := text(out["protocol_type"])
	if id := text(out["api_id"]); id != "" {
		if t, ok := x.tokens[id]; ok && t.of.body != nil {
			protocol = t.of.body.text("protocol_type")
		}
	}
	if protocol == "HTTP" {
		return "https"
	}
	return "wss"
}

// A token is a made-up text for which a reference is put where it is in a value.
type token struct {
	of        *instance
	attribute string // empty for Ref
}

// token makes up what Ref or an attribute of the instance gives: of the form that it
// has on AWS, and found again in whatever text it is put into.
func (x *instance) token(attribute string) string {
	h := hash(x.address + " " + attribute)
	made := h[:10]
	switch {
	case x.typ == "aws_sqs_queue":
		made = fmt.Sprintf("https://sqs.%s.%s/%s/%s", x.region, x.suffix(), x.account, text(x.nameOf()))
	case x.typ == "aws_cognito_user_pool":
		made = x.region + "_" + h[:9]
	case x.typ == "aws_cognito_user_pool_client":
		made = h[:26]
	case x.typ == "aws_cognito_identity_pool":
		u := hexHash(x.address)
		made = fmt.Sprintf("%s:%s-%s-4%s-8%s-%s", x.region, u[:8], u[8:12], u[13:16], u[17:20], u[20:32])
	case attribute == "FunctionUrl":
		made = fmt.Sprintf("https://%s.lambda-url.%s.on.aws/", h[:32], x.region)
	case attribute == "StreamArn":
		made = fmt.Sprintf("arn:%s:dynamodb:%s:%s:table/%s/stream/2026-01-01T00:00:00.000", x.partition(), x.region, x.account, text(x.nameOf()))
	}
	if _, there := x.tokens[made]; !there {
		x.tokens[made] = token{x, attribute}
		x.tokenOrder = append(x.tokenOrder, made)
		slices.SortStableFunc(x.tokenOrder, func(a, b string) int { return len(b) - len(a) })
	}
	return made
}

// nameOf is the name of an instance as it is written, or made up.
func (x *instance) nameOf() cty.Value {
	if v, ok := x.content().attrs[names[x.typ]]; ok && !v.value.IsNull() {
		return v.value
	}
	made := x.label + "-" + hash(x.address)[:6]
	if prefix := x.content().text("name_prefix"); prefix != "" {
		made = prefix + made
	}
	return cty.StringVal(made)
}

// hash is 32 small letters and digits that stand for a text.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:20]))
}

func hexHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return fmt.Sprintf("%x", sum)
}

func (c *configuration) partition() string {
	switch {
	case strings.HasPrefix(c.region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(c.region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func (c *configuration) suffix() string {
	if strings.HasPrefix(c.region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
