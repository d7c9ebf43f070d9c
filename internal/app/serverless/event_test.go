package serverless

import (
	"strings"
	"testing"
)

// withEvents is a service whose function has these events, from line 6 on.
func withEvents(events string) string {
	return "service: a\nprovider: {name: aws, runtime: nodejs22.x}\nfunctions:\n  f:\n    events:\n" + events
}

func TestWhatIsNextToAnEventIsNamedWithItsLines(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a route", withEvents("      - websocket:\n        route: $connect\n"), "serverless.yml:6: route is next to websocket, not under it: indent line 7 by two more spaces"},
		{"a route and an authorizer", withEvents("      - websocket:\n        route: $connect\n        authorizer:\n          name: guard\n          identitySource:\n            - route.request.header.Auth\n      - websocket: $default\n"), "serverless.yml:6: route is next to websocket, not under it: indent lines 7-11 by two more spaces"},
		{"a response", withEvents("      - websocket:\n        routeResponseSelectionExpression: $default\n        route: say\n"), "serverless.yml:6: routeResponseSelectionExpression is next to websocket, not under it: indent lines 7-8 by two more spaces"},
		{"an authorizer of a short event", withEvents("      - websocket: $connect\n        authorizer: guard\n"), "serverless.yml:6: authorizer is next to websocket, not under it: write a map under websocket, and put line 7 into it"},
		{"the name of an authorizer", withEvents("      - websocket:\n          route: $connect\n          authorizer:\n          name: guard\n"), "serverless.yml:8: name is next to authorizer, not under it: indent line 9 by two more spaces"},
		{"the sources of an authorizer", withEvents("      - websocket:\n          route: $connect\n          authorizer: guard\n          identitySource:\n            - route.request.header.Auth\n"), "serverless.yml:8: identitySource is next to authorizer, not under it: write a map under authorizer, and put lines 9-10 into it"},
		{"nothing", withEvents("      - websocket:\n      - websocket: $default\n"), "serverless.yml:6: a websocket event of function f has no route: write websocket: $connect or route: $connect"},
		{"another event", withEvents("      - websocket: $connect\n        sqs: arn\n"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := expand("serverless.yml", c.text)
			if got := errorText(err); got != c.want {
				t.Errorf("Expand: %q, want %q", got, c.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAnAuthorizerHasTheNameThatTheFrameworkGivesIt(t *testing.T) {
	for authorizer, want := range map[string]string{
		"arn:aws:lambda:eu-west-1:111122223333:function:shared-auth":     "SharedDashauthWebsocketsAuthorizer",
		"{arn: 'arn:aws:lambda:eu-west-1:111122223333:function:shared'}": "SharedWebsocketsAuthorizer",
		"{arn: {'Fn::ImportValue': guard}, name: guard}":                 "GuardWebsocketsAuthorizer",
		"{name: f}": "FWebsocketsAuthorizer",
	} {
		s, err := expand("serverless.yml", withEvents("      - websocket: {route: $connect, authorizer: "+authorizer+"}\n"))
		if err != nil || s.Template.Get("Resources", want) == nil {
			t.Errorf("%s: %v, %v, want %s", authorizer, s, err, want)
		}
	}
}

func TestAnEventThatIsNoMapIsTold(t *testing.T) {
	_, notes, err := expandWith("serverless.yml", withEvents("      - websocket\n      - websocket: $connect\n"), Options{})
	if err != nil || !strings.Contains(notes, "serverless.yml:6: an event of function f is not a map and is left out\n") {
		t.Errorf("notes %s, %v", notes, err)
	}
}

func TestAPartOfTheFunctionsThatIsNotKnownStopsNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		"functions:\n  - {f: {handler: a.b, events: [{websocket: $connect}]}}\n  - ${file(more.js)}\n": "serverless.yml:5: a part of functions cannot be run here: file(more.js) is a program, which only 'wirepost dev' runs\n",
		"functions:\n  f: {handler: a.b, events: [{websocket: $connect}]}\n  g: ${file(g.js)}\n":       "serverless.yml:5: function g cannot be run here: file(g.js) is a program, which only 'wirepost dev' runs\n",
	} {
		s, notes, err := expandWith("serverless.yml", "service: a\nprovider: {name: aws, runtime: nodejs22.x}\n"+text, Options{})
		if err != nil || s.Template.Get("Resources", "FLambdaFunction") == nil || !strings.HasPrefix(notes, want) {
			t.Errorf("%s: %v, notes %q, want the function f and %q", text, err, notes, want)
		}
	}
}
