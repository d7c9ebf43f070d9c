package doctor_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/doctor"
	"github.com/wirepost/wirepost/internal/doctor/controlplane"
)

const (
	functionARN    = "arn:aws:lambda:eu-west-1:111122223333:function:chat"
	functionsPath  = "/2015-03-31/functions/"
	longARN        = "arn:aws:lambda:eu-west-1:111122223333:function:push-long"
	functionPolicy = "/2015-03-31/functions/chat/policy"
)

// awsAPI is the control plane of one API: what its services answer, by path. A value
// that is an int is a status, 403 a denial.
type awsAPI map[string]any

func policy(source string) map[string]any {
	text, _ := json.Marshal(map[string]any{"Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]any{"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": functionARN,
		"Condition": map[string]any{"ArnLike": map[string]any{"AWS:SourceArn": source}},
	}}})
	return map[string]any{"Policy": string(text)}
}

func items(all ...any) map[string]any { return map[string]any{"items": all} }

type object = map[string]any

var deployed = time.Date(2026, 1, 1, 11, 50, 0, 0, time.UTC)

// function is one in a listing of Lambda's.
func function(name, store, keep string) object {
	return object{"FunctionName": name, "Environment": object{"Variables": object{"WIREPOST_STORE": store, "WIREPOST_KEEP": keep, "WIREPOST_JWT_KEY": "hmac:c2VjcmV0"}}}
}

// longWork are a function and the one that does its long work.
func longWork(long string, timeout int) object {
	asks := function("push-websocket", "dynamodb://t", "")
	asks["FunctionArn"] = "arn:aws:lambda:eu-west-1:111122223333:function:push-websocket"
	asks["Environment"].(object)["Variables"].(object)["WIREPOST_LONG_FUNCTION"] = long
	return object{"Functions": []any{asks, object{"FunctionName": "push-long", "Timeout": timeout}}}
}

func newAWS() awsAPI {
	route := func(key string) object {
		return object{"routeId": "r-" + strings.TrimPrefix(key, "$"), "routeKey": key, "target": "integrations/i1", "authorizationType": "NONE"}
	}
	connect := route("$connect")
	connect["authorizationType"] = "CUSTOM"
	return awsAPI{
		"/v2/apis/abc123":                                object{"apiId": "abc123", "protocolType": "WEBSOCKET", "disableExecuteApiEndpoint": false},
		"/v2/apis/abc123/stages":                         items(object{"stageName": "prod"}, object{"stageName": "dev"}),
		"/v2/apis/abc123/stages/prod":                    object{"stageName": "prod", "deploymentId": "d1", "autoDeploy": false, "defaultRouteSettings": object{"throttlingRateLimit": 500, "throttlingBurstLimit": 100}},
		"/v2/apis/abc123/deployments/d1":                 object{"deploymentId": "d1", "createdDate": deployed.Format(time.RFC3339)},
		"/v2/apis/abc123/routes":                         items(connect, route("$disconnect"), route("$default")),
		"/v2/apis/abc123/integrations":                   items(object{"integrationId": "i1", "integrationType": "AWS_PROXY", "integrationUri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/" + functionARN + "/invocations"}),
		"/v2/domainnames/" + customHost + "/apimappings": items(object{"apiId": "abc123", "stage": "prod", "apiMappingKey": ""}),
		"/account":     object{"cloudwatchRoleArn": "arn:aws:iam::111122223333:role/logs"},
		functionsPath:  object{"Functions": []any{}},
		functionPolicy: policy("arn:aws:execute-api:eu-west-1:111122223333:abc123/*"),
		"/":            object{"Events": []any{}},
	}
}

var serviceOf = []struct{ prefix, service string }{
	{"/v2/", "apigateway"}, {"/account", "apigateway"}, {"/2015-03-31/", "lambda"}, {"/", "cloudtrail"},
}

func (a awsAPI) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	for _, s := range serviceOf {
		if strings.HasPrefix(r.URL.Path, s.prefix) {
			if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/"+s.service+"/aws4_request") {
				http.Error(rw, "signed for another service: "+r.Header.Get("Authorization"), http.StatusInternalServerError)
				return
			}
			break
		}
	}
	switch v := a[r.URL.Path].(type) {
	case nil:
		http.Error(rw, `{"message":"Not Found"}`, http.StatusNotFound)
	case string: // a code, or what another server says
		if strings.HasSuffix(v, "Exception") {
			rw.Header().Set("X-Amzn-Errortype", v)
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		http.Error(rw, v, http.StatusNotFound)
	case int:
		rw.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		rw.WriteHeader(v)
		fmt.Fprint(rw, `{"message":"User is not authorized"}`)
	default:
		json.NewEncoder(rw).Encode(v)
	}
}

// controlled is a world whose doctor asks the control plane.
func controlled(change func(w *world, a awsAPI)) func(*world) {
	return func(w *world) {
		a := newAWS()
		change(w, a)
		url := w.serve(a)
		for _, name := range []string{"AWS_ENDPOINT_URL_APIGATEWAYV2", "AWS_ENDPOINT_URL_API_GATEWAY", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_CLOUDTRAIL"} {
			w.env[name] = url
		}
		w.options.ControlPlane = controlplane.API{}
	}
}

// notThere makes API Gateway answer 403 Forbidden.
func notThere(w *world) { w.server = func(s *gateway.Server) { s.Stage = "live" } }

func controlRows() []row {
	stage := func(a awsAPI) object { return a["/v2/apis/abc123/stages/prod"].(object) }
	routes := func(a awsAPI) []any { return a["/v2/apis/abc123/routes"].(object)["items"].([]any) }
	changedAt := func(a awsAPI, at time.Time) {
		a["/"] = object{"Events": []any{
			object{"EventName": "UpdateStage", "EventTime": float64(at.Unix()), "CloudTrailEvent": `{"requestParameters":{"apiId":"abc123"}}`},
			object{"EventName": "UpdateRoute", "EventTime": float64(at.Unix()), "CloudTrailEvent": `{"requestParameters":{"apiId":"other"}}`},
			object{"EventName": "CreateRoute", "EventTime": float64(at.Unix()), "CloudTrailEvent": `{"requestParameters":{"apiId":"abc123"}}`},
		}}
	}
	return []row{
		{name: "nothing is wrong", make: controlled(func(*world, awsAPI) {})},
		{name: "nothing may be asked", make: controlled(func(_ *world, a awsAPI) {
			for path := range a {
				a[path] = 403
			}
		})},
		{name: "the API is of another account", make: controlled(func(_ *world, a awsAPI) { delete(a, "/v2/apis/abc123") }), want: problems(wirepost.ProblemAPIUnknown)},
		{name: "the API is an HTTP API", make: controlled(func(_ *world, a awsAPI) { a["/v2/apis/abc123"].(object)["protocolType"] = "HTTP" }), want: problems(wirepost.ProblemAPIUnknown), says: []string{"HTTP"}},
		{name: "the execute-api endpoint is disabled, and a send is forbidden", make: controlled(func(w *world, a awsAPI) {
			notThere(w)
			a["/v2/apis/abc123"].(object)["disableExecuteApiEndpoint"] = true
		}), want: problems(wirepost.ProblemAPIDisabled), says: []string{"abc123"}},
		{name: "the stage does not exist, and a send is forbidden", make: controlled(func(w *world, a awsAPI) {
			notThere(w)
			delete(a, "/v2/apis/abc123/stages/prod")
		}), want: problems(wirepost.ProblemStageUnknown), says: []string{`no stage "prod"`, "prod, dev"}},
		{name: "the stage has no deployment, and a send is forbidden", make: controlled(func(w *world, a awsAPI) {
			notThere(w)
			delete(stage(a), "deploymentId")
		}), want: problems(wirepost.ProblemStageNotDeployed), says: []string{"create-deployment --api-id abc123 --stage-name prod"}},
		{name: "routes were changed after the deployment, and a send is forbidden", make: controlled(func(w *world, a awsAPI) {
			notThere(w)
			changedAt(a, deployed.Add(14*time.Minute))
		}), want: problems(wirepost.ProblemDeploymentStale), says: []string{"CreateRoute", "12:04", "11:50"}, fine: true},
		{name: "a send is forbidden and the control plane shows nothing", make: controlled(func(w *world, a awsAPI) {
			notThere(w)
			a["/"] = 403 // whether it was changed cannot be told, and is all that remains
		}), want: problems(wirepost.ProblemDeploymentStale), says: []string{"nothing else that it may be"}},
		{name: "routes were changed before the deployment", make: controlled(func(_ *world, a awsAPI) { changedAt(a, deployed.Add(-time.Minute)) })},
		{name: "the stage deploys by itself", make: controlled(func(_ *world, a awsAPI) {
			stage(a)["autoDeploy"] = true
			changedAt(a, deployed.Add(time.Minute))
		})},
		{name: "throttled at zero, and everything gets 429", make: controlled(func(w *world, a awsAPI) {
			w.fault = answer(gateway.CallPost, gateway.Fault{Status: 429})
			stage(a)["defaultRouteSettings"] = object{"throttlingRateLimit": 0, "throttlingBurstLimit": 0}
		}), want: problems(wirepost.ProblemThrottleZero)},
		{name: "one route is throttled at zero", make: controlled(func(_ *world, a awsAPI) {
			stage(a)["routeSettings"] = object{"$connect": object{"throttlingBurstLimit": 0}}
		}), want: problems(wirepost.ProblemThrottleZero), says: []string{"$connect"}},
		{name: "429 and no limit is zero", make: controlled(func(w *world, _ awsAPI) { w.fault = answer(gateway.CallPost, gateway.Fault{Status: 429}) }), want: problems(wirepost.ProblemThrottled)},
		{name: "functions of one store that keep the same", make: controlled(func(w *world, a awsAPI) {
			w.env["WIREPOST_KEEP"], w.options.StoreName = "orders/*=600s,lobby=24h", "dynamodb://t"
			a[functionsPath] = object{"Functions": []any{function("push-publish", "dynamodb://t", "lobby=24h,orders/*=10m"), function("push-queue", "dynamodb://t", "lobby=1440m,orders/*=10m"),
				function("elsewhere", "dynamodb://other", ""), object{"FunctionName": "stranger"}}}
		})},
		{name: "a function that does not keep what others keep", make: controlled(func(_ *world, a awsAPI) {
			a[functionsPath] = object{"Functions": []any{function("push-publish", "dynamodb://t", "lobby=24h"), function("push-queue", "dynamodb://t", "")}}
		}), want: problems(wirepost.ProblemKeptAndNot), says: []string{`it is not set in push-queue; it is "lobby=24h0m0s" in push-publish`}, fine: true},
		{name: "an environment that does not keep what the functions keep", make: controlled(func(w *world, a awsAPI) {
			w.options.StoreName = "dynamodb://t"
			a[functionsPath] = object{"Functions": []any{function("push-publish", "dynamodb://t", "lobby=24h")}}
		}), want: problems(wirepost.ProblemKeptAndNot), says: []string{"it is not set in this environment"}, fine: true},
		{name: "a function that does long work", make: controlled(func(_ *world, a awsAPI) { a[functionsPath] = longWork(longARN+":live", 900) })},
		{name: "a function that does long work in another region", make: controlled(func(_ *world, a awsAPI) {
			a[functionsPath] = longWork("arn:aws:lambda:us-east-1:111122223333:function:other:live", 900)
		})},
		{name: "a function that does long work is not there", make: controlled(func(_ *world, a awsAPI) { a[functionsPath] = longWork("push-lang:live", 900) }), want: problems(wirepost.ProblemLongUnknown),
			says: []string{`WIREPOST_LONG_FUNCTION of push-websocket is "push-lang:live", and there is no function push-lang in eu-west-1`}},
		{name: "a variable that was not replaced", make: controlled(func(_ *world, a awsAPI) { a[functionsPath] = longWork("${LongAlias}", 900) }), want: problems(wirepost.ProblemLongUnknown), says: []string{"no name of a function"}},
		{name: "a function that does long work has no more time than a route", make: controlled(func(_ *world, a awsAPI) { a[functionsPath] = longWork(longARN+":live", 10) }), want: problems(wirepost.ProblemLongTimeout),
			says: []string{"whose timeout is 10s; a route has 29s"}, fine: true},
		{name: "a function that does long work without its alias", make: controlled(func(_ *world, a awsAPI) { a[functionsPath] = longWork(longARN, 900) }), want: problems(wirepost.ProblemLongNoAlias), fine: true},
		{name: "no $default route", make: controlled(func(_ *world, a awsAPI) { a["/v2/apis/abc123/routes"] = items(routes(a)[:2]...) }), want: problems(wirepost.ProblemDefaultRoute), fine: true},
		{name: "a route that is half two-way", make: controlled(func(_ *world, a awsAPI) {
			a["/v2/apis/abc123/routes"] = items(append(routes(a), object{"routeId": "r9", "routeKey": "ask", "target": "integrations/i1", "routeResponseSelectionExpression": "$default"})...)
			a["/v2/apis/abc123/routes/r9/routeresponses"] = items()
		}), want: problems(wirepost.ProblemRouteResponse), says: []string{"ask", "--route-id r9"}, fine: true},
		{name: "a route that is two-way", make: controlled(func(_ *world, a awsAPI) {
			a["/v2/apis/abc123/routes"] = items(append(routes(a), object{"routeId": "r9", "routeKey": "ask", "target": "integrations/i1", "routeResponseSelectionExpression": "$default"})...)
			a["/v2/apis/abc123/routes/r9/routeresponses"] = items(object{"routeResponseKey": "$default"})
		})},
		{name: "the function may be invoked for $connect only", make: controlled(func(_ *world, a awsAPI) {
			a[functionPolicy] = policy("arn:aws:execute-api:eu-west-1:111122223333:abc123/*/$connect")
		}), want: problems(wirepost.ProblemInvokePermission), says: []string{"chat has no permission for the routes $disconnect, $default", `--source-arn "arn:aws:execute-api:eu-west-1:111122223333:abc123/*"`}},
		{name: "one wildcard too many", make: controlled(func(_ *world, a awsAPI) {
			a[functionPolicy] = policy("arn:aws:execute-api:eu-west-1:111122223333:abc123/*/*/*")
		}), want: problems(wirepost.ProblemInvokePermission)},
		{name: "the function has no policy", make: controlled(func(_ *world, a awsAPI) { delete(a, functionPolicy) }), want: problems(wirepost.ProblemInvokePermission)},
		{name: "no role for logs", make: controlled(func(_ *world, a awsAPI) { a["/account"] = object{} }), want: problems(wirepost.ProblemLogRole), fine: true},
		{name: "the custom domain has no mapping, and a send is forbidden", make: controlled(func(w *world, a awsAPI) {
			trusted("")(w)
			notThere(w)
			a["/v2/domainnames/"+customHost+"/apimappings"] = items(object{"apiId": "abc123", "stage": "prod", "apiMappingKey": "v1"})
		}), want: problems(wirepost.ProblemMappingMissing), says: []string{"/v1 to abc123/prod"}},
		{name: "the custom domain is of nobody here", make: controlled(func(w *world, a awsAPI) {
			trusted("/prod")(w)
			delete(a, "/v2/domainnames/"+customHost+"/apimappings")
		}), want: problems(wirepost.ProblemMappingMissing), says: []string{"not a custom domain of this account"}},
		{name: "the custom domain is mapped", make: controlled(func(w *world, a awsAPI) {
			trusted("/prod")(w)
			a["/v2/domainnames/"+customHost+"/apimappings"] = items(object{"apiId": "abc123", "stage": "prod", "apiMappingKey": "prod"})
			a["/v2/apis/abc123"].(object)["disableExecuteApiEndpoint"] = true // which does not matter then
		})},
		{name: "everybody may connect", make: controlled(func(_ *world, a awsAPI) {
			routes(a)[0].(object)["authorizationType"] = "NONE"
		}), want: problems(wirepost.ProblemConnectOpen), fine: true},
	}
}

func TestTheControlPlaneLeavesOneCandidate(t *testing.T) {
	for _, r := range controlRows() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r.make(w)
			w.start()
			r.check(t, w.run())
		})
	}
}

func TestWhatIsNoDenialIsCalledNone(t *testing.T) {
	for said, want := range map[string]string{"ExpiredTokenException": "answered 403 ExpiredTokenException", "no such page": "answered 404"} {
		w := newWorld(t)
		controlled(func(_ *world, a awsAPI) { a["/v2/apis/abc123"] = said })(w)
		w.start()
		report := w.run()
		for _, c := range report.Checks {
			if c.Name == "api" && (c.Status != doctor.Skip || !strings.Contains(c.Sentence, want)) {
				t.Errorf("%q: %s is %s: %s, want %q", said, c.Name, c.Status, c.Sentence, want)
			}
		}
	}
}

func TestADeniedCallIsSkippedAndSaysWhatItNeeds(t *testing.T) {
	w := newWorld(t)
	controlled(func(_ *world, a awsAPI) {
		for path := range a {
			a[path] = 403
		}
	})(w)
	w.start()
	said := map[string]string{}
	for _, c := range w.run().Checks {
		if c.Status == doctor.Skip {
			said[c.Name] = c.Sentence
		}
	}
	for _, name := range []string{"api", "log-role"} {
		if said[name] != "not allowed: apigateway:GET" {
			t.Errorf("%s is skipped because %q", name, said[name])
		}
	}
}
