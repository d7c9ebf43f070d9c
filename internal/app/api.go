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

	// Models are the JSON schemas that messages are held against, by model key, and
	// ModelSelection is the expression that chooses one. Empty: messages are not checked.
	Models         map[string]string
	ModelSelection string

	// Unrunnable says why the route or its integration cannot be run here; nil if it
	// can. App.RouteUnrunnable looks at its function too.
	Unrunnable *Unrunnable

	// StandIn is what the caller runs in the place of the integration, as StandIns
	// has it, or empty.
	StandIn string

	Position Position
}

// Integration is what a route invokes.
type Integration struct {
	Kind IntegrationKind

	// Function is the logical ID of the function: for AWSProxy always, for AWS if
	// it invokes one.
	Function string

	URL, Method string // for HTTPProxy and HTTP

	// Parameters are what the integration's request gets in addition to the message, for
	// HTTPProxy, HTTP and AWS, in the order of the file. Each destination is there
	// once.
	Parameters []Parameter

	// Service is the service of AWS that AWS calls if it invokes no function, as its host
	// has it, such as dynamodb. Action is the operation, as action/PutItem, or the path, as
	// path/123/queue, and Region where the service is.
	Service, Action, Region string

	// Templates are the mapping templates of the request, by template key, for AWS, HTTP
	// and Mock; TemplateSelection chooses one, Passthrough is what happens without one, and
	// ContentHandling how the payload is converted, each as the template has it, or empty.
	Templates                                       map[string]string
	TemplateSelection, Passthrough, ContentHandling string

	// Responses are the integration responses, and ResponseSelection chooses one.
	Responses         []IntegrationResponse
	ResponseSelection string

	// Timeout of one invocation; zero means AWS's, 29 s.
	Timeout time.Duration

	Position Position
}

// IntegrationResponse says what a client gets of an answer. (AWS docs, API Gateway
// developer guide: "Set up a WebSocket API integration response".)
type IntegrationResponse struct {
	Key                                string // $default, a status, or a pattern between slashes
	Templates                          map[string]string
	TemplateSelection, ContentHandling string
}

// Parameter is one entry of an integration's request parameters. (AWS docs, API
// Gateway developer guide: "Set up data mapping for WebSocket APIs in API Gateway".)
type Parameter struct {
	// In is where the parameter goes: header, querystring or path. Name is its name
	// there; of a path it is what stands between braces in the URL.
	In, Name string

	// Source is where its value comes from, one of
	//
	//	'TEXT'                                   the text itself
	//	context.NAME
	//	stageVariables.NAME
	//	route.request.header.NAME                on $connect only, as are
	//	route.request.multivalueheader.NAME
	//	route.request.querystring.NAME
	//	route.request.multivaluequerystring.NAME
	//	route.request.body                       the whole message
	//	route.request.body.JSONPATH              a field of it
	//
	// in which no NAME and no JSONPATH is empty.
	Source string
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

	// Unrunnable says why the authorizer cannot be asked here; nil if it can.
	// App.AuthorizerUnrunnable looks at its function too.
	Unrunnable *Unrunnable

	// StandIn is what the caller asks in its place, as StandIns has it, or empty.
	StandIn string

	Position Position
}
