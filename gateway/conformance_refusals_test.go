package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func refusalRows() []row {
	answers := func(a answerOf, status int, errorType, body string) func(t *testing.T) {
		return func(t *testing.T) {
			is(t, a.status == status && a.header.Get("x-amzn-errortype") == errorType && (body == "" || a.body == body), a)
		}
	}
	call := func(method, path, body string, status int, errorType, text string) func(*testing.T) {
		return called(method, path, body, status, func(t *testing.T, _ *rawClient, a answerOf) { answers(a, status, errorType, text)(t) })
	}
	// signed is a check of a call that is signed in some wrong way.
	signed := func(credentials Credentials, region, service string, change func(*http.Request), errorType, body string) func(*testing.T) {
		return func(t *testing.T) {
			l := newLab(t, &Server{})
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+l.host+pathOf("L0SM9cOFvHcCIhw="), strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			signedBy(t, r, []byte("x"), credentials, region, service, time.Now())
			if change != nil {
				change(r)
			}
			transport := &http.Transport{DisableKeepAlives: true}
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			text := make([]byte, 4096)
			n, _ := response.Body.Read(text)
			answers(answerOf{response.StatusCode, response.Header, string(text[:n])}, 403, errorType, body)(t)
		}
	}
	ours := DevelopmentCredentials()
	return []row{
		{id: "6.3 410: the connection is closed, with no body", status: "TRACE", source: "BREF; VALIDATED for all three methods after a DELETE", check: func(t *testing.T) {
			l := newLab(t, &Server{})
			c := l.connect(t)
			mustManage(t, "DELETE", l.host, pathOf(c.id), "")
			for _, method := range []string{"GET", "POST", "DELETE"} {
				a := mustManage(t, method, l.host, pathOf(c.id), "")
				is(t, a.status == 410 && a.body == "" && a.header.Get("x-amzn-errortype") == "GoneException" && a.header.Get("Content-Length") == "0" && a.header.Get("Content-Type") == "application/json", a)
			}
		}},
		{id: "6.3 400: a malformed ID", status: "TRACE", source: "BREF", check: call("POST", "/dev/@connections/WDGT8fY4joECJrQ%3Dtest", "x", 400, "BadRequestException", `{"message":"Invalid connectionId: WDGT8fY4joECJrQ=test"}`)},
		{id: "6.3 403: another stage", status: "ISSUE", source: "aws-sdk-php#1955; csdcorp.com", check: call("POST", "/prod/@connections/ID", "x", 403, "ForbiddenException", `{"message":"Forbidden"}`)},
		{id: "6.3 403: no stage", status: "ISSUE", source: "aws-sdk-php#1955; csdcorp.com", check: call("POST", "/@connections/ID", "x", 403, "ForbiddenException", `{"message":"Forbidden"}`)},
		{id: "6.3 a path with empty segments, of an endpoint that ends with a slash", status: "UNCERTAIN", source: "no source; AWS SDK for JavaScript 3.930 and later signs it without them", here: "403; `wirepost dev` (Server.LoosePaths) takes it, signed as sent or without them, and a call without the stage, as of a custom domain", check: TestLoosePathsAreTakenWhereTheyAreAskedForAndToldOnce},
		{id: "6.3 403: IAM allows it not", status: "TRACE", source: "the text in three projects", here: "there are no policies; the fault `post:denied` answers it, with Message, the masked account and the literal {connectionId}", deviation: true, check: func(t *testing.T) {
			faults := NewFaults(1, nil, mustRules(t, "post:denied")...)
			l := newLab(t, &Server{Fault: faults.Ask, AccountID: "123456781380", APIID: "ihd9y8pe0l"})
			a := mustManage(t, "POST", l.host, pathOf("L0SM9cOFvHcCIhw="), "")
			answers(a, 403, "AccessDeniedException", `{"Message":"User: arn:aws:iam::123456781380:user/wirepost is not authorized to perform: execute-api:ManageConnections on resource: arn:aws:execute-api:us-east-1:********1380:ihd9y8pe0l/dev/POST/@connections/{connectionId}"}`)(t)
		}},
		{id: "6.3 403: unsigned", status: "UNCERTAIN", source: "recorded on a REST API (brain-power#29)", here: "MissingAuthenticationTokenException, `Missing Authentication Token`", check: signed(ours, "us-east-1", "execute-api", func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`)},
		{id: "6.3 403: signed for another service", status: "ISSUE", source: "aws-sdk-js-v3#1831", check: signed(ours, "us-east-1", "apigateway", nil, "InvalidSignatureException", `{"message":"Credential should be scoped to correct service: 'execute-api'. "}`)},
		{id: "6.3 403: a wrong signature", status: "ISSUE", source: "issue threads", check: signed(Credentials{AccessKeyID: "wirepost", SecretAccessKey: "x"}, "us-east-1", "execute-api", nil, "InvalidSignatureException",
			`{"message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}`)},
		{id: "6.3 403: signed for another region", status: "UNCERTAIN", source: "aws-sdk-js#792, another service", here: "InvalidSignatureException, `Credential should be scoped to a valid region, not '…'. `", check: signed(ours, "eu-west-1", "execute-api", nil, "InvalidSignatureException", `{"message":"Credential should be scoped to a valid region, not 'eu-west-1'. "}`)},
		{id: "6.3 403: an unknown access key", status: "UNCERTAIN", source: "other services", here: "UnrecognizedClientException", check: signed(Credentials{AccessKeyID: "x", SecretAccessKey: "x"}, "us-east-1", "execute-api", nil, "UnrecognizedClientException", `{"message":"The security token included in the request is invalid."}`)},
		{id: "6.3 403: signed too long ago", status: "UNCERTAIN", source: "other services", here: "InvalidSignatureException after 5 minutes", check: func(t *testing.T) {
			l := newLab(t, &Server{Now: func() time.Time { return time.Now().Add(6 * time.Minute) }})
			a := mustManage(t, "GET", l.host, pathOf("L0SM9cOFvHcCIhw="), "")
			is(t, a.status == 403 && strings.Contains(a.body, "Signature expired"), a)
		}},
		{id: "6.3 404: a path or method that matches no route", status: "UNCERTAIN", source: "simple-websockets-chat-app#40 has the text; the status is of other hosts", here: "404 NotFoundException", check: call("POST", "/dev/@connections/x/y", "", 404, "NotFoundException", `{"message":"No method found matching route @connections/x/y for http method POST."}`)},
		{id: "6.3 a body that is never complete", status: "UNCERTAIN", source: "no source", here: "400 after 30 s, or what else the call is refused for after 5 s, and the connection is closed", check: TestARequestThatIsNeverCompleteIsAnsweredAndEnds},
		{id: "6.3 413: over 128 KB", status: "DOC", source: "SDK model; gchq/sleeper#5755", check: call("POST", "/dev/@connections/ID", strings.Repeat("x", 128<<10+1), 413, "PayloadTooLargeException", "")},
		{id: "6.3 the text of a 413", status: "UNCERTAIN", source: "no source", here: "`Request Too Long`", check: call("POST", "/dev/@connections/ID", strings.Repeat("x", 128<<10+1), 413, "PayloadTooLargeException", `{"message":"Request Too Long"}`)},
		{id: "6.3 429: the client's buffer is full", status: "DOC", source: "SDK model", check: TestAStuckReaderGets429AndStallsNobody},
		{id: "6.3 429: too many requests", status: "UNCERTAIN", source: "SDK model has one type for both; DG has the bucket", here: "TooManyRequestsException, `Too Many Requests`", check: func(t *testing.T) {
			l := newLab(t, &Server{RequestRate: 1, RequestBurst: 1})
			var a answerOf
			for i := 0; i < 100 && a.status != 429; i++ { // a second may pass between two
				a = mustManage(t, "GET", l.host, pathOf("L0SM9cOFvHcCIhw="), "")
			}
			answers(a, 429, "TooManyRequestsException", `{"message":"Too Many Requests"}`)(t)
		}},
		{id: "6.3 504: a raw at sign", status: "ISSUE", source: "awsdocs#27, a guess that AWS's own SDK contradicts", here: "taken: it is what AWS's SDK sends", deviation: true, check: called("POST", "/dev/@connections/ID", "x", 200, nil)},
		{id: "6.3 an ID of the right form that never was is 410", status: "UNCERTAIN", source: "re:Post: an invalid ID is 410; BREF: a malformed one is 400", here: "410 for 16 characters of the known form, else 400", check: func(t *testing.T) {
			call("GET", "/dev/@connections/L0SM9cOFvHcCIhw%3D", "", 410, "GoneException", "")(t)
			call("GET", "/dev/@connections/L0SM9cOFvHcCIhw", "", 400, "BadRequestException", `{"message":"Invalid connectionId: L0SM9cOFvHcCIhw"}`)(t)
		}},
	}
}

func authorizerRows() []row {
	const lstest = "LSTEST"
	// judged is a check with an authorizer that answers this and hears its event.
	judged := func(result string, check func(t *testing.T, l *lab, heard chan []byte)) func(*testing.T) {
		return func(t *testing.T) {
			heard := make(chan []byte, 100)
			l := newLab(t, &Server{AccountID: "123456781380", APIID: "ihd9y8pe0l", Routes: map[string]Route{"$disconnect": {}, "$default": {}, "$connect": {Authorizer: &Authorizer{Function: FunctionFunc(func(_ context.Context, payload []byte) ([]byte, error) {
				heard <- payload
				return []byte(result), nil
			})}}}})
			check(t, l, heard)
		}
	}
	const everything = `{"text":"a","number":1,"yes":true}`
	inAll := func(name, value string) func(*testing.T) {
		return judged(policyOf("Allow", "*", everything), func(t *testing.T, l *lab, _ chan []byte) {
			c := l.connect(t)
			connect := l.event(t)
			c.send("x")
			message := l.event(t)
			c.Write(masked(0x88, nil))
			for _, d := range []doc{connect, message, l.event(t)} {
				if got := d.context("authorizer/" + name); got != value && (value != "*" || got == "absent") {
					t.Errorf("%s: %s", name, d.raw)
				}
			}
		})
	}
	heard := func(check func(t *testing.T, d doc)) func(*testing.T) {
		return judged(policyOf("Allow", "*", "{}"), func(t *testing.T, l *lab, heard chan []byte) {
			l.connectWith(t, "/dev?a=1", "")
			check(t, docOf(t, <-heard))
		})
	}
	invalid := func(r map[string]Route) func(*testing.T) {
		return func(t *testing.T) { is(t, (&Server{Function: newRecorder(), Routes: r}).Validate() != nil) }
	}
	status := func(result string, status int) func(*testing.T) {
		return judged(result, func(t *testing.T, l *lab, _ chan []byte) {
			got, _, body := shake(t, l.host, "/dev", "")
			is(t, got == status, got, body)
		})
	}
	return []row{
		{id: "9 only $connect can have an authorizer", status: "VALIDATED", source: lstest + "; DG", check: func(t *testing.T) {
			invalid(map[string]Route{"$disconnect": {Authorizer: &Authorizer{Function: newRecorder()}}})(t)
			invalid(map[string]Route{"$default": {Authorizer: &Authorizer{Function: newRecorder()}}})(t)
		}},
		{id: "9 an authorizer is of type REQUEST", status: "DOC", source: "DG; SDK: JWT is for HTTP APIs", check: heard(func(t *testing.T, d doc) { want(t, d.at("type"), "REQUEST") })},
		{id: "9 identity sources are headers, query parameters, stage variables and context", status: "DOC", source: "DG; SDK", check: func(t *testing.T) {
			l := newLab(t, &Server{StageVariables: map[string]string{"v": "1"}, Routes: map[string]Route{"$connect": {Authorizer: &Authorizer{
				IdentitySources: []string{"route.request.header.X", "route.request.querystring.q", "stageVariables.v", "context.identity.sourceIp"},
				Function:        FunctionFunc(func(context.Context, []byte) ([]byte, error) { return []byte(policyOf("Allow", "*", "{}")), nil }),
			}}}})
			l.connectWith(t, "/dev?q=1", "X: 1\r\n")
			want(t, httpStatus(t, l.host, "/dev?q=1"), "401")
		}},
		{id: "9 $request.header.X is refused", status: "VALIDATED", source: lstest, check: invalid(map[string]Route{"$connect": {Authorizer: &Authorizer{Function: newRecorder(), IdentitySources: []string{"$request.header.X"}}}})},
		{id: "9 without an identity source the function is not invoked", status: "DOC", source: "DG", check: func(t *testing.T) {
			var asked atomic.Int64
			l := newLab(t, &Server{Routes: map[string]Route{"$connect": {Authorizer: &Authorizer{IdentitySources: []string{"route.request.header.X"}, Function: FunctionFunc(func(context.Context, []byte) ([]byte, error) {
				asked.Add(1)
				return nil, nil
			})}}}})
			want(t, httpStatus(t, l.host, "/dev"), "401")
			is(t, asked.Load() == 0)
		}},
		{id: "9 methodArn names the $connect route", status: "DOC", source: "DG", check: heard(func(t *testing.T, d doc) { want(t, d.at("methodArn"), connectARN) })},
		{id: "9 its event has Connection, Upgrade and content-length", status: "TRACE", source: "localstack/localstack#7191; DG", check: heard(func(t *testing.T, d doc) {
			want(t, d.at("headers/Connection"), "upgrade", d.at("headers/Upgrade"), "websocket", d.at("headers/content-length"), "0")
		})},
		{id: "9 its event has both query maps", status: "DOC", source: "DG", check: heard(func(t *testing.T, d doc) {
			want(t, d.at("queryStringParameters/a"), "1", d.at("multiValueQueryStringParameters/a"), "[1]")
		})},
		{id: "9 its event has stageVariables, empty where there are none", status: "DOC", source: "DG", check: heard(func(t *testing.T, d doc) { want(t, d.at("stageVariables"), "map[]") })},
		{id: "9 its event has the requestContext of CONNECT and no pathParameters", status: "DOC", source: "DG", check: heard(func(t *testing.T, d doc) {
			want(t, d.context("eventType"), "CONNECT", d.context("routeKey"), "$connect", d.at("pathParameters"), "absent")
		})},
		{id: "9 a policy that allows lets the handshake go on", status: "DOC", source: "DG", check: status(policyOf("Allow", connectARN, "{}"), 101)},
		{id: "9 a policy that does not mention the route denies", status: "DOC", source: "IAM user guide, policy evaluation", check: status(policyOf("Allow", "arn:aws:execute-api:*:*:*/prod/*", "{}"), 403)},
		{id: "9 a result over 8 KB is refused", status: "DOC", source: "quotas page", check: status(policyOf("Allow", "*", `{"a":"`+strings.Repeat("x", 8<<10)+`"}`), 500)},
		{id: "9 context values are strings, numbers and booleans only", status: "DOC", source: "DG", check: status(policyOf("Allow", "*", `{"a":{"b":1}}`), 500)},
		{id: "9 requestContext.authorizer has the principalId in all events", status: "VALIDATED", source: lstest + "; serverless-offline#1379", check: inAll("principalId", "me")},
		{id: "9 requestContext.authorizer has the context in all events", status: "VALIDATED", source: lstest + "; serverless-offline#1379", check: inAll("text", "a")},
		{id: "9 requestContext.authorizer has integrationLatency", status: "ISSUE", source: "serverless-offline#1379; a REST trace", check: inAll("integrationLatency", "*")},
		{id: "9 whether numbers and booleans become strings", status: "UNCERTAIN", source: "DG says so of templates only", here: "they stay what they are", check: func(t *testing.T) {
			judged(policyOf("Allow", "*", everything), func(t *testing.T, l *lab, _ chan []byte) {
				l.connect(t)
				d := l.event(t)
				a := d.m["requestContext"].(map[string]any)["authorizer"].(map[string]any)
				is(t, a["number"] == json.Number("1") && a["yes"] == true, d.raw)
			})(t)
		}},
		{id: "9 the type of integrationLatency", status: "UNCERTAIN", source: "a number in a REST trace, a string in SLSOFF", here: "a number", check: judged(policyOf("Allow", "*", "{}"), func(t *testing.T, l *lab, _ chan []byte) {
			l.connect(t)
			_, number := l.event(t).m["requestContext"].(map[string]any)["authorizer"].(map[string]any)["integrationLatency"].(json.Number)
			is(t, number)
		})},
		{id: "9 identity sources are read from the event, with the headers that API Gateway adds", status: "ISSUE", source: "neverendingqs/serverless-websocket-example; DG shows the event", check: TestWhateverTheEventHasIsAnIdentitySource},
		{id: "9 which of several values an identity source has", status: "UNCERTAIN", source: "no source", here: "the last, as in the event's headers and queryStringParameters", check: TestMissingIdentitySourcesAre401AndTheFunctionIsNotAsked},
		{id: "9 an authorizer that fails or cannot be invoked", status: "UNCERTAIN", source: "500 for REST APIs", here: "500", check: func(t *testing.T) {
			for _, f := range []Function{&Unavailable{Reason: "it is Java"}, &LambdaEndpoint{URL: "http://127.0.0.1:1", Name: "f"}} {
				l := newLab(t, &Server{Routes: map[string]Route{"$connect": {Authorizer: &Authorizer{Function: f}}}})
				want(t, httpStatus(t, l.host, "/dev"), "500")
			}
		}},
		{id: "9 a principalId that is no string", status: "UNCERTAIN", source: "DG: a string", here: "500", check: status(strings.Replace(policyOf("Allow", "*", "{}"), `"me"`, "42", 1), 500)},
		{id: "9 a simple response, of HTTP APIs", status: "DOC", source: "DG, http-api-lambda-authorizer: of format 2.0 only, which WebSocket APIs do not have", check: status(`{"isAuthorized":true}`, 500)},
		{id: "9 nothing is cached", status: "DOC", source: "SDK: the TTL is for HTTP APIs", check: judged(policyOf("Allow", "*", "{}"), func(t *testing.T, l *lab, heard chan []byte) {
			for range 3 {
				l.connect(t)
			}
			is(t, len(heard) == 3, len(heard))
		})},
		{id: "9 a change of the authorizer does not touch connections", status: "DOC", source: "DG", check: func(t *testing.T) {
			var deny atomic.Bool
			l := newLab(t, &Server{Routes: map[string]Route{"$connect": {Authorizer: &Authorizer{Function: FunctionFunc(func(context.Context, []byte) ([]byte, error) {
				return []byte(policyOf(map[bool]string{true: "Deny", false: "Allow"}[deny.Load()], "*", "{}")), nil
			})}}}})
			c := l.connect(t)
			deny.Store(true)
			want(t, httpStatus(t, l.host, "/dev"), "403")
			c.silent()
		}},
		{id: "9 usageIdentifierKey and API keys", status: "DOC", source: "DG", here: "no usage plans: the key is read and means nothing", deviation: true, check: status(strings.Replace(policyOf("Allow", "*", "{}"), `"me"`, `"me","usageIdentifierKey":"k"`, 1), 101)},
		{id: "9 IAM authorization of $connect", status: "DOC", source: "DG", here: "not emulated: a handshake's signature is not looked at", deviation: true, check: func(t *testing.T) {
			want(t, httpStatus(t, newLab(t, &Server{}).host, "/dev?X-Amz-Signature=00"), "101")
		}},
	}
}
