package deploy

import (
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func (tf *terraform) resources(s *stack) {
	for _, b := range tf.each("data") {
		if b.Labels[0] == "aws_iam_policy_document" {
			for _, i := range tf.instances[b.Labels[0]+"."+b.Labels[1]] {
				tf.documents["${document."+b.Labels[1]+"."+i.key+"}"] = tf.document(tf.arguments(b.Body, tf.within(i)))
			}
		}
	}
	var attached, targets []map[string]any
	for _, b := range tf.each("resource") {
		for _, i := range tf.instances[b.Labels[0]+"."+b.Labels[1]] {
			arguments := tf.arguments(b.Body, tf.within(i))
			switch b.Labels[0] {
			case "aws_iam_role_policy", "aws_iam_role_policy_attachment":
				attached = append(attached, arguments)
				continue
			case "aws_cloudwatch_event_target":
				targets = append(targets, arguments)
				continue
			}
			r := tf.translate(b.Labels[0], i.name, arguments)
			if r.typ == "AWS::ApiGatewayV2::Stage" || r.typ == "AWS::Lambda::EventInvokeConfig" { // the others' order is of no account in the end
				r.after = tf.dependencies(b.Body)
			}
			s.resources[i.name] = r
			s.refused = append(s.refused, tf.refused(b.Body, tf.within(i))...)
		}
	}
	for _, a := range targets { // which are of the rule in the other stacks
		rule := s.resources[strings.Trim(text(a["rule"]), "${}")].properties
		if rule == nil || len(a) != 4 {
			tf.t.Fatalf("%v is for a rule that is not there, or has what is not compared", a)
		}
		rule["Targets"] = append(items(rule["Targets"]), map[string]any{"Id": a["target_id"], "Arn": a["arn"], "Input": a["input"]})
	}
	for _, a := range attached {
		role := s.resources[strings.Trim(text(a["role"]), "${}")].properties
		if role == nil {
			tf.t.Fatalf("%v is for a role that is not there", a)
		}
		if arn, ok := a["policy_arn"]; ok {
			role["ManagedPolicyArns"] = append(items(role["ManagedPolicyArns"]), arn)
		} else {
			role["Policies"] = append(items(role["Policies"]), map[string]any{"PolicyDocument": tf.documents[text(a["policy"])]})
		}
	}
}

// refused are the messages of preconditions that are not met. A lifecycle has
// nothing else.
func (tf *terraform) refused(body *hclsyntax.Body, c *hcl.EvalContext) (all []string) {
	for _, b := range body.Blocks {
		if b.Type != "lifecycle" {
			continue
		}
		if len(b.Body.Attributes) > 0 {
			tf.t.Errorf("a lifecycle has %v, which is not compared", b.Body.Attributes)
		}
		for _, p := range b.Body.Blocks {
			if tf.attribute(p.Body, "condition", c) != "true" {
				all = append(all, text(tf.attribute(p.Body, "error_message", c)))
			}
		}
	}
	return all
}

// dependencies are the names of all that depends_on has.
func (tf *terraform) dependencies(body *hclsyntax.Body) (all []string) {
	for _, e := range body.Attributes["depends_on"].Expr.(*hclsyntax.TupleConsExpr).Exprs {
		path := e.(*hclsyntax.ScopeTraversalExpr).Traversal
		found := tf.instances[path[0].(hcl.TraverseRoot).Name+"."+path[1].(hcl.TraverseAttr).Name]
		if len(found) == 0 {
			tf.t.Errorf("depends_on has %v, which is not there", path)
		}
		for _, i := range found {
			all = append(all, i.name)
		}
	}
	return all
}

// document is a policy in the shape of AWS.
func (tf *terraform) document(arguments map[string]any) any {
	var statements []any
	for _, item := range items(arguments["statement"]) {
		from, to := item.(map[string]any), map[string]any{}
		for name, v := range from {
			switch name {
			case "effect":
				to["Effect"] = v
			case "actions":
				to["Action"] = v
			case "resources":
				to["Resource"] = v
			case "principals":
				principal := items(v)[0].(map[string]any)
				to["Principal"] = map[string]any{text(principal["type"]): items(principal["identifiers"])[0]}
			default:
				tf.t.Errorf("a policy document has %s, which is not compared", name)
			}
		}
		statements = append(statements, to)
	}
	return map[string]any{"Statement": statements}
}

func (tf *terraform) translate(typ, name string, arguments map[string]any) resource {
	kind, ok := kinds[typ]
	if !ok {
		tf.t.Fatalf("%s, of type %s, is not compared", name, typ)
	}
	out := resource{typ: kind.typ, properties: map[string]any{}}
	put := func(from string, v any) {
		to, known := kind.arguments[from]
		if !known {
			tf.t.Errorf("%s of %s is not compared", from, name)
			return
		}
		if to == "" {
			return
		}
		at, path := out.properties, strings.Split(to, ".")
		for _, step := range path[:len(path)-1] {
			if at[step] == nil {
				at[step] = map[string]any{}
			}
			at = at[step].(map[string]any)
		}
		last := path[len(path)-1]
		if now, there := at[last]; there {
			v = append(items(now), items(v)...)
		}
		at[last] = v
	}
	for from, v := range arguments {
		switch from {
		case "hash_key":
			put(from, []any{map[string]any{"AttributeName": v, "KeyType": "HASH"}})
		case "range_key":
			put(from, []any{map[string]any{"AttributeName": v, "KeyType": "RANGE"}})
		case "attribute":
			for _, item := range items(v) {
				a := item.(map[string]any)
				put(from, []any{map[string]any{"AttributeName": a["name"], "AttributeType": a["type"]}})
			}
		case "dimensions":
			for _, key := range slices.Sorted(maps.Keys(v.(map[string]any))) {
				put(from, []any{map[string]any{"Name": key, "Value": v.(map[string]any)[key]}})
			}
		case "redrive_policy":
			var policy map[string]any
			if err := json.Unmarshal([]byte(text(v)), &policy); err != nil {
				tf.t.Fatal(err)
			}
			for k := range policy {
				if n, ok := policy[k].(float64); ok {
					policy[k] = big.NewFloat(n).Text('f', -1)
				}
			}
			put(from, policy)
		case "policy", "assume_role_policy":
			document, ok := tf.documents[text(v)]
			if !ok {
				tf.t.Errorf("%s of %s is %v, which is no policy document", from, name, v)
			}
			put(from, document)
		case "filename":
			if v != "./function.zip" {
				tf.t.Errorf("%s has the code %v", name, v)
			}
			put(from, "the zip")
		default:
			blocks, ok := v.([]any)
			if !ok || len(blocks) == 0 {
				put(from, v)
				continue
			}
			block, ok := blocks[0].(map[string]any)
			if !ok {
				put(from, v)
				continue
			}
			if len(blocks) > 1 {
				tf.t.Errorf("%s has several %s", name, from)
			}
			for k, item := range block {
				put(from+"."+k, item)
			}
		}
	}
	return out
}
