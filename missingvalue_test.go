package wirepost

import (
	"io"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestAVariableWithoutAValueIsNamedWithItsPlace(t *testing.T) {
	const ok = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
	for _, tt := range []struct {
		raw     string
		want    Problem
		has, in string // the text, and the place that it is in
		fix     string
	}{
		// What languages print, as the whole endpoint.
		{"undefined", ProblemEndpointUnset, "undefined", "", "set the variable that the endpoint comes from"},
		{"null", ProblemEndpointUnset, "null", "", "set the variable"},
		{"None", ProblemEndpointUnset, "None", "", "set the variable"},
		{"nil", ProblemEndpointUnset, "nil", "", "set the variable"},
		{"<nil>", ProblemEndpointUnset, "<nil>", "", "set the variable"},
		{"NaN", ProblemEndpointUnset, "NaN", "", "set the variable"},
		{"true", ProblemEndpointUnset, "true", "", "set the variable"},
		{"False", ProblemEndpointUnset, "False", "", "set the variable"},
		{"[object Object]", ProblemEndpointUnset, "[object Object]", "", "set the variable"},
		{"[object Promise]", ProblemEndpointUnset, "[object Promise]", "", "set the variable"},
		{" undefined\n", ProblemEndpointUnset, "undefined", "", "set the variable"},
		{`"undefined"`, ProblemEndpointUnset, "undefined", "", "set the variable"},
		{"{}", ProblemEndpointUnset, "{}", "", "put the value"},
		{`{"Ref": "WebSocketApi"}`, ProblemEndpointUnset, `{"Ref": "WebSocketApi"}`, "", "put the value"},
		// As a part.
		{"https://undefined", ProblemEndpointHost, "undefined", "the host", "set the variable that the host comes from"},
		{"https://undefined/dev", ProblemEndpointHost, "undefined", "the host", ""},
		{"undefined/dev", ProblemEndpointHost, "undefined", "the host", ""},
		{"//undefined/dev", ProblemEndpointHost, "undefined", "the host", ""},
		{"wss://undefined/dev", ProblemEndpointHost, "undefined", "the host", ""},
		{"http://undefined:3001/dev", ProblemEndpointHost, "undefined", "the host", ""},
		{"https://[object Object]/dev", ProblemEndpointHost, "[object Object]", "the host", ""},
		{"https://%5Bobject%20Object%5D/dev", ProblemEndpointHost, "[object Object]", "the host", ""},
		{"https://<nil>/dev", ProblemEndpointHost, "<nil>", "the host", ""},
		{"https://None.execute-api.eu-west-1.amazonaws.com/dev", ProblemEndpointHost, "None", "the API ID", "set the variable that the API ID comes from"},
		{"https://undefined.execute-api.eu-west-1.amazonaws.com/dev", ProblemEndpointHost, "undefined", "the API ID", ""},
		{"https://false.execute-api-fips.us-east-1.amazonaws.com/dev", ProblemEndpointHost, "false", "the API ID", ""},
		{"wss://null.execute-api.eu-west-1.amazonaws.com/dev?token=secret", ProblemEndpointHost, "null", "the API ID", ""},
		{"https://a1b2c3d4e5.execute-api.undefined.amazonaws.com/dev", ProblemEndpointHost, "undefined", "the region", "set the variable that the region comes from"},
		{"https://a1b2c3d4e5.execute-api.None.amazonaws.com/dev", ProblemEndpointHost, "None", "the region", ""},
		{"https://undefined.example.com/v1", ProblemEndpointHost, "undefined", "a label of the host", ""},
		{"https://ws.null.example.com", ProblemEndpointHost, "null", "a label of the host", ""},
		{"https://ws-undefined.example.com", ProblemEndpointHost, "ws-undefined", "a label of the host", ""},
		{"http://localhost:undefined/dev", ProblemEndpointHost, "undefined", "the port", ""},
		{"http://localhost:NaN/dev", ProblemEndpointHost, "NaN", "the port", ""},
		{"https://" + ok + "/undefined", ProblemEndpointPath, "undefined", "the stage", "set the variable that the stage comes from"},
		{"https://" + ok + "/null/", ProblemEndpointPath, "null", "the stage", ""},
		{"https://" + ok + "/None", ProblemEndpointPath, "None", "the stage", ""},
		{"https://" + ok + "/chat-undefined", ProblemEndpointPath, "chat-undefined", "the stage", ""},
		{"https://" + ok + "/undefined/@connections", ProblemEndpointPath, "undefined", "the stage", ""},
		{"http://localhost:3001/undefined", ProblemEndpointPath, "undefined", "the stage", ""},
		{"https://ws.example.com/undefined", ProblemEndpointPath, "undefined", "the mapping key", ""},
		// Placeholders that were not replaced.
		{"${ENDPOINT}", ProblemEndpointUnset, "${ENDPOINT}", "", "put !Sub before"},
		{"$ENDPOINT", ProblemEndpointUnset, "$ENDPOINT", "", "put the value"},
		{"%ENDPOINT%", ProblemEndpointUnset, "%ENDPOINT%", "", "put the value"},
		{"$(terraform output -raw url)", ProblemEndpointUnset, "$(terraform output -raw url)", "", "put the value"},
		{"https://${WebSocketApi}.execute-api.${AWS::Region}.amazonaws.com/dev", ProblemEndpointHost, "${WebSocketApi}", "the API ID", "in a template, put !Sub before the string with ${...}"},
		{"https://a1b2c3d4e5.execute-api.${AWS::Region}.amazonaws.com/dev", ProblemEndpointHost, "${AWS::Region}", "the region", "!Sub"},
		{"https://a1b2c3d4e5.execute-api.eu-west-1.${AWS::URLSuffix}/dev", ProblemEndpointHost, "${AWS::URLSuffix}", "the host", "!Sub"},
		{"https://" + ok + "/${self:provider.stage}", ProblemEndpointPath, "${self:provider.stage}", "the stage", "!Sub"},
		{"https://" + ok + "/$%7BStage%7D", ProblemEndpointPath, "${Stage}", "the stage", "!Sub"},
		{"https://${Domain", ProblemEndpointUnset, "${Domain", "", "!Sub"},
		{"https://#{api.id}.execute-api.eu-west-1.amazonaws.com/dev", ProblemEndpointHost, "#{api.id}", "the API ID", "put the value"},
		{"https://{{ api }}.execute-api.eu-west-1.amazonaws.com/dev", ProblemEndpointHost, "{{ api }}", "the API ID", ""},
		{"https://{}.execute-api.{}.amazonaws.com/{}", ProblemEndpointHost, "{}", "the API ID", ""},
		{"https://%s.execute-api.eu-west-1.amazonaws.com/dev", ProblemEndpointHost, "%s", "the API ID", ""},
		{"https://%!s(<nil>)/dev", ProblemEndpointHost, "%!s(<nil>)", "the host", ""},
		{"https://<api-id>.execute-api.<region>.amazonaws.com/<stage>", ProblemEndpointHost, "<api-id>", "the API ID", ""},
		{"https://(null)/dev", ProblemEndpointHost, "(null)", "the host", ""},
		{"http://localhost:${PORT}/dev", ProblemEndpointHost, "${PORT}", "the port", ""},
		{"https://undefined.execute-api.eu-west-1.amazonaws.com/${Stage}", ProblemEndpointHost, "undefined", "the API ID", "set the variable"},
		{"http://${NAME}.localhost/dev", ProblemEndpointHost, "${NAME}", "a label of the host", ""},
	} {
		t.Run(tt.raw, func(t *testing.T) {
			_, err := ParseEndpoint(tt.raw, &EndpointOptions{Region: "eu-west-1"})
			if ProblemOf(err) != tt.want {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			e := err.(*Error)
			said := `the endpoint is "` + tt.has + `": `
			if tt.in != "" {
				said = `the endpoint has "` + tt.has + `" where ` + tt.in + ` should be: `
			}
			if !strings.HasPrefix(e.Detail, said) || !strings.Contains(e.Fix(), tt.fix) {
				t.Errorf("it says\n%s\n%s\nwant\n%s…\n…%s", e.Detail, e.Fix(), said, tt.fix)
			}
			if strings.Contains(e.Fix(), "use http") {
				t.Errorf("the fix keeps it: %s", e.Fix())
			}
		})
	}
}

func TestWhatIsEmptyInAnEndpointIsNamed(t *testing.T) {
	for raw, want := range map[string]string{
		"https:///dev": "the host of the endpoint is empty",
		"https://.execute-api.eu-west-1.amazonaws.com/dev":             "the API ID in the host of the endpoint is empty",
		"https://a1b2c3d4e5.execute-api..amazonaws.com/dev":            "the region in the host of the endpoint is empty",
		"https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com//":     "the endpoint has no stage",
		"https://my-api.execute-api.eu-west-1.amazonaws.com/dev":       `"my-api" in the host of the endpoint is not an API ID`,
		"https://a1b2c3d4e5.execute-api.europe.amazonaws.com/dev":      `"europe" in the host of the endpoint is not a region`,
		"https://a1b2c3d4e5.execute-api.eu-west-1a.amazonaws.com/dev":  `"eu-west-1a" in the host of the endpoint is an Availability Zone`,
		"https://a1b2c3d4e5.execute-api.eu-west-1-.amazonaws.com/dev":  `"eu-west-1-" in the host of the endpoint is not a region`,
		"https://a1b2c3d4e5.execute-api.eu_west_1.amazonaws.com/dev":   `"eu_west_1" in the host of the endpoint is not a region`,
		"https://user:{secret}@undefined.example.com/undefined?x={y}":  `the endpoint has "undefined" where a label of the host`,
		"https://user:secret$X@ws.example.com/v1?token={y}":            "the endpoint has a user before its host",
		"https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/x?{y}": "the endpoint has a query behind its path",
	} {
		_, err := ParseEndpoint(raw, &EndpointOptions{Region: "eu-west-1"})
		if e, ok := err.(*Error); !ok || !strings.HasPrefix(e.Detail, want) || e.Fix() == "" {
			t.Errorf("of %s it says %v, want %s", raw, err, want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("a password is shown: %v", err)
		}
	}
	_, err := ParseEndpoint("https://ws.example.com/v1", &EndpointOptions{Region: "undefined"})
	if e, ok := err.(*Error); !ok || e.Problem != ProblemSigningRegion || e.Detail != `the region to sign for is "undefined": the variable that it comes from has no value` {
		t.Errorf("of a region without a value it says %v", err)
	}
}

func TestNamesThatSomebodyMayHaveGivenAreKept(t *testing.T) {
	for _, raw := range []string{
		"https://ws.null.io/v1", "https://null.io", "https://undefined.com/chat", "https://none.example.com", "https://nil.example",
		"https://true.example.com/true", "https://ws.example.com/none", "https://nullable.example.com",
		"https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/none", "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/false",
		"https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/NULL", "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/dev-null",
		"https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/undefinedness", "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/$default",
		"http://localhost:3001/$default", "http://[::1]:3001/dev", "http://none.localhost:3001/dev",
		"https://undefined1.execute-api.eu-west-1.amazonaws.com/dev",
		"https://d-a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/dev", "https://abc.execute-api.localhost.localstack.cloud:4566/dev",
	} {
		if ep, err := ParseEndpoint(raw, &EndpointOptions{Region: "eu-west-1"}); err != nil || ep.URL != raw {
			t.Errorf("of %s it says %q, %v", raw, ep.URL, err)
		}
	}
	for _, region := range []string{"us-east-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1", "ap-southeast-5", "mx-central-1", "il-central-1"} {
		raw := DefaultEndpointURL(Identity{"a1b2c3d4e5", "prod", region})
		if ep, err := ParseEndpoint(raw, nil); err != nil || ep.Region != region {
			t.Errorf("of %s it says %+v, %v", raw, ep, err)
		}
	}
}

func TestAStageThatIsReallyCalledSoIsLearnedAndPostedTo(t *testing.T) {
	for _, stage := range []string{"undefined", "null", "None", "nil", "NaN"} {
		const domain = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
		ep, err := endpointFromEvent(domain, "a1b2c3d4e5", stage, "eu-west-1", "")
		if err != nil || ep.URL != "https://"+domain+"/"+stage {
			t.Fatalf("the event of stage %s: %+v, %v", stage, ep, err)
		}
		store := NewMemStore(nil)
		if _, err := store.PutStage(t.Context(), StageRecord{Endpoint: ep, EventTime: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if _, err := NewPublisher(store, nil).stages.client(t.Context(), ep.Identity); err != nil {
			t.Errorf("the record of stage %s: %v", stage, err)
		}
		if _, err := endpointFromEvent(domain, "a1b2c3d4e5", stage, "eu-west-1", "https://"+domain+"/"+stage+"/"); err != nil {
			t.Errorf("an override with the event's own stage %s: %v", stage, err)
		}
		if _, err := endpointFromEvent(domain, "a1b2c3d4e5", "prod", "eu-west-1", "https://"+domain+"/"+stage); ProblemOf(err) != ProblemEndpointPath {
			t.Errorf("an override with stage %s and events of stage prod: %v", stage, err)
		}
		if _, err := ParseEndpoint("https://"+domain+"/${"+stage+"}", &EndpointOptions{StageExists: true}); ProblemOf(err) != ProblemEndpointPath {
			t.Errorf("no stage is called ${%s}: %v", stage, err)
		}
	}
}

func TestAnErrorOfTheNetworkNamesAVariableWithoutAValue(t *testing.T) {
	call := "https://undefined.execute-api.eu-west-1.amazonaws.com/dev/@connections/a%3D"
	e := Explain(&url.Error{Op: "Post", URL: call, Err: io.ErrUnexpectedEOF})
	if e == nil || e.Problem != ProblemEndpointHost || !strings.Contains(e.Error(), `"undefined" where the API ID should be`) {
		t.Errorf("it says %v", e)
	}
}
