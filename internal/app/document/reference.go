package document

import (
	"strings"

	"github.com/wirepost/wirepost/internal/app"
)

// Intrinsic is the name and the argument of a function of CloudFormation, if the
// value is one: a map with Ref or an Fn:: name as its only key.
func (v *Value) Intrinsic() (name string, argument *Value, ok bool) {
	if v == nil || v.Kind != Map || len(v.Fields) != 1 {
		return "", nil, false
	}
	f := v.Fields[0]
	return f.Key, f.Value, f.Key == "Ref" || strings.HasPrefix(f.Key, "Fn::")
}

// Ref is the function Ref of a resource.
func Ref(pos app.Position, logicalID string) *Value {
	return NewMap(pos, Field{Key: "Ref", Value: NewText(pos, logicalID)})
}

// ARN is the function Fn::GetAtt of a resource's ARN.
func ARN(pos app.Position, logicalID string) *Value {
	return NewMap(pos, Field{Key: "Fn::GetAtt", Value: NewList(pos, NewText(pos, logicalID), NewText(pos, "Arn"))})
}

// InvocationURI is the URI of an integration with the Lambda function of that ARN,
// as app.FunctionName reads it.
func InvocationURI(arn *Value) *Value {
	text := func(s string) *Value { return NewText(arn.Pos, s) }
	return NewMap(arn.Pos, Field{Key: "Fn::Join", Value: NewList(arn.Pos, text(""), NewList(arn.Pos,
		text("arn:aws:apigateway:local:lambda:path/2015-03-31/functions/"), arn, text("/invocations")))})
}

// LogicalID is a name without what a logical ID may not have: letters and digits
// stay.
func LogicalID(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, name)
}
