package gateway

import (
	"fmt"
	"net/http"
	"strings"
)

// refusal is an error answer.
type refusal struct {
	status    int
	errorType string
	body      string

	// Why it was answered is for people who look at the gateway: AWS's own answer
	// says it to nobody.
	cause cause
	why   string
}

// because is a refusal with its reason.
func (f refusal) because(c cause, format string, args ...any) *refusal {
	f.cause, f.why = c, fmt.Sprintf(format, args...)
	return &f
}

// message is the text in its body.
func (f *refusal) message() string {
	value, found := member([]byte(f.body), "message")
	if !found {
		return ""
	}
	return string(appendText(nil, value))
}

// answer answers with it.
func (f *refusal) answer(w http.ResponseWriter) outcome {
	if f.errorType != "" {
		w.Header()["X-Amzn-Errortype"] = []string{f.errorType}
	}
	answer(w, f.status, []byte(f.body))
	return outcome{status: f.status, errorType: f.errorType, why: f.why}
}

// refuse answers with a refusal and leaves its reason: each with the observer, and once
// a burst with Server.Notice.
func (e *engine) refuse(w http.ResponseWriter, f *refusal) outcome {
	if a, ok := w.(*watchedAnswer); ok {
		a.why = f.why
	}
	e.note(f.cause, f.why)
	return f.answer(w)
}

// note tells people what the gateway refused, and why.
func (e *engine) note(c cause, why string) {
	if !c.quiet() {
		e.reasons.note(c, why)
	}
}

// setting is the name by which people change a field of Server.
func (e *engine) setting(field string) string {
	if name := e.settings[field]; name != "" {
		return name
	}
	return "Server." + field
}

// cause is a place where the gateway itself refuses something.
type cause int

// All of them. A test has a case for each.
const (
	causeNone cause = iota

	causeHandshakeURL
	causeHandshakePath
	causeNoUpgrade
	causeVersion
	causeHandshakeForm
	causeHandshakeBody
	causeOrigin
	causeConnectRate
	causeHandshakeAtEnd
	causeUpgrade
	causeConnectStatus
	causeConnectAnswer
	causeConnectFailed
	causeConnectTimeout

	causeIdentitySource
	causePolicy
	causeUnauthorized
	causeAuthorizerResult
	causeAuthorizerFailed

	causeCallURL
	causeHost
	causeCallRate
	causeCallStage
	causeUnsigned
	causeAuthorization
	causeAccessKey
	causeSessionToken
	causeScope
	causeTime
	causeSignature
	causeCallBody
	causeBrokenBody
	causeCallRoute
	causeConnectionID
	causeGone
	causeTooEarly
	causeQueueFull

	causeMessageRate
	causeNoRoute
	causeNoAnswer
	causeInvocation

	causeBinary
	causeFrameSize
	causeMessageSize
	causeText
	causeProtocol

	causeUnavailable

	causes // how many there are
)

// causeTable says of each cause what is refused, and the cause in two or three words.
// A quiet one is no news: the function decided, the log has it, or it is usual.
var causeTable = [causes]struct {
	of, name string
	quiet    bool
}{
	causeHandshakeURL:     {aHandshake, "a long URL", false},
	causeHandshakePath:    {aHandshake, "the path", false},
	causeNoUpgrade:        {aHandshake, "no upgrade", false},
	causeVersion:          {aHandshake, "the WebSocket version", false},
	causeHandshakeForm:    {aHandshake, "its form", false},
	causeHandshakeBody:    {aHandshake, "a body", false},
	causeOrigin:           {aHandshake, "a page of another origin", false},
	causeConnectRate:      {aHandshake, "too many connections", false},
	causeHandshakeAtEnd:   {aHandshake, "the server ends", true},
	causeUpgrade:          {aHandshake, "the HTTP server", false},
	causeConnectStatus:    {aHandshake, "the function's answer", true},
	causeConnectAnswer:    {aHandshake, "a malformed answer", true},
	causeConnectFailed:    {aHandshake, "a function that fails", true},
	causeConnectTimeout:   {aHandshake, "a function that is slow", true},
	causeIdentitySource:   {aHandshake, "an identity source", false},
	causePolicy:           {aHandshake, "the authorizer's policy", false},
	causeUnauthorized:     {aHandshake, "the authorizer", true},
	causeAuthorizerResult: {aHandshake, "a malformed result", true},
	causeAuthorizerFailed: {aHandshake, "an authorizer that fails", true},

	causeCallURL:       {aCall, "a long URL", false},
	causeHost:          {aCall, "a foreign host name", false},
	causeCallRate:      {aCall, "too many requests", false},
	causeCallStage:     {aCall, "the stage", false},
	causeUnsigned:      {aCall, "no signature", false},
	causeAuthorization: {aCall, "the Authorization header", false},
	causeAccessKey:     {aCall, "the access key", false},
	causeSessionToken:  {aCall, "the session token", false},
	causeScope:         {aCall, "the scope of the signature", false},
	causeTime:          {aCall, "the time of the signature", false},
	causeSignature:     {aCall, "the signature", false},
	causeCallBody:      {aCall, "a long body", false},
	causeBrokenBody:    {aCall, "a body that is cut", false},
	causeCallRoute:     {aCall, "the path or the method", false},
	causeConnectionID:  {aCall, "the connection ID", false},
	causeGone:          {aCall, "no connection", true},
	causeTooEarly:      {aCall, "no connection yet", false},
	causeQueueFull:     {aCall, "a client that does not read", false},

	causeMessageRate: {aMessage, "too many requests", false},
	causeNoRoute:     {aMessage, "no route", false},
	causeNoAnswer:    {"sent nothing to the client of a two-way route", "no answer", false},
	causeInvocation:  {aMessage, "the function", true},

	causeBinary:      {aConnection, "a binary frame", false},
	causeFrameSize:   {aConnection, "a long frame", false},
	causeMessageSize: {aConnection, "a long message", false},
	causeText:        {aConnection, "text that is not UTF-8", false},
	causeProtocol:    {aConnection, "the client's frames", false},

	causeUnavailable: {"answered 'Internal server error'", "what cannot run here", false},
}

const (
	aHandshake  = "refused a handshake"
	aCall       = "refused a management call"
	aMessage    = "refused a message"
	aConnection = "closed a connection"
)

func (c cause) of() string   { return causeTable[c].of }
func (c cause) name() string { return causeTable[c].name }
func (c cause) quiet() bool  { return causeTable[c].quiet }

// whyPath says what is wrong with the path of a handshake, and which is right.
func (e *engine) whyPath(r *http.Request, path []string) string {
	right := "connect to " + e.urlOf(r, "ws")
	for _, segment := range path {
		if segment == "@connections" {
			return "the path " + quoted(r.URL.Path) + " has more before @connections than the stage; management calls go to " + e.urlOf(r, "http") + "/@connections/ID"
		}
	}
	switch {
	case path[0] == e.stage:
		return "the path " + quoted(r.URL.Path) + " goes on after the stage; " + right
	case path[0] == "" && len(path) == 1:
		return "the URL has no stage; " + right
	}
	return "the path " + quoted(r.URL.Path) + " does not begin with the stage " + e.stage + "; " + right
}

// whyStage says what is wrong with the stage of a management call.
func (e *engine) whyStage(r *http.Request, path []string) string {
	right := "; write " + e.urlOf(r, "http") + " as the endpoint"
	switch path[0] {
	case "@connections":
		return "the call has no stage" + right
	case "":
		return "the path begins with two slashes, so the endpoint that was called has a slash at its end and no stage" + right
	}
	return "the call is to the stage " + quoted(path[0]) + ", and this is " + e.stage + right
}

// urlOf is where this stage is reached. It never comes from the Host header.
func (e *engine) urlOf(r *http.Request, scheme string) string {
	host := e.domain
	if host == "" || strings.Contains(host, ".execute-api.") { // which leads to AWS from most places
		host = "HOST"
		if addr := localAddress(r); addr != nil {
			host = addr.String()
		}
	}
	if r.TLS != nil {
		scheme += "s"
	}
	return scheme + "://" + host + "/" + e.stage
}

// whyConnectRate says which bound was met and what changes it.
func (e *engine) whyConnectRate() string {
	return fmt.Sprintf("more than %g new connections a second, as on AWS; %s changes it", e.connects.rate, e.setting("ConnectRate"))
}

func (e *engine) whyRequestRate() string {
	return fmt.Sprintf("more than %g messages and management calls a second, and %g at once, as on AWS; %s and %s change it",
		e.requests.rate, e.requests.burst, e.setting("RequestRate"), e.setting("RequestBurst"))
}
