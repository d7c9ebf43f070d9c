package app

import "time"

// API is one stage of one WebSocket API.
type API struct {
	// LogicalID is what the template calls the API, and unique in it. Name is the
	// name that the API has on AWS, where several may have the same.
	LogicalID, Name string

	// Stage is the name of the stage, the first segment of the API's addresses.
	Stage string

	// StageVariables are what functions find in events. Nil before Resolve.
	StageVariables map[string]string

	// RouteSelection is the route selection expression.
	RouteSelection string

	Routes      []Route
	Authorizers []Authorizer

	// DisabledEndpoint says that clients reach the API through a custom domain
	// only. UNCERTAIN: whether AWS refuses posts to it, too.
	DisabledEndpoint bool

	Position Position
}

// Authorizer is the authorizer with that logical ID, or nil.
func (a *API) Authorizer(logicalID string) *Authorizer {
	for i := range a.Authorizers {
		if a.Authorizers[i].LogicalID == logicalID {
			return &a.Authorizers[i]
		}
	}
	return nil
}

// Route says what happens to the events of one route key.
type Route struct {
	Key         string
	Integration Integration

	TwoWay         bool   // it has a route response: the answer goes to the client
	Authorization  string // NONE, CUSTOM or AWS_IAM
	Authorizer     string // logical ID of the authorizer, for CUSTOM
	APIKeyRequired bool

	Position Position
}

// Integration is what a route invokes.
type Integration struct {
	Kind IntegrationKind

	// Function is the logical ID of the function: for AWSProxy always, for AWS if
	// it invokes one.
	Function string

	URL, Method string // for HTTPProxy and HTTP

	// Answer is what a Mock answers with on a two-way route.
	Answer string

	// Timeout of one invocation; zero means AWS's, 29 s.
	Timeout time.Duration

	Position Position
}

// IntegrationKind is the type of an integration, as API Gateway calls it.
type IntegrationKind string

// The kinds of integrations that a WebSocket API may have.
const (
	AWSProxy  IntegrationKind = "AWS_PROXY"
	AWS       IntegrationKind = "AWS"
	HTTPProxy IntegrationKind = "HTTP_PROXY"
	HTTP      IntegrationKind = "HTTP"
	Mock      IntegrationKind = "MOCK"
)

// Authorizer is a REQUEST authorizer, which is a function that is asked before
// $connect.
type Authorizer struct {
	LogicalID, Name string
	Function        string   // logical ID
	IdentitySources []string // such as route.request.header.Authorization
	Position        Position
}
