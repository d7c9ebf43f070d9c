package app

import "time"

// HTTPAPI is what invokes functions by HTTP: an HTTP API, a REST API, or the URL of a
// function.
type HTTPAPI struct {
	// LogicalID is what the template calls the API, or the function with the URL, and
	// unique among all of a kind. Name is its name on AWS.
	LogicalID, Name string

	Kind HTTPKind

	// Stage is the name of the stage that is run. It is the first segment of the path
	// for a REST API, and for an HTTP API unless it is $default.
	Stage string

	StageVariables map[string]string // nil before Resolve

	Routes []HTTPRoute
	CORS   *CORS // nil if the API does nothing about it

	// BinaryTypes are the media types of a REST API whose bodies are binary, such as
	// image/png or */*. The other kinds have rules of their own.
	BinaryTypes []string

	// InvokeMode is that of a function's URL: BUFFERED, which empty means, or
	// RESPONSE_STREAM.
	InvokeMode string

	// Unrunnable says why the API is not served here; nil if it is.
	Unrunnable *Unrunnable

	Position Position
}

// HTTPKind is the kind of an HTTPAPI.
type HTTPKind string

// The kinds of APIs.
const (
	HTTPOfAPI   HTTPKind = "HTTP API"
	RESTAPI     HTTPKind = "REST API"
	FunctionURL HTTPKind = "function URL"
)

// HTTPRoute is a method and a path of an HTTPAPI.
type HTTPRoute struct {
	// Method is in upper case, or ANY. Path begins with a slash and may have {name} and
	// at its end {name+}. Both are empty for the route $default.
	Method, Path string

	Function string // logical ID; empty if Unrunnable says why, or if there is an Answer
	Payload  string // format of the event: 1.0 or 2.0
	Timeout  time.Duration

	// Authorizer is a function that is asked first, or empty. AuthorizerKind is what the
	// route asks for: empty, AWS_IAM, JWT, COGNITO, REQUEST or TOKEN.
	Authorizer, AuthorizerKind string
	IdentitySources            []string
	AuthorizerPayload          string // format of the event of a REQUEST authorizer: 1.0 or 2.0
	SimpleAnswers              bool   // of a REQUEST authorizer with payload 2.0

	// JWT says which tokens an authorizer of kind JWT or COGNITO takes. Nil means that
	// it is not known. Of Scopes, if there are any, a token has to have one.
	JWT    *JWT
	Scopes []string

	// Answer is what a route of a REST API answers without a function; nil if it has one.
	Answer *FixedAnswer

	Unrunnable *Unrunnable
	Position   Position
}

// FixedAnswer is an answer that depends on nothing but the origin that asks: of an
// integration of type MOCK, which is how a REST API answers a browser's preflight.
type FixedAnswer struct {
	Status int
	Header map[string]string
	Body   string

	// Origins are regular expressions. An origin that one of them fits as a whole is the
	// value of Access-Control-Allow-Origin, in the place of that in Header.
	Origins []string
}

// JWT says which tokens an authorizer takes.
type JWT struct {
	// Issuer is what iss has to be, and where the keys are found. That of a user pool
	// of Cognito is https://cognito-idp.REGION.amazonaws.com/POOL.
	Issuer string

	// Audiences are those of which aud has to have one, or client_id where a token has
	// no aud. None means any, which only COGNITO has.
	Audiences []string
}

// CORS is what an HTTP API or a function's URL answers to pages of other origins.
type CORS struct {
	Origins, Methods, Headers, Expose []string
	MaxAge                            int // seconds
	Credentials                       bool
}
