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

	Function string // logical ID; empty if Unrunnable says why
	Payload  string // format of the event: 1.0 or 2.0
	Timeout  time.Duration

	// Authorizer is a function that is asked first, or empty. AuthorizerKind is what the
	// route asks for: empty, AWS_IAM, JWT, COGNITO, REQUEST or TOKEN.
	Authorizer, AuthorizerKind string
	IdentitySources            []string
	AuthorizerPayload          string // format of the event of a REQUEST authorizer: 1.0 or 2.0
	SimpleAnswers              bool   // of a REQUEST authorizer with payload 2.0

	Unrunnable *Unrunnable
	Position   Position
}

// CORS is what an HTTP API or a function's URL answers to pages of other origins.
type CORS struct {
	Origins, Methods, Headers, Expose []string
	MaxAge                            int // seconds
	Credentials                       bool
}
