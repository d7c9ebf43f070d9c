package template

import (
	"slices"
	"strings"
)

// Resolved is everything in a CloudFormation or SAM template, with its conditions
// decided and its functions worked out, so that two templates can be compared.
// References to resources stay symbolic: Ref is ${ID} and Fn::GetAtt is
// ${ID.Attribute}. Parameters and pseudo parameters have their values.
type Resolved struct {
	Parameters []Parameter // in the order of the file
	Resources  []Resource  // those whose condition holds, in the order of the file
	Outputs    map[string]any

	// Refused are the descriptions of Rules' assertions that the parameters do not
	// meet: CloudFormation refuses the stack.
	Refused []string

	// Dangling are references to nothing, and functions that are not understood.
	// The value of each is nil.
	Dangling []Note
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
	Position        Position
}

// Resolve reads a template of CloudFormation or SAM. Of the options it uses
// Parameters, Region and AccountID. It does not ask whether there is an API.
func Resolve(file string, o *Options) (*Resolved, []Note, error) {
	if o == nil {
		o = &Options{}
	}
	n := &notes{}
	data, err := readFile(file)
	if err != nil {
		return nil, nil, err
	}
	out, err := resolve(file, data, *o, n)
	return out, n.sorted(file), err
}

func resolve(file string, data []byte, o Options, n *notes) (*Resolved, error) {
	root, err := parse(file, data, n.add)
	if err != nil {
		return nil, err
	}
	if root.get("Resources") == nil {
		return nil, mistake(root.pos, "is not a template of CloudFormation: it has no Resources")
	}
	r := newReader(file, o, n)
	r.format, r.symbolic = CloudFormation, true
	if err := r.load(root); err != nil {
		return nil, err
	}
	out := &Resolved{Outputs: map[string]any{}}
	for _, f := range r.parameters.each() {
		out.Parameters = append(out.Parameters, parameterOf(f))
	}
	for _, x := range r.order {
		if !r.present(x) {
			continue
		}
		resource := Resource{LogicalID: x.id, Type: x.typ, Position: x.pos, Properties: map[string]any{}}
		if p, ok := r.plain(x.props, out).(map[string]any); ok {
			resource.Properties = p
		}
		for _, f := range root.get("Resources", x.id).each() {
			switch f.key {
			case "Type", "Properties", "Condition", "Metadata":
			case "DependsOn":
				resource.DependsOn = r.texts(f.value, "DependsOn of "+clip(x.id))
				slices.Sort(resource.DependsOn)
				for _, id := range resource.DependsOn {
					if _, why := r.resource(id); why != "" {
						out.Dangling = append(out.Dangling, Note{f.pos, Warning, why})
					}
				}
			default:
				resource.Attributes = append(resource.Attributes, f.key)
			}
		}
		slices.Sort(resource.Attributes)
		out.Resources = append(out.Resources, resource)
	}
	for _, f := range root.get("Rules").each() {
		if c := f.value.get("RuleCondition"); c != nil && !r.test(c) {
			continue
		}
		if assertions := f.value.get("Assertions"); assertions != nil {
			for _, a := range assertions.items {
				if assert := a.get("Assert"); assert == nil || !r.test(assert) {
					out.Refused = append(out.Refused, r.text(a.get("AssertDescription"), "AssertDescription of "+clip(f.key)))
				}
			}
		}
	}
	for _, f := range root.get("Outputs").each() {
		if c := f.value.get("Condition"); c.empty() || r.condition(c.text, f.pos) {
			out.Outputs[f.key] = r.plain(f.value.get("Value"), out)
		}
	}
	if err := r.missing(); err != nil {
		return nil, err
	}
	if r.fatal != nil {
		return nil, r.fatal
	}
	return out, nil
}

func parameterOf(f field) Parameter {
	text := func(key string) string {
		if v := f.value.get(key); v != nil && v.kind == scalar {
			return v.text
		}
		return ""
	}
	p := Parameter{Name: f.key, Type: text("Type"), Default: text("Default"), HasDefault: f.value.get("Default") != nil, NoEcho: text("NoEcho") == "true",
		Min: text("MinValue"), Max: text("MaxValue"), Pattern: text("AllowedPattern"), Description: text("Description")}
	if allowed := f.value.get("AllowedValues"); allowed != nil {
		for _, item := range allowed.items {
			p.Allowed = append(p.Allowed, item.text)
		}
	}
	return p
}

// plain is a value as Go has it. What is not known is nil, and is told.
func (r *reader) plain(v *value, out *Resolved) any {
	v = r.eval(v)
	switch v.kind {
	case scalar:
		return v.text
	case list:
		items := make([]any, 0, len(v.items))
		for _, item := range v.items {
			items = append(items, r.plain(item, out))
		}
		return items
	case mapping:
		fields := make(map[string]any, len(v.fields))
		for _, f := range v.fields {
			fields[f.key] = r.plain(f.value, out)
		}
		return fields
	case unknown:
		out.Dangling = append(out.Dangling, Note{v.pos, Warning, v.text})
	}
	return nil
}

// symbol is a reference to a resource as Resolve gives it.
func (r *reader) symbol(id, attribute string, pos Position) *value {
	if _, why := r.resource(id); why != "" {
		return newUnknown(pos, why)
	}
	if attribute != "" {
		id += "." + attribute
	}
	return newText(pos, "${"+strings.TrimSpace(id)+"}")
}
