package wirepost

import (
	"strings"
	"testing"
	"time"
)

func TestParseEndpointNamesEachMistakeAndItsFix(t *testing.T) {
	const host = "abc123.execute-api.eu-west-1.amazonaws.com"
	for _, tt := range []struct {
		name, raw string
		o         EndpointOptions
		want      Problem
		fix       string
	}{
		{"nothing is configured", "", EndpointOptions{}, ProblemEndpointUnset, "connect one client"},
		{"white space only", " \n", EndpointOptions{}, ProblemEndpointUnset, ""},
		{"the host that AWS's SDK calls by itself", "https://execute-api.eu-west-1.amazonaws.com", EndpointOptions{}, ProblemEndpointUnset, ""},
		{"the address that clients dial", "wss://" + host + "/prod", EndpointOptions{}, ProblemEndpointScheme, "use https://" + host + "/prod"},
		{"the address that clients dial, on a laptop", "ws://127.0.0.1:3001/dev", EndpointOptions{Region: "us-east-1"}, ProblemEndpointScheme, "use http://127.0.0.1:3001/dev"},
		{"no scheme", host + "/prod", EndpointOptions{}, ProblemEndpointScheme, "use https://" + host + "/prod"},
		{"the address that dev prints for clients", "ws://localhost:3001/dev?user=alice&topic=lobby", EndpointOptions{}, ProblemEndpointScheme, "use http://localhost:3001/dev"},
		{"a space", " https://" + host + "/prod", EndpointOptions{}, ProblemEndpointScheme, "take it out: use https://" + host + "/prod"},
		{"no scheme, two slashes", "//" + host + "/prod", EndpointOptions{}, ProblemEndpointScheme, "use https://" + host + "/prod"},
		{"no scheme, a port", "localhost:3001/dev", EndpointOptions{}, ProblemEndpointScheme, "use http://localhost:3001/dev"},
		{"upper-case scheme", "HTTPS://" + host + "/prod", EndpointOptions{}, ProblemEndpointScheme, ""},
		{"plain HTTP off this machine", "http://" + host + "/prod", EndpointOptions{}, ProblemEndpointScheme, "use https://"},
		{"a scheme inside the host", "https://https://" + host + "/prod", EndpointOptions{}, ProblemEndpointScheme, ""},
		{"a trailing line break", "https://" + host + "/prod\n", EndpointOptions{}, ProblemEndpointScheme, ""},
		{"a leading space", " https://" + host + "/prod", EndpointOptions{}, ProblemEndpointScheme, ""},
		{"an escaped scheme inside the host", "https://https:%2F%2F" + host + "/prod", EndpointOptions{}, ProblemEndpointScheme, ""},
		{"an empty host, the stage in its place", "https://dev", EndpointOptions{}, ProblemEndpointHost, ""},
		{"an empty host", "https:///prod", EndpointOptions{}, ProblemEndpointHost, ""},
		{"a nil pointer printed into it", "https://<nil>/prod", EndpointOptions{}, ProblemEndpointHost, ""},
		{"upper-case host", "https://" + strings.ToUpper(host) + "/prod", EndpointOptions{}, ProblemEndpointHost, "use https://" + host},
		{"a bad port", "https://" + host + ":99999/prod", EndpointOptions{}, ProblemEndpointHost, ""},
		{"the URL that the console shows", "https://" + host + "/prod/@connections", EndpointOptions{}, ProblemEndpointSuffix, "use https://" + host + "/prod"},
		{"the same, escaped, with an ID", "https://" + host + "/prod/%40connections/abc=", EndpointOptions{}, ProblemEndpointSuffix, "use https://" + host + "/prod"},
		{"no stage", "https://" + host, EndpointOptions{Stage: "prod"}, ProblemEndpointStageMissing, "append /prod"},
		{"no stage, a slash", "https://" + host + "/", EndpointOptions{}, ProblemEndpointStageMissing, "append the stage"},
		{"no stage on a laptop", "http://localhost:3001", EndpointOptions{Region: "us-east-1"}, ProblemEndpointStageMissing, ""},
		{"a stage and more", "https://" + host + "/prod/extra", EndpointOptions{}, ProblemEndpointPath, ""},
		{"a query", "https://" + host + "/prod?x=1", EndpointOptions{}, ProblemEndpointPath, ""},
		{"two slashes", "https://ws.example.com//prod", EndpointOptions{Region: "eu-west-1"}, ProblemEndpointPath, ""},
		{"the stage appended to a custom domain", "https://ws.example.com/prod", EndpointOptions{Region: "eu-west-1", Stage: "prod"}, ProblemEndpointStageOnDomain, "use https://ws.example.com"},
		{"another region than the host's", "https://" + host + "/prod", EndpointOptions{Region: "us-east-1"}, ProblemSigningRegion, "set AWS_REGION=eu-west-1"},
		{"no region for a custom domain", "https://ws.example.com/v1", EndpointOptions{}, ProblemSigningRegion, "set AWS_REGION"},
		{"a region that is none", "https://ws.example.com/v1", EndpointOptions{Region: "EU West"}, ProblemSigningRegion, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ep, err := ParseEndpoint(tt.raw, &tt.o)
			if got := ProblemOf(err); got != tt.want {
				t.Fatalf("ParseEndpoint(%q) = %+v, %v: problem %q, want %q", tt.raw, ep, err, got, tt.want)
			}
			e := err.(*Error)
			if !strings.Contains(e.Fix(), tt.fix) || e.Fix() == "" {
				t.Errorf("the fix is %q, want it to say %q", e.Fix(), tt.fix)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the sentence has a line break: %q", err)
			}
		})
	}
}

func TestParseEndpointKeepsWhatIsRight(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		o         EndpointOptions
		want      Endpoint
	}{
		{"the default host", "https://abc123.execute-api.eu-west-1.amazonaws.com/prod", EndpointOptions{}, Endpoint{Identity{"abc123", "prod", "eu-west-1"}, "https://abc123.execute-api.eu-west-1.amazonaws.com/prod"}},
		{"a trailing slash", "https://abc123.execute-api.eu-west-1.amazonaws.com/prod/", EndpointOptions{Region: "eu-west-1"}, Endpoint{Identity{"abc123", "prod", "eu-west-1"}, "https://abc123.execute-api.eu-west-1.amazonaws.com/prod"}},
		{"China", "https://abc123.execute-api.cn-north-1.amazonaws.com.cn/prod", EndpointOptions{}, Endpoint{Identity{"abc123", "prod", "cn-north-1"}, "https://abc123.execute-api.cn-north-1.amazonaws.com.cn/prod"}},
		{"FIPS", "https://abc123.execute-api-fips.us-east-1.amazonaws.com/prod", EndpointOptions{}, Endpoint{Identity{"abc123", "prod", "us-east-1"}, "https://abc123.execute-api-fips.us-east-1.amazonaws.com/prod"}},
		{"a laptop", "http://localhost:3001/dev", EndpointOptions{Region: "us-east-1", APIID: "local12345"}, Endpoint{Identity{"local12345", "dev", "us-east-1"}, "http://localhost:3001/dev"}},
		{"IPv6 loopback", "http://[::1]:3001/dev", EndpointOptions{Region: "us-east-1"}, Endpoint{Identity{"", "dev", "us-east-1"}, "http://[::1]:3001/dev"}},
		{"a custom domain with a mapping key", "https://ws.example.com/v1", EndpointOptions{Region: "eu-west-1", Stage: "prod"}, Endpoint{Identity{"", "prod", "eu-west-1"}, "https://ws.example.com/v1"}},
		{"a custom domain with an empty mapping", "https://ws.example.com", EndpointOptions{Region: "eu-west-1"}, Endpoint{Identity{"", "", "eu-west-1"}, "https://ws.example.com"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseEndpoint(tt.raw, &tt.o)
			if err != nil || got != tt.want {
				t.Errorf("ParseEndpoint(%q) = %+v, %v, want %+v", tt.raw, got, err, tt.want)
			}
		})
	}
}

func TestTheEndpointOfAnEventFollowsTheFourRules(t *testing.T) {
	for _, tt := range []struct {
		name, domain, region, override, want string
	}{
		{"execute-api host", "abc.execute-api.eu-west-1.amazonaws.com", "us-east-1", "", "https://abc.execute-api.eu-west-1.amazonaws.com/prod"},
		{"loopback", "localhost:3001", "", "", "http://localhost:3001/prod"},
		{"custom domain: the default host, because its mapping key is in no event", "ws.example.com", "eu-west-1", "", "https://abc.execute-api.eu-west-1.amazonaws.com/prod"},
		{"custom domain in China", "ws.example.cn", "cn-north-1", "", "https://abc.execute-api.cn-north-1.amazonaws.com.cn/prod"},
		{"an override wins", "ws.example.com", "eu-west-1", "https://ws.example.com/v1", "https://ws.example.com/v1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ep, err := endpointFromEvent(tt.domain, "abc", "prod", tt.region, tt.override)
			if err != nil || ep.URL != tt.want || ep.APIID != "abc" || ep.Stage != "prod" {
				t.Errorf("got %+v, %v, want URL %s", ep, err, tt.want)
			}
		})
	}
	if _, err := endpointFromEvent("ws.example.com", "abc", "prod", "", ""); ProblemOf(err) != ProblemSigningRegion {
		t.Errorf("a custom domain without a region: %v, want %s", err, ProblemSigningRegion)
	}
}

func TestOverridesAreReadInTheirOrderAndTheGenericOneNever(t *testing.T) {
	env := map[string]string{"AWS_ENDPOINT_URL": "https://wrong", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "https://third", "WIREPOST_ENDPOINT": "https://second"}
	get := func(k string) string { return env[k] }
	if got := endpointOverride("https://first", get); got != "https://first" {
		t.Error(got)
	}
	if got := endpointOverride("", get); got != "https://second" {
		t.Error(got)
	}
	delete(env, "WIREPOST_ENDPOINT")
	if got := endpointOverride("", get); got != "https://third" {
		t.Error(got)
	}
	delete(env, "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI")
	if got := endpointOverride("", get); got != "" {
		t.Error(got)
	}
}

func TestANewerStageRecordWinsInEveryOrder(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	a := StageRecord{Endpoint{URL: "https://a"}, at}
	b := StageRecord{Endpoint{URL: "https://b"}, at}
	later := StageRecord{Endpoint{URL: "https://a"}, at.Add(time.Millisecond)}
	if !b.Newer(a) || a.Newer(b) || a.Newer(a) || !later.Newer(b) || b.Newer(later) {
		t.Error("Newer is not a strict order by event time, then URL")
	}
}

func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"", "https://${X}.execute-api.{}/undefined", "https://%ABC%.x.y/%s", "[object Object", "https://u:${p}@h.x/<nil>", "https://abc.execute-api.eu-west-1.amazonaws.com/prod", "wss://x", "https://dev", "http://localhost:1/dev", "https://[::1", "https://a.b/%zz", "https://u:p@a.b/c"} {
		f.Add(s, "eu-west-1", "prod")
	}
	f.Fuzz(func(t *testing.T, raw, region, stage string) {
		ep, err := ParseEndpoint(raw, &EndpointOptions{Region: region, Stage: stage})
		if err != nil {
			e, ok := err.(*Error)
			if !ok || e.Problem.Sentence() == "" || e.Fix() == "" {
				t.Fatalf("ParseEndpoint(%q): %v is not a problem of the catalogue with a fix", raw, err)
			}
			// An endpoint in a cure is one that is taken.
			if _, use, ok := strings.Cut(": "+e.Fix(), ": use http"); ok && !strings.ContainsAny(use, "<, ") {
				if _, err := ParseEndpoint("http"+use, &EndpointOptions{Region: region, Stage: stage, StageExists: true}); err != nil && ProblemOf(err) != ProblemSigningRegion {
					t.Fatalf("of %q the fix is %q, of which it says %v", raw, e.Fix(), err)
				}
			}
			return
		}
		// What was accepted is accepted again, unchanged, and can be called.
		again, err := ParseEndpoint(ep.URL, &EndpointOptions{Region: ep.Region, APIID: ep.APIID, Stage: ""})
		if err != nil || again.URL != ep.URL {
			t.Fatalf("ParseEndpoint(%q) = %+v, and again: %+v, %v", raw, ep, again, err)
		}
		if _, err := NewPublisher(NewMemStore(nil), nil).stages.dial(ep); err != nil {
			t.Fatalf("ParseEndpoint(%q) = %+v, which cannot be called: %v", raw, ep, err)
		}
	})
}

func TestAStageRecordThatLacksSomethingIsOneSentence(t *testing.T) {
	id, now := Identity{"abc123", "dev", "eu-west-1"}, time.UnixMilli(1_700_000_000_000)
	for _, tt := range []struct {
		name string
		r    StageRecord
		want string
	}{
		{"nothing", StageRecord{Endpoint{id, "https://example.com"}, now}, ""},
		{"the API", StageRecord{Endpoint{Identity{"", "dev", "eu-west-1"}, "https://example.com"}, now}, "the API ID is empty"},
		{"the URL", StageRecord{Endpoint{id, ""}, now}, "stage record of abc123/dev@eu-west-1: the URL is empty"},
		{"the time", StageRecord{Endpoint{id, "https://example.com"}, time.Time{}}, "stage record of abc123/dev@eu-west-1: the event time is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.r.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestNothingSecretIsInAnError(t *testing.T) {
	_, err := ParseEndpoint("https://user:hunter2@ws.example.com/x", &EndpointOptions{Region: "eu-west-1"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows a password: %v", err)
	}
}
