package app

import "testing"

func TestAFunctionIsNamedByARNURIOrName(t *testing.T) {
	for given, want := range map[string]string{
		"say":      "say",
		"say:live": "say",
		"arn:aws:lambda:us-east-1:111122223333:function:say":                                                                           "say",
		"arn:aws:lambda:us-east-1:111122223333:function:say:live":                                                                      "say",
		"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:111122223333:function:say/invocations": "say",
		"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/say/invocations":                                                "say",
		"arn:aws:sqs:us-east-1:111122223333:say":                                                                                       "arn:aws:sqs:us-east-1:111122223333:say",
		"":                                                                                                                             "",
	} {
		if got := FunctionName(given); got != want {
			t.Errorf("FunctionName(%q) is %q, want %q", given, got, want)
		}
	}
}

func TestAnAppWithoutAResolverStaysAsItIs(t *testing.T) {
	a := &App{Functions: []Function{{LogicalID: "F"}}}
	if got, notes, err := a.Resolve(Names{}); got != a || len(notes) != 0 || err != nil {
		t.Errorf("resolved to %v, %v, %v, want the same app", got, notes, err)
	}
	if a.Function("F") != &a.Functions[0] || a.Function("G") != nil {
		t.Error("Function finds by logical ID")
	}
}
