package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
)

// requestTimeLayout is dd/MMM/yyyy:HH:mm:ss Z, always UTC.
const requestTimeLayout = "02/Jan/2006:15:04:05 +0000"

// event2 is payload 2.0 (AWS docs, "Create AWS Lambda proxy integrations for HTTP APIs",
// and "Invoking Lambda function URLs"). What there is nothing of is absent, as in recorded
// events (powertools-lambda-python#1098), but isBase64Encoded and rawQueryString.
type event2 struct {
	Version        string            `json:"version"`
	Type           string            `json:"type,omitempty"`           // of an authorizer's event
	RouteARN       string            `json:"routeArn,omitempty"`       // of an authorizer's event
	IdentitySource []string          `json:"identitySource,omitempty"` // of an authorizer's event
	RouteKey       string            `json:"routeKey"`
	RawPath        string            `json:"rawPath"`
	RawQueryString string            `json:"rawQueryString"`
	Cookies        []string          `json:"cookies,omitempty"`
	Headers        map[string]string `json:"headers"`
	Query          map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext context2          `json:"requestContext"`
	PathParameters map[string]string `json:"pathParameters,omitempty"`
	StageVariables map[string]string `json:"stageVariables,omitempty"`
	Body           string            `json:"body,omitempty"`
	IsBase64       *bool             `json:"isBase64Encoded,omitempty"` // absent for an authorizer
}

type context2 struct {
	AccountID    string          `json:"accountId"`
	APIID        string          `json:"apiId"`
	Authorizer   json.RawMessage `json:"authorizer,omitempty"`
	DomainName   string          `json:"domainName"`
	DomainPrefix string          `json:"domainPrefix"`
	HTTP         http2           `json:"http"`
	RequestID    string          `json:"requestId"`
	RouteKey     string          `json:"routeKey"`
	Stage        string          `json:"stage"`
	Time         string          `json:"time"`
	TimeEpoch    int64           `json:"timeEpoch"`
}

type http2 struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// newEvent2 is the event without a body and without what an authorizer said.
func (x *exchange) newEvent2() *event2 {
	h := x.h
	e := &event2{
		Version: "2.0", RouteKey: x.route.key, RawPath: x.location.event, RawQueryString: text(x.r.URL.RawQuery),
		Headers: x.joinedHeaders(), PathParameters: x.parameters, StageVariables: h.c.API.StageVariables,
		RequestContext: context2{
			AccountID: h.c.Account, APIID: h.c.ID, DomainName: h.c.Domain, DomainPrefix: h.c.ID,
			HTTP:      http2{x.r.Method, x.location.context, x.r.Proto, x.sourceIP, text(x.r.UserAgent())},
			RequestID: x.requestID, RouteKey: x.route.key, Stage: h.c.API.Stage,
			Time: x.at.UTC().Format(requestTimeLayout), TimeEpoch: x.at.UnixMilli(),
		},
	}
	if h.c.API.Kind == app.FunctionURL {
		// A URL has no routes, stages and variables: AWS puts $default in their place, and
		// anonymous for the account of a caller that did not sign (hotsock/voker).
		e.RouteKey, e.RequestContext.RouteKey, e.RequestContext.Stage = "$default", "$default", defaultStage
		e.RequestContext.AccountID = "anonymous"
		e.StageVariables, e.PathParameters = nil, nil
	}
	e.Cookies = x.cookies()
	if h.c.API.Kind == app.HTTPOfAPI {
		delete(e.Headers, "cookie") // a URL keeps it (hotsock/voker)
	}
	for _, p := range x.query {
		if e.Query == nil {
			e.Query = map[string]string{}
		}
		before, several := e.Query[p.name]
		if several {
			p.value = before + "," + p.value
		}
		e.Query[p.name] = p.value
	}
	return e
}

// cookies are those of the request, each on its own.
func (x *exchange) cookies() (all []string) {
	for _, line := range x.r.Header["Cookie"] {
		for c := range strings.SplitSeq(line, ";") {
			if c = strings.TrimSpace(c); c != "" {
				all = append(all, text(c))
			}
		}
	}
	return all
}

// functionEvent is the event of the route's function, in its format.
func (x *exchange) functionEvent() []byte {
	body, isBase64 := x.h.eventBody(x.body, x.r.Header.Get("Content-Type"))
	if x.payload() == "1.0" {
		e := x.newEvent1()
		e.RequestContext.Authorizer = x.authorized
		if len(x.body) > 0 {
			e.Body = &body
		}
		e.IsBase64 = &isBase64
		return encoded(e)
	}
	e := x.newEvent2()
	e.RequestContext.Authorizer = x.authorized
	e.Body, e.IsBase64 = body, &isBase64
	return encoded(e)
}

// payload is the format of the route's events.
func (x *exchange) payload() string {
	switch {
	case x.h.c.API.Kind == app.RESTAPI:
		return "1.0"
	case x.h.c.API.Kind == app.FunctionURL || x.route.Payload != "1.0":
		return "2.0"
	}
	return "1.0"
}

// encoded is JSON as people write it: <, > and & are themselves.
func encoded(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("httpapi: encode an event: " + err.Error()) // it has strings and numbers only
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// hopByHop are headers of the connection, which no event has. It is UNCERTAIN whether
// AWS leaves out Expect.
var hopByHop = []string{"Connection", "Expect", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// headers are those of the request with those that API Gateway adds: Host,
// X-Amzn-Trace-Id and X-Forwarded-* (recorded events; whether what a client sent of
// X-Forwarded-For comes first is UNCERTAIN). The protocol and the port are those of this
// machine. The names are canonical: net/http does not tell how a client wrote them.
func (x *exchange) headers() http.Header {
	all := x.r.Header.Clone()
	for _, name := range hopByHop {
		all.Del(name)
	}
	for _, name := range strings.Split(strings.Join(x.r.Header["Connection"], ","), ",") {
		all.Del(strings.TrimSpace(name))
	}
	all["Host"] = []string{x.r.Host}
	all.Del("Content-Length")
	switch x.h.c.API.Kind {
	case app.RESTAPI: // recorded events have none
	case app.HTTPOfAPI:
		all["Content-Length"] = []string{strconv.Itoa(len(x.body))}
	default:
		if len(x.body) > 0 {
			all["Content-Length"] = []string{strconv.Itoa(len(x.body))}
		}
	}
	if all.Get("X-Amzn-Trace-Id") == "" {
		all["X-Amzn-Trace-Id"] = []string{x.traceID}
	}
	all["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(x.r.Header["X-Forwarded-For"]), x.sourceIP), ", ")}
	all["X-Forwarded-Port"] = []string{x.port()}
	all["X-Forwarded-Proto"] = []string{"http"}
	for _, values := range all {
		for i := range values {
			values[i] = text(values[i])
		}
	}
	return all
}

// joinedHeaders are the headers of payload 2.0: names in lower case, several values of
// one with commas between them (AWS docs; recorded events have no space after it).
func (x *exchange) joinedHeaders() map[string]string {
	joined := map[string]string{}
	for name, values := range x.headers() {
		sep := ","
		if name == "Cookie" {
			sep = "; "
		}
		joined[strings.ToLower(name)] = strings.Join(values, sep)
	}
	return joined
}
