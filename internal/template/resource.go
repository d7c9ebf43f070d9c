package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/terminal"
)

// A reader knows one template.
type reader struct {
	options Options
	notes   *notes
	file    string // as it was given
	dir     string // that it is in
	format  Format

	symbolic bool // references to resources stay references: Resolve

	templateRegion, stack   string // what serverless.yml says of them
	parameters, mappings    *value
	conditionTree           *value
	conditions              map[string]bool
	resources               map[string]*resource
	order                   []*resource
	samStages               map[string]string // API to the stage that SAM makes of it
	selected                *resource
	stage                   string
	functionIDs             map[string][]string // name to logical IDs
	layers                  map[string]*resource
	stageVariables          map[string]string
	absentParameters        map[string]Position
	placeholders            map[string]*resource // resources whose Ref was made up
	active                  []string
	spent, calls            int
	fatal                   *Error
	permitted, hasUnchecked map[string]bool
	leftOut, rewritten      map[Position]string  // what a note has said already
	answers                 map[string]*resource // what the integrations of type MOCK answer
}

func (r *reader) note(pos Position, s Severity, format string, args ...any) {
	r.notes.add(pos, s, format, args...)
}

// fail keeps the first mistake that makes the API unusable.
func (r *reader) fail(pos Position, format string, args ...any) {
	if r.fatal == nil {
		r.fatal = mistake(pos, format, args...)
	}
}

// text is a property that should be a string, or empty with a note.
func (r *reader) text(v *value, what string) string {
	e := r.eval(v)
	switch e.kind {
	case scalar:
		return e.text
	case null, absent:
	case unknown:
		r.note(e.where(), Warning, "%s is not known here: %s", what, e.text)
	default:
		r.note(e.where(), Warning, "%s is not a string", what)
	}
	return ""
}

// need is a property without which the API cannot be run.
func (r *reader) need(v *value, pos Position, what string) (string, bool) {
	e := r.eval(v)
	switch e.kind {
	case scalar:
		return e.text, true
	case null, absent:
		r.fail(pos, "%s is missing", what)
	case unknown:
		r.fail(e.pos, "%s is not known here: %s", what, e.text)
	default:
		r.fail(e.pos, "%s is not a string", what)
	}
	return "", false
}

func (r *reader) texts(v *value, what string) []string {
	e := r.eval(v)
	switch e.kind {
	case null, absent:
		return nil
	case list:
		var out []string
		for _, item := range e.items {
			if s := r.text(item, what); s != "" {
				out = append(out, s)
			}
		}
		return out
	}
	if s := r.text(e, what); s != "" {
		return []string{s}
	}
	return nil
}

// load takes the sections of a template in CloudFormation's shape.
func (r *reader) load(root *value) error {
	r.parameters, r.mappings, r.conditionTree = root.get("Parameters"), root.get("Mappings"), root.get("Conditions")
	r.conditions, r.absentParameters = map[string]bool{}, map[string]Position{}
	r.resources, r.placeholders = map[string]*resource{}, map[string]*resource{}
	r.samStages, r.stageVariables = map[string]string{}, map[string]string{}
	r.leftOut, r.rewritten = map[Position]string{}, map[Position]string{}
	r.answers = map[string]*resource{}
	r.transforms(root.get("Transform"))
	for name := range r.options.Parameters {
		if r.format != Serverless && r.parameters.get(name) == nil {
			r.note(Position{File: r.file}, Warning, "parameter %s is given, but the template has none of that name", clip(name))
		}
	}
	if err := r.allowed(); err != nil {
		return err
	}
	globals := root.get("Globals")
	sam := r.format == SAM
	for _, f := range root.get("Resources").each() {
		typ := f.value.get("Type")
		if strings.HasPrefix(f.key, "Fn::") {
			r.note(f.pos, Warning, "%s is not understood: the resources that it makes are not run", clip(f.key))
			continue
		}
		if typ == nil || typ.kind != scalar {
			r.note(f.pos, Warning, "resource %s has no Type and is left out", clip(f.key))
			continue
		}
		x := &resource{id: f.key, typ: typ.text, props: f.value.get("Properties"), metadata: f.value.get("Metadata"), condition: f.value.get("Condition"), pos: f.pos}
		if section, ok := strings.CutPrefix(x.typ, "AWS::Serverless::"); ok {
			if !sam {
				r.note(f.pos, Warning, "resource %s is of SAM, but the template has no Transform: AWS::Serverless-2016-10-31, without which AWS refuses it", clip(f.key))
				sam = true
			}
			if x.props = merge(globals.get(section), x.props); x.props != nil && x.props.kind == null {
				x.props = globals.get(section)
			}
		}
		x.made = f.value.get("made") != nil
		r.add(x)
		if x.typ == "AWS::Serverless::WebSocketApi" {
			r.expandWebSocketAPI(x)
		}
	}
	if sam && r.format == CloudFormation {
		r.format = SAM
	}
	return nil
}

func (r *reader) add(x *resource) {
	if r.resources[x.id] == nil {
		r.resources[x.id] = x
		r.order = append(r.order, x)
	}
}

// transforms finds SAM among the macros.
func (r *reader) transforms(v *value) {
	items := []*value{v}
	if v != nil && v.kind == list {
		items = v.items
	}
	for _, item := range items {
		switch {
		case item.empty():
		case item.text == "AWS::Serverless-2016-10-31":
			r.format = SAM
		case item.text == "AWS::LanguageExtensions":
			r.note(item.pos, Info, "of AWS::LanguageExtensions only Fn::Length and the default of Fn::FindInMap are understood")
		case item.kind == scalar:
			r.note(item.pos, Warning, "macro %s is not run: what it changes is not seen here", clip(item.text))
		default:
			r.note(item.pos, Warning, "a macro is not run: what it changes is not seen here")
		}
	}
}

// each is the resources of a type whose condition holds, in the file's order.
func (r *reader) each(types ...string) []*resource {
	var out []*resource
	for _, x := range r.order {
		if slices.Contains(types, x.typ) && r.present(x) {
			out = append(out, x)
		}
	}
	return out
}

// api is the whole description.
func (r *reader) api() (*API, error) {
	if !r.selectAPI() {
		return nil, r.fatal
	}
	stage, ok := r.selectStage()
	if !ok {
		return nil, r.fatal
	}
	x := r.selected
	api := &API{
		Format: r.format, LogicalID: x.id, Name: r.apiName(x), Stage: r.stage, Region: r.region(), Position: x.pos,
		DisabledEndpoint: r.text(x.props.get("DisableExecuteApiEndpoint"), "DisableExecuteApiEndpoint of "+clip(x.id)) == "true",
		RouteSelection:   r.text(x.props.get("RouteSelectionExpression"), "the route selection expression of "+clip(x.id)),
	}
	if api.RouteSelection == "" {
		r.fail(x.pos, "API %s has no RouteSelectionExpression, which a WebSocket API needs, such as $request.body.action", clip(x.id))
	}
	if api.DisabledEndpoint {
		r.note(x.pos, Warning, "the execute-api endpoint of %s is disabled: on AWS only a custom domain leads to it, here only the local address does", clip(x.id))
	}
	if stage != nil {
		r.stageVariables = r.variables(stage.props.get("StageVariables"), "stage variable", x.id)
		r.stageSettings(stage)
	}
	api.StageVariables = r.stageVariables
	r.indexFunctions()
	api.Authorizers = r.authorizers()
	api.Routes = r.routes(api.Authorizers)
	api.Functions = r.functions()
	api.Tables = r.tables()
	r.others()
	return api, nil
}

func (r *reader) apiName(x *resource) string {
	if name := r.text(x.props.get("Name"), "the name of "+clip(x.id)); name != "" {
		return name
	}
	return x.id
}

// selectAPI finds the WebSocket API, or the one that was asked for.
func (r *reader) selectAPI() bool {
	var found []*resource
	for _, x := range r.each("AWS::ApiGatewayV2::Api", "AWS::Serverless::WebSocketApi") {
		protocol := "WEBSOCKET"
		if x.typ == "AWS::ApiGatewayV2::Api" {
			protocol = r.text(x.props.get("ProtocolType"), "ProtocolType of "+clip(x.id))
		}
		if protocol != "WEBSOCKET" {
			r.note(x.pos, Info, "API %s is not a WebSocket API and is left out", clip(x.id))
			continue
		}
		found = append(found, x)
	}
	var names []string
	for _, x := range found {
		name := r.apiName(x)
		if r.options.API != "" && (r.options.API == x.id || r.options.API == name) || r.options.API == "" && len(found) == 1 {
			r.selected = x
			return true
		}
		if name == x.id {
			names = append(names, clip(x.id))
		} else {
			names = append(names, fmt.Sprintf("%s (%s)", clip(x.id), clip(name)))
		}
	}
	switch {
	case len(found) == 0:
		r.fail(Position{File: r.file}, "has no WebSocket API: nothing of type AWS::ApiGatewayV2::Api with ProtocolType WEBSOCKET, no AWS::Serverless::WebSocketApi and no websocket event")
	case r.options.API == "":
		r.fail(found[1].pos, "has several WebSocket APIs: give --api NAME with one of %s", strings.Join(names, ", "))
	default:
		r.fail(Position{File: r.file}, "has no WebSocket API %s: give --api NAME with one of %s", clip(r.options.API), strings.Join(names, ", "))
	}
	return false
}

// ofAPI says whether a property ApiId is the selected API's.
func (r *reader) ofAPI(x *resource) bool {
	id := r.eval(x.props.get("ApiId"))
	if id.kind == scalar {
		return id.text == r.options.LocalAPIID
	}
	if id.kind == unknown {
		r.note(x.pos, Warning, "%s is left out, as its API is not known here: %s", clip(x.id), id.text)
	} else {
		r.note(x.pos, Warning, "%s is left out, as it has no ApiId", clip(x.id))
	}
	return false
}

// selectStage finds the stage, or the one that was asked for. A template
// without one is run all the same.
func (r *reader) selectStage() (*resource, bool) {
	var found []*resource
	var names []string
	for _, x := range r.each("AWS::ApiGatewayV2::Stage", "AWS::ApiGatewayV2::Deployment") {
		if x.typ == "AWS::ApiGatewayV2::Deployment" && x.props.get("StageName") == nil || !r.ofAPI(x) {
			continue
		}
		name, ok := r.need(x.props.get("StageName"), x.pos, "the name of stage "+clip(x.id))
		if !ok {
			return nil, false
		}
		if !slices.Contains(names, name) {
			found, names = append(found, x), append(names, name)
		}
	}
	want := r.options.Stage
	for i, x := range found {
		if want == "" && len(found) == 1 || want == names[i] || want == x.id {
			r.stage = names[i]
			return x, true
		}
	}
	switch {
	case len(found) == 0:
		if r.stage = want; want == "" {
			r.stage = "dev"
		}
		r.note(r.selected.pos, Info, "API %s has no stage in the template: it runs as stage %s", clip(r.selected.id), clip(r.stage))
		return nil, true
	case want == "":
		r.fail(found[1].pos, "API %s has several stages: give --stage NAME with one of %s", clip(r.selected.id), clip(strings.Join(names, ", ")))
	default:
		hint := "give --stage NAME with one of " + clip(strings.Join(names, ", "))
		if by := found[0].props.get("StageName", "Ref"); by != nil && r.parameters.get(by.text) != nil {
			hint += ", or --parameter " + terminal.Word(clip(by.text)+"="+clip(want))
		}
		r.fail(found[0].pos, "API %s has no stage %s: %s", clip(r.selected.id), clip(want), hint)
	}
	return nil, false
}

func (r *reader) stageSettings(x *resource) {
	for _, name := range []string{"DefaultRouteSettings", "RouteSettings"} {
		if v := x.props.get(name); !v.empty() {
			r.note(v.pos, Info, "%s of stage %s, such as throttling, is not done here", name, clip(r.stage))
		}
	}
}

// quiet are types that change nothing for a local run.
var quiet = []string{"AWS::IAM::", "AWS::CDK::", "AWS::Logs::", "AWS::CloudWatch::", "AWS::Lambda::", "AWS::ApiGatewayV2::", "AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::CustomResource", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"}

var understood = []string{"AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Serverless::SimpleTable", "AWS::Serverless::Function", "AWS::Serverless::WebSocketApi", "AWS::Serverless::LayerVersion"}

// others names what is in the template and is not run.
func (r *reader) others() {
	for _, x := range r.order {
		switch {
		case slices.Contains(understood, x.typ) || !r.present(x):
		case x.typ == "AWS::CloudFormation::Stack" || x.typ == "AWS::Serverless::Application":
			r.note(x.pos, Warning, "%s is a template of its own, which is not read", clip(x.id))
		case x.typ == "AWS::Lambda::EventSourceMapping":
			r.note(x.pos, Info, "%s is not run: no streams and no queues are read here", clip(x.id))
		case x.typ == "AWS::ApiGatewayV2::ApiMapping" || x.typ == "AWS::ApiGatewayV2::DomainName":
			r.note(x.pos, Info, "%s is not done: there are no custom domains here", clip(x.id))
		case slices.Contains(slices.Collect(maps.Values(r.answers)), x):
		case x.typ == "AWS::ApiGatewayV2::Model" || x.typ == "AWS::ApiGatewayV2::IntegrationResponse":
			r.note(x.pos, Warning, "%s, of type %s, is not done: there are no models and no mapping templates here", clip(x.id), x.typ)
		case !slices.ContainsFunc(quiet, func(p string) bool { return strings.HasPrefix(x.typ, p) }):
			r.note(x.pos, Info, "%s, of type %s, is not run here", clip(x.id), clip(x.typ))
		}
	}
}
