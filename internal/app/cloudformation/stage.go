package cloudformation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
	"github.com/wirepost/wirepost/internal/terminal"
)

// selectStage finds the stage, or the one that was asked for. It is nil for a
// template without one, which is run all the same, and not ok if the template fails.
func (r *reader) selectStage() (stage *resource, ok bool) {
	found, names, ok := r.stages()
	if !ok {
		return nil, false
	}
	want := r.options.Stage
	for i, x := range found {
		if want == "" && len(found) == 1 || want == names[i] || want == x.id {
			r.stage = names[i]
			return x, true
		}
	}
	api := document.Clip(r.api.id)
	all := document.Clip(strings.Join(names, ", "))
	switch {
	case len(found) == 0:
		r.stage = cmp.Or(want, "dev")
		r.Note(r.api.pos, app.Info, "API %s has no stage in the template: it runs as stage %s", api, document.Clip(r.stage))
		return nil, true
	case want == "":
		r.Fail(found[1].pos, "API %s has several stages: give --stage NAME with one of %s", api, all)
	default:
		hint := "give --stage NAME with one of " + all
		if by := found[0].props.Get("StageName", "Ref"); by != nil && r.parameters.Get(by.Text) != nil {
			hint += ", or --parameter " + terminal.Word(document.Clip(by.Text)+"="+document.Clip(want))
		}
		r.Fail(found[0].pos, "API %s has no stage %s: %s", api, document.Clip(want), hint)
	}
	return nil, false
}

// stages are those of the API, each name once. Not ok: one has no name.
func (r *reader) stages() (found []*resource, names []string, ok bool) {
	for _, x := range r.each("AWS::ApiGatewayV2::Stage", "AWS::ApiGatewayV2::Deployment") {
		if x.typ == "AWS::ApiGatewayV2::Deployment" && x.props.Get("StageName") == nil || !r.ofAPI(x) {
			continue
		}
		name, ok := r.need(x.props.Get("StageName"), x.pos, "the name of stage "+document.Clip(x.id))
		if !ok {
			return nil, nil, false
		}
		if !slices.Contains(names, name) {
			found, names = append(found, x), append(names, name)
		}
	}
	return found, names, true
}

// stageSettings says which settings of a stage are not done.
func (r *reader) stageSettings(x *resource) {
	for _, name := range []string{"DefaultRouteSettings", "RouteSettings"} {
		if v := x.props.Get(name); !v.Empty() {
			r.Note(v.Pos, app.Info, "%s of stage %s, such as throttling, is not done here", name, document.Clip(r.stage))
		}
	}
}
