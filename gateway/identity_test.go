package gateway

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Whatever is in the event of an authorizer can be an identity source: what it names
// is there, so the authorizer is asked.
func TestWhateverTheEventHasIsAnIdentitySource(t *testing.T) {
	events := make(chan []byte, 10)
	allow := func(payload []byte) ([]byte, error) {
		events <- payload
		return []byte(policyOf("Allow", "*", "{}")), nil
	}
	const target = "/dev?token=t&a.b=c&two=1&two=2"
	const header = "User-Agent: agent\r\nX-Two: 1\r\nX-Two: 2\r\nX-Forwarded-For: 1.2.3.4\r\nAuth: x\r\n"
	variables := map[string]string{"set": "v", "a-b": "w"}
	host, _, _ := authorizing(t, &Server{StageVariables: variables}, allow)
	if status, _, _ := shake(t, host, target, header); status != 101 {
		t.Fatal(status)
	}
	var event struct {
		Headers, QueryStringParameters, StageVariables map[string]string
		RequestContext                                 map[string]any
	}
	if err := json.Unmarshal(<-events, &event); err != nil {
		t.Fatal(err)
	}
	var sources []string
	for name := range event.Headers {
		sources = append(sources, "route.request.header."+name, "route.request.header."+strings.ToLower(name), "route.request.header."+strings.ToUpper(name))
	}
	for name := range event.QueryStringParameters {
		sources = append(sources, "route.request.querystring."+name)
	}
	for name := range event.StageVariables {
		sources = append(sources, "stageVariables."+name)
	}
	for name, value := range event.RequestContext {
		if inner, ok := value.(map[string]any); ok {
			for _, leaf := range slices.Sorted(maps.Keys(inner)) {
				sources = append(sources, "context."+name+"."+leaf)
			}
			continue
		}
		sources = append(sources, "context."+name)
	}
	for _, want := range []string{"route.request.header.X-Forwarded-Proto", "route.request.header.X-Forwarded-For", "route.request.header.X-Forwarded-Port", "route.request.header.X-Amzn-Trace-Id",
		"route.request.header.Host", "route.request.header.Connection", "context.requestId", "context.requestTime", "context.requestTimeEpoch", "context.extendedRequestId", "context.connectedAt",
		"context.messageDirection", "context.identity.userAgent", "context.identity.sourceIp", "stageVariables.a-b", "route.request.querystring.a.b"} {
		if !slices.Contains(sources, want) {
			t.Errorf("the event has no %s: %v", want, sources)
		}
	}
	for _, source := range sources {
		host, _, asked := authorizing(t, &Server{StageVariables: variables}, allow, source)
		if status, _, body := shake(t, host, target, header); status != 101 || asked.Load() != 1 {
			t.Errorf("%s: %d %s", source, status, body)
			continue
		}
		<-events
	}
}

func TestAnIdentitySourceHasTheValueOfTheEvent(t *testing.T) {
	const event = `{"headers":{"X-Two":"2","Empty":"","n\u0061me":"escaped"},"queryStringParameters":{"two":"2","Case":"x"},"stageVariables":{},
		"requestContext":{"connectedAt":17,"stage":"dev","identity":{"sourceIp":"::1"},"none":null}}`
	for source, want := range map[string]string{
		"route.request.header.x-two": "2", "route.request.header.Name": "escaped", "route.request.querystring.two": "2", "context.connectedAt": "17", "context.identity.sourceIp": "::1", "context.stage": "dev",
		"route.request.header.empty": "", "route.request.header.none": "", "route.request.querystring.case": "", "stageVariables.x": "",
		"context.identity": "", "context.none": "", "context.stage.x": "", "context.identity.userAgent": "", "context.httpMethod": "",
	} {
		s, err := parseIdentitySource(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got := s.value([]byte(event)); got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
		if why := s.whyMissing([]byte(event)); want == "" && !strings.HasPrefix(why, source+" is ") {
			t.Errorf("%s: %s", source, why)
		}
	}
}

func TestAnIdentitySourceOfAnotherFormSaysWhichIsRight(t *testing.T) {
	for source, want := range map[string]string{
		"$request.header.Auth":                    "(that is the form of HTTP APIs; here it is route.request.header.Auth)",
		"$request.querystring.t":                  "here it is route.request.querystring.t",
		"$context.stage":                          "here it is context.stage",
		"$stageVariables.x":                       "here it is stageVariables.x",
		"method.request.header.Auth":              "(that is the form of REST APIs; here it is route.request.header.Auth)",
		"method.request.querystring.t":            "here it is route.request.querystring.t",
		"route.request.header.":                   "write route.request.header.NAME",
		"route.request.header.a b":                `"a b" cannot be the name of a header`,
		"route.request.header.a, route.request.b": "cannot be the name of a header",
		"route.request.multivalueheader.a":        "write route.request.header.NAME",
		"route.request.body.a":                    "write route.request.header.NAME",
		"Authorization":                           "write route.request.header.NAME",
		"":                                        "write route.request.header.NAME",
		"context.":                                "write route.request.header.NAME",
		"context.identity..sourceIp":              "has an empty name",
		"Context.stage":                           "write route.request.header.NAME",
	} {
		if _, err := parseIdentitySource(source); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "identity source") {
			t.Errorf("%q: %v, want %q", source, err, want)
		}
	}
}
