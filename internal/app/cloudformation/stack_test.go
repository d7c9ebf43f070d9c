package cloudformation

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

func written(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const comparedTemplate = `
Transform: AWS::Serverless-2016-10-31
Parameters:
  Name: {Type: String, Default: people, AllowedValues: [people, things]}
  Fast: {Type: String, Default: "no"}
Rules:
  Kind:
    RuleCondition: !Equals [!Ref Fast, "yes"]
    Assertions: [{Assert: !Equals [!Ref Name, things], AssertDescription: only things are fast}]
Conditions:
  IsFast: !Equals [!Ref Fast, "yes"]
Globals:
  Function: {Runtime: provided.al2023, Environment: {Variables: {TABLE: !Ref Table}}}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties: {TableName: !Ref Name, BillingMode: !If [IsFast, PROVISIONED, !Ref AWS::NoValue]}
  Function:
    Type: AWS::Serverless::Function
    DependsOn: Table
    Properties: {MemorySize: 256, Role: !GetAtt Role.Arn, Environment: {Variables: {WHERE: !Sub "${Table.Arn} in ${AWS::Region}"}}}
  Role: {Type: AWS::IAM::Role}
  Extra: {Type: AWS::SQS::Queue, Condition: IsFast}
Outputs:
  Table: {Value: !Ref Table}
  Extra: {Condition: IsFast, Value: !Ref Extra}
`

func TestAnEvaluatedTemplateHasItsReferencesAsSymbols(t *testing.T) {
	file := written(t, comparedTemplate)
	got, notes, err := Evaluate(file, Options{})
	if err != nil || len(got.Dangling)+len(notes) > 0 {
		t.Fatal(err, got, notes)
	}
	for i := range got.Resources {
		got.Resources[i].Position = app.Position{}
	}
	want := []Resource{
		{LogicalID: "Table", Type: "AWS::DynamoDB::Table", Attributes: []string{"DeletionPolicy"}, Properties: map[string]any{"TableName": "people"}},
		{LogicalID: "Function", Type: "AWS::Serverless::Function", DependsOn: []string{"Table"}, Properties: map[string]any{
			"Runtime": "provided.al2023", "MemorySize": "256", "Role": "${Role.Arn}",
			"Environment": map[string]any{"Variables": map[string]any{"TABLE": "${Table}", "WHERE": "${Table.Arn} in us-east-1"}}}},
		{LogicalID: "Role", Type: "AWS::IAM::Role", Properties: map[string]any{}},
	}
	if !reflect.DeepEqual(got.Resources, want) {
		t.Errorf("resources are\n%v, want\n%v", got.Resources, want)
	}
	if !reflect.DeepEqual(got.Outputs, map[string]any{"Table": "${Table}"}) {
		t.Errorf("outputs are %v", got.Outputs)
	}
	if p := got.Parameters[0]; p.Name != "Name" || p.Default != "people" || !reflect.DeepEqual(p.Allowed, []string{"people", "things"}) {
		t.Errorf("the first parameter is %+v", p)
	}
	if fast, _, err := Evaluate(file, Options{Parameters: map[string]string{"Fast": "yes"}}); err != nil || len(fast.Resources) != 4 || !reflect.DeepEqual(fast.Refused, []string{"only things are fast"}) || got.Refused != nil || fast.Outputs["Extra"] != "${Extra}" {
		t.Errorf("with the condition: %+v, %v", fast, err)
	}
}

func TestAReferenceToNothingIsNamedWithItsLine(t *testing.T) {
	file := written(t, `Resources:
  A:
    Type: AWS::SQS::Queue
    DependsOn: Nobody
    Properties:
      QueueName: !Ref Nothing
      Policy: !Sub "${Nowhere.Arn}"
Outputs:
  Value:
    Value: !GetAtt Absent.Arn
`)
	got, _, err := Evaluate(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, n := range got.Dangling {
		said = append(said, strings.TrimPrefix(n.String(), file))
	}
	want := []string{":6: Nothing is not in the template", ":7: Nowhere is not in the template", ":4: Nobody is not in the template", ":10: Absent is not in the template"}
	if !reflect.DeepEqual(said, want) {
		t.Errorf("dangling are %q, want %q", said, want)
	}
}
