package httpapi

import (
	"net/http"

	"github.com/wirepost/wirepost/internal/app"
)

// failure is what an API answers itself instead of a function.
type failure uint8

const (
	none             failure = iota
	badRequest               // a path that cannot be decoded, a body that broke off
	foreignHost              // a Host header of somebody else
	foreignStage             // a path outside of the stage
	noRoute                  // no route fits
	longHeader               // over maxHeader
	tooLarge                 // a body over maxBody, or an event over maxPayload
	tooMany                  // no place to run
	unauthorized             // no identity, or one that is not valid
	denied                   // not allowed by an authorizer
	deniedExplicitly         // denied by a statement of its policy
	authorizerFailed         // it failed, or its result is malformed
	notRun                   // the route's function or authorizer cannot be run here
	throttled                // the function has no place
	functionFailed           // or its result is malformed
	timedOut                 // longer than the integration's timeout
)

// answerOf is the status, the error type and the body of a failure.
type answerOf struct {
	status    int
	errorType string
	body      string
}

// answers are those of each kind of API. Where no source is named the kind's other
// answers are the model, and the row is UNCERTAIN.
var answers = map[app.HTTPKind]map[failure]answerOf{
	app.HTTPOfAPI: {
		badRequest:   {http.StatusBadRequest, "", `{"message":"Bad Request"}`}, // hotsock/voker: status 400; the text is UNCERTAIN
		foreignHost:  {http.StatusForbidden, "", `{"message":"Forbidden"}`},
		foreignStage: {http.StatusNotFound, "", `{"message":"Not Found"}`}, // AWS docs, "Create routes for HTTP APIs"
		noRoute:      {http.StatusNotFound, "", `{"message":"Not Found"}`},
		longHeader:   {http.StatusRequestHeaderFieldsTooLarge, "", `{"message":"Request Header Fields Too Large"}`},
		tooLarge:     {http.StatusRequestEntityTooLarge, "", `{"message":"Request Entity Too Large"}`},
		tooMany:      {http.StatusTooManyRequests, "", `{"message":"Too Many Requests"}`},
		unauthorized: {http.StatusUnauthorized, "", `{"message":"Unauthorized"}`}, // AWS docs, "Troubleshooting issues with HTTP API JWT authorizers"
		denied:       {http.StatusForbidden, "", `{"message":"Forbidden"}`},
		// AWS docs, "Control access to HTTP APIs with AWS Lambda authorizers".
		deniedExplicitly: {http.StatusForbidden, "", `{"message":"Forbidden"}`},
		authorizerFailed: {http.StatusInternalServerError, "", `{"message":"Internal Server Error"}`},
		notRun:           {http.StatusInternalServerError, "", `{"message":"Internal Server Error"}`},
		functionFailed:   {http.StatusInternalServerError, "", `{"message":"Internal Server Error"}`},
		throttled:        {http.StatusServiceUnavailable, "", `{"message":"Service Unavailable"}`},
		timedOut:         {http.StatusServiceUnavailable, "", `{"message":"Service Unavailable"}`},
	},
	app.RESTAPI: {
		// AWS docs, "Gateway response types"; the texts are the default messages of theirs.
		badRequest:       {http.StatusBadRequest, "BadRequestException", `{"message":"Bad Request"}`},
		foreignHost:      {http.StatusForbidden, "ForbiddenException", `{"message":"Forbidden"}`},
		foreignStage:     {http.StatusForbidden, "ForbiddenException", `{"message":"Forbidden"}`},
		noRoute:          {http.StatusForbidden, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		longHeader:       {http.StatusRequestHeaderFieldsTooLarge, "", `{"message":"Request Header Fields Too Large"}`},
		tooLarge:         {http.StatusRequestEntityTooLarge, "RequestTooLargeException", `{"message":"Request Too Long"}`},
		tooMany:          {http.StatusTooManyRequests, "TooManyRequestsException", `{"message":"Too Many Requests"}`},
		unauthorized:     {http.StatusUnauthorized, "UnauthorizedException", `{"message":"Unauthorized"}`},
		denied:           {http.StatusForbidden, "AccessDeniedException", `{"Message":"User is not authorized to access this resource"}`},
		deniedExplicitly: {http.StatusForbidden, "AccessDeniedException", `{"Message":"User is not authorized to access this resource with an explicit deny"}`},
		authorizerFailed: {http.StatusInternalServerError, "AuthorizerConfigurationException", `{"message":null}`},
		// AWS docs, "Handling Lambda errors with an API Gateway API": 500 if Lambda refuses
		// the invocation, 502 if the function fails or its result is malformed.
		notRun:         {http.StatusInternalServerError, "InternalServerErrorException", `{"message": "Internal server error"}`},
		throttled:      {http.StatusInternalServerError, "InternalServerErrorException", `{"message": "Internal server error"}`},
		functionFailed: {http.StatusBadGateway, "InternalServerErrorException", `{"message": "Internal server error"}`},
		timedOut:       {http.StatusGatewayTimeout, "InternalServerErrorException", `{"message": "Endpoint request timed out"}`},
	},
	app.FunctionURL: {
		badRequest:       {http.StatusBadRequest, "", `{"Message":"Bad Request"}`},
		foreignHost:      {http.StatusForbidden, "AccessDeniedException", `{"Message":"Forbidden"}`},
		longHeader:       {http.StatusRequestHeaderFieldsTooLarge, "", `{"Message":"Request Header Fields Too Large"}`},
		tooLarge:         {http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", `{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}`},
		tooMany:          {http.StatusTooManyRequests, "TooManyRequestsException", `{"Message":"Rate Exceeded."}`}, // the status: AWS docs, "Throttling function URLs"
		throttled:        {http.StatusTooManyRequests, "TooManyRequestsException", `{"Message":"Rate Exceeded."}`},
		notRun:           {http.StatusInternalServerError, "", `Internal Server Error`},
		functionFailed:   {http.StatusBadGateway, "", `Internal Server Error`}, // awsdocs/aws-lambda-developer-guide#430
		timedOut:         {http.StatusBadGateway, "", `Internal Server Error`},
		authorizerFailed: {http.StatusInternalServerError, "", `Internal Server Error`}, // it has no authorizers
	},
}

// reply is an answer to a request.
type reply struct {
	status int
	header http.Header
	body   []byte

	failure failure // none: it is the function's
	why     string  // for people; empty if there is nothing to say
}

// fail is the kind's answer to a failure.
func (h *Handler) fail(f failure, why string) *reply {
	a := answers[h.c.API.Kind][f]
	header := http.Header{"Content-Type": {"application/json"}}
	if a.errorType != "" {
		header["X-Amzn-Errortype"] = []string{a.errorType}
	}
	return &reply{status: a.status, header: header, body: []byte(a.body), failure: f, why: why}
}
