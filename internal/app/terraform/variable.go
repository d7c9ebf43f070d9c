package terraform

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// typeOf is the type that a variable has, with the defaults of its optional attributes.
func typeOf(e hcl.Expression) (cty.Type, *typeexpr.Defaults, string) {
	if e == nil {
		return cty.DynamicPseudoType, nil, ""
	}
	typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(e)
	if diags.HasErrors() {
		// Before Terraform 0.12 a type was a string, and so it is in JSON.
		if v, diags := e.Value(nil); !diags.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			text := v.AsString()
			if inner, bad := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos); !bad.HasErrors() && len(text) < 4096 {
				if typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(inner); !diags.HasErrors() {
					return typ, defaults, ""
				}
			}
			if text == "list" || text == "map" {
				return cty.DynamicPseudoType, nil, ""
			}
		}
		if word := hcl.ExprAsKeyword(e); word == "list" || word == "map" || word == "set" {
			return cty.DynamicPseudoType, nil, ""
		}
		return cty.DynamicPseudoType, nil, sentence(diags[0])
	}
	return typ, defaults, ""
}

// applied is a value with the defaults of its optional attributes. What is not known in
// it stays so.
func applied(d *typeexpr.Defaults, v cty.Value) (out cty.Value) {
	defer func() { // of values that are marked, which it was not made for
		if recover() != nil {
			out = v
		}
	}()
	bare, paths := v.UnmarkDeepWithPaths()
	return d.Apply(bare).MarkWithPaths(paths)
}

// to is a value of a type, if it can be one.
func to(v cty.Value, typ cty.Type) (out cty.Value, ok bool) {
	if v == cty.NilVal {
		return v, false
	}
	v, err := convert.Convert(v, typ)
	return v, err == nil
}

// given is what the caller says for a variable of the root: a parameter, a file of
// values or TF_VAR_NAME. NilVal means nothing. (Terraform docs, "Input variables":
// "Variable definition precedence".)
func (c *configuration) given(name string, wanted cty.Type) cty.Value {
	if text, ok := c.options.Parameters[name]; ok {
		return c.written(text, wanted, "the parameter "+name)
	}
	if v, ok := c.inputs[name]; ok {
		return v
	}
	if c.options.Env != nil {
		if text := c.options.Env("TF_VAR_" + name); text != "" {
			return c.written(text, wanted, "TF_VAR_"+name)
		}
	}
	return cty.NilVal
}

// written is a value as a flag or an environment variable has it: the text itself for a
// variable of a simple type, and else an expression.
func (c *configuration) written(text string, wanted cty.Type, what string) cty.Value {
	if wanted.IsPrimitiveType() || wanted == cty.DynamicPseudoType && !strings.ContainsAny(text, "[{") {
		return cty.StringVal(text)
	}
	tokens, _ := hclsyntax.LexExpression([]byte(text), what, hcl.InitialPos)
	if _, bad := wild(tokens); bad != "" {
		return unknown("%s %s", document.Clip(what), bad)
	}
	e, diags := hclsyntax.ParseExpression([]byte(text), what, hcl.InitialPos)
	if !diags.HasErrors() {
		if v, diags := e.Value(nil); !diags.HasErrors() {
			return v
		}
	}
	return unknown("%s is not a value as Terraform writes one", document.Clip(what))
}

// readInputs reads the files of values that Terraform reads unasked.
func (c *configuration) readInputs() error {
	var files []string
	for _, pattern := range []string{"terraform.tfvars", "terraform.tfvars.json", "*.auto.tfvars", "*.auto.tfvars.json"} {
		found, _ := filepath.Glob(filepath.Join(escape(c.options.Dir), pattern))
		if strings.HasPrefix(pattern, "*") {
			files = append(files, found...)
			if strings.HasSuffix(pattern, ".json") { // both in the order of their names
				n := len(files)
				for n > 0 && strings.Contains(files[n-1], ".auto.tfvars") {
					n--
				}
				slices.Sort(files[n:])
			}
			continue
		}
		files = append(files, found...)
	}
	for _, file := range files {
		data, err := c.read(file)
		if err != nil {
			return err
		}
		body, err := c.body(file, data)
		if err != nil {
			return err
		}
		attrs, diags := body.JustAttributes()
		if diags.HasErrors() {
			return c.diagnosed(file, diags)
		}
		for name, a := range attrs {
			v, diags := a.Expr.Value(nil)
			if diags.HasErrors() {
				return app.Errorf(c.at(a.Range), "%s is not a value: %s", document.Clip(name), sentence(diags[0]))
			}
			c.inputs[name] = v
		}
	}
	return nil
}

// escape is a path of which Glob takes no letter for a pattern.
func escape(dir string) string {
	return strings.NewReplacer(`[`, `\[`, `*`, `\*`, `?`, `\?`).Replace(dir)
}

// checkParameters refuses a parameter that there is not.
func (m *module) checkParameters() {
	var names []string
	for name := range m.source.variables {
		names = append(names, name)
	}
	for name := range m.options.Parameters {
		if m.source.variables[name] != nil {
			continue
		}
		hint := ""
		if near := app.Nearest(name, names); near != "" {
			hint = ": did you mean " + document.Clip(near) + "?"
		}
		m.Fail(app.Position{File: m.File()}, "has no variable %s, which is given as a parameter%s", document.Clip(name), hint)
	}
}
