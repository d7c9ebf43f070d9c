package wirepost

import (
	"strings"
	"testing"
)

// Whatever is wrong, the cure is the endpoint that was meant, if that is plain: the whole
// of it, with every other mistake taken out too.
func TestTheCureIsTheEndpointThatWasMeant(t *testing.T) {
	const host = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
	const meant = "use https://" + host + "/prod"
	for _, tt := range []struct {
		name, raw string
		want      Problem
		says, fix string
	}{
		{"the stage twice", "https://" + host + "/prod/prod", ProblemEndpointPath, `has the stage "prod" twice`, meant},
		{"wss and @connections", "wss://" + host + "/prod/@connections", ProblemEndpointScheme, "starts with wss://", meant},
		{"wss and a slash at the end", "wss://" + host + "/prod/", ProblemEndpointScheme, "starts with wss://", meant},
		{"wss without a stage", "wss://" + host, ProblemEndpointScheme, "starts with wss://", "use https://" + host + "/<stage>"},
		{"@connections without a stage", "https://" + host + "/@connections", ProblemEndpointSuffix, "which is added for each call", "use https://" + host + "/<stage>"},
		{"@connections and a connection that is a placeholder", "https://" + host + "/prod/@connections/{connectionId}", ProblemEndpointSuffix, "which is added", meant},
		{"@connections and a verb of a format", "https://" + host + "/prod/@connections/%s", ProblemEndpointSuffix, "which is added", meant},
		{"@connections, escaped twice", "https://" + host + "/prod/%2540connections/a%253D", ProblemEndpointPath, "has an escape", meant},
		{"@connections and a query", "https://" + host + "/prod/@connections?x=1", ProblemEndpointPath, "a query behind its path", meant},
		{"the line of a request", "POST https://" + host + "/prod/@connections/a=", ProblemEndpointScheme, "contains a space", "take it out: " + meant},
		{"the route of a connection", "https://" + host + "/prod/$connect", ProblemEndpointPath, `"$connect" in the path of the endpoint is a route`, meant},
		{"a route and no stage", "https://" + host + "/$connect", ProblemEndpointPath, "is a route, not a stage", "use the stage that the API is deployed to"},
		{"a scheme in capitals", "Https://" + host + "/prod", ProblemEndpointScheme, "in capitals", meant},
		{"one slash", "https:/" + host + "/prod", ProblemEndpointScheme, "https without :// behind it", meant},
		{"no colon", "https//" + host + "/prod", ProblemEndpointScheme, "https without :// behind it", meant},
		{"no slashes", "wss:" + host + "/prod", ProblemEndpointScheme, "wss without :// behind it", meant},
		{"backslashes", `https:\\` + host + `\prod`, ProblemEndpointScheme, "https without :// behind it", meant},
		{"one backslash", `https://` + host + `\prod`, ProblemEndpointHost, "not a URL", meant},
		{"two schemes", "https://wss://" + host + "/prod", ProblemEndpointScheme, "a scheme inside its host", "leave one https://: " + meant},
		{"an escaped slash", "https://" + host + "%2Fprod", ProblemEndpointHost, "not a URL", meant},
		{"an escaped letter", "https://" + host + "/pro%64", ProblemEndpointPath, "has an escape", meant},
		{"an escaped dollar", "https://" + host + "/%24default", ProblemEndpointPath, "has an escape", "use https://" + host + "/$default"},
		{"two slashes", "https://" + host + "//prod", ProblemEndpointPath, "two slashes together", meant},
		{"two slashes at the end", "https://" + host + "/prod//", ProblemEndpointPath, "two slashes together", meant},
		{"http and its port", "http://" + host + ":80/prod", ProblemEndpointScheme, "http:// to a host that is not this machine", meant},
		{"a port", "https://" + host + ":3001/prod", ProblemEndpointHost, "API Gateway answers at 443 only", meant},
		{"a dot at the end of the host", "https://" + host + "./prod", ProblemEndpointHost, "ends with a dot", meant},
		{"a dot at the end of the sentence", "https://" + host + "/prod.", ProblemEndpointPath, `"prod." in the path`, meant},
		{"a comma", "https://" + host + "/prod,", ProblemEndpointPath, "is not a stage", meant},
		{"quotation marks", `"https://` + host + `/prod"`, ProblemEndpointScheme, "other text before its URL", meant},
		{"a mark at the end", "https://" + host + "/prod'", ProblemEndpointPath, "is not a stage", meant},
		{"angle brackets", "<https://" + host + "/prod>", ProblemEndpointScheme, "other text before its URL", meant},
		{"an assignment", "WIREPOST_ENDPOINT=https://" + host + "/prod", ProblemEndpointScheme, "other text before its URL", meant},
		{"JSON", `{ "endpoint": "https://` + host + `/prod" }`, ProblemEndpointScheme, "is JSON", "give the URL that is in it: " + meant},
		{"a list", `["https://` + host + `/prod"]`, ProblemEndpointScheme, "is JSON", "give the URL that is in it: " + meant},
		{"two endpoints", "https://" + host + "/prod,https://" + host + "/dev", ProblemEndpointScheme, "more than one URL", "leave one of them"},
		{"two endpoints and a space", "https://" + host + "/prod https://" + host + "/dev", ProblemEndpointScheme, "more than one URL", "leave one of them"},
		{"a byte order mark", "\ufeffhttps://" + host + "/prod", ProblemEndpointScheme, "a byte order mark", "take it out: " + meant},
		{"a line of Windows", "https://" + host + "/prod\r\n", ProblemEndpointScheme, "a line break", "take it out: " + meant},
		{"a character that nobody sees", "https://" + host + "/prod\u200b", ProblemEndpointScheme, "U+200B", "take it out: " + meant},
		{"the hyphen of a word processor", "https://" + strings.Replace(host, "-", "\u2011", 1) + "/prod", ProblemEndpointScheme, "U+2011", "take it out: " + meant},
		{"half a character", "https://" + host + "/prod\xc3", ProblemEndpointScheme, "not UTF-8", "take it out"},
		{"an international name", "https://ws.b\u00fccher.example/v1", ProblemEndpointScheme, "U+00FC", "begins with xn--"},
		{"a space in a mapping key", "https://ws.example.com/my key", ProblemEndpointScheme, "contains a space", "take it out"},
		{"a user", "https://user:hunter2@" + host + "/prod", ProblemEndpointPath, "a user before its host", meant},
		{"a user and no scheme", "user:hunter2@" + host + "/prod", ProblemEndpointScheme, "not a URL", meant},
		{"a password with a slash", "https://user:hunter2/@" + host + "/prod", ProblemEndpointHost, "not a URL", ""},
		{"a token", "wss://" + host + "/prod?token=hunter2", ProblemEndpointScheme, "starts with wss://", meant},
		{"a token and no scheme", host + "/prod?token=hunter2", ProblemEndpointScheme, "no scheme", meant},
		{"a fragment", "https://" + host + "/prod#hunter2", ProblemEndpointPath, "a fragment behind its path", meant},
		{"China's suffix elsewhere", "https://" + host + ".cn/prod", ProblemEndpointHost, "do not end with amazonaws.com.cn", meant},
		{"a region of China", "https://a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com/prod", ProblemEndpointHost, "in cn-north-1 do not end with amazonaws.com", "use https://a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn/prod, and set AWS_REGION=cn-north-1"},
		{"an isolated region", "https://a1b2c3d4e5.execute-api.us-iso-east-1.amazonaws.com/prod", ProblemEndpointHost, "do not end with", "use https://a1b2c3d4e5.execute-api.us-iso-east-1.c2s.ic.gov/prod, and set AWS_REGION=us-iso-east-1"},
		{"dual-stack in another partition", "https://a1b2c3d4e5.execute-api.cn-north-1.api.aws/prod", ProblemEndpointHost, "do not end with api.aws", "use https://a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn/prod"},
		{"somebody else's domain", "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.co/prod", ProblemEndpointHost, "do not end with amazonaws.co", meant},
		{"the host twice", "https://" + host + "." + host[11:] + "/prod", ProblemEndpointHost, "do not end with", meant},
		{"an underscore", "https://" + strings.Replace(host, "execute-api", "execute_api", 1) + "/prod", ProblemEndpointHost, `"execute_api" in the host of the endpoint should be execute-api`, meant},
		{"no hyphen", "https://" + strings.Replace(host, "execute-api", "executeapi", 1) + "/prod", ProblemEndpointHost, "should be execute-api", meant},
		{"no region", "https://a1b2c3d4e5.execute-api.amazonaws.com/prod", ProblemEndpointHost, "has no region", "as in a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"},
		{"a private API", "https://a1b2c3d4e5-vpce-0f1e2d3c4b5a69788.execute-api.eu-west-1.amazonaws.com/prod", ProblemEndpointHost, "no WebSocket API is private", meant},
		{"a VPC endpoint", "https://vpce-0f1e2d3c4b5a69788-abcd1234.execute-api.eu-west-1.vpce.amazonaws.com/prod", ProblemEndpointHost, "is a VPC endpoint", "use https://<api-id>.execute-api.eu-west-1.amazonaws.com/<stage>"},
		{"the service, dual-stack", "https://execute-api.eu-west-1.api.aws/prod", ProblemEndpointUnset, "is the service and not an API", "https://<api-id>.execute-api.eu-west-1.amazonaws.com/<stage>"},
		{"the service, FIPS", "https://execute-api-fips.us-gov-west-1.amazonaws.com", ProblemEndpointUnset, "is the service and not an API", "https://<api-id>.execute-api.us-gov-west-1.amazonaws.com/<stage>"},
		{"the ARN of a policy", "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/prod/*/@connections/*", ProblemEndpointScheme, "is an ARN", meant},
		{"the ARN of the API", "arn:aws:apigateway:eu-west-1::/apis/a1b2c3d4e5", ProblemEndpointScheme, "is an ARN", "use https://" + host + "/<stage>"},
		{"the ARN of the stage in China", "arn:aws-cn:apigateway:cn-north-1::/apis/a1b2c3d4e5/stages/prod", ProblemEndpointScheme, "is an ARN", "use https://a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn/prod, and set AWS_REGION=cn-north-1"},
		{"the ARN of a function", "arn:aws:lambda:eu-west-1:111122223333:function:send", ProblemEndpointScheme, "is an ARN", "use https://<api-id>."},
		{"the API ID", "a1b2c3d4e5", ProblemEndpointScheme, "is the ID of an API", "use https://" + host + "/<stage>"},
		{"the API ID and the stage", "a1b2c3d4e5/prod", ProblemEndpointScheme, "is the ID of an API", meant},
		{"a page of the console", "https://eu-west-1.console.aws.amazon.com/apigateway/main/apis/a1b2c3d4e5/routes?api=a1b2c3d4e5&region=eu-west-1", ProblemEndpointHost, "a page of AWS's console", "use https://" + host + "/<stage>"},
		{"the stage", "prod", ProblemEndpointScheme, "is not a URL", "use https://<api-id>."},
		{"the name of a parameter", "ssm:/ws/endpoint", ProblemEndpointScheme, "is not a URL", "use https://<api-id>."},
		{"an attribute of a resource", "WebSocketApi.ApiEndpoint", ProblemEndpointScheme, "no scheme", "use https:// with the same host"},
		{"a store", "sqlite:.wirepost/store.db", ProblemEndpointScheme, "is the URL of a store", "put it into WIREPOST_STORE"},
		{"a tag inside the marks", "!Sub https://${Api}.execute-api.eu-west-1.amazonaws.com/prod", ProblemEndpointUnset, "was not replaced", "write the tag before the quotation marks"},
		{"a token of the CDK", "https://${Token[TOKEN.123]}.execute-api.eu-west-1.amazonaws.com/prod", ProblemEndpointHost, "was not replaced", "a token of the CDK"},
		{"an output of Pulumi", "https://Calling [toString] on an [Output<T>] is not supported.", ProblemEndpointUnset, "was not replaced", "put the value"},
		{"a plan of Terraform", "(known after apply)", ProblemEndpointUnset, "was not replaced", "put the value"},
		{"where a server listens", "http://0.0.0.0:3001/dev", ProblemEndpointHost, "is where a server listens", "use http://localhost:3001/dev"},
		{"where a server listens, IPv6", "http://[::]:3001/dev", ProblemEndpointHost, "is where a server listens", "use http://localhost:3001/dev"},
		{"a port alone", ":3001/dev", ProblemEndpointScheme, "no scheme", "use http://localhost:3001/dev"},
		{"IPv6 without brackets", "http://::1:3001/dev", ProblemEndpointHost, "not a URL", "use http://[::1]:3001/dev"},
		{"a short address", "http://127.1:3001/dev", ProblemEndpointHost, `"127.1" is not an IP address`, "write the four numbers"},
		{"the machine's own name, in capitals", "http://Localhost:3001/dev", ProblemEndpointHost, "upper-case letters", "use http://localhost:3001/dev"},
		{"an escaped colon", "http://localhost%3A3001/dev", ProblemEndpointHost, "not a URL", "use http://localhost:3001/dev"},
		{"no slash behind the port", "http://localhost:3001dev", ProblemEndpointHost, "invalid port", "write a number for the port, and a slash before the stage"},
		{"no port behind the colon", "http://localhost:/dev", ProblemEndpointHost, "the port is empty", "write the port behind the colon"},
		{"another machine here", "http://192.168.1.10:3001/dev", ProblemEndpointScheme, "not this machine", "use http://localhost and the port on the machine of the gateway"},
		{"a container", "http://gateway:3001/dev", ProblemEndpointHost, `the host "gateway" has no domain`, "use http://localhost and the port"},
		{"the machine of a container", "http://host.docker.internal:3001/dev", ProblemEndpointScheme, "not this machine", "use http://localhost and the port"},
		{"more than a stage", "https://" + host + "/prod/extra", ProblemEndpointPath, "is more than a stage", "leave https://" + host + "/prod, if prod is the stage"},
		{"a name that is too long", "https://" + host + "/" + strings.Repeat("a", 129), ProblemEndpointPath, "up to 128 letters", "use the name of the stage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseEndpoint(tt.raw, &EndpointOptions{Region: "eu-west-1"})
			if ProblemOf(err) != tt.want {
				t.Fatalf("of %q it says %v, want %s", tt.raw, err, tt.want)
			}
			e := err.(*Error)
			if !strings.Contains(e.Detail, tt.says) || !strings.Contains(e.Fix(), tt.fix) || strings.HasPrefix(tt.fix, "use https://"+host) && e.Fix() != tt.fix {
				t.Errorf("of %q it says\n%s\n%s\nwant\n%s\n%s", tt.raw, e.Detail, e.Fix(), tt.says, tt.fix)
			}
			if strings.Contains(err.Error()+e.Fix(), "hunter2") {
				t.Errorf("a secret is shown: %v, fix: %s", err, e.Fix())
			}
		})
	}
}

func TestTheCureHasTheStageThatIsKnown(t *testing.T) {
	const host = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
	for raw, want := range map[string]string{
		"wss://" + host:                     "use https://" + host + "/prod",
		"https://" + host + "/@connections": "use https://" + host + "/prod",
		"a1b2c3d4e5":                        "use https://" + host + "/prod",
	} {
		_, err := ParseEndpoint(raw, &EndpointOptions{Region: "eu-west-1", Stage: "prod"})
		if e, ok := err.(*Error); !ok || e.Fix() != want {
			t.Errorf("of %s it says %v, want the fix %s", raw, err, want)
		}
	}
	for region, want := range map[string]string{"EU-WEST-1": "set AWS_REGION=eu-west-1", "\"eu-west-1\"": "set AWS_REGION=eu-west-1", "eu-west-1a": "set AWS_REGION=eu-west-1", "Ireland": "set AWS_REGION to the region of the API"} {
		_, err := ParseEndpoint("https://ws.example.com/v1", &EndpointOptions{Region: region})
		if e, ok := err.(*Error); !ok || e.Problem != ProblemSigningRegion || !strings.HasPrefix(e.Fix(), want) {
			t.Errorf("of the region %s it says %v, want the fix %s", region, err, want)
		}
	}
	_, err := ParseEndpoint("wss://ws.example.com/v1", nil)
	if e, ok := err.(*Error); !ok || e.Fix() != "use https://ws.example.com/v1, and set AWS_REGION to the region of the API" {
		t.Errorf("of a custom domain without a region it says %v", err)
	}
}
