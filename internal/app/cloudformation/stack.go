package cloudformation

import (
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// Stack is everything in a template of CloudFormation or SAM, with its conditions
// decided and its functions worked out, so that two templates can be compared.
// References to resources stay symbolic: Ref is ${ID} and Fn::GetAtt is
// ${ID.Attribute}. Parameters and pseudo parameters have their values.
type Stack struct {
	Parameters []Parameter // in the order of the file
	Resources  []Resource  // those whose condition holds, in the order of the file
	Outputs    map[string]any

	// Refused are the descriptions of Rules' assertions that the parameters do not
	// meet: CloudFormation refuses the stack.
	Refused []string

	// Dangling are references to nothing, and functions that are not understood.
	// The value of each is nil.
	Dangling []app.Note
}

// Parameter is one of a template.
type Parameter struct {
	Name, Type  string
	Default     string
	HasDefault  bool
	NoEcho      bool
	Allowed     []string // empty: not by a list
	Min, Max    string   // MinValue and MaxValue, empty if there are none
	Pattern     string
	Description string
}

// Resource is one of a template. Its values are strings, []any and map[string]any;
// numbers and booleans are strings, as CloudFormation takes them for each other.
type Resource struct {
	LogicalID, Type string
	Properties      map[string]any
	DependsOn       []string // logical IDs, sorted
	Attributes      []string // others than these, such as DeletionPolicy, sorted
	Position        app.Position
}

// Evaluate reads the template in file. Of the options it uses Parameters, Region and
// Account. It does not ask whether there is an API. An error is an *app.Error, or an
// error of reading the file; the notes are returned with it.
func Evaluate(file string, o Options) (*Stack, []app.Note, error) {
	data, err := document.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	reading := document.NewReading(file)
	stack, err := evaluate(file, data, reading, o)
	return stack, reading.Notes(), err
}

// evaluate is Evaluate of bytes that are there already.
func evaluate(file string, data []byte, reading *document.Reading, o Options) (*Stack, error) {
	root, err := document.Parse(file, data, reading)
	if err != nil {
		return nil, err
	}
	if !Is(root) {
		return nil, app.Errorf(root.Pos, "is not a template of CloudFormation: it has no Resources")
	}
	t := newTemplate(reading, o)
	t.symbolic = true
	if err := t.load(root); err != nil {
		return nil, err
	}
	e := &evaluator{template: t, stack: &Stack{Outputs: map[string]any{}}}
	for _, f := range t.parameters.Each() {
		e.stack.Parameters = append(e.stack.Parameters, parameterOf(f))
	}
	for _, x := range t.order {
		if t.present(x) {
			e.stack.Resources = append(e.stack.Resources, e.resource(x, t.made.Get(x.id)))
		}
	}
	for _, f := range root.Get("Rules").Each() {
		e.stack.Refused = append(e.stack.Refused, e.refusals(f)...)
	}
	for _, f := range t.outputs.Each() {
		if c := f.Value.Get("Condition"); c.Empty() || t.condition(c.Text, f.Pos) {
			e.stack.Outputs[f.Key] = e.plain(f.Value.Get("Value"))
		}
	}
	if err := t.missing(); err != nil {
		return nil, err
	}
	if err := t.Err(); err != nil {
		return nil, err
	}
	return e.stack, nil
}

// An evaluator makes a Stack of a template.
type evaluator struct {
	*template
	stack *Stack
}

func (e *evaluator) resource(x *resource, written *value) Resource {
	out := Resource{LogicalID: x.id, Type: x.typ, Position: x.pos, Properties: map[string]any{}}
	if p, ok := e.plain(x.props).(map[string]any); ok {
		out.Properties = p
	}
	for _, f := range written.Each() {
		switch f.Key {
		case "Type", "Properties", "Condition", "Metadata":
		case "DependsOn":
			out.DependsOn = e.texts(f.Value, "DependsOn of "+document.Clip(x.id))
			slices.Sort(out.DependsOn)
			for _, id := range out.DependsOn {
				if _, why := e.template.resource(id); why != "" {
					e.dangling(f.Pos, why)
				}
			}
		default:
			out.Attributes = append(out.Attributes, f.Key)
		}
	}
	slices.Sort(out.Attributes)
	return out
}

func (e *evaluator) dangling(pos app.Position, why string) {
	e.stack.Dangling = append(e.stack.Dangling, app.Note{Position: pos, Severity: app.Warning, Text: why})
}

// plain is a value as Go has it. What is not known is nil, and dangles.
func (e *evaluator) plain(v *value) any {
	v = e.eval(v)
	switch v.Kind {
	case document.Scalar:
		return v.Text
	case document.List:
		items := make([]any, 0, len(v.Items))
		for _, item := range v.Items {
			items = append(items, e.plain(item))
		}
		return items
	case document.Map:
		fields := make(map[string]any, len(v.Fields))
		for _, f := range v.Fields {
			fields[f.Key] = e.plain(f.Value)
		}
		return fields
	case document.Unknown:
		e.dangling(v.Pos, v.Text)
	}
	return nil
}

func parameterOf(f field) Parameter {
	text := func(key string) string { return f.Value.Get(key).ScalarText() }
	p := Parameter{Name: f.Key, Type: text("Type"), Default: text("Default"), HasDefault: f.Value.Get("Default") != nil, NoEcho: text("NoEcho") == "true",
		Min: text("MinValue"), Max: text("MaxValue"), Pattern: text("AllowedPattern"), Description: text("Description")}
	if allowed := f.Value.Get("AllowedValues"); allowed != nil {
		for _, item := range allowed.Items {
			p.Allowed = append(p.Allowed, item.Text)
		}
	}
	return p
}

// symbol is a reference to a resource as Evaluate gives it.
func (t *template) symbol(id, attribute string, pos app.Position) *value {
	if _, why := t.resource(id); why != "" {
		return document.NewUnknown(pos, why)
	}
	if attribute != "" {
		id += "." + attribute
	}
	return document.NewText(pos, "${"+strings.TrimSpace(id)+"}")
}
