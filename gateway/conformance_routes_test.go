package gateway

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// routed is a check of the route that a message selects; "Forbidden" is none.
func routed(expression, message, key string, routes ...string) func(*testing.T) {
	return func(t *testing.T) {
		s := &Server{RouteSelection: expression, Routes: map[string]Route{"$connect": {}}}
		for _, r := range routes {
			s.Routes[r] = Route{}
		}
		l := newLab(t, s)
		c := l.connect(t)
		l.event(t)
		c.send(message)
		if key == "Forbidden" {
			want(t, c.error(), "Forbidden")
			return
		}
		want(t, l.event(t).context("routeKey"), key)
	}
}

// twoWay is a check of what a client gets for a message on a two-way route.
func twoWay(answer string, err error, wanted string) func(*testing.T) {
	return func(t *testing.T) {
		l := answering(t, &Server{Routes: map[string]Route{"$default": {RouteResponse: true}}}, answer, err)
		c := l.connect(t)
		c.send("x")
		l.next(t, "MESSAGE")
		switch {
		case wanted == "":
			c.silent()
		case strings.HasPrefix(wanted, "error: "):
			want(t, "error: "+c.error(), wanted)
		default:
			want(t, c.read(), wanted)
		}
	}
}

func routeRows() []row {
	const chat = `{"service":"chat","action":"join","data":{"room":"room1234"}}`
	const dg = "DG, websocket-api-develop-routes and selection expressions"
	const action = "$request.body.action"
	lstest := "LSTEST"
	valid := func(expression string, ok bool) func(*testing.T) {
		return func(t *testing.T) {
			err := (&Server{Function: newRecorder(), RouteSelection: expression}).Validate()
			is(t, (err == nil) == ok, err)
		}
	}
	return []row{
		{id: "2.1 $request.body.action of the documentation's message is join", status: "DOC", source: dg, check: routed(action, chat, "join", "join", "$default")},
		{id: "2.1 ${request.body.action} is join", status: "DOC", source: dg, check: routed("${request.body.action}", chat, "join", "join", "$default")},
		{id: "2.1 ${request.body.service}/${request.body.action} is chat/join", status: "DOC", source: dg, check: routed("${request.body.service}/${request.body.action}", chat, "chat/join", "chat/join", "$default")},
		{id: "2.1 a path that is not found is the empty string", status: "DOC", source: dg, check: routed("${request.body.action}-${request.body.invalidPath}", chat, "join-", "join-", "$default")},
		{id: "2.1 an expression without a variable is a static key", status: "DOC", source: dg, check: routed("action", chat, "action", "action", "$default")},
		{id: "2.1 \\$default routes everything to $default", status: "VALIDATED", source: lstest, check: routed(`\$default`, chat, "$default", "join", "$default")},
		{id: "2.1 a JSON path goes into objects", status: "DOC", source: dg, check: routed("$request.body.data.room", chat, "room1234", "room1234", "$default")},
		{id: "2.1 a list is text as [item1, item2]", status: "DOC", source: dg, check: routed("$request.body.l", `{"l":["item1","item2"]}`, "[item1, item2]", "[item1, item2]", "$default")},
		{id: "2.1 what a variable yields is not evaluated again", status: "DOC", source: dg, check: routed(action, `{"action":"${request.body.b}","b":"join"}`, "$default", "join", "$default")},
		{id: "2.1 wildcards, filters and slices of JSON paths", status: "DOC", source: "DG: any JSONPath may follow", here: "names and indexes; anything else is an error of the configuration: what they yield as a key is documented nowhere", deviation: true, check: valid("$request.body.*", false)},
		{id: "2.1 a match is exact", status: "DOC", source: dg, check: routed(action, `{"action":"JOIN"}`, "$default", "join", "$default")},
		{id: "2.1 no match goes to $default", status: "DOC", source: dg, check: routed(action, `{"action":"leave"}`, "$default", "join", "$default")},
		{id: "2.1 no match without $default is an error frame Forbidden", status: "TRACE", source: "several recorded frames", check: routed(action, `{"action":"leave"}`, "Forbidden", "join")},
		{id: "2.1 what is not JSON goes to $default", status: "VALIDATED", source: lstest + ", with test@message; DG", check: routed(action, "test@message", "$default", "join", "$default")},
		{id: "2.1 JSON without the property goes to $default", status: "VALIDATED", source: lstest, check: routed(action, `{"other":"join"}`, "$default", "join", "$default")},
		{id: "2.1 a key of one's own must not begin with $", status: "DOC", source: "DG", check: func(t *testing.T) {
			err := (&Server{Function: newRecorder(), Routes: map[string]Route{"$mine": {}}}).Validate()
			is(t, err != nil && strings.Contains(err.Error(), "dollar sign"), err)
		}},
		{id: "2.1 a client cannot reach $connect or $disconnect by their names", status: "UNCERTAIN", source: "no source", here: "it cannot: such a message matches no route", check: routed(action, `{"action":"$connect"}`, "Forbidden", "join", "$disconnect")},
		{id: "2.1 a number is its text", status: "DOC", source: dg, check: routed(action, `{"action":1.50}`, "1.50", "1.50", "$default")},
		{id: "2.1 a boolean is its text", status: "DOC", source: dg, check: routed(action, `{"action":true}`, "true", "true", "$default")},
		{id: "2.1 null is the text null", status: "UNCERTAIN", source: "no source", here: "`null`", check: routed(action, `{"action":null}`, "null", "null", "$default")},
		{id: "2.1 an object is text as {key=value}", status: "UNCERTAIN", source: "no source", here: "as Java prints a map", check: routed(action, `{"action":{"a":1,"b":"c"}}`, "{a=1, b=c}", "{a=1, b=c}", "$default")},
		{id: "2.1 $connect and $disconnect run whatever the expression is", status: "VALIDATED", source: lstest, check: func(t *testing.T) {
			l := newLab(t, &Server{RouteSelection: "nothing"})
			c := l.connect(t)
			want(t, l.event(t).context("routeKey"), "$connect")
			c.Write(masked(0x88, nil))
			want(t, l.event(t).context("routeKey"), "$disconnect")
		}},
		{id: "2.1 without a $connect route every connection is accepted", status: "VALIDATED", source: lstest + ", three tests", check: func(t *testing.T) {
			newLab(t, &Server{Routes: map[string]Route{"$default": {}}}).connect(t)
		}},
		{id: "2.1 without a $disconnect route nobody is told", status: "VALIDATED", source: lstest, check: func(t *testing.T) {
			l := newLab(t, &Server{Routes: map[string]Route{"$connect": {}}})
			c := l.connect(t)
			l.event(t)
			c.Write(masked(0x88, nil))
			c.closed()
			io.Copy(io.Discard, c.r)
			is(t, len(l.raw) == 0)
		}},
		{id: "2.1 changes need a deployment", status: "TRACE", source: "Forbidden frames of routes that were not deployed", here: "a gateway has the routes that it was made with; a route that is not there answers as one that is not deployed", deviation: true, check: routed(action, `{"action":"new"}`, "Forbidden", "join")},
	}
}

func integrationRows() []row {
	const dg = "DG, apigateway-websocket-api-routes-integrations"
	const sdk = "SDK, apigatewayv2"
	proxied := func(p *HTTPProxy, answer http.HandlerFunc) func(t *testing.T) string {
		return func(t *testing.T) string {
			p.URL = backend(t, answer)
			l := newLab(t, &Server{Function: FunctionFunc(nil), Routes: map[string]Route{"$default": {Function: p, RouteResponse: true}}})
			c := l.connect(t)
			c.send("the message")
			return c.read()
		}
	}
	return []row{
		{id: "2.2 a route is one-way unless it has a route response", status: "DOC", source: dg, check: func(t *testing.T) {
			l := answering(t, &Server{}, `{"statusCode":200,"body":"nobody gets this"}`, nil)
			c := l.connect(t)
			l.next(t, "CONNECT")
			c.send("x")
			l.next(t, "MESSAGE")
			c.silent()
		}},
		{id: "2.2 with a route response the client gets the function's body", status: "DOC", source: dg, check: twoWay(`{"statusCode":200,"body":"for you"}`, nil, "for you")},
		{id: "2.2 a function's statusCode does not count for a message", status: "ISSUE", source: "yai333/React-Chat-App#2", check: twoWay(`{"statusCode":500,"body":"all the same"}`, nil, "all the same")},
		{id: "2.2 a function that fails sends Internal server error", status: "ISSUE", source: "simple-websockets-chat-app#42", check: twoWay("", io.ErrUnexpectedEOF, "error: Internal server error")},
		{id: "2.2 so it does on a one-way route", status: "UNCERTAIN", source: "simple-websockets-chat-app#42 does not say which", here: "sent", check: func(t *testing.T) {
			l := answering(t, &Server{}, "", io.ErrUnexpectedEOF)
			c := l.connect(t)
			c.send("x")
			want(t, c.error(), "Internal server error")
		}},
		{id: "2.2 an answer without a body sends nothing", status: "UNCERTAIN", source: "no source", here: "nothing is sent", check: twoWay(`{"statusCode":200}`, nil, "")},
		{id: "2.2 an answer that is no proxy answer sends Internal server error", status: "UNCERTAIN", source: "no source for two-way routes", here: "`Internal server error`", check: twoWay(`"text"`, nil, "error: Internal server error")},
		{id: "2.2 an answer over 128 KB", status: "UNCERTAIN", source: "no source: the quotas page bounds a message, and says nothing of an answer over it", here: "`Internal server error`, and nothing of the answer", check: func(t *testing.T) {
			twoWay(`{"body":"`+strings.Repeat("x", DefaultMessageBytes)+`"}`, nil, strings.Repeat("x", DefaultMessageBytes))(t)
			twoWay(`{"body":"`+strings.Repeat("x", DefaultMessageBytes+1)+`"}`, nil, "error: Internal server error")(t)
		}},
		{id: "2.2 answers come in no particular order", status: "DOC", source: dg, check: func(t *testing.T) {
			release := make(chan struct{})
			l := &lab{recorder: newRecorder(), server: &Server{Routes: map[string]Route{"$default": {RouteResponse: true}}}}
			l.answer = func(e event) ([]byte, error) {
				if e.Body == "slow" {
					<-release
				}
				return fmt.Appendf(nil, `{"body":%q}`, e.Body), nil
			}
			l.server.Function = l.recorder
			l.host = serve(t, l.server)
			c := l.connect(t)
			c.send("slow")
			c.send("fast")
			want(t, c.read(), "fast")
			close(release)
			want(t, c.read(), "slow")
		}},
		{id: "2.2 a route response is what makes a route two-way", status: "VALIDATED", source: "LSTEST, 5 tests; DG names the selection expression too", check: twoWay(`{"body":"two-way"}`, nil, "two-way")},

		{id: "2.3 AWS_PROXY gives the event to the function", status: "DOC", source: dg, check: func(t *testing.T) {
			_, m, _ := life(t, &Server{})
			is(t, m.context("eventType") == "MESSAGE")
		}},
		{id: "2.3 AWS gives a function what a template makes of the message", status: "DOC", source: "DG, apigateway-websocket-api-integration-requests", check: TestAnAWSIntegrationCallsWithWhatItsTemplateMakes},
		{id: "2.3 AWS without a template gives the message as it is", status: "DOC", source: "DG, apigateway-websocket-api-integration-requests", check: TestAMessageWithoutATemplateIsGivenAsItIsOrFails},
		{id: "2.3 a template is chosen by the template selection expression", status: "DOC", source: "DG, apigateway-websocket-api-selection-expressions", check: TestATemplateIsChosenByTheSelectionExpression},
		{id: "2.3 the template without a selection expression", status: "UNCERTAIN", source: "no source", here: "$default, else application/json, else the only one", check: TestATemplateIsChosenByTheSelectionExpression},
		{id: "2.3 AWS invokes a Lambda function asynchronously for X-Amz-Invocation-Type 'Event'", status: "DOC", source: "DG, set-up-lambda-integration-async, websocket-api-data-mapping", check: TestAnAWSIntegrationHasTheHeadersOfItsParameters},
		{id: "2.3 AWS answers a two-way route by the integration response", status: "DOC", source: "DG, apigateway-websocket-api-integration-responses", check: TestTheAnswerOfAnAWSIntegrationGoesToTheClientOfATwoWayRoute},
		{id: "2.3 AWS: what an integration that fails, or whose function does, sends", status: "UNCERTAIN", source: "no source for WebSocket APIs", here: "`Internal server error`", check: TestAnAWSIntegrationThatFailsIsAFailedIntegration},
		{id: "2.3 AWS for $connect", status: "UNCERTAIN", source: "no source", here: "the status of the answer, which is 200 for a function, and 502 if it fails, as for AWS_PROXY; without a template the payload is {}", check: TestAnAWSIntegrationOfConnect},
		{id: "2.3 HTTP_PROXY sends the message's body as it is", status: "DOC", source: dg, check: func(t *testing.T) {
			want(t, proxied(&HTTPProxy{}, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				fmt.Fprintf(w, "%s %s", r.Method, body)
			})(t), "POST the message")
		}},
		{id: "2.3 HTTP_PROXY sends no connection ID unless it is mapped", status: "DOC", source: dg, check: func(t *testing.T) {
			echo := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, len(r.Header.Get("connectionId"))) }
			want(t, proxied(&HTTPProxy{}, echo)(t), "0", proxied(&HTTPProxy{Headers: map[string]string{"connectionId": "context.connectionId"}}, echo)(t), "16")
		}},
		{id: "2.3 request parameters go into the header, the query and the path", status: "DOC", source: "DG, websocket-api-data-mapping; SDK", check: TestABackendGetsTheParametersOfTheRequest},
		{id: "2.3 parameters of the handshake are for $connect only", status: "DOC", source: "DG, websocket-api-data-mapping", check: TestABackendOfConnectGetsParametersOfTheHandshake},
		{id: "2.3 what a parameter is whose source has no value", status: "UNCERTAIN", source: "no source", here: "it is left out; in a path it is empty", check: TestABackendGetsTheParametersOfTheRequest},
		{id: "2.3 what a parameter is whose source is an object or a list", status: "UNCERTAIN", source: "no source", here: "its JSON", check: TestABackendGetsTheParametersOfTheRequest},
		{id: "2.3 several values in one parameter", status: "UNCERTAIN", source: "no source", here: "several headers or query parameters; in a path, with commas", check: TestABackendOfConnectGetsParametersOfTheHandshake},
		{id: "2.3 a control character in a header's parameter", status: "UNCERTAIN", source: "no source", here: "a space", check: TestABackendGetsTheParametersOfTheRequest},
		{id: "2.3 the backend's body goes to the client as it is", status: "DOC", source: dg, check: func(t *testing.T) {
			want(t, proxied(&HTTPProxy{}, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); io.WriteString(w, `{"no": "frame"}`) })(t), `{"no": "frame"}`)
		}},
		{id: "2.3 HTTP integrations with their templates and response keys", status: "DOC", source: dg, check: TestAnHTTPIntegrationMapsItsRequestAndItsAnswer},
		{id: "2.3 MOCK answers by its templates", status: "DOC", source: dg, check: TestAMockIntegrationAnswersByItsTemplates},
		{id: "2.3 a mock whose request template makes no statusCode fails", status: "UNCERTAIN", source: "so for REST APIs", here: "`Internal server error`; one without templates answers with 200", check: TestAMockIntegrationAnswersByItsTemplates},
		{id: "2.3 $input in the response template of a mock", status: "UNCERTAIN", source: "no source", here: "what its request template has made", check: TestAMockIntegrationAnswersByItsTemplates},
		{id: "2.3 the answer for which there is no integration response", status: "UNCERTAIN", source: "no source", here: "it goes to the client as it is; a function that failed, and a mock's, does not", check: TestTheAnswerOfAnAWSIntegrationGoesToTheClientOfATwoWayRoute},
		{id: "2.3 templates have Velocity, and the documented variables and functions", status: "DOC", source: "DG, apigateway-websocket-api-mapping-template-reference", here: "held against Velocity 1.7 itself, whose version AWS does not say; methods of Java that are in no list of `internal/vtl` are errors", check: rendersAs("#set($p = $input.path('$.a'))#foreach($x in $p)$x.b#if($foreach.hasNext),#end#end $p.size() $util.base64Encode('x') $stageVariables.v", `1,2 2 eA== 1`)},
		{id: "2.3 a reference without a value prints nothing", status: "UNCERTAIN", source: "no source but for `$context`; Velocity prints the reference", here: "nothing; in a comparison it is null", check: rendersAs("[$context.none] [$none] [$input.path('$.none')] #if($input.path('$.none') == '')x#end", "[] [] [] ")},
		{id: "2.3 $input.path of an object prints {a=1}, of a list JSON", status: "UNCERTAIN", source: "what the library that AWS's documentation names makes of them", here: "so", check: rendersAs("$input.path('$.a[0]') $input.path('$.a')", `{b=1} [{"b":1},{"b":2}]`)},
		{id: "2.3 $input.path of 1.50", status: "UNCERTAIN", source: "the same", here: "1.5, as Java's Double; $input.json has 1.50", check: rendersAs("$input.path('$.n') $input.json('$.n')", "1.5 1.50")},
		{id: "2.3 $input.json of what is not there", status: "UNCERTAIN", source: "no source", here: "`\"\"`; and $input.path has no value", check: rendersAs("$input.json('$.none')", `""`)},
		{id: "2.3 $input.params", status: "UNCERTAIN", source: "DG has it for REST APIs only", here: "the headers and the query of $connect; messages have none", check: rendersAs("[$input.params('a')] $input.params().size()", "[] 3")},
		{id: "2.3 #break and #stop work, #parse, #include and #evaluate do not", status: "ISSUE", source: "qiita.com yoshidasts", here: "so; #macro is an error too (UNCERTAIN)", check: rendersAs("#foreach($i in [1..3])$i#break#end.#stop x", "1.")},
		{id: "2.3 a #foreach goes round 1,000 times", status: "UNCERTAIN", source: "so on the quotas page of REST APIs", here: "then it ends, and the template goes on", check: rendersAs("#set($n = 0)#foreach($i in [1..2000])#set($n = $n + 1)#end$n", "1000")},
		{id: "2.3 an integration's timeout is 50 ms to 29 s", status: "DOC", source: sdk, check: func(t *testing.T) {
			for timeout, ok := range map[time.Duration]bool{49 * time.Millisecond: false, 50 * time.Millisecond: true, 29 * time.Second: true, 29*time.Second + 1: false} {
				is(t, ((&Server{Routes: map[string]Route{"a": {Function: newRecorder(), IntegrationTimeout: timeout}}}).Validate() == nil) == ok, timeout)
			}
		}},
		{id: "2.3 an integration's timeout is 29 s unless it is set", status: "DOC", source: sdk, check: func(t *testing.T) {
			is(t, engineOf(t, &Server{Function: newRecorder()}).fallback.timeout == 29*time.Second)
		}},
		{id: "2.3 the payload format is 1.0 only", status: "VALIDATED", source: "LSTEST: 2.0 is refused", check: func(t *testing.T) {
			hasNoFields("PayloadFormatVersion", "AuthorizerPayloadFormatVersion")(t)
			inEach(func(t *testing.T, d doc) { want(t, d.at("version"), "absent", d.at("rawPath"), "absent") })(t)
		}},
		{id: "2.3 passthrough behaviours and their 415", status: "DOC", source: sdk, here: "of `Integration`, with Internal server error for 415", deviation: true, check: TestAMessageWithoutATemplateIsGivenAsItIsOrFails},
		{id: "2.3 an HTTP $connect integration forwards Sec-WebSocket headers", status: "ISSUE", source: "engineer-jose-blog.com, stackoverflow 67640010", here: "Sec-WebSocket-Protocol only: the others make some backends answer 400, and the known cure is to map them away", deviation: true, check: func(t *testing.T) {
			names := make(chan string, 1)
			url := backend(t, func(w http.ResponseWriter, r *http.Request) {
				names <- r.Header.Get("Sec-WebSocket-Version") + r.Header.Get("Sec-WebSocket-Key") + r.Header.Get("Sec-WebSocket-Protocol")
				w.Header().Set("Sec-WebSocket-Protocol", "p")
			})
			l := newLab(t, &Server{Routes: map[string]Route{"$connect": {Function: &HTTPProxy{URL: url}}}})
			dial(t, l.host, &websocket.DialOptions{Subprotocols: []string{"p"}})
			want(t, <-names, "p")
		}},
		{id: "2.3 integration responses are selected by an expression", status: "VALIDATED", source: "LSTEST: $integration.response.body.errorMessage does not work", here: "by the status, or by a function's errorMessage, as DG has it; the expression of a template does not see the errorMessage", check: TestAnIntegrationResponseIsChosenByStatusOrErrorMessage},
	}
}

// hasNoFields is a check that there is no way to ask for something.
func hasNoFields(names ...string) func(*testing.T) {
	return func(t *testing.T) {
		for _, typ := range []reflect.Type{reflect.TypeFor[Route](), reflect.TypeFor[Server](), reflect.TypeFor[Authorizer]()} {
			for _, name := range names {
				_, found := typ.FieldByName(name)
				is(t, !found, typ, name)
			}
		}
	}
}
