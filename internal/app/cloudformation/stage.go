package cloudformation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// selectStage finds the stage, or the one that was asked for. It is nil for a
// template without one, which is run all the same, and not ok if the template fails.
func (r *reader) selectStage() (stage *resource, ok bool) {
	found, names := r.stages()
	want := r.options.Stage
	for i, x := range found {
		if want == "" && len(found) == 1 || want == names[i] || want == x.id {
			r.stage, r.staged = names[i], true
			return x, r.checkStage(x)
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
	case len(found) == 1 && names[0] == defaultStage: // the flag is the way out
		r.stage = want
		r.Note(found[0].pos, app.Warning, "stage %s runs as %s: AWS has no stage %s of a WebSocket API", defaultStage, document.Clip(want), defaultStage)
		return found[0], true
	default:
		hint := "give --stage NAME with one of " + all
		if by := r.namedBy(found[0]); by != "" {
			hint += ", or " + app.Flag("--parameter", by, want)
		}
		r.Fail(found[0].pos, "API %s has no stage %s: %s", api, document.Clip(want), hint)
	}
	return nil, false
}

// defaultStage is a stage of HTTP APIs only. (AWS docs, API Gateway developer guide:
// "Stages for HTTP APIs in API Gateway" has it, "Deploy WebSocket APIs in API Gateway"
// has not. UNCERTAIN: CreateStage is said to take it for a WebSocket API too, whose
// clients then get 429.)
const defaultStage = "$default"

// checkStage refuses a stage whose name a WebSocket API cannot have.
func (r *reader) checkStage(x *resource) bool {
	if r.stage != defaultStage {
		return true
	}
	hint := "give --stage NAME"
	if by := r.namedBy(x); by != "" {
		hint = "give " + app.Flag("--parameter", by, "NAME")
	}
	r.Fail(x.pos, "API %s has the stage %s, which only HTTP APIs have: %s", document.Clip(r.api.id), defaultStage, hint)
	return false
}

// namedBy is the parameter that gives a stage its name, or empty.
func (r *reader) namedBy(x *resource) string {
	for _, f := range r.parameters.Each() {
		for _, text := range strings.Split(asWritten(x.props.Get("StageName"), 0), "\n") {
			if text == f.Key || strings.Contains(text, "${"+f.Key+"}") {
				return f.Key
			}
		}
	}
	return ""
}

// stages are those of the API, each name once. One whose name is not known is left
// out, with a note.
func (r *reader) stages() (found []*resource, names []string) {
	for _, x := range r.each("AWS::ApiGatewayV2::Stage", "AWS::ApiGatewayV2::Deployment") {
		if x.typ == "AWS::ApiGatewayV2::Deployment" && x.props.Get("StageName") == nil || !r.ofAPI(x) {
			continue
		}
		name, why := r.must(x.props.Get("StageName"), "StageName")
		if why != "" {
			r.Note(r.whereOr(x.props.Get("StageName"), x.pos), app.Warning, "stage %s is left out: %s", document.Clip(x.id), why)
			continue
		}
		if !slices.Contains(names, name) {
			found, names = append(found, x), append(names, name)
		}
	}
	return found, names
}
