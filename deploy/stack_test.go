package deploy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A stack is what one of the three descriptions makes, in one vocabulary:
// CloudFormation's types and properties. Names are compared without case and
// underscores, and a reference to a resource is ${name} or ${name.Attribute}.
type stack struct {
	parameters map[string]parameter
	outputs    map[string]any
	resources  map[string]resource
	refused    []string // what the parameters lack: such a stack is not made
}

type parameter struct {
	kind, value string // String or Number, and the default
	secret      bool
}

type resource struct {
	typ        string
	properties map[string]any
	after      []string // for what must be there before, besides what is referred to
}

// plainName is what a name is compared by.
func plainName(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }

var symbol = regexp.MustCompile(`\$\{([A-Za-z0-9_]+)(\.[A-Za-z]+)?\}`)

// plainText has the names of the resources that it refers to as they are compared.
// The ARN of a log group ends with :* in CloudFormation and not in Terraform.
func plainText(s string) string {
	s = strings.ReplaceAll(s, ".WithoutStar}:*", ".Arn}")
	return symbol.ReplaceAllStringFunc(s, func(m string) string {
		parts := symbol.FindStringSubmatch(m)
		return "${" + plainName(parts[1]) + parts[2] + "}"
	})
}

func plainValue(v any) any {
	switch v := v.(type) {
	case string:
		return plainText(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainValue(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k := range v {
			out[k] = plainValue(v[k])
		}
		return out
	}
	return v
}

// lines is the whole of a stack, one fact a line, in an order that does not depend
// on how it was written. Two stacks are the same if their lines are.
func (s *stack) lines() []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for name, p := range s.parameters {
		add("parameter %s is a %s, %q by default, secret %t", name, p.kind, p.value, p.secret)
	}
	for _, why := range s.refused {
		add("refused: %s", plainName(why))
	}
	for name, v := range s.outputs {
		add("output %s is %v", name, plainValue(v))
	}
	for name, r := range s.resources {
		add("%s is a %s", name, r.typ)
		for _, other := range r.after {
			add("%s is made after %s", name, other)
		}
		properties, _ := plainValue(r.properties).(map[string]any)
		switch r.typ {
		case "AWS::IAM::Role":
			for _, arn := range items(properties["ManagedPolicyArns"]) {
				add("%s has the policy %v", name, arn)
				policy := s.resources[strings.Trim(fmt.Sprint(arn), "${}")]
				for _, right := range rights(plainValue(policy.properties["PolicyDocument"])) {
					add("%s: %s", name, right)
				}
			}
			for _, p := range items(properties["Policies"]) {
				for _, right := range rights(p.(map[string]any)["PolicyDocument"]) {
					add("%s: %s", name, right)
				}
			}
			for _, right := range rights(properties["AssumeRolePolicyDocument"]) {
				add("%s, to assume it: %s", name, right)
			}
			delete(properties, "ManagedPolicyArns")
			delete(properties, "Policies")
			delete(properties, "AssumeRolePolicyDocument")
		case "AWS::IAM::ManagedPolicy":
			for _, right := range rights(properties["PolicyDocument"]) {
				add("%s: %s", name, right)
			}
			delete(properties, "PolicyDocument")
		}
		flatten(name, properties, add)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// rights is a policy, one action on one resource a line. A line has whatever else
// its statement says.
func rights(document any) (all []string) {
	d, _ := document.(map[string]any)
	for _, item := range items(d["Statement"]) {
		rest := maps.Clone(item.(map[string]any))
		actions, resources := items(rest["Action"]), items(rest["Resource"])
		delete(rest, "Action")
		delete(rest, "Resource")
		if len(resources) == 0 {
			resources = []any{"itself"}
		}
		for _, action := range actions {
			for _, r := range resources {
				all = append(all, fmt.Sprintf("%v on %v %s", action, r, text(rest)))
			}
		}
	}
	return all
}

// items is a list, or the one item that stands for a list of one.
func items(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func flatten(path string, v any, add func(string, ...any)) {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			flatten(path+"."+k, v[k], add)
		}
	case []any:
		for _, item := range v {
			add("%s has %s", path, text(item))
		}
	default:
		add("%s is %v", path, v)
	}
}

// text is a value in one way.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// difference is what is in one of two stacks only.
func difference(a, b []string) (all []string) {
	for _, line := range a {
		if !slices.Contains(b, line) {
			all = append(all, "- "+line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			all = append(all, "+ "+line)
		}
	}
	slices.SortStableFunc(all, func(x, y string) int { return cmp.Compare(x[2:], y[2:]) })
	return all
}

// variants are values of the parameters: none, and some for each condition.
var variants = []map[string]string{
	nil,
	{
		"TableName": "people", "StageName": "blue", "Architecture": "x86_64", "MemorySize": "512", "ThrottleRate": "7", "ThrottleBurst": "8", "QueueConcurrency": "9",
		"AllowOrigin": "https://example.com", "JwtJwksUrl": "https://example.com/keys", "JwtKey": "", "JwtIssuer": "issuer", "JwtAudience": "audience", "JwtClaim": "claim",
		"LogLevel": "debug", "Keep": "lobby=24h,orders/*=10m", "LogDays": "7", "AccessLogArn": "arn:log", "AlarmTopicArn": "arn:topic",
	},
	{"JwtJwksUrl": "https://example.com/keys", "JwtKey": "key", "JwtIssuer": "issuer"},
	{"JwtKey": "key", "JwtIssuer": "issuer", "JwtAudience": "audience"},
}

func TestTheThreeStacksAreOne(t *testing.T) {
	cdk := synthesise(t)
	for i, values := range variants {
		sam := cloudFormationOf(t, "sam/template.yaml", values)
		if len(sam.parameters) != len(variants[1]) {
			t.Errorf("the template has %d parameters, and this test gives %d", len(sam.parameters), len(variants[1]))
		}
		if refused := []int{2, 0, 2, 0}[i]; len(sam.refused) != refused {
			t.Errorf("variant %d: the template refuses the stack for %q, and not for %d reasons", i, sam.refused, refused)
		}
		want := sam.lines()
		if len(want) < 300 {
			t.Errorf("the template has %d facts: is it read at all?\n%s", len(want), strings.Join(want, "\n"))
		}
		for name, other := range map[string]*stack{"terraform": terraformOf(t, read(t, "terraform"), values), "cdk": cloudFormationOf(t, cdk, values)} {
			if d := difference(want, other.lines()); len(d) > 0 {
				t.Errorf("variant %d: sam (-) and %s (+) differ:\n%s", i, name, strings.Join(d, "\n"))
			}
		}
	}
}

// Each is one edit of a file, as somebody would forget it in the others.
func TestADifferenceOfOneStackIsSeen(t *testing.T) {
	want := cloudFormationOf(t, "sam/template.yaml", nil).lines()
	for _, c := range []struct{ file, old, new, says string }{
		{"sam/template.yaml", "maxReceiveCount: 5", "maxReceiveCount: 4", "queue.RedrivePolicy.maxReceiveCount"},
		{"sam/template.yaml", "/*/@connections/*", "/POST/@connections/*", "execute-api:ManageConnections on"},
		{"sam/template.yaml", "- dynamodb:Query\n", "- dynamodb:Scan\n", "dynamodb:Scan on ${table.Arn}"},
		{"sam/template.yaml", "/${StageName}/send\"", "/*/send\"", "sendpermission.SourceArn"},
		{"sam/template.yaml", "        ThrottlingBurstLimit: !Ref ThrottleBurst\n", "", "stage.DefaultRouteSettings.ThrottlingBurstLimit"},
		{"sam/template.yaml", "  TableWritesAlarm:\n", "  WritesAlarm:\n", "tablewritesalarm is a"},
		{"sam/template.yaml", "      - PingRouteResponse\n", "", "stage is made after pingrouteresponse"},
		{"cdk", `"maxReceiveCount": 5`, `"maxReceiveCount": 6`, "queue.RedrivePolicy.maxReceiveCount"},
		{"cdk", `"/*/@connections/*"`, `"/*/@connections"`, "execute-api:ManageConnections on"},
		{"terraform/api.tf", `contains(local.two_way, each.key) ? "$default" : null`, `"$default"`, "connectroute.RouteResponseSelectionExpression"},
		{"terraform/api.tf", `jsonencode({ type = "pong" })`, `jsonencode({ type = "ping" })`, "pingintegrationresponse.ResponseTemplates"},
		{"terraform/functions.tf", `"sqs:ReceiveMessage", `, "", "queuerole: sqs:ReceiveMessage on ${queue.Arn}"},
		{"terraform/functions.tf", `identifiers = ["lambda.amazonaws.com"]`, `identifiers = ["ec2.amazonaws.com"]`, "to assume it"},
		{"terraform/functions.tf", "aws_iam_policy.connections_policy.arn", "aws_iam_policy.table_policy.arn", "publishrole has the policy ${connectionspolicy}"},
		{"terraform/functions.tf", `WIREPOST_HANDLERS = "sqs"`, `WIREPOST_HANDLERS = "sqs,sns"`, "queuefunction.Environment.Variables.WIREPOST_HANDLERS"},
		{"terraform/table.tf", `attribute_name = "x"`, `attribute_name = "ttl"`, "table.TimeToLiveSpecification.AttributeName"},
		{"terraform/variables.tf", `default     = "live"`, `default     = "prod"`, "parameter stagename"},
		{"terraform/outputs.tf", `"wss://`, `"https://`, "output connecturl"},
		{"terraform/api.tf", `condition     = var.jwt_jwks_url != "" || var.jwt_key != ""`, `condition     = true`, "refused: tokens need jwtjwksurl or jwtkey"},
		{"terraform/variables.tf", "  sensitive   = true\n", "", "parameter jwtkey"},
	} {
		files := map[string]string{}
		if c.file == "cdk" {
			b, err := os.ReadFile(synthesise(t))
			if err != nil {
				t.Fatal(err)
			}
			files["cdk"] = string(b)
		} else {
			files = read(t, strings.Split(c.file, "/")[0])
		}
		if strings.Count(files[c.file], c.old) != 1 {
			t.Errorf("%s has %d times %q", c.file, strings.Count(files[c.file], c.old), c.old)
			continue
		}
		files[c.file] = strings.Replace(files[c.file], c.old, c.new, 1)
		var got []string
		if !strings.HasPrefix(c.file, "terraform/") {
			got = cloudFormationOf(t, write(t, files[c.file]), nil).lines()
		} else {
			got = terraformOf(t, files, nil).lines()
		}
		if d := strings.Join(difference(want, got), "\n"); !strings.Contains(d, c.says) {
			t.Errorf("%s with %q in place of %q: nothing is said of %q, but\n%s", c.file, c.new, c.old, c.says, d)
		}
	}
}
