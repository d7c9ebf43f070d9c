package deploy

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/dynamostore"
)

func TestTheTableIsTheOneThatTheStoreMakes(t *testing.T) {
	d := dynamostore.Definition()
	if !d.OnDemand {
		t.Fatal("the stacks say on-demand billing, and the store does not")
	}
	got := cloudFormationOf(t, "sam/template.yaml", nil).resources["table"]
	want := map[string]any{
		"TableName":   "connections",
		"BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []any{
			map[string]any{"AttributeName": d.Key[0], "AttributeType": d.KeyTypes[0]},
			map[string]any{"AttributeName": d.Key[1], "AttributeType": d.KeyTypes[1]},
		},
		"KeySchema": []any{
			map[string]any{"AttributeName": d.Key[0], "KeyType": "HASH"},
			map[string]any{"AttributeName": d.Key[1], "KeyType": "RANGE"},
		},
		"TimeToLiveSpecification": map[string]any{"AttributeName": d.TTL, "Enabled": "true"},
	}
	if got.typ != "AWS::DynamoDB::Table" || !reflect.DeepEqual(got.properties, want) {
		t.Errorf("the table is a %s with %v, want %v", got.typ, got.properties, want)
	}
}

// A function may do what the store does, and what only people do is not in the
// stacks' policies.
func TestFunctionsMayDoWhatTheStoreDoes(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "dynamostore", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var does []string
	for _, f := range files {
		name := filepath.Base(f)
		if strings.HasSuffix(name, "_test.go") || name == "table.go" || name == "sweep.go" { // for people
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range regexp.MustCompile(`\.db\.(\w+)\(`).FindAllStringSubmatch(string(b), -1) {
			does = append(does, "dynamodb:"+call[1]+` on ${table.Arn} {"Effect":"Allow"}`)
		}
	}
	slices.Sort(does)
	does = slices.Compact(does)
	if len(does) < 4 {
		t.Fatalf("the store is found to do only %q", does)
	}
	s := cloudFormationOf(t, "sam/template.yaml", nil)
	for _, role := range []string{"websocketrole", "publishrole", "queuerole"} {
		var may []string
		for _, line := range s.lines() {
			if right, ok := strings.CutPrefix(line, role+": "); ok && strings.HasPrefix(right, "dynamodb:") {
				may = append(may, right)
			}
		}
		if !slices.Equal(may, does) {
			t.Errorf("%s may %q, and the store does %q", role, may, does)
		}
	}
}

// What each function may do besides, in full: a right that nobody needs is one that
// somebody may use.
func TestFunctionsMayDoNothingElse(t *testing.T) {
	s := cloudFormationOf(t, "sam/template.yaml", nil)
	common := []string{
		`execute-api:ManageConnections on arn:aws:execute-api:us-east-1:000000000000:${api}/live/*/@connections/*`,
		`logs:CreateLogStream on ${LOG.Arn}`, `logs:PutLogEvents on ${LOG.Arn}`, `sqs:SendMessage on ${queue.Arn}`,
	}
	reads := []string{`sqs:DeleteMessage on ${queue.Arn}`, `sqs:GetQueueAttributes on ${queue.Arn}`, `sqs:ReceiveMessage on ${queue.Arn}`}
	hands := []string{`lambda:InvokeFunction on arn:aws:lambda:us-east-1:000000000000:function:local-long:live`}
	for name, want := range map[string][]string{"websocket": slices.Concat(common, hands), "publish": common, "long": common, "queue": slices.Concat(common, reads)} {
		var may []string
		for _, line := range s.lines() {
			if right, ok := strings.CutPrefix(line, name+"role: "); ok && !strings.HasPrefix(right, "dynamodb:") {
				may = append(may, strings.TrimSuffix(strings.ReplaceAll(right, "${"+name+"loggroup.", "${LOG."), ` {"Effect":"Allow"}`))
			}
		}
		if want = slices.Sorted(slices.Values(want)); !slices.Equal(may, want) {
			t.Errorf("%srole may\n%s, want\n%s", name, strings.Join(may, "\n"), strings.Join(want, "\n"))
		}
	}
}

// Every route that invokes a function has a permission of its own, and no function
// is told the management endpoint.
func TestEveryRouteMayInvokeItsFunction(t *testing.T) {
	s := cloudFormationOf(t, "sam/template.yaml", nil)
	routes, permissions := []string{}, []string{}
	for name, r := range s.resources {
		switch r.typ {
		case "AWS::ApiGatewayV2::Route":
			key := text(r.properties["RouteKey"])
			answered := s.resources[strings.TrimSuffix(name, "route")+"routeresponse"].typ != ""
			if twoWay := key != "$connect" && key != "$disconnect"; answered != twoWay || (r.properties["RouteResponseSelectionExpression"] == "$default") != twoWay {
				t.Errorf("route %s: two-way is to be %t in the route and in a route response", key, twoWay)
			}
			if plainText(text(r.properties["Target"])) == "integrations/${websocketintegration}" {
				routes = append(routes, "arn:aws:execute-api:us-east-1:000000000000:${api}/live/"+key)
			} else if key != "ping" {
				t.Errorf("route %s leads to %v", key, r.properties["Target"])
			}
		case "AWS::Lambda::Permission":
			if text(r.properties["Principal"]) == "events.amazonaws.com" { // of the schedule
				continue
			}
			permissions = append(permissions, plainText(text(r.properties["SourceArn"])))
		case "AWS::Lambda::Function":
			variables := r.properties["Environment"].(map[string]any)["Variables"].(map[string]any)
			for _, unwanted := range []string{"WIREPOST_ENDPOINT", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"} {
				if _, there := variables[unwanted]; there {
					t.Errorf("%s is told %s, which it has to learn", name, unwanted)
				}
			}
		}
	}
	slices.Sort(routes)
	slices.Sort(permissions)
	if len(routes) != 6 || !slices.Equal(routes, permissions) {
		t.Errorf("routes are %q, and permissions are for %q", routes, permissions)
	}
}
