package cloudformation

import (
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// A resource of a template.
type resource struct {
	id, typ   string
	props     *value // Properties, with SAM's Globals
	metadata  *value
	condition *value // the name of its condition
	pos       app.Position
	made      bool // from something shorter, with the permissions that it needs

	name *value // Ref, once it is known
}

// resourceAttributes are what a resource may have. (AWS docs, CloudFormation template
// reference: "Resource attributes", and of SAM Connectors and IgnoreGlobals.)
var resourceAttributes = []string{"Type", "Properties", "Condition", "CreationPolicy", "DeletionPolicy", "DependsOn", "Description", "Metadata", "UpdatePolicy", "UpdateReplacePolicy", "Connectors", "IgnoreGlobals"}

// newResource reads one entry of Resources: nil, with a note, if it is none.
func (t *template) newResource(f field, globals *value) *resource {
	typ := f.Value.Get("Type")
	if strings.HasPrefix(f.Key, "Fn::") {
		t.Note(f.Pos, app.Warning, "%s is not understood: the resources that it makes are not run", document.Clip(f.Key))
		return nil
	}
	if typ == nil || typ.Kind != document.Scalar {
		t.Note(f.Pos, app.Warning, "resource %s has no Type and is left out", document.Clip(f.Key))
		return nil
	}
	x := &resource{
		id: f.Key, typ: typ.Text, pos: f.Pos, made: t.options.Origin.Made[f.Key],
		props: f.Value.Get("Properties"), metadata: f.Value.Get("Metadata"), condition: f.Value.Get("Condition"),
	}
	for _, a := range f.Value.Each() {
		if !slices.Contains(resourceAttributes, a.Key) && !strings.HasPrefix(a.Key, "Fn::") {
			t.Note(a.Pos, app.Warning, "%s of %s is next to Properties, not in it, and AWS refuses it: indent it by two more spaces if it is a property", document.Clip(a.Key), document.Clip(x.id))
		}
	}
	section, ok := strings.CutPrefix(x.typ, "AWS::Serverless::")
	if !ok {
		return x
	}
	if !t.sam {
		t.Note(f.Pos, app.Warning, "resource %s is of SAM, but the template has no Transform: AWS::Serverless-2016-10-31, without which AWS refuses it", document.Clip(f.Key))
		t.sam = true
	}
	if t.options.links != nil {
		return x // link has merged the Globals of each stack
	}
	if x.props = document.Merge(globals.Get(section), x.props); x.props != nil && x.props.Kind == document.Null {
		x.props = globals.Get(section)
	}
	return x
}

// resource is one that the template has and whose condition holds, or why not.
func (t *template) resource(id string) (x *resource, why string) {
	if x = t.resources[id]; x == nil {
		return nil, document.Clip(id) + " is not in the template"
	}
	if !t.present(x) {
		return nil, document.Clip(id) + " is left out by its condition"
	}
	return x, ""
}

// present reports whether a resource's condition holds.
func (t *template) present(x *resource) bool {
	return x.condition.Empty() || t.condition(x.condition.Text, x.pos)
}

func isFunction(typ string) bool {
	return typ == "AWS::Lambda::Function" || typ == "AWS::Serverless::Function"
}

func isAPI(typ string) bool {
	return typ == "AWS::ApiGatewayV2::Api" || typ == "AWS::Serverless::WebSocketApi"
}

// functionTypes are those that isFunction takes.
var functionTypes = []string{"AWS::Lambda::Function", "AWS::Serverless::Function"}
