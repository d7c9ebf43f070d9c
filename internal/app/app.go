// Package app says what a serverless app is: its APIs with their routes, its
// functions, tables and queues, and what else invokes its functions, each with the
// line of the template that describes it.
//
// It knows no template language and runs nothing. The packages below it read one
// language each and make an App; what runs an App is elsewhere.
//
// An app is read in two steps, because variables hold addresses that are known
// only once something listens. Reading a template gives an App with its region,
// account and stage; App.Resolve then takes the IDs and addresses of its parts and
// gives the App with its variables.
package app

// The region and the account of an app whose template and reader name none.
const (
	DefaultRegion  = "us-east-1"
	DefaultAccount = "000000000000"
)

// App is what one template describes.
type App struct {
	// Format is the language of the template, for messages: CloudFormation, SAM
	// or serverless.yml.
	Format string

	// Region is the AWS region, Account the 12 digits of the AWS account, in
	// every ARN and address of the app.
	Region, Account string

	// APIs are those that are run. Today it is exactly one WebSocket API.
	APIs []API

	Functions []Function // all of the template, whether a route needs them or not
	Tables    []Table
	Queues    []Queue
	Topics    []Topic
	HTTPAPIs  []HTTPAPI
	Sources   []Source // what else invokes functions

	// Resolver does Resolve for the language that the app was read from. Nil
	// means that there is nothing to resolve.
	Resolver Resolver `json:"-"`
}

// Function is the function with that logical ID, or nil.
func (a *App) Function(logicalID string) *Function {
	for i := range a.Functions {
		if a.Functions[i].LogicalID == logicalID {
			return &a.Functions[i]
		}
	}
	return nil
}

// A Resolver gives an app with its variables and the notes about all of it. It may
// be called several times, and concurrently.
type Resolver func(Names) (*App, []Note, error)

// Names are the IDs and addresses of an app's parts, which a template cannot know.
type Names struct {
	// APIs are by logical ID. An API that is missing has the zero APIName.
	APIs map[string]APIName

	// Queues gives the URL of a queue by its name. Nil means that neither queues nor
	// topics are here: what refers to them is only on AWS.
	Queues func(name string) string

	// HTTPAPIs are the addresses of HTTP APIs, REST APIs and function URLs by kind and
	// logical ID, such as http://127.0.0.1:3003, without the stage. One that is missing
	// stays as it is on AWS.
	HTTPAPIs map[HTTPKind]map[string]string
}

// APIName is how an API is reached.
type APIName struct {
	// ID is the API ID, which is in addresses on AWS and in events. Empty means
	// local.
	ID string

	// Endpoint is the address of a stage of the API, such as
	// http://localhost:3001/dev. Nil means that addresses stay as they are on AWS.
	Endpoint func(stage string) string
}

// Resolve gives the app with everything that depends on names: the variables of
// its functions, its stage variables, and names that contain an ID. All else is as
// in a, and a stays as it is.
//
// The notes are all that there is to say about the template, in the order of the
// file; they replace the notes of reading and are returned with an error too. An
// error is an *Error. As reading has found nearly all mistakes, what is left is a
// template that grows too large with these names.
func (a *App) Resolve(names Names) (*App, []Note, error) {
	if a.Resolver == nil {
		return a, nil, nil
	}
	return a.Resolver(names)
}
