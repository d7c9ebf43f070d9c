package terraform

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// quiet are types, by the beginning of their names, that change nothing in what runs
// here, or only what another resource says.
var quiet = []string{"aws_iam_", "aws_cloudwatch_", "aws_lambda_", "aws_apigatewayv2_", "aws_api_gateway_", "aws_kms_", "aws_s3_", "aws_route53_", "aws_acm_", "aws_appautoscaling_",
	"aws_sqs_queue_policy", "aws_sns_topic_policy", "aws_ssm_parameter", "aws_xray_", "aws_security_group", "aws_subnet", "aws_vpc", "aws_wafv2_", "aws_ecr_", "aws_resourcegroups_", "aws_budgets_"}

// emit writes the resources of all modules as those of CloudFormation.
func (c *configuration) emit() *value {
	var all []*instance
	c.root.each(func(m *module) {
		for _, b := range m.source.order {
			if b.typ == "resource" && isRead(b.labels[0]) {
				all = append(all, m.instances(b).all...)
			} else if b.typ == "resource" {
				m.notRun(b)
			}
		}
	})
	for _, x := range all {
		x.value(x.block.pos) // makes the texts that stand for references
		x.checkConditions()
		c.byType[x.typ] = append(c.byType[x.typ], x)
	}
	out := &value{Kind: document.Map, Pos: app.Position{File: c.File()}}
	for _, x := range all {
		k := kinds()[x.typ]
		if k == nil {
			continue
		}
		properties := x.properties(k)
		properties = append(properties, x.special()...)
		out.Fields = append(out.Fields, field{Key: x.address, Pos: x.block.pos, Value: document.NewMap(x.block.pos,
			field{Key: "Type", Value: document.NewText(x.block.pos, k.typ)},
			field{Key: "Properties", Value: document.NewMap(x.block.pos, properties...)},
			field{Key: "Metadata", Value: x.rows()})})
		x.placeholder()
	}
	return out
}

// placeholder keeps what stands for a resource that is not run.
func (x *instance) placeholder() {
	for text, t := range x.tokens {
		if t.of == x && t.attribute == "" && (strings.HasPrefix(x.typ, "aws_cognito_") || x.typ == "aws_apigatewayv2_api" || x.typ == "aws_api_gateway_rest_api") {
			x.placeholders[x.address] = text
		}
	}
}

// notRun says that resources of a type are not run here.
func (m *module) notRun(b *block) {
	typ := b.labels[0]
	if strings.HasPrefix(typ, "aws_") && !slices.ContainsFunc(quiet, func(q string) bool { return strings.HasPrefix(typ, q) }) {
		m.Note(b.pos, app.Info, "%s is not run here", document.Clip(m.path+typ+"."+b.labels[1]))
	}
}

// checkConditions says which of a resource's preconditions does not hold.
func (x *instance) checkConditions() {
	for _, b := range x.block.blocks {
		if b.typ != "lifecycle" {
			continue
		}
		for _, inner := range b.blocks {
			if inner.typ == "precondition" {
				x.check(inner, "a precondition of "+document.Clip(x.address)+" does not hold", x.scope, func(pos app.Position, format string, args ...any) {
					x.Note(pos, app.Warning, format, args...)
				})
			}
		}
	}
}

// properties are the arguments that have a property of their own.
func (x *instance) properties(k *kind) []field {
	b := x.content()
	x.leftOut(k, b)
	root := &value{Kind: document.Map, Pos: b.pos}
	for _, argument := range k.order {
		property := k.properties[argument]
		if property == "-" || property == "*" {
			continue
		}
		v := x.argument(b, strings.Split(argument, "."))
		if v == nil && argument == names[x.typ] { // made up
			v = x.document(x.object.GetAttr(argument), nil, b.pos)
		}
		if v != nil && !nothing(argument, v) {
			put(root, strings.Split(property, "."), v)
		}
	}
	return root.Fields
}

// isBlock are blocks of which only it matters that they are there.
var isBlock = map[string]bool{"access_log_settings": true, "default_route_settings": true, "route_settings": true, "request_parameter": true, "tls_config": true, "dead_letter_config": true, "file_system_config": true, "import_table": true}

// nothing reports whether an argument says what it means when it is not written: an
// empty list or map, or no limit.
func nothing(argument string, v *value) bool {
	switch v.Kind {
	case document.List:
		return len(v.Items) == 0
	case document.Map:
		return len(v.Fields) == 0 && !isBlock[argument]
	}
	return argument == "reserved_concurrent_executions" && v.Text == "-1"
}

// put puts a value where a path leads to.
func put(to *value, path []string, v *value) {
	for i := range to.Fields {
		if to.Fields[i].Key == path[0] && len(path) > 1 {
			put(to.Fields[i].Value, path[1:], v)
			return
		}
	}
	if len(path) > 1 {
		inner := &value{Kind: document.Map, Pos: v.Pos}
		put(inner, path[1:], v)
		v = inner
	}
	to.Fields = append(to.Fields, field{Key: path[0], Pos: v.Pos, Value: v})
}

// argument is what a path of blocks and an argument leads to; nil if it is not written.
func (c *configuration) argument(b *body, path []string) *value {
	if inner := b.blocks[path[0]]; len(inner) > 0 {
		if len(path) > 1 {
			return c.argument(inner[0], path[1:])
		}
		return document.NewMap(inner[0].pos) // it is there: what is in it does not matter
	}
	a, ok := b.attrs[path[0]]
	if !ok {
		return nil
	}
	if len(path) > 1 { // a block of JSON: an object, or a list of one
		v := a.value
		for _, name := range path[1:] {
			v = attributeOf(v, name)
		}
		return c.document(v, nil, a.pos)
	}
	return c.document(a.value, a.expr, a.pos)
}

// attributeOf is an attribute of an object, or of the first in a list; NilVal if there
// is none.
func attributeOf(v cty.Value, name string) cty.Value {
	if v == cty.NilVal {
		return v
	}
	v, marks := v.Unmark()
	if v.IsKnown() && !v.IsNull() && (v.Type().IsTupleType() || v.Type().IsListType()) && v.LengthInt() > 0 {
		v, _ = v.Index(cty.Zero).Unmark()
	}
	switch typ := v.Type(); {
	case !v.IsKnown():
		return v.WithMarks(marks)
	case v.IsNull():
	case typ.IsObjectType() && typ.HasAttribute(name):
		return v.GetAttr(name).WithMarks(marks)
	case typ.IsMapType() && v.HasIndex(cty.StringVal(name)).True():
		return v.Index(cty.StringVal(name)).WithMarks(marks)
	}
	return cty.NilVal
}

// leftOut says which arguments have a name that is nearly one that is known.
func (x *instance) leftOut(k *kind, b *body) {
	known := map[string]bool{}
	for _, argument := range k.order {
		name, _, _ := strings.Cut(argument, ".")
		known[name] = true
	}
	if len(known) == 0 {
		return
	}
	var all []string
	for name := range known {
		all = append(all, name)
	}
	for name, a := range b.attrs {
		if !known[name] {
			if near := app.Nearest(name, all); near != "" && b.attrs[near].expr == nil {
				x.Note(a.pos, app.Warning, "%s of %s is not an argument that is known here: did you mean %s?", document.Clip(name), document.Clip(x.address), near)
			}
		}
	}
}

// special are the properties that several arguments make.
func (x *instance) special() []field {
	b := x.content()
	switch x.typ {
	case "aws_lambda_function":
		return x.functionCode()
	case "aws_lambda_layer_version":
		return []field{{Key: "Content", Value: x.codeOf()}}
	case "aws_dynamodb_table":
		return x.table(b)
	case "aws_sqs_queue":
		return []field{{Key: "RedrivePolicy", Value: x.redrivePolicy(b)}}
	case "aws_sns_topic_subscription":
		if a, ok := b.attrs["filter_policy"]; ok {
			return []field{{Key: "FilterPolicy", Value: x.ofJSON(a)}}
		}
	case "aws_lambda_event_source_mapping":
		return []field{{Key: "FilterCriteria", Value: x.filters(b)}}
	case "aws_cloudwatch_event_rule":
		return x.rule(b)
	case "aws_api_gateway_method":
		return x.method(b)
	}
	return nil
}

// redrivePolicy is that of a queue, or of a resource of its own.
func (x *instance) redrivePolicy(b *body) *value {
	if a, ok := b.attrs["redrive_policy"]; ok {
		return x.ofJSON(a)
	}
	url := text(x.object.GetAttr("url"))
	for _, other := range x.byType["aws_sqs_queue_redrive_policy"] {
		if o := other.content(); o.text("queue_url") == url {
			return other.ofJSON(o.attrs["redrive_policy"])
		}
	}
	return nil
}

// filters are those of an event source mapping.
func (x *instance) filters(b *body) *value {
	list := document.NewList(b.pos)
	for _, criteria := range b.blocks["filter_criteria"] {
		for _, f := range criteria.blocks["filter"] {
			if a, ok := f.attrs["pattern"]; ok {
				list.Items = append(list.Items, document.NewMap(f.pos, field{Key: "Pattern", Value: x.document(a.value, a.expr, a.pos)}))
			}
		}
	}
	if len(list.Items) == 0 {
		return nil
	}
	return document.NewMap(b.pos, field{Key: "Filters", Value: list})
}

// rule is a rule with its pattern and its targets, which are resources of their own.
func (x *instance) rule(b *body) (out []field) {
	if a, ok := b.attrs["event_pattern"]; ok {
		out = append(out, field{Key: "EventPattern", Value: x.ofJSON(a)})
	}
	if b.text("is_enabled") == "false" {
		out = append(out, field{Key: "State", Value: document.NewText(b.attrs["is_enabled"].pos, "DISABLED")})
	}
	targets := document.NewList(b.pos)
	for _, t := range x.byType["aws_cloudwatch_event_target"] {
		o := t.content()
		if o.text("rule") != text(x.object.GetAttr("name")) {
			continue
		}
		var fields []field
		for argument, property := range map[string]string{"arn": "Arn", "target_id": "Id", "input": "Input", "input_path": "InputPath"} {
			if a, ok := o.attrs[argument]; ok {
				fields = append(fields, field{Key: property, Value: t.document(a.value, a.expr, a.pos)})
			}
		}
		for _, i := range o.blocks["input_transformer"] {
			fields = append(fields, field{Key: "InputTransformer", Value: document.NewMap(i.pos)})
		}
		if o.text("target_id") == "" {
			fields = append(fields, field{Key: "Id", Value: document.NewText(o.pos, t.label)})
		}
		slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.Key, b.Key) })
		targets.Items = append(targets.Items, document.NewMap(o.pos, fields...))
	}
	if len(targets.Items) > 0 {
		out = append(out, field{Key: "Targets", Value: targets})
	}
	return out
}

// method is a method of a REST API with its integration, which is a resource of its
// own.
func (x *instance) method(b *body) []field {
	for _, i := range x.byType["aws_api_gateway_integration"] {
		o := i.content()
		if o.text("resource_id") != b.text("resource_id") || o.text("http_method") != b.text("http_method") || o.text("rest_api_id") != b.text("rest_api_id") {
			continue
		}
		var fields []field
		for _, p := range [][2]string{{"type", "Type"}, {"uri", "Uri"}, {"integration_http_method", "IntegrationHttpMethod"}, {"timeout_milliseconds", "TimeoutInMillis"}} {
			if a, ok := o.attrs[p[0]]; ok {
				fields = append(fields, field{Key: p[1], Value: i.document(a.value, a.expr, a.pos)})
			}
		}
		return []field{{Key: "Integration", Value: document.NewMap(o.pos, fields...)}}
	}
	return nil
}
