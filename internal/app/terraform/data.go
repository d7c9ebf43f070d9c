package terraform

import (
	"encoding/json"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// look adds what a data source finds, as far as that is known here.
func (x *instance) look(out map[string]cty.Value, b *body) {
	set := func(pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = cty.StringVal(pairs[i+1])
		}
	}
	switch x.typ {
	case "aws_region":
		set("name", x.region, "id", x.region, "region", x.region, "endpoint", "ec2."+x.region+"."+x.suffix())
	case "aws_caller_identity":
		set("account_id", x.account, "id", x.account, "user_id", "AIDA"+strings.ToUpper(hash("user")[:17]), "arn", "arn:"+x.partition()+":iam::"+x.account+":user/local")
	case "aws_partition":
		set("partition", x.partition(), "id", x.partition(), "dns_suffix", x.suffix(), "reverse_dns_prefix", "com.amazonaws")
	case "aws_availability_zones":
		out["names"] = cty.ListVal([]cty.Value{cty.StringVal(x.region + "a"), cty.StringVal(x.region + "b"), cty.StringVal(x.region + "c")})
	case "aws_iam_policy_document":
		out["json"] = b.policy()
		out["minified_json"] = out["json"]
	case "aws_ssm_parameter":
		x.fromAWS(out, "ssm:", text(out["name"]), "value", "insecure_value")
	case "aws_secretsmanager_secret":
		if s := text(out["name"]); s != "" {
			set("id", s, "arn", "arn:"+x.partition()+":secretsmanager:"+x.region+":"+x.account+":secret:"+s)
		}
	case "aws_secretsmanager_secret_version":
		id := text(out["secret_id"])
		if _, name, ok := strings.Cut(id, ":secret:"); ok {
			id = name
		}
		x.fromAWS(out, "secretsmanager:", id, "secret_string")
	case "terraform_remote_state":
		outputs := map[string]cty.Value{}
		for name := range x.mentioned {
			full := x.address + ".outputs." + name
			if s, ok := x.value1(full); ok {
				outputs[name] = cty.StringVal(s)
			} else {
				outputs[name] = unknown("output %s is of another state of Terraform; give %s", document.Clip(name), app.Flag("--value", full, "VALUE"))
			}
		}
		out["outputs"] = cty.ObjectVal(outputs)
	case "template_file":
		vars, ok := out["vars"]
		if !ok {
			vars = cty.EmptyObjectVal
		}
		out["rendered"] = x.rendered("the template of "+x.address, text(out["template"]), vars)
	case "local_file":
		if data, err := x.read(filepath.Join(x.options.Dir, filepath.FromSlash(text(out["filename"])))); err == nil && len(data) <= document.MaxString {
			set("content", string(data))
		}
	case "archive_file", "null_data_source":
		x.compute(out)
		if x.typ == "null_data_source" {
			out["outputs"] = orNull(out["inputs"])
		}
	case "external", "http": // programs and the network
	default:
		for name, form := range computed[x.typ] {
			if _, there := out[name]; !there && !strings.Contains(form, "{ref}") && !strings.Contains(form, "{get:") && text(out[names[x.typ]]) != "" {
				out[name] = x.fill(form, out)
			}
		}
	}
	for name := range out {
		if s, ok := x.options.Values[x.address+"."+name]; ok {
			out[name] = cty.StringVal(s)
			x.asked[x.address+"."+name] = true
		}
	}
}

// fromAWS is a parameter or a secret that the caller gives.
func (x *instance) fromAWS(out map[string]cty.Value, source, name string, attributes ...string) {
	if name == "" {
		return
	}
	name = source + name
	s, ok := x.value1(name)
	for _, a := range attributes {
		if out[a] = unknown("%s is only on AWS; give %s", document.Clip(name), app.Flag("--value", name, "VALUE")); ok {
			out[a] = cty.StringVal(s)
		}
	}
}

// policy is the JSON of a policy document.
func (b *body) policy() cty.Value {
	type statement map[string]any
	out := []statement{}
	list := func(v cty.Value) (all []string) {
		v, _ = v.Unmark()
		if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
			return nil
		}
		for it := v.ElementIterator(); it.Next(); {
			_, item := it.Element()
			all = append(all, text(item))
		}
		return all
	}
	for _, s := range b.blocks["statement"] {
		made := statement{"Effect": "Allow"}
		if effect := s.text("effect"); effect != "" {
			made["Effect"] = effect
		}
		for argument, key := range map[string]string{"actions": "Action", "not_actions": "NotAction", "resources": "Resource", "not_resources": "NotResource"} {
			if a, ok := s.attrs[argument]; ok {
				made[key] = list(a.value)
			}
		}
		for _, p := range s.blocks["principals"] {
			made["Principal"] = map[string]any{p.text("type"): list(p.attrs["identifiers"].value)}
		}
		if sid := s.text("sid"); sid != "" {
			made["Sid"] = sid
		}
		out = append(out, made)
	}
	j, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": out})
	return cty.StringVal(string(j))
}

// rendered is a template with variables.
func (c *configuration) rendered(name, template string, vars cty.Value) cty.Value {
	tokens, _ := hclsyntax.LexTemplate([]byte(template), name, firstByte)
	if _, bad := wild(tokens); bad != "" {
		return unknown("%s %s", document.Clip(name), bad)
	}
	e, diags := hclsyntax.ParseTemplate([]byte(template), name, firstByte)
	if diags.HasErrors() {
		return unknown("%s cannot be understood: %s", document.Clip(name), sentence(diags[0]))
	}
	c.meter.count(e)
	bare, marks := vars.Unmark()
	if !bare.IsKnown() || bare.IsNull() || !bare.CanIterateElements() {
		return unknown("the variables of %s are not known", document.Clip(name)).WithMarks(marks)
	}
	ctx := c.templateContext(bare)
	v, diags := e.Value(ctx)
	if diags.HasErrors() {
		return unknown("%s: %s", document.Clip(name), (&module{configuration: c}).diagnosis(diags))
	}
	s, ok := to(v, cty.String)
	if !ok {
		return unknown("%s is not a text", document.Clip(name))
	}
	return s.WithMarks(marks)
}
