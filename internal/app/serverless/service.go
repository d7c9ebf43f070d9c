package serverless

import (
	"cmp"
	"path/filepath"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// The types of document are in most lines of this package.
type (
	value = document.Value
	field = document.Field
)

// Format is what an app.App of this language has as its Format.
const Format = "serverless.yml"

// Options says what serverless.yml cannot know.
type Options struct {
	// Parameters is ${param:}, as 'serverless --param' gives them. They come before
	// those of the file.
	Parameters map[string]string

	// CLI is ${opt:}. Stage and Region are ${opt:stage} and ${opt:region} too,
	// unless CLI has them. A Region also comes before the provider's, for
	// ${self:provider.region} too.
	CLI           map[string]string
	Stage, Region string

	// Values are what only AWS has: ${ssm:}, ${cf:}, ${s3:} and ${secretsmanager:},
	// by SOURCE:ADDRESS. MoreValues are used where it has none.
	Values, MoreValues map[string]string

	// Account is ${aws:accountId}; empty means app.DefaultAccount.
	Account string

	// Env is ${env:}. Nil, or an empty answer, means that it is not set.
	Env func(name string) string

	// Program runs a program that ${file()} names and gives the JSON of what it exports
	// at an address. Nil means that none is run. Its error is one clause that begins
	// with a verb.
	Program func(file, address string) ([]byte, error)
}

// Service is what serverless.yml becomes.
type Service struct {
	Template *document.Value // CloudFormation's sections
	Stack    string          // its name
	Region   string          // of the options or the provider, or else the framework's default
	Asked    map[string]bool // names of values that it has asked for
	Made     map[string]bool // logical IDs of the resources that the framework makes
	Sources  []app.Source    // of events that become no resource
}

// Is reports whether a document is a serverless.yml.
func Is(root *document.Value) bool {
	return root.Get("provider") != nil || root.Get("service") != nil && root.Get("functions") != nil
}

// Expand writes out a service as CloudFormation. Notes go to reading. An error is
// an *app.Error: another provider than aws, a variable of itself, a section or an
// event that cannot be known.
func Expand(root *document.Value, reading *document.Reading, o Options) (*Service, error) {
	o.Account = cmp.Or(o.Account, app.DefaultAccount)
	x := &variables{Reading: reading, options: o, root: root, asked: map[string]bool{}, parameters: map[string]bool{}, flags: map[string]bool{}, dotenv: map[string]string{},
		files: &files{reading: reading, dir: filepath.Dir(reading.File()), known: map[string]*value{}, program: o.Program}}
	s := &service{Reading: reading, variables: x, ids: map[string]bool{}, counts: map[string]int{}, paths: map[string]*preflight{}}
	return s.expand(root)
}

// A service is a serverless.yml that is being written out (Serverless Framework 3
// docs, "AWS - Resources" and "Websocket").
type service struct {
	*document.Reading
	variables *variables
	provider  *value
	name      string
	stage     string
	artifact  *value
	packages  *value   // package
	bundles   *bundler // or nil
	functions *value
	made      []field               // Resources
	ids       map[string]bool       // of those
	sockets   int                   // websocket events
	sources   []app.Source          // of events that become no resource
	counts    map[string]int        // rules by function
	paths     map[string]*preflight // of the REST API, whose OPTIONS method is made
}

func (s *service) expand(root *value) (*Service, error) {
	x := s.variables
	x.loadDotenv()
	s.packages = x.resolve(root.Get("package"))
	s.artifact = s.packages.Get("artifact")
	if err := s.settings(root); err != nil {
		return nil, err
	}
	out := &Service{Stack: cmp.Or(s.provider.Get("stackName").ScalarText(), s.name+"-"+s.stage), Region: x.region, Made: s.ids, Asked: x.asked}

	s.bundles = s.bundler(root)
	s.functions = s.merged(x.resolve(root.Get("functions")), "functions")
	s.leftOut(s.provider, "provider.", "the provider")
	for _, f := range s.functions.Each() {
		s.leftOut(f.Value, "functions.NAME.", "function "+document.Clip(f.Key))
		s.function(f)
	}
	s.preflights()
	s.layers(x.resolve(root.Get("layers")))
	s.api()
	s.unread(root)

	own := s.merged(x.resolve(root.Get("resources")), "resources")
	if e := own.Get("extensions"); e != nil {
		s.Note(e.Pos, app.Warning, "extensions of resources are not understood")
	}
	s.checkNames(own)
	out.Sources = s.sources
	resources := document.Merge(document.NewMap(root.Pos, s.made...), own.Get("Resources"))
	if err := s.Err(); err != nil {
		return nil, err
	}
	sections := []field{{Key: "Resources", Value: resources}}
	for _, name := range []string{"Parameters", "Mappings", "Conditions", "Transform", "Rules"} {
		sections = append(sections, field{Key: name, Value: own.Get(name)})
	}
	out.Template = document.NewMap(root.Pos, sections...)
	return out, nil
}

// settings reads what belongs to the service as a whole.
func (s *service) settings(root *value) error {
	x := s.variables
	s.provider = x.resolve(root.Get("provider"))
	if name := cmp.Or(s.provider.Get("name").ScalarText(), s.provider.ScalarText()); name != "aws" {
		pos := s.provider.Where()
		if pos.Line == 0 {
			pos = root.Pos
		}
		return app.Errorf(pos, "is for provider %q: only aws has WebSocket APIs of API Gateway", document.Clip(name))
	}
	s.stage = x.stage()
	x.region = s.region()
	named := x.resolve(root.Get("service"))
	if named != nil && named.Kind == document.Map {
		named = named.Get("name")
	}
	s.name = cmp.Or(named.ScalarText(), "service")
	return nil
}

// region is that of the options, or of the provider, or the framework's default.
func (s *service) region() string {
	given, written := s.variables.regionFlag(), s.provider.Get("region")
	switch {
	case given != "":
		if text := s.variables.walk(s.variables.root, "provider.region").ScalarText(); text != "" && text != given {
			s.Note(written.Where(), app.Info, "provider.region is %s, but --region %s is given: it is %s in all variables here; Serverless keeps what is written in ${self:provider.region}", document.Clip(text), document.Clip(given), document.Clip(given))
		}
		return given
	case written != nil && written.Kind == document.Unknown:
		s.Note(written.Pos, app.Warning, "provider.region is not known here, and %s is used: %s; give --region NAME", app.DefaultRegion, written.Text)
	}
	return cmp.Or(written.ScalarText(), app.DefaultRegion)
}

// merged is a section that may be a list of maps, as ${file()} makes them. A part that
// is not known is left out, unless it is all that there is.
func (s *service) merged(v *value, what string) *value {
	if v == nil || v.Kind == document.Null {
		return nil
	}
	items := []*value{v}
	if v.Kind == document.List {
		items = v.Items
	}
	var out *value
	for _, item := range items {
		switch item.Kind {
		case document.Map:
			out = document.Merge(out, item)
		case document.Null:
		case document.Unknown:
			if len(items) == 1 {
				s.Fail(item.Pos, "%s cannot be read: %s", what, item.Text)
				continue
			}
			part := &app.Unrunnable{What: "a part of " + what, Why: item.Text, Position: item.Pos}
			s.Add(part.Note(true))
		default:
			s.Note(item.Pos, app.Warning, "a part of %s is not a map and is left out", what)
		}
	}
	return out
}

// unread names what changes a service and is not supported here.
func (s *service) unread(root *value) {
	s.sayDotenvPlugin(root)
	if p := root.Get("plugins"); p != nil && (len(p.Items) > 0 || p.Kind != document.List) && s.otherPlugins(root) {
		s.Note(p.Pos, app.Info, "plugins are not run: what they change is not seen here")
	}
	if id := s.provider.Get("apiGateway", "websocketApiId"); id != nil {
		s.Note(id.Pos, app.Warning, "websocketApiId joins an API of another stack: here the routes have one of their own")
	}
}

// add makes a resource, under another logical ID if there is one of its own.
// Condition and metadata may be nil.
func (s *service) add(id, typ string, pos app.Position, condition, metadata *value, properties ...field) string {
	for s.ids[id] {
		id += "2"
	}
	s.ids[id] = true
	s.made = append(s.made, field{Key: id, Pos: pos, Value: document.NewMap(pos,
		field{Key: "Type", Value: document.NewText(pos, typ)},
		field{Key: "Properties", Value: document.NewMap(pos, properties...)},
		field{Key: "Condition", Value: condition}, field{Key: "Metadata", Value: metadata})})
	return id
}

// or is the function's own setting, or the provider's.
func (s *service) or(f *value, key string, otherwise *value) *value {
	if v := f.Get(key); !v.Empty() {
		return v
	}
	if v := s.provider.Get(key); !v.Empty() {
		return v
	}
	return otherwise
}

// normalized is how the framework makes a logical ID of a name.
func normalized(name string) string {
	name = strings.NewReplacer("-", "Dash", "_", "Underscore").Replace(name)
	if name == "" {
		return name
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
