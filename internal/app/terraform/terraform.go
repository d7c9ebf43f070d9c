package terraform

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// The types of document are in most lines of this package.
type (
	value = document.Value
	field = document.Field
)

// Format is what an app.App of this language has as its Format.
const Format = "Terraform"

// Options says what a configuration cannot know.
type Options struct {
	// Dir is the folder of the root module, as it is opened from here.
	Dir string

	// Parameters are values of the root's variables, as 'terraform -var' gives them:
	// the text itself, and an expression for a list or a map. They come before files
	// of values, and these before TF_VAR_NAME of Env.
	Parameters map[string]string

	// Values are what only AWS or another provider has, by ADDRESS for the ID,
	// ADDRESS.ATTRIBUTE, ssm:NAME and secretsmanager:NAME. MoreValues are used where it
	// has none.
	Values, MoreValues map[string]string

	// Region empty means that of the provider aws, or else app.DefaultRegion. Account
	// empty means app.DefaultAccount.
	Region, Account string

	// Env is the environment. Nil, or an empty answer, means that a name is not set.
	Env func(name string) string
}

// Result is what a configuration becomes.
type Result struct {
	Template        *document.Value   // CloudFormation's sections; logical IDs are Terraform's addresses
	Region, Account string            // of everything in it
	Asked           map[string]bool   // names of values that it has asked for
	Placeholders    map[string]string // what stands for resources that are not run, by address
}

// A configuration is one that is read.
type configuration struct {
	*document.Reading
	options         Options
	cwd             string // the root's folder, absolute
	region, account string
	meter           *meter
	functions       map[string]function.Function
	sources         map[string]*source
	files           map[string][]byte
	bytes           int
	onDisk          map[string]string // folders of modules that were fetched, by their keys
	inputs          map[string]cty.Value
	mentioned       map[string]bool
	tokens          map[string]token
	tokenOrder      []string // the longest first
	placeholders    map[string]string
	asked           map[string]bool
	unset           map[string]app.Position // variables without a value that something needs
	active          []string
	root            *module
	all             []*module
	byType          map[string][]*instance
}

// Is reports whether a folder has a configuration of Terraform.
func Is(dir string) bool { return len(configurationFiles(dir)) > 0 }

// Expand works out a configuration and writes its resources as those of
// CloudFormation. Notes go to reading. An error is an *app.Error: a file that cannot be
// read, a value that refers to itself, a variable that needs a value, a WebSocket API
// that is not there.
func Expand(reading *document.Reading, o Options) (*Result, error) {
	cwd, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, app.Errorf(app.Position{File: o.Dir}, "cannot be opened: %v", err)
	}
	c := &configuration{
		Reading: reading, options: o, cwd: filepath.ToSlash(cwd), meter: &meter{}, sources: map[string]*source{}, files: map[string][]byte{}, onDisk: map[string]string{},
		inputs: map[string]cty.Value{}, mentioned: map[string]bool{}, tokens: map[string]token{}, placeholders: map[string]string{}, asked: map[string]bool{},
		unset: map[string]app.Position{}, byType: map[string][]*instance{}, account: cmp.Or(o.Account, app.DefaultAccount), region: cmp.Or(o.Region, app.DefaultRegion),
	}
	c.functions = c.allFunctions()
	s, err := c.load(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := c.readInputs(); err != nil {
		return nil, err
	}
	c.readManifest()
	c.root = c.newModule(s, nil, nil)
	c.root.checkParameters()
	c.root.locate()
	c.root.checkInputs()
	resources := c.emit()
	c.checkAPI(resources)
	c.checkUnset()
	if err := reading.Err(); err != nil {
		return nil, err
	}
	c.checkValues()
	if err := reading.Err(); err != nil {
		return nil, err
	}
	return &Result{
		Template: document.NewMap(resources.Pos, field{Key: "Resources", Value: resources}),
		Region:   c.region, Account: c.account, Asked: c.asked, Placeholders: c.placeholders,
	}, nil
}

// locate finds the region and the account: those that are given, or those of the
// provider.
func (m *module) locate() {
	p := m.source.providers["aws"]
	if p == nil {
		return
	}
	if e := p.expr("region"); e != nil && m.options.Region == "" {
		if s := text(m.value(e, nil)); s != "" {
			m.region = s
		} else {
			m.Note(p.where("region"), app.Warning, "the region of the provider is not known here, and %s is used: give --region NAME", m.region)
		}
	}
	if e := p.expr("allowed_account_ids"); e != nil && m.options.Account == "" {
		for _, item := range itemsOf(m.value(e, nil)) {
			if s := text(item); len(s) == 12 {
				m.account = s
				return
			}
		}
	}
}

// checkAPI says in Terraform's words that there is no WebSocket API.
func (c *configuration) checkAPI(resources *value) {
	for _, f := range resources.Fields {
		if f.Value.Get("Type").ScalarText() == "AWS::ApiGatewayV2::Api" {
			if p := f.Value.Get("Properties", "ProtocolType"); p == nil || p.Kind != document.Scalar || p.Text == "WEBSOCKET" {
				return
			}
		}
	}
	c.Fail(app.Position{File: c.File()}, "has no WebSocket API: no aws_apigatewayv2_api with protocol_type \"WEBSOCKET\"%s", c.inFolders())
}

// inFolders names the folders below that have configurations of their own.
func (c *configuration) inFolders() string {
	var found []string
	for _, pattern := range []string{"*/*.tf", "*/*/*.tf"} {
		files, _ := filepath.Glob(filepath.Join(escape(c.options.Dir), pattern))
		for _, file := range files {
			if dir := filepath.Dir(file); !slices.Contains(found, dir) && !strings.Contains(dir, ".terraform") {
				found = append(found, dir)
			}
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "; there are files of Terraform in " + app.Few(found) + " too"
}

// checkUnset refuses variables without a value that something needs.
func (c *configuration) checkUnset() {
	if len(c.unset) == 0 {
		return
	}
	var needed, flags []string
	for _, name := range slices.Sorted(maps.Keys(c.unset)) {
		needed = append(needed, document.Clip(name))
		flags = append(flags, app.Flag("--parameter", name, "VALUE"))
	}
	what, have := "variable", "has"
	if len(needed) > 1 {
		what, have = "variables", "have"
	}
	c.Fail(c.unset[slices.Min(slices.Collect(maps.Keys(c.unset)))], "%s %s %s no value: give %s", what, app.Few(needed), have, strings.Join(flags[:min(len(flags), 8)], " "))
}

// checkValues looks at what was given and that nothing asked for.
func (c *configuration) checkValues() {
	var open []string
	for name := range c.asked {
		if _, given := c.options.Values[name]; !given {
			open = append(open, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.options.Values)) {
		if c.asked[name] {
			continue
		}
		c.asked[name] = true
		file := app.Position{File: c.File()}
		if near := app.Nearest(name, open); near != "" {
			c.Fail(file, "nothing uses the value %s: did you mean %s?", document.Clip(name), document.Clip(near))
		} else {
			c.Note(file, app.Warning, "nothing uses the value %s", document.Clip(name))
		}
	}
}
