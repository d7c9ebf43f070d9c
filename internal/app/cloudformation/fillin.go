package cloudformation

import (
	"cmp"
	"fmt"
	"regexp"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// A fillIn is a value that the template's author left to be filled in.
type fillIn struct {
	pos           app.Position
	name, text    string
	kindOf, owner string // of the first of the variables that have it
	parameter     string // that it comes from, or empty
	more          int
}

// fillIn keeps a variable that has such a value.
func (r *reader) fillIn(f field, text, kindOf, owner string) {
	key := kindOf + " " + f.Key + " " + text
	if known := r.told.fillIns[key]; known != nil {
		known.more++
		return
	}
	in := &fillIn{pos: f.Pos, name: f.Key, text: text, kindOf: kindOf, owner: owner}
	if name := f.Value.Get("Ref").ScalarText(); r.parameters.Get(name) != nil {
		in.parameter = name
	}
	r.told.fillIns[key] = in
}

// written is what the template itself has written for a value, with something harmless
// for each reference; empty if that is not one text.
func (r *reader) written(v *value, text string) string {
	sub := v.Get("Fn::Sub")
	if sub != nil && sub.Kind == document.List && len(sub.Items) > 0 {
		sub = sub.Items[0]
	}
	switch {
	case v.Kind == document.Scalar || r.parameters.Get(v.Get("Ref").ScalarText()) != nil:
		return text
	case sub.ScalarText() != "":
		return subVariables.ReplaceAllString(sub.Text, harmless)
	}
	return ""
}

// harmless has the form of an API ID, a region's part and a stage.
const harmless = "q7w8e9r0t1"

// tellFillIn says what to give for a value, and what it would be here if that is plain.
func (r *reader) tellFillIn(in *fillIn, http bool) {
	text := in.kindOf + " " + document.Clip(in.name) + " of " + document.Clip(in.owner)
	if in.more > 0 {
		text += fmt.Sprintf(", and %d more, have", in.more)
	} else {
		text += " has"
	}
	text += " a placeholder for a value, " + document.Clip(in.text)
	here, means := r.hereFor(in, http)
	if here != "" {
		text += "; " + means + " here is " + here
	}
	_, inFile := r.options.MoreValues[in.name]
	switch value := cmp.Or(here, "VALUE"); {
	case in.parameter != "":
		text += ": give " + app.Flag("--parameter", in.parameter, value)
	case in.kindOf != functionVariable: // no flag sets it
	case len(r.told.values[in.name]) > 1:
		text += ": give " + app.Flag("--env", in.owner+"."+in.name, value)
		if in.more > 0 {
			text += ", and so for the others"
		}
	case inFile:
		text += ": give " + app.Flag("--env", in.name, value) + ", as --env-file does not replace what the template says"
	default:
		text += ": give " + app.Flag("--env", in.name, value)
	}
	r.Note(in.pos, app.Warning, "%s", text)
}

// executeAPIFillIn is an address of an API whose ID or region may be anything.
var executeAPIFillIn = regexp.MustCompile(`^(?:(https|wss|http|ws)://)?[^/]*\.execute-api\.[^/]*(/[^/]+)?`)

// hereFor is what a placeholder would be here, and what that is, if it is plainly a
// place of the API that runs. Next to HTTP APIs it may be one of theirs.
func (r *reader) hereFor(in *fillIn, http bool) (here, means string) {
	place := app.PlaceOf(in.name, http)
	scheme, stage := "http", r.stage
	if m := executeAPIFillIn.FindStringSubmatch(in.text); m != nil {
		scheme = m[1]
		if m[2] == "" {
			stage = ""
		}
		if place == app.NoPlace && !http {
			place = app.EndpointPlace
		}
	}
	endpoint := r.apiNames().Endpoint
	if endpoint == nil {
		host := r.apiID(r.api.id) + ".execute-api." + r.options.Region + "." + r.urlSuffix()
		endpoint = func(stage string) string { return "https://" + host + "/" + stage }
	}
	switch place {
	case app.EndpointPlace:
		return r.localEndpoint(endpoint, scheme, stage), "the address of this API"
	case app.HostPlace:
		return r.localEndpoint(endpoint, "", ""), "the host of this API"
	case app.APIIDPlace:
		return r.apiID(r.api.id), "the ID of this API"
	case app.RegionPlace:
		return r.options.Region, "the region"
	}
	return "", ""
}
