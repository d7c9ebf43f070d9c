package cloudformation

import (
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

// two are two functions, each with variables.
func two(f, g string) string {
	return with("Handler: a.b", "Handler: a.b, Environment: {Variables: {"+f+"}}") +
		"  G: {Type: AWS::Lambda::Function, Properties: {Handler: a.b, Runtime: nodejs22.x, Code: ., Environment: {Variables: {" + g + "}}}}\n"
}

// stageHere is a stage, and here are the names of an API that runs.
const stageHere = "  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: main, StageVariables: {v: REPLACE_ME}}}\n"

var here = app.Names{APIs: map[string]app.APIName{"A": {ID: "abcdefghi2", Endpoint: func(stage string) string { return "http://localhost:3001/" + stage }}}}

func TestAPlaceholderIsToldOnceWithTheFlagForIt(t *testing.T) {
	const http = "  H: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}\n"
	const parameter = "Parameters: {Endpoint: {Type: String, Default: '<insert endpoint>'}}\n"
	for _, c := range []struct {
		name, text, want string
		more             map[string]string
	}{
		{"the address of the API", two("API_ENDPOINT: '<insert endpoint>'", "API_ENDPOINT: '<insert endpoint>'"),
			"t.yaml:3: variable API_ENDPOINT of F, and 1 more, have a placeholder for a value, <insert endpoint>; the address of this API here is http://localhost:3001/main: give --env API_ENDPOINT=http://localhost:3001/main", nil},
		{"its form alone", two("TARGET: 'https://xxxx.execute-api.us-east-1.amazonaws.com/prod'", ""),
			"t.yaml:3: variable TARGET of F has a placeholder for a value, https://xxxx.execute-api.us-east-1.amazonaws.com/prod; the address of this API here is http://localhost:3001/main: give --env TARGET=http://localhost:3001/main", nil},
		{"the address for clients", two("WS_URL: 'wss://<api-id>.execute-api.<region>.amazonaws.com/<stage>'", ""), "the address of this API here is ws://localhost:3001/main: give --env WS_URL=ws://localhost:3001/main", nil},
		{"without a scheme", two("WS_URL: your-api-id.execute-api.us-east-1.amazonaws.com", ""), "the address of this API here is localhost:3001: give --env WS_URL=localhost:3001", nil},
		{"its host", two("WS_DOMAIN: REPLACE_ME", ""), "the host of this API here is localhost:3001: give --env WS_DOMAIN=localhost:3001", nil},
		{"its ID", two("WEBSOCKET_API_ID: YOUR_API_ID", ""), "the ID of this API here is abcdefghi2: give --env WEBSOCKET_API_ID=abcdefghi2", nil},
		{"its region", two("REGION: '<insert region>'", ""), "the region here is us-east-1: give --env REGION=us-east-1", nil},
		{"something else", two("API_KEY: '<your key>'", ""), "t.yaml:3: variable API_KEY of F has a placeholder for a value, <your key>: give --env API_KEY=VALUE", nil},
		{"what may be the address of another API", two("API_URL: '<insert>'", "") + http, "has a placeholder for a value, <insert>: give --env API_URL=VALUE", nil},
		{"what cannot be that of another kind", two("WS_API_URL: '<insert>'", "") + http, "give --env WS_API_URL=http://localhost:3001/main", nil},
		{"another value elsewhere", two("API_KEY: '<your key>'", "API_KEY: k"), "variable API_KEY of F has a placeholder for a value, <your key>: give --env F.API_KEY=VALUE", nil},
		{"a parameter's default", two("E: !Ref Endpoint", "") + parameter, "variable E of F has a placeholder for a value, <insert endpoint>: give --parameter Endpoint=VALUE", nil},
		{"a line of --env-file that does not help", two("API_KEY: '<your key>'", ""), "give --env API_KEY=VALUE, as --env-file does not replace what the template says", map[string]string{"API_KEY": "k"}},
		{"with references around it", two("WS: !Sub 'https://<api>.execute-api.${AWS::Region}.${AWS::URLSuffix}/${AWS::Region}'", ""), "variable WS of F has a placeholder for a value, https://<api>.execute-api.us-east-1.amazonaws.com/us-east-1; the address of this API here is http://localhost:3001/main: give", nil},
		{"a stage variable", goodLines, "t.yaml:5: stage variable v of A has a placeholder for a value, REPLACE_ME\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(c.text, "  R: {", stageHere+"  R: {", 1)
			a, _, err := readOnly(text, Options{MoreValues: c.more})
			if err != nil {
				t.Fatal(err)
			}
			_, notes, err := a.Resolve(here)
			said := noteLines(notes)
			if err != nil || !strings.Contains(said, c.want) {
				t.Errorf("notes %s%v, want %s", said, err, c.want)
			}
			if n := strings.Count(said, "placeholder"); n > 2 {
				t.Errorf("%d lines about placeholders: %s", n, said)
			}
		})
	}
}

func TestWhatIsGivenForAVariableComesBeforeTheTemplate(t *testing.T) {
	text := two("V: '<insert>', W: !GetAtt P.Arn, X: x", "V: 'https://xxxx.execute-api.us-east-1.amazonaws.com'") + "  P: {Type: AWS::Cognito::UserPool}\n"
	o := Options{Overrides: app.Overrides{All: map[string]string{"V": "all", "MORE": "m"}, Each: map[string]map[string]string{"F": {"V": "one", "W": "arn"}}}}
	a, notes, err := readText(text, o)
	if err != nil {
		t.Fatal(err)
	}
	f, g := a.Function("F").Env, a.Function("G").Env
	if f["V"] != "one" || f["W"] != "arn" || f["X"] != "x" || f["MORE"] != "m" || g["V"] != "all" || g["MORE"] != "m" || len(g) != 2 {
		t.Errorf("F has %v, G has %v", f, g)
	}
	if said := noteLines(notes); strings.Contains(said, "variable") {
		t.Errorf("what is given is still told: %s", said)
	}
	o.Overrides.Each["Ff"] = map[string]string{"V": "x"}
	if _, _, err = readText(text, o); errorText(err) != "t.yaml: has no function Ff, for which --env is given: did you mean F?" {
		t.Errorf("a function that there is not: %v", err)
	}
	o.Overrides.Loose = map[string]bool{"Ff": true}
	if _, notes, err = readText(text, o); err != nil || !strings.Contains(noteLines(notes), "t.yaml: has no function Ff, for which --env-vars has variables: did you mean F?") {
		t.Errorf("one of a file: %v, notes %s", err, noteLines(notes))
	}
}

func TestWhatIsTheSameForSeveralVariablesIsToldOnce(t *testing.T) {
	text := two("POOL: !Ref P, ARN: !GetAtt P.Arn, OWN: !Ref P", "POOL: !Ref P, ARN: !GetAtt P.Arn") + "  P: {Type: AWS::Cognito::UserPool}\n"
	_, notes, err := readText(text, Options{})
	said := noteLines(notes)
	if err != nil || strings.Count(said, "variable ") != 2 ||
		!strings.Contains(said, "t.yaml:3: variable POOL of F, and 2 more, name P, of type AWS::Cognito::UserPool, which is not run here: its logical ID stands for it; give --value P=VALUE\n") ||
		!strings.Contains(said, "t.yaml:3: variable ARN of F, and 1 more, are left out: Arn of P, of type AWS::Cognito::UserPool, is made by AWS; give --value P=VALUE\n") {
		t.Errorf("notes %s%v, want one of the pool's ID and one of its ARN", said, err)
	}
}
