package cloudformation

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

func TestWithoutNamesAddressesStay(t *testing.T) {
	text := with("Handler: a.b", `Handler: a.b, Environment: {Variables: {AT: !Sub "https://${A}.execute-api.us-east-1.amazonaws.com/dev"}}`)
	a, notes, err := readText(text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Functions[0].Env["AT"]; got != "https://local.execute-api.us-east-1.amazonaws.com/dev" {
		t.Errorf("AT is %q, want it as on AWS", got)
	}
	if a.APIs[0].Stage != "dev" || len(notes) != 2 || notes[0].Severity != app.Info || notes[1].Text != "variable AT of F is the address of the API on AWS and stays" {
		t.Errorf("stage %q and notes %v, want dev and two notes", a.APIs[0].Stage, notes)
	}
}

// named has an address in a variable, the same in a stage variable, and a table whose
// name contains the ID of the API.
const named = goodLines +
	"  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: live, StageVariables: {at: !Sub \"wss://${A}.execute-api.us-east-1.amazonaws.com/live\"}}}\n" +
	"  T: {Type: AWS::DynamoDB::Table, Properties: {TableName: !Sub \"${A}-people\", KeySchema: [{AttributeName: id, KeyType: HASH}], AttributeDefinitions: [{AttributeName: id, AttributeType: S}]}}\n"

func namedText() string {
	return strings.ReplaceAll(named, "Handler: a.b", `Handler: a.b, Environment: {Variables: {AT: !Sub "https://${A}.execute-api.us-east-1.amazonaws.com/live", TABLE: !Ref T, TOKEN: !ImportValue token}}`)
}

func TestReadNeedsNoAddressAndResolveGivesTheVariables(t *testing.T) {
	read, notes, err := readOnly(namedText(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if read.APIs[0].Stage != "live" || read.Region != app.DefaultRegion || read.Account != app.DefaultAccount || read.Functions[0].Env != nil || read.APIs[0].StageVariables != nil {
		t.Errorf("read %+v, want the stage live, the default region and account, and no variables", read)
	}
	if len(notes) != 1 || notes[0].Text != "variable TOKEN of F is left out: Fn::ImportValue takes it from another stack; give --value import:token=VALUE" {
		t.Errorf("notes of Read %v, want one, of TOKEN, and none of an address", notes)
	}
	before := *read
	var all sync.WaitGroup
	for _, port := range []int{3001, 4001} {
		all.Go(func() {
			id := fmt.Sprintf("local%d", port)
			a, notes, err := read.Resolve(app.Names{APIs: map[string]app.APIName{"A": {
				ID: id, Endpoint: func(stage string) string { return fmt.Sprintf("http://localhost:%d/%s", port, stage) },
			}}})
			if err != nil {
				t.Error(err)
				return
			}
			env := map[string]string{"AT": fmt.Sprintf("http://localhost:%d/live", port), "TABLE": id + "-people"}
			if got := a.Functions[0].Env; !reflect.DeepEqual(got, env) {
				t.Errorf("variables %v, want %v", got, env)
			}
			if got, want := a.APIs[0].StageVariables["at"], fmt.Sprintf("ws://localhost:%d/live", port); got != want {
				t.Errorf("stage variable %q, want %q", got, want)
			}
			if got, want := a.Tables[0].Name, id+"-people"; got != want {
				t.Errorf("the table is %q, want %q, as the function knows it", got, want)
			}
			if len(notes) != 3 {
				t.Errorf("notes %v, want one of TOKEN and two of addresses", notes)
			}
		})
	}
	all.Wait()
	if !reflect.DeepEqual(before.APIs, read.APIs) || !reflect.DeepEqual(before.Functions, read.Functions) || !reflect.DeepEqual(before.Tables, read.Tables) {
		t.Errorf("after Resolve what was read is %+v", read)
	}
}

func TestReadFindsWhatOnlyAVariableLacks(t *testing.T) {
	text := "Parameters:\n  Token: {Type: String}\n" + with("Handler: a.b", "Handler: a.b, Environment: {Variables: {TOKEN: !Ref Token}}")
	_, _, err := readOnly(text, Options{})
	const want = "t.yaml:2: parameter Token has no default: give --parameter Token=VALUE"
	if err == nil || err.Error() != want {
		t.Errorf("Read: %v, want %s", err, want)
	}
}
