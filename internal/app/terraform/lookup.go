package terraform

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// lookupFunction is lookup, whose default may be null or left out, which cty's own does
// not take. (Terraform docs, "lookup Function".)
var lookupFunction = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true},
		{Name: "key", Type: cty.String, AllowMarked: true},
	},
	VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true},
	Type:     lookupType,
	Impl: func(args []cty.Value, typ cty.Type) (cty.Value, error) {
		from, marks := args[0].Unmark()
		key, more := args[1].Unmark()
		name := key.AsString()
		var found cty.Value
		switch {
		case from.Type().IsObjectType() && from.Type().HasAttribute(name):
			found = from.GetAttr(name)
		case from.Type().IsMapType() && from.HasIndex(key).True():
			found = from.Index(key)
		case len(args) == 3:
			var err error
			if found, err = convert.Convert(args[2], typ); err != nil {
				return cty.NilVal, function.NewArgError(2, err)
			}
		default:
			return cty.NilVal, function.NewArgErrorf(1, "there is no element with that key, and no default is given")
		}
		return found.WithMarks(marks, more), nil
	},
})

// lookupType is the type of what lookup finds.
func lookupType(args []cty.Value) (cty.Type, error) {
	typ := args[0].Type()
	key, _ := args[1].Unmark()
	switch {
	case len(args) > 3:
		return cty.NilType, function.NewArgErrorf(3, "lookup has one default at most")
	case typ.IsMapType():
		return typ.ElementType(), nil
	case !typ.IsObjectType():
		return cty.NilType, function.NewArgErrorf(0, "a map or an object is needed")
	case !key.IsKnown():
		return cty.DynamicPseudoType, nil
	case typ.HasAttribute(key.AsString()):
		return typ.AttributeType(key.AsString()), nil
	case len(args) == 3:
		return args[2].Type(), nil
	}
	return cty.NilType, function.NewArgErrorf(1, "there is no element with that key, and no default is given")
}
