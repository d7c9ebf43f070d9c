package terraform

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/wirepost/wirepost/internal/app/document"
)

// allFunctions are the functions of Terraform that are known here. (Terraform docs,
// "Built-in Functions".) Those that read files read them from the root's folder.
func (c *configuration) allFunctions() map[string]function.Function {
	all := map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc, "max": stdlib.MaxFunc, "min": stdlib.MinFunc,
		"parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc, "signum": stdlib.SignumFunc,
		"chomp": stdlib.ChompFunc, "format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc, "join": stdlib.JoinFunc, "lower": stdlib.LowerFunc,
		"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc,
		"trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,
		"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc,
		"contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "index": stdlib.IndexFunc, "keys": stdlib.KeysFunc,
		"lookup": lookupFunction, "merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
		"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
		"csvdecode": stdlib.CSVDecodeFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
		"formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc,
		"try": tryfunc.TryFunc, "can": tryfunc.CanFunc,
		"tostring": stdlib.MakeToFunc(cty.String), "tonumber": stdlib.MakeToFunc(cty.Number), "tobool": stdlib.MakeToFunc(cty.Bool),
		"tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), "toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), "tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"length": lengthFunction, "one": oneFunction, "sum": sumFunction, "alltrue": everyFunction(true), "anytrue": everyFunction(false),
		"setproduct": bounded(stdlib.SetProductFunc, productOf), "indent": bounded(stdlib.IndentFunc, indentedBy), "replace": replaceFunction,
		"startswith": ofTexts(strings.HasPrefix), "endswith": ofTexts(strings.HasSuffix), "strcontains": ofTexts(strings.Contains),
		"sensitive": sameFunction, "nonsensitive": sameFunction, "ephemeralasnull": sameFunction, "issensitive": constantFunction(cty.False),
		"timestamp": constantFunction(cty.StringVal("2026-01-01T00:00:00Z")), "plantimestamp": constantFunction(cty.StringVal("2026-01-01T00:00:00Z")),
		"uuid": constantFunction(cty.StringVal("00000000-0000-4000-8000-000000000000")),
	}
	for name, f := range textFunctions {
		all[name] = ofText(f)
	}
	for name, f := range c.fileFunctions() {
		all[name] = f
	}
	all["yamldecode"], all["yamlencode"] = yamlDecodeFunction, yamlEncodeFunction
	for name, f := range all {
		all["core::"+name] = f
	}
	return all
}

// templateContext is what the text of a template knows. A template calls no template.
func (c *configuration) templateContext(vars cty.Value) *hcl.EvalContext {
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: map[string]function.Function{}}
	for it := vars.ElementIterator(); it.Next(); {
		k, v := it.Element()
		if k.Type() == cty.String {
			ctx.Variables[k.AsString()] = v
		}
	}
	for name, f := range c.functions {
		if !strings.HasSuffix(name, "templatefile") && !strings.HasSuffix(name, "templatestring") {
			ctx.Functions[name] = f
		}
	}
	return ctx
}

var anything = function.Parameter{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true}

func textParameter(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.String}
}

// ofText is a function of one text.
func ofText(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{textParameter("text")}, Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			return cty.StringVal(s), err
		},
	})
}

// ofTexts is a question about two texts.
func ofTexts(f func(a, b string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{textParameter("text"), textParameter("part")}, Type: function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func constantFunction(v cty.Value) function.Function {
	return function.New(&function.Spec{VarParam: &anything, Type: function.StaticReturnType(v.Type()),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return v, nil }})
}

// sameFunction is one that changes nothing here, such as sensitive.
var sameFunction = function.New(&function.Spec{
	Params: []function.Parameter{anything},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0], nil },
})

// lengthFunction is length, which takes texts too.
var lengthFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}}, Type: function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		switch v := args[0]; {
		case v.Type().IsTupleType() || v.Type().IsObjectType():
			return cty.NumberIntVal(int64(v.LengthInt())), nil
		case !v.IsKnown():
			return cty.UnknownVal(cty.Number), nil
		case v.Type() == cty.String:
			return stdlib.Strlen(v)
		case v.CanIterateElements():
			return v.Length(), nil
		}
		return cty.NilVal, function.NewArgErrorf(0, "it has no length")
	},
})

// oneFunction is one: the only element of a list, or null.
var oneFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType, AllowDynamicType: true}}, Type: function.StaticReturnType(cty.DynamicPseudoType),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v := args[0]
		if !v.CanIterateElements() || v.Type().IsMapType() || v.Type().IsObjectType() || v.LengthInt() > 1 {
			return cty.NilVal, function.NewArgErrorf(0, "it is not a list or a set with one element at most")
		}
		for it := v.ElementIterator(); it.Next(); {
			_, item := it.Element()
			return item, nil
		}
		return cty.NullVal(cty.DynamicPseudoType), nil
	},
})

// sumFunction is sum of a list of numbers.
var sumFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType, AllowDynamicType: true}}, Type: function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		sum := cty.Zero
		if !args[0].CanIterateElements() || args[0].LengthInt() == 0 {
			return cty.NilVal, function.NewArgErrorf(0, "it is not a list with elements")
		}
		for it := args[0].ElementIterator(); it.Next(); {
			_, item := it.Element()
			n, err := convert.Convert(item, cty.Number)
			if err != nil || n.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "an element is not a number")
			}
			sum = sum.Add(n)
		}
		return sum, nil
	},
})

// everyFunction is alltrue, or anytrue.
func everyFunction(all bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}}, Type: function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for it := args[0].ElementIterator(); it.Next(); {
				_, item := it.Element()
				if !item.IsKnown() {
					return cty.UnknownVal(cty.Bool), nil
				}
				if (!item.IsNull() && item.True()) != all {
					return cty.BoolVal(!all), nil
				}
			}
			return cty.BoolVal(all), nil
		},
	})
}

// bounded is a function whose result may be at most a text, or a list, that is not too
// long; of says how long it would be.
func bounded(f function.Function, of func(args []cty.Value) int) function.Function {
	return function.New(&function.Spec{
		Params: f.Params(), VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if n := of(args); n < 0 || n > document.MaxString {
				return cty.NilType, function.NewArgErrorf(0, "%s", tooLarge)
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// productOf is how many elements setproduct makes.
func productOf(args []cty.Value) int {
	n := 1
	for _, a := range args {
		if n *= max(1, size(a)); n > document.MaxString {
			return -1
		}
	}
	return 16 * n
}

// indentedBy is about how long a text becomes when it is indented.
func indentedBy(args []cty.Value) int {
	if len(args) != 2 || args[1].Type() != cty.String || !args[1].IsKnown() {
		return 0
	}
	n, ok := whole(args[0])
	if !ok || n < 0 || n > document.MaxString {
		return -1
	}
	return n * (1 + strings.Count(args[1].AsString(), "\n"))
}

// replaceFunction is replace: a text between slashes is a pattern.
var replaceFunction = function.New(&function.Spec{
	Params: []function.Parameter{textParameter("text"), textParameter("what"), textParameter("by")}, Type: function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		s, what, by := args[0].AsString(), args[1].AsString(), args[2].AsString()
		if n := len(what); n > 1 && what[0] == '/' && what[n-1] == '/' {
			if len(s)*max(1, len(by)) > 16*document.MaxString {
				return cty.NilVal, function.NewArgErrorf(0, "%s", tooLarge)
			}
			return stdlib.RegexReplace(args[0], cty.StringVal(what[1:n-1]), args[2])
		}
		if strings.Count(s, what)*len(by) > 4*document.MaxString {
			return cty.NilVal, function.NewArgErrorf(0, "%s", tooLarge)
		}
		return cty.StringVal(strings.ReplaceAll(s, what, by)), nil
	},
})
