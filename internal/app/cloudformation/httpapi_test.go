package cloudformation

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

// shownHTTP are the HTTP APIs of an app with their routes, one a line.
func shownHTTP(a *app.App) string {
	var lines []string
	for _, api := range a.HTTPAPIs {
		line := fmt.Sprintf("%d: %s %s stage %s", api.Position.Line, api.Kind, api.LogicalID, api.Stage)
		if len(api.StageVariables) > 0 {
			line += fmt.Sprint(" ", api.StageVariables)
		}
		if len(api.BinaryTypes) > 0 {
			line += fmt.Sprint(" binary ", api.BinaryTypes)
		}
		if api.InvokeMode != "" {
			line += " " + api.InvokeMode
		}
		if api.CORS != nil {
			line += fmt.Sprintf(" cors %v", *api.CORS)
		}
		if api.Unrunnable != nil {
			line += " ! " + api.Unrunnable.Why
		}
		lines = append(lines, line)
		for _, r := range api.Routes {
			line := fmt.Sprintf("%d: %s%s %s %s", r.Position.Line, r.Method, r.Path, r.Function, r.Payload)
			if r.Timeout != 0 {
				line += " " + r.Timeout.String()
			}
			if r.AuthorizerKind != "" {
				line += strings.TrimRight(fmt.Sprintf(" %s %s %v %s", r.AuthorizerKind, r.Authorizer, r.IdentitySources, r.AuthorizerPayload), " ")
			}
			if r.JWT != nil {
				line += fmt.Sprintf(" of %s for %v", r.JWT.Issuer, r.JWT.Audiences)
			}
			if len(r.Scopes) > 0 {
				line += fmt.Sprintf(" scopes %v", r.Scopes)
			}
			if r.Answer != nil {
				line += fmt.Sprintf(" answers %d %v %q %q", r.Answer.Status, r.Answer.Header, r.Answer.Body, r.Answer.Origins)
			}
			if r.SimpleAnswers {
				line += " simple"
			}
			if r.Unrunnable != nil {
				line += " ! " + r.Unrunnable.Why
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

const (
	httpLine = "  H: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: web, ProtocolType: HTTP}}\n"
	httpInt  = "  HI: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref H, IntegrationType: AWS_PROXY, IntegrationUri: !GetAtt F.Arn, PayloadFormatVersion: '2.0'}}\n"
	httpAt   = "  HS: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref H, StageName: $default}}\n"
	restLine = "  W: {Type: AWS::ApiGateway::RestApi, Properties: {Name: web}}\n"
	restAt   = "  WS: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref W, StageName: prod, Variables: {a: b}}}\n"
)

// httpRouteOf is an HTTP API from line 6 on with one route, which is on line 9.
func httpRouteOf(properties, more string) string {
	return httpLine + httpInt + httpAt + "  HR: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref H, " + properties + "}}\n" + more
}

// methodOf is a REST API from line 6 on with one method, which is on line 8.
func methodOf(properties, more string) string {
	return restLine + restAt + "  WM: {Type: AWS::ApiGateway::Method, Properties: {RestApiId: !Ref W, " + properties + "}}\n" + more
}

func TestHTTPAPIsAreReadFromCloudFormation(t *testing.T) {
	const target, proxy = ", Target: !Sub 'integrations/${HI}'", ", Integration: {Type: AWS_PROXY, IntegrationHttpMethod: POST, Uri: !Sub 'arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations'}"
	const h, w = "6: HTTP API H stage $default\n", "6: REST API W stage prod map[a:b]\n"
	authorizer := func(properties string) string {
		return "  HZ: {Type: AWS::ApiGatewayV2::Authorizer, Properties: {ApiId: !Ref H, Name: z, " + properties + "}}\n"
	}
	guard := func(properties string) string {
		return "  WZ: {Type: AWS::ApiGateway::Authorizer, Properties: {RestApiId: !Ref W, Name: z, " + properties + "}}\n"
	}
	for _, c := range []struct{ name, more, want, note string }{
		{"a route", httpRouteOf("RouteKey: 'GET /users/{id}'"+target, ""), h + "9: GET/users/{id} F 2.0", ""},
		{"the default route", httpRouteOf("RouteKey: $default"+target, ""), h + "9:  F 2.0", ""},
		{"a route key that is none", httpRouteOf("RouteKey: users"+target, ""), h[:len(h)-1], "stops t.yaml:9: route users of HTTP API H cannot be run here: its key is neither $default nor METHOD /PATH, and AWS refuses it"},
		{"the same route twice", httpRouteOf("RouteKey: GET /"+target, "  HR2: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref H, RouteKey: GET /"+target+"}}\n"), h + "9: GET/ F 2.0", "stops t.yaml:7: route GET / of HTTP API H cannot be run here: it is there already, and AWS refuses duplicates"},
		{"a route without a target", httpRouteOf("RouteKey: GET /", ""), h[:len(h)-1], "warning t.yaml:9: route GET / of HTTP API H has no Target and is left out"},
		{"a target of another API", httpRouteOf("RouteKey: GET /, Target: !Sub 'integrations/${I}'", ""), h + "9: GET/   ! its integration I belongs to another API", ""},
		{"payload 1.0 and a timeout", strings.Replace(httpRouteOf("RouteKey: GET /"+target, ""), "PayloadFormatVersion: '2.0'", "PayloadFormatVersion: '1.0', TimeoutInMillis: 5000", 1), h + "9: GET/ F 1.0 5s", ""},
		{"no payload format", strings.Replace(httpRouteOf("RouteKey: GET /"+target, ""), ", PayloadFormatVersion: '2.0'", "", 1), h + "9: GET/ F 1.0", "warning t.yaml:7: integration HI has no PayloadFormatVersion, which AWS asks for: 1.0 is used"},
		{"another integration", strings.Replace(httpRouteOf("RouteKey: GET /"+target, ""), "AWS_PROXY", "HTTP_PROXY", 1), h + "9: GET/   ! its integration is of type HTTP_PROXY, and only functions are invoked here", "stops t.yaml:7: route GET / of HTTP API H cannot be run here: its integration is of type HTTP_PROXY, and only functions are invoked here"},
		{"a service", strings.Replace(httpRouteOf("RouteKey: GET /"+target, ""), "AWS_PROXY", "AWS_PROXY, IntegrationSubtype: SQS-SendMessage", 1), h + "9: GET/   ! its integration calls a service of AWS, SQS-SendMessage, which is not supported here", ""},
		{"a function of another stack", strings.Replace(httpRouteOf("RouteKey: GET /"+target, ""), "!GetAtt F.Arn", "elsewhere", 1), h + "9: GET/   ! function elsewhere is not in the template", ""},
		{"JWT", httpRouteOf("RouteKey: GET /, AuthorizationType: JWT, AuthorizerId: !Ref HZ"+target, authorizer("AuthorizerType: JWT, IdentitySource: [$request.header.Authorization], JwtConfiguration: {Issuer: 'https://i.example', Audience: [a, b]}")), h + "9: GET/ F 2.0 JWT  [$request.header.Authorization] of https://i.example for [a b]", ""},
		{"JWT with scopes", httpRouteOf("RouteKey: GET /, AuthorizationType: JWT, AuthorizationScopes: [r, w], AuthorizerId: !Ref HZ"+target, authorizer("AuthorizerType: JWT, IdentitySource: [$request.header.Authorization], JwtConfiguration: {Issuer: 'https://i.example', Audience: [a]}")), h + "9: GET/ F 2.0 JWT  [$request.header.Authorization] of https://i.example for [a] scopes [r w]", ""},
		{"JWT of a pool that is only on AWS", httpRouteOf("RouteKey: GET /, AuthorizationType: JWT, AuthorizerId: !Ref HZ"+target, authorizer("AuthorizerType: JWT, IdentitySource: [$request.header.Authorization], JwtConfiguration: {Issuer: !GetAtt P.ProviderURL}")+"  P: {Type: AWS::Cognito::UserPool}\n"), h + "9: GET/  2.0 JWT  [$request.header.Authorization] ! its authorizer HZ cannot check tokens: its Issuer is not known here: ProviderURL of P, of type AWS::Cognito::UserPool, is made by AWS; give --value P=VALUE", "stops t.yaml:7: route GET / of HTTP API H cannot be run here: its authorizer HZ cannot check tokens"},
		{"an authorizer with a function", httpRouteOf("RouteKey: GET /, AuthorizationType: CUSTOM, AuthorizerId: !Ref HZ"+target, authorizer("AuthorizerType: REQUEST, AuthorizerUri: !GetAtt F.Arn, IdentitySource: [$request.header.A], AuthorizerPayloadFormatVersion: '2.0', EnableSimpleResponses: true")), h + "9: GET/ F 2.0 REQUEST F [$request.header.A] 2.0 simple", ""},
		{"an authorizer that is not there", httpRouteOf("RouteKey: GET /, AuthorizationType: CUSTOM, AuthorizerId: nobody"+target, ""), h + "9: GET/  2.0 ! its authorizer cannot be used: nobody is not in the template", "stops t.yaml:7: route GET / of HTTP API H cannot be run here: its authorizer cannot be used: nobody is not in the template"},
		{"IAM", httpRouteOf("RouteKey: GET /, AuthorizationType: AWS_IAM"+target, ""), h + "9: GET/ F 2.0 AWS_IAM  []", "warning t.yaml:9: route GET / of HTTP API H needs a signature of AWS IAM, which is not checked here"},
		{"CORS", strings.Replace(httpRouteOf("RouteKey: GET /"+target, ""), "ProtocolType: HTTP", "ProtocolType: HTTP, CorsConfiguration: {AllowOrigins: ['https://a.example'], AllowMethods: [GET], AllowHeaders: [x], ExposeHeaders: [y], MaxAge: 60, AllowCredentials: true}", 1), h[:len(h)-1] + " cors {[https://a.example] [GET] [x] [y] 60 true}\n9: GET/ F 2.0", ""},
		{"quick create", strings.Replace(httpLine, "ProtocolType: HTTP", "ProtocolType: HTTP, Target: !GetAtt F.Arn", 1), h + "6:  F 2.0", ""},
		{"quick create with a key", strings.Replace(httpLine, "ProtocolType: HTTP", "ProtocolType: HTTP, RouteKey: POST /a, Target: !GetAtt F.Arn", 1), h + "6: POST/a F 2.0", ""},
		{"quick create of an address", strings.Replace(httpLine, "ProtocolType: HTTP", "ProtocolType: HTTP, Target: 'https://a.example'", 1), h + "6:   2.0 ! its target is an address, and only functions are invoked here", ""},
		{"OpenAPI", strings.Replace(httpLine, "ProtocolType: HTTP", "ProtocolType: HTTP, Body: {paths: {}}", 1), h[:len(h)-1] + " ! its routes are in an OpenAPI document, which is not read", "stops t.yaml:6: HTTP API H cannot be run here: its routes are in an OpenAPI document, which is not read"},
		{"several stages", httpLine + httpInt + strings.ReplaceAll(httpAt, "$default", "a") + strings.ReplaceAll(strings.ReplaceAll(httpAt, "$default", "b"), "HS", "HS2"), "6: HTTP API H stage a", "warning t.yaml:8: HTTP API H has several stages, and a runs: give --stage NAME with one of a, b"},
		{"no stage", httpLine, h[:len(h)-1], "info t.yaml:6: HTTP API H has no stage in the template: it runs as stage $default"},

		{"a method", methodOf("HttpMethod: get, ResourceId: !Ref W2"+proxy, "  W1: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref W, ParentId: !GetAtt W.RootResourceId, PathPart: users}}\n  W2: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref W, ParentId: !Ref W1, PathPart: '{id+}'}}\n"), w + "8: GET/users/{id+} F 1.0", ""},
		{"a method of the root", methodOf("HttpMethod: ANY, ResourceId: !GetAtt W.RootResourceId"+proxy, ""), w + "8: ANY/ F 1.0", ""},
		{"a path of itself", methodOf("HttpMethod: ANY, ResourceId: !Ref W1"+proxy, "  W1: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref W, ParentId: !Ref W1, PathPart: a}}\n"), w[:len(w)-1], "stops t.yaml:8: route WM of REST API W cannot be run here: its path leads back to itself"},
		{"MOCK", methodOf("HttpMethod: OPTIONS, ResourceId: !GetAtt W.RootResourceId, Integration: {Type: MOCK}", ""), w + "8: OPTIONS/  1.0 ! its integration is of type MOCK and has no response for status 200", "stops t.yaml:8: route OPTIONS / of REST API W cannot be run here: its integration is of type MOCK"},
		{"MOCK that answers a preflight, as CDK has it", methodOf(`HttpMethod: OPTIONS, ResourceId: !GetAtt W.RootResourceId, Integration: {Type: MOCK, RequestTemplates: {application/json: "{ statusCode: 204 }"}, IntegrationResponses: [{StatusCode: "204", `+
			`ResponseParameters: {method.response.header.Access-Control-Allow-Origin: "'https://a.example'", method.response.header.Vary: "'Origin'", method.response.header.X: integration.response.header.X}, `+
			`ResponseTemplates: {application/json: "#set($origin = $input.params().header.get(\"Origin\"))\n#if($origin == \"\") #set($origin = $input.params().header.get(\"origin\")) #end\n#if($origin.matches(\"https://b.example\") || $origin.matches(\"https://.*[.]c.example\"))\n  #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)\n#end"}}]}`, ""),
			w + `8: OPTIONS/  1.0 answers 204 map[Access-Control-Allow-Origin:https://a.example Vary:Origin] "" ["https://b.example" "https://.*[.]c.example"]`, "warning t.yaml:8: method.response.header.X of the integration of WM is left out: it is not a constant in single quotes"},
		{"MOCK with patterns and a body", methodOf(`HttpMethod: GET, ResourceId: !GetAtt W.RootResourceId, Integration: {Type: MOCK, RequestTemplates: {application/json: '{"statusCode": 503}'}, IntegrationResponses: [{StatusCode: 200}, {StatusCode: 500, SelectionPattern: '5\d{2}', ResponseTemplates: {application/json: '{"down":true}'}}]}`, ""), w + `8: GET/  1.0 answers 500 map[] "{\"down\":true}" []`, ""},
		{"MOCK with Velocity", methodOf(`HttpMethod: GET, ResourceId: !GetAtt W.RootResourceId, Integration: {Type: MOCK, IntegrationResponses: [{StatusCode: 200, ResponseTemplates: {application/json: "$context.requestId"}}]}`, ""), w + `8: GET/  1.0 ! its integration is of type MOCK with a response template of Velocity, which is not run here`, ""},
		{"AWS", methodOf("HttpMethod: GET, ResourceId: !GetAtt W.RootResourceId, Integration: {Type: AWS, Uri: x}", ""), w + "8: GET/  1.0 ! its integration is of type AWS, and only AWS_PROXY with a function, and MOCK, are run here", ""},
		{"no integration", methodOf("HttpMethod: GET, ResourceId: !GetAtt W.RootResourceId", ""), w + "8: GET/  1.0 ! it has no Integration", ""},
		{"TOKEN", methodOf("HttpMethod: GET, ResourceId: !GetAtt W.RootResourceId, AuthorizationType: CUSTOM, AuthorizerId: !Ref WZ"+proxy, guard("Type: TOKEN, IdentitySource: method.request.header.A, AuthorizerUri: !GetAtt F.Arn")), w + "8: GET/ F 1.0 TOKEN F [method.request.header.A] 1.0", ""},
		{"REQUEST", methodOf("HttpMethod: GET, ResourceId: !GetAtt W.RootResourceId, AuthorizationType: CUSTOM, AuthorizerId: !Ref WZ"+proxy, guard("Type: REQUEST, IdentitySource: 'method.request.header.A, method.request.querystring.b', AuthorizerUri: !GetAtt F.Arn")), w + "8: GET/ F 1.0 REQUEST F [method.request.header.A method.request.querystring.b] 1.0", ""},
		{"Cognito", methodOf("HttpMethod: GET, ResourceId: !GetAtt W.RootResourceId, AuthorizationType: COGNITO_USER_POOLS, AuthorizerId: !Ref WZ"+proxy, guard("Type: COGNITO_USER_POOLS, ProviderARNs: ['arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_AbC', b]")), w + "8: GET/ F 1.0 COGNITO  [] of https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC for []", "warning t.yaml:9: authorizer WZ has several user pools: here the tokens of the first are used"},
		{"Cognito of the template", methodOf("HttpMethod: GET, ResourceId: !GetAtt W.RootResourceId, AuthorizationType: COGNITO_USER_POOLS, AuthorizationScopes: [a/b], AuthorizerId: !Ref WZ"+proxy, guard("Type: COGNITO_USER_POOLS, ProviderARNs: [!GetAtt P.Arn]")+"  P: {Type: AWS::Cognito::UserPool}\n"), w + "8: GET/  1.0 COGNITO  [] scopes [a/b] ! its authorizer WZ cannot check tokens: its user pool is not known here: Arn of P, of type AWS::Cognito::UserPool, is made by AWS; give --value P=VALUE", ""},
		{"Cognito of what is no pool", methodOf("HttpMethod: GET, ResourceId: !GetAtt W.RootResourceId, AuthorizationType: COGNITO_USER_POOLS, AuthorizerId: !Ref WZ"+proxy, guard("Type: COGNITO_USER_POOLS, ProviderARNs: [x]")), w + "8: GET/  1.0 COGNITO  [] ! its authorizer WZ cannot check tokens: its user pool x is not the ARN of a user pool", ""},
		{"binary types", strings.Replace(methodOf("HttpMethod: ANY, ResourceId: !GetAtt W.RootResourceId"+proxy, ""), "Name: web", "Name: web, BinaryMediaTypes: [image/png, '*/*']", 1), "6: REST API W stage prod map[a:b] binary [image/png */*]\n8: ANY/ F 1.0", ""},
		{"an API key", methodOf("HttpMethod: GET, ApiKeyRequired: true, ResourceId: !GetAtt W.RootResourceId"+proxy, ""), w + "8: GET/ F 1.0", "warning t.yaml:8: route GET / of REST API W needs an API key, which is not checked here"},
		{"a deployment with a stage", restLine + "  WD: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref W, StageName: v1, StageDescription: {Variables: {a: c}}}}\n  WM: {Type: AWS::ApiGateway::Method, Properties: {RestApiId: !Ref W, HttpMethod: GET, ResourceId: !GetAtt W.RootResourceId" + proxy + "}}\n", "6: REST API W stage v1 map[a:c]\n8: GET/ F 1.0", ""},

		{"a function's URL", "  U: {Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: !Ref F, AuthType: NONE, Cors: {AllowOrigins: ['*']}}}\n", "6: function URL F stage $default cors {[*] [] [] [] 0 false}\n6:  F 2.0", ""},
		{"a function's URL with IAM that streams", "  U: {Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: !GetAtt F.Arn, AuthType: AWS_IAM, InvokeMode: RESPONSE_STREAM}}\n", "6: function URL F stage $default RESPONSE_STREAM\n6:  F 2.0 AWS_IAM  []", "warning t.yaml:6: function URL U needs a signature of AWS IAM, which is not checked here\nwarning t.yaml:6: function URL U streams its answers on AWS: here they come as a whole"},
		{"a URL of another stack's function", "  U: {Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: other, AuthType: NONE}}\n", "", "stops t.yaml:6: function URL U cannot be run here: function other is not in the template"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, notes, err := readText(goodLines+c.more, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := shownHTTP(a); got != c.want {
				t.Errorf("the APIs are\n%s\nwant\n%s", got, c.want)
			}
			if said := severeLines(notes); !strings.Contains(said, c.note) {
				t.Errorf("notes\n%s\nwant\n%s", said, c.note)
			}
		})
	}
}

func TestTheStageThatIsAskedForRunsOfAnHTTPAPIToo(t *testing.T) {
	stage := func(id, name string) string {
		return "  " + id + ": {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref " + id[:1] + ", StageName: " + name + "}}\n"
	}
	a, _, err := readText(goodLines+httpLine+stage("H1", "a")+stage("H2", "b")+stage("A1", "a")+stage("A2", "b"), Options{Stage: "b"})
	if err != nil || a.HTTPAPIs[0].Stage != "b" || a.APIs[0].Stage != "b" {
		t.Errorf("%+v, %v, want stage b of both", a, err)
	}
}

func TestAddressesOfHTTPAPIsBecomeThoseOfThisMachine(t *testing.T) {
	text := variable("!Sub 'https://${H}.execute-api.${AWS::Region}.amazonaws.com/x/y?a=b', B: !Sub '${H.ApiEndpoint}', C: !Sub '${W}.execute-api.us-east-1.amazonaws.com/prod/', D: !GetAtt U.FunctionUrl, E: !Ref H, G: !Sub 'https://${H9}.execute-api.us-east-1.amazonaws.com/'",
		httpLine+restLine+"  U: {Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: !GetAtt F.Arn, AuthType: NONE}}\n  H9: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}\n")
	read, _, err := readOnly(text, Options{Values: map[string]string{"H9": "a1b2c3d4e6"}})
	if err != nil {
		t.Fatal(err)
	}
	a, notes, err := read.Resolve(app.Names{HTTPAPIs: map[app.HTTPKind]map[string]string{
		app.HTTPOfAPI: {"H": "http://127.0.0.1:3003", "H9": "http://127.0.0.1:3009"}, app.RESTAPI: {"W": "http://127.0.0.1:3004"}, app.FunctionURL: {"F": "http://127.0.0.1:3005"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"V": "http://127.0.0.1:3003/x/y?a=b", "B": "http://127.0.0.1:3003", "C": "127.0.0.1:3004/prod/", "D": "http://127.0.0.1:3005/",
		"E": "H", "G": "https://a1b2c3d4e6.execute-api.us-east-1.amazonaws.com/",
	}
	if got := a.Functions[0].Env; !maps.Equal(got, want) {
		t.Errorf("variables %v, want %v", got, want)
	}
	said := noteLines(notes)
	for _, want := range []string{
		"t.yaml:3: variable V of F: https://H.execute-api.us-east-1.amazonaws.com is http://127.0.0.1:3003 here\n", "t.yaml:3: variable D of F: https://u.lambda-url.us-east-1.on.aws is http://127.0.0.1:3005 here\n",
		"t.yaml:3: variable E of F is the ID of the API: a call of a function to an address that is made of it arrives here\n", "t.yaml:3: variable G of F is an address of another API, a1b2c3d4e6, and stays\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("notes %s, want %s", said, want)
		}
	}
	if a, _, err = read.Resolve(app.Names{}); err != nil || a.Functions[0].Env["D"] != "https://u.lambda-url.us-east-1.on.aws/" || a.Functions[0].Env["V"] != "https://H.execute-api.us-east-1.amazonaws.com/x/y?a=b" {
		t.Errorf("without names the variables are %v, %v, want those of AWS", a.Functions[0].Env, err)
	}
}
