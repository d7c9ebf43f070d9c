package cloudformation

import (
	"strings"
	"testing"
)

func TestAnotherStageRunsInThePlaceOfOneOfHTTPAPIs(t *testing.T) {
	text := goodLines + "  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: $default, StageVariables: {a: b}}}\n"
	a, notes, err := readText(text, Options{Stage: "prod"})
	if err != nil || a.APIs[0].Stage != "prod" || a.APIs[0].StageVariables["a"] != "b" {
		t.Fatalf("the API is %+v, %v, want stage prod with the variables", a, err)
	}
	if said := noteLines(notes); !strings.Contains(said, "t.yaml:6: stage $default runs as prod: AWS has no stage $default of a WebSocket API") {
		t.Errorf("notes %s", said)
	}
}

func TestWhatIsNextToPropertiesIsTold(t *testing.T) {
	text := strings.Replace(goodLines, "Resources:\n", "Resources:\n  X:\n    Type: AWS::ApiGatewayV2::Route\n    Properties:\n      ApiId: !Ref A\n    RouteKey: say\n    DeletionPolicy: Retain\n", 1)
	_, notes, err := readText(text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	said := noteLines(notes)
	for _, want := range []string{"t.yaml:6: RouteKey of X is next to Properties, not in it, and AWS refuses it: indent it by two more spaces if it is a property\n", "t.yaml:2: route X cannot be run here: it has no route key\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("notes %s, want %s", said, want)
		}
	}
	if strings.Contains(said, "DeletionPolicy") {
		t.Errorf("notes %s, want none of DeletionPolicy", said)
	}
}
