package cloudformation

import (
	"cmp"
	"path/filepath"
	"slices"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// A template is one that is loaded: its sections, and what its values come to.
type template struct {
	*document.Reading
	options  Options
	dir      string // that the file is in
	format   string
	sam      bool // it needs SAM's transform
	symbolic bool // references to resources stay references: Evaluate

	parameters, mappings, conditions *value
	made, outputs                    *value          // Resources and Outputs, with their loops written out
	decided                          map[string]bool // conditions
	resources                        map[string]*resource
	order                            []*resource             // in the order of the file
	samStages                        map[string]string       // API to the stage that SAM makes of it
	apiIDs                           map[string]string       // of the APIs that are run, by logical ID
	unset                            map[string]app.Position // parameters without a value that something needs
	placeholders                     map[string]*resource    // resources whose Ref was made up
	asked                            map[string]bool         // names of values that something asked for
	exports                          map[string]*value       // of all stacks, once something imports
	active                           []string                // what is being resolved
	calls                            int                     // how deep
	unsure                           int                     // conditions that could not be known
	short                            []app.Source            // of SAM's events that become no resource
	urlIDs                           map[string]string       // of the URLs of functions, to the function's name
	assets                           assets
	engines                          bool // queues and topics have their own names
	queueURL                         func(name string) string
}

func newTemplate(reading *document.Reading, o Options) *template {
	if o.Origin == nil {
		o.Origin = &Origin{}
	}
	return &template{
		Reading: reading, options: o, dir: cmp.Or(o.Origin.Dir, filepath.Dir(reading.File())), format: cmp.Or(o.Origin.Format, Format),
		decided: map[string]bool{}, resources: map[string]*resource{}, samStages: map[string]string{}, apiIDs: map[string]string{},
		unset: map[string]app.Position{}, urlIDs: map[string]string{}, placeholders: map[string]*resource{}, asked: map[string]bool{}, assets: assets{},
	}
}

// load takes the sections of a template.
func (t *template) load(root *value) error {
	t.parameters, t.mappings, t.conditions = root.Get("Parameters"), root.Get("Mappings"), root.Get("Conditions")
	t.transforms(root.Get("Transform"))
	t.conditions, t.made, t.outputs = t.loops(t.conditions), t.loops(root.Get("Resources")), t.loops(root.Get("Outputs"))
	if err := t.Err(); err != nil {
		return err
	}
	globals := root.Get("Globals")
	var webSockets []*resource
	for _, f := range t.made.Each() {
		x := t.newResource(f, globals)
		if x == nil {
			continue
		}
		t.add(x)
		if x.typ == "AWS::Serverless::WebSocketApi" {
			webSockets = append(webSockets, x)
		}
	}
	t.locate()
	if err := t.checkParameters(); err != nil {
		return err
	}
	for _, x := range webSockets {
		t.expandWebSocketAPI(x)
	}
	if t.sam {
		t.expandEvents(globals)
	}
	if t.sam && t.format == Format {
		t.format = FormatSAM
	}
	return nil
}

// transforms finds SAM among the macros.
func (t *template) transforms(v *value) {
	items := []*value{v}
	if v != nil && v.Kind == document.List {
		items = v.Items
	}
	for _, item := range items {
		switch {
		case item.Empty():
		case item.Text == "AWS::Serverless-2016-10-31":
			t.format, t.sam = FormatSAM, true
		case item.Text == "AWS::LanguageExtensions": // loops, toJSON, length and findInMap do it
		case item.Kind == document.Scalar:
			t.Note(item.Pos, app.Warning, "macro %s is not run: what it changes is not seen here", document.Clip(item.Text))
		default:
			t.Note(item.Pos, app.Warning, "a macro is not run: what it changes is not seen here")
		}
	}
}

// add adds a resource unless there is one of that logical ID.
func (t *template) add(x *resource) {
	if t.resources[x.id] == nil {
		t.resources[x.id] = x
		t.order = append(t.order, x)
	}
}

// each is the resources of a type whose condition holds, in the file's order.
func (t *template) each(types ...string) []*resource {
	var out []*resource
	for _, x := range t.order {
		if slices.Contains(types, x.typ) && t.present(x) {
			out = append(out, x)
		}
	}
	return out
}
