package cloudformation

import (
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

func TestAnAddressOfTheAPILeadsHereWithAndWithoutAScheme(t *testing.T) {
	const host = "${A}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
	for _, c := range []struct{ given, want string }{
		{"https://" + host + "/live", "http://localhost:3001/live"},
		{"wss://" + host + "/live", "ws://localhost:3001/live"},
		{host + "/live", "localhost:3001/live"},
		{host, "localhost:3001"},
		{host + "/", "localhost:3001/"},
		{host + ":443/live", "localhost:3001/live"},
		{host + "/live/@connections", "localhost:3001/live/@connections"},
		{"//" + host + "/live", "//localhost:3001/live"},
		{"a=" + host + "/live,b=https://" + host + "/live", "a=localhost:3001/live,b=http://localhost:3001/live"},
		{"${A}.execute-api.${AWS::Region}.api.aws/live", "localhost:3001/live"},
		{"other." + host + "/live", "other.local12345.execute-api.us-east-1.amazonaws.com/live"},
		{"https://other." + host + "/live", "https://other.local12345.execute-api.us-east-1.amazonaws.com/live"},
		{"abc123.execute-api.us-east-1.amazonaws.com/live", "abc123.execute-api.us-east-1.amazonaws.com/live"},
		{"arn:aws:execute-api:us-east-1:000000000000:${A}/live", "arn:aws:execute-api:us-east-1:000000000000:local12345/live"},
	} {
		text := variable("!Sub '"+c.given+"'", "  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: live}}\n")
		a, _, err := readOnly(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, notes, err := a.Resolve(app.Names{APIs: map[string]app.APIName{"A": {ID: "local12345", Endpoint: func(stage string) string { return "http://localhost:3001/" + stage }}}})
		if err != nil || a.Functions[0].Env["V"] != c.want {
			t.Errorf("%s is %q, %v, want %q", c.given, a.Functions[0].Env["V"], err, c.want)
		}
		if said := noteLines(notes); strings.Contains(c.want, "localhost") && !strings.Contains(said, "is localhost:3001") && !strings.Contains(said, "://localhost:3001") {
			t.Errorf("%s: notes %s, want that it is said", c.given, said)
		}
	}
}
