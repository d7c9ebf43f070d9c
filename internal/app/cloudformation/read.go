package cloudformation

import (
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// The types of document are in most lines of this package.
type (
	value = document.Value
	field = document.Field
)

// What an app.App of these languages has as its Format.
const (
	Format    = "CloudFormation"
	FormatSAM = "SAM"
)

// Options says what a template cannot know.
type Options struct {
	// Parameters are values of the template's parameters. A parameter that is not
	// given has its default.
	Parameters map[string]string

	// Defaults are values of parameters that are not in Parameters, of a file that
	// goes with the template. Those that the template does not have are passed over.
	Defaults map[string]string

	// Values are what only AWS has, by LOGICALID for what Ref of a resource gives,
	// LOGICALID.ATTRIBUTE, ssm:NAME, secretsmanager:ID, secretsmanager:ID:SecretString:KEY
	// and import:NAME. A name that is nearly one that is needed is an error.
	Values map[string]string

	// MoreValues are used for what has no value otherwise. Names that nothing uses
	// are passed over.
	MoreValues map[string]string

	// StandIns are the parts that the caller runs in its own way.
	StandIns app.StandIns

	// Overrides are variables of functions that the caller gives. One of a function that
	// the template does not have is an error.
	Overrides app.Overrides

	// API and Stage choose one where the template has several: an API by its
	// logical ID or its name, a stage by its name or its logical ID.
	API, Stage string

	// Region and Account are the pseudo parameters. Empty means those that a value
	// of the stack's own resources has, such as the ID of a user pool or an ARN, or
	// else app.DefaultRegion and app.DefaultAccount.
	Region, Account string

	// Stack is AWS::StackName. Empty means local.
	Stack string

	// Others are the stacks that are read with the template: it may import what they
	// export, and their resources are the app's too. Those of the template come first;
	// a logical ID that is there twice gets the name of its stack before it.
	Others []Another

	links *links // once Others and nested stacks are read

	// Origin says which language the template was made from. Nil means that it was
	// written as it is.
	Origin *Origin
}

// Origin is what another language says of the template that was made from it.
type Origin struct {
	Format string          // of the app
	Made   map[string]bool // logical IDs of resources that have the permissions they need
	Asked  map[string]bool // names of values that it has asked for

	// Sources are those that become no resource; each says why it does not work here.
	// Their functions are resources of the template.
	Sources []app.Source

	// Dir is the folder that paths are in. Empty means that of the template's file.
	Dir string

	// Placeholders stand for resources that are not run, by logical ID. One that has
	// none is its logical ID.
	Placeholders map[string]string
}

// Is reports whether a document is a template of CloudFormation or SAM.
func Is(root *document.Value) bool { return root.Get("Resources") != nil }

// Read says which app a template describes, without its variables: they come with
// app.App.Resolve. It asks for no ID and no address; where a name contains the ID of
// an API, that ID is local until then.
//
// It finds the mistakes of variables too, so that they are told before anything
// listens. An error is an *app.Error. The notes are those of reading so far and of
// this pass, in the order of the file; they are returned with an error too. The maps
// in o must not change while the app may be resolved.
func Read(root *document.Value, reading *document.Reading, o Options) (*app.App, []app.Note, error) {
	root, o.links = link(root, reading, o)
	if err := reading.Err(); err != nil {
		return nil, reading.Notes(), err
	}
	start := reading.Fork() // what is noted in one pass is not for the next
	a, notes, err := pass(root, start.Fork(), o, nil)
	if err != nil {
		return nil, notes, err
	}
	a.Resolver = func(names app.Names) (*app.App, []app.Note, error) {
		return pass(root, start.Fork(), o, &names)
	}
	return a, notes, nil
}

// pass reads the template once. Nil names mean that none are known.
func pass(root *value, reading *document.Reading, o Options, names *app.Names) (*app.App, []app.Note, error) {
	t := newTemplate(reading, o)
	if err := t.load(root); err != nil {
		return nil, reading.Notes(), err
	}
	t.checkRules(root.Get("Rules"))
	a := newReader(t, names).app()
	t.checkValues()
	if err := t.missing(); err != nil {
		return nil, reading.Notes(), err
	}
	if err := reading.Err(); err != nil {
		return nil, reading.Notes(), err
	}
	return a, reading.Notes(), nil
}

// A reader describes the app of a template.
type reader struct {
	*template
	names *app.Names // nil in Read

	api            *resource // the one that is run
	stage          string
	staged         bool // the template has that stage
	stageVariables map[string]string
	functionIDs    map[string][]string // name to logical IDs
	layers         map[string]*resource
	permissions    []permission
	calls          []call               // of functions by API Gateway, for which it needs a permission
	invokers       map[string][]string  // function to the routes, authorizers and sources that need it
	answers        map[string]*resource // what the integrations of type MOCK answer
	sources        []app.Source
	httpVariables  map[string]string // stage variables of the HTTP API that is read

	leftOut, rewritten map[app.Position]string // what a note has said already
	told               told
}

func newReader(t *template, names *app.Names) *reader {
	if names != nil && names.Queues != nil {
		t.engines, t.queueURL = true, names.Queues
	}
	return &reader{
		template: t, names: names, stageVariables: map[string]string{},
		functionIDs: map[string][]string{}, layers: map[string]*resource{},
		invokers: map[string][]string{}, answers: map[string]*resource{},
		leftOut: map[app.Position]string{}, rewritten: map[app.Position]string{},
		told: told{mentions: map[string]*mention{}, fillIns: map[string]*fillIn{}, values: map[string]map[string]bool{}},
	}
}

// app is the whole description. Once the template has failed it may be nil or
// incomplete.
func (r *reader) app() *app.App {
	if !r.selectAPI() {
		return nil
	}
	stage, ok := r.selectStage()
	if !ok {
		return nil
	}
	api := r.describe(stage)
	r.indexFunctions()
	r.indexPermissions()
	api.Authorizers = r.authorizers()
	api.Routes = r.routes(&api)
	r.checkPermissions()
	a := &app.App{Format: r.format, Region: r.options.Region, Account: r.options.Account, HTTPAPIs: r.httpAPIs()}
	r.byName(func() {
		a.Queues, a.Topics = r.queues(), r.topics()
		r.eventSources()
	})
	a.Sources, a.Functions, a.Tables = r.sources, r.functions(), r.tables()
	a.APIs = []app.API{api}
	r.checkStandIns(a)
	r.tell(a)
	r.leftOutProperties()
	r.unread()
	return a
}
