package doctor_test

import (
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
)

func longRows() []row {
	named := func(name string) func(*world) {
		return func(w *world) { w.env["WIREPOST_LONG_FUNCTION"] = name }
	}
	return []row{
		{name: "a function that does long work, by its ARN with its alias", make: named(longARN + ":live")},
		{name: "without its alias", make: named(longARN), want: problems(wirepost.ProblemLongNoAlias), says: []string{"append the alias"}, fine: true},
		{name: "a variable that was not replaced", make: named("arn:${AWS::Partition}:lambda:x"), want: problems(wirepost.ProblemLongUnknown), says: []string{`"arn:${AWS::Partition}:lambda:x", which is no name of a function`}},
	}
}

func TestANameOfAFunctionIsReadInEachOfItsForms(t *testing.T) {
	for s, want := range map[string]doctor.LambdaName{
		"long":                       {Name: "long"},
		"long:live":                  {Name: "long", Qualifier: "live"},
		"long:$LATEST":               {Name: "long", Qualifier: "$LATEST"},
		"111122223333:function:long": {Account: "111122223333", Name: "long"},
		longARN:                      {"eu-west-1", "111122223333", "push-long", ""},
		longARN + ":7":               {"eu-west-1", "111122223333", "push-long", "7"},
		"arn:aws-cn:lambda:cn-north-1:1:function:x:live": {"cn-north-1", "1", "x", "live"},
	} {
		if got, ok := doctor.ParseLambdaName(s); got != want || !ok {
			t.Errorf("%q is %+v, %v, want %+v", s, got, ok, want)
		}
	}
	for _, s := range []string{"", ":", "long:", ":live", "a b", "a:b:c", "undefined", "null", "None", "${Long}", longARN + ":a:b", "arn:aws:lambda:eu-west-1:1:function:", "arn:aws:sqs:eu-west-1:1:queue", "https://lambda"} {
		if got, ok := doctor.ParseLambdaName(s); ok {
			t.Errorf("%q is read as %+v", s, got)
		}
	}
}
