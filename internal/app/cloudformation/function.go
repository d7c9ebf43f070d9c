package cloudformation

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// indexFunctions prepares functionOf.
func (r *reader) indexFunctions() {
	for _, x := range r.each(functionTypes...) {
		if name := r.physical(x, x.pos); name.Kind == document.Scalar {
			r.functionIDs[name.Text] = append(r.functionIDs[name.Text], x.id)
		} else {
			r.Note(x.pos, app.Warning, "the name of function %s is not known here and is its logical ID: %s", document.Clip(x.id), name.Text)
			x.name = document.NewText(x.pos, x.id)
			r.functionIDs[x.id] = append(r.functionIDs[x.id], x.id)
		}
	}
}

var stageVariable = regexp.MustCompile(`\$\{stageVariables\.([A-Za-z0-9_]+)\}`)

// functionOf is the logical ID of the function that a URI, an ARN or a name
// means, or why there is none.
func (r *reader) functionOf(uri string) (id, why string) {
	uri = stageVariable.ReplaceAllStringFunc(uri, func(m string) string {
		return r.stageVariables[stageVariable.FindStringSubmatch(m)[1]]
	})
	name := app.FunctionName(uri)
	ids := r.functionIDs[name]
	switch {
	case len(ids) == 1:
		return ids[0], ""
	case len(ids) > 1:
		return "", "function name " + document.Clip(name) + " is that of " + document.Clip(strings.Join(ids, " and of "))
	}
	if x, _ := r.resource(name); x != nil && isFunction(x.typ) {
		return x.id, ""
	}
	return "", "function " + document.Clip(name) + " is not in the template"
}

// functions are all of the template.
func (r *reader) functions() []app.Function {
	r.indexLayers()
	var out []app.Function
	for _, x := range r.each(functionTypes...) {
		out = append(out, r.function(x))
	}
	return out
}

func (r *reader) function(x *resource) app.Function {
	p, what := x.props, "function "+document.Clip(x.id)
	f := app.Function{
		LogicalID: x.id, Name: r.physical(x, x.pos).Text, Position: x.pos,
		Handler:      r.text(p.Get("Handler"), "the handler of "+what),
		Runtime:      r.text(p.Get("Runtime"), "the runtime of "+what),
		Code:         app.Code{Kind: app.CodeKind(r.text(p.Get("PackageType"), "PackageType of "+what))},
		Architecture: "x86_64",
		Timeout:      time.Duration(r.number(p.Get("Timeout"), 3, 900, "the timeout of "+what)) * time.Second,
		Memory:       r.number(p.Get("MemorySize"), 128, 32<<10, "the memory of "+what),
	}
	f.StandIn = cmp.Or(r.options.StandIns.Functions[f.LogicalID], r.options.StandIns.Functions[f.Name])
	// The variables are read in both steps, so that Read finds their mistakes.
	if env := r.environment(x, f.Name); r.names != nil {
		f.Env = env
	}
	if a := r.texts(p.Get("Architectures"), "the architecture of "+what); len(a) > 0 {
		f.Architecture = a[0]
	}
	r.code(x, &f.Code)
	f.Layers = r.layersOf(x, what)
	if f.Code.Kind != app.CodeImage {
		f.Code.Kind = app.CodeZip
	}
	r.decide(&f)
	return f
}

// decide says how a function is started, or why it cannot be. A stand-in that is a
// folder or a zip file is its code.
func (r *reader) decide(f *app.Function) {
	if info, err := os.Stat(f.StandIn); f.StandIn != "" && err == nil && (info.IsDir() || strings.EqualFold(filepath.Ext(f.StandIn), ".zip")) {
		f.Code, f.StandIn = app.Code{Kind: app.CodeZip, Path: filepath.Clean(f.StandIn)}, ""
	}
	f.Decide(r.format, r.dirOf(f.Position.File))
	if f.Launch != nil && f.Launch.Newer != "" {
		r.Note(f.Position, app.Warning, "the program %s of function %s is older than %s: what runs is not that", document.Clip(f.Launch.Path), document.Clip(f.LogicalID), document.Clip(f.Launch.Newer))
	}
	if f.Unrunnable == nil {
		return
	}
	f.Unrunnable.For = r.invokers[f.LogicalID]
	r.Add(f.Unrunnable.Note(len(f.Unrunnable.For) > 0))
}

// invokedBy keeps that a route, an authorizer or a source needs a function.
func (r *reader) invokedBy(function, by string) {
	r.invokers[function] = append(r.invokers[function], by)
}

// environment is the variables of a function with that name.
func (r *reader) environment(x *resource, name string) map[string]string {
	e := x.props.Get("Environment")
	if _, _, ok := e.Intrinsic(); ok {
		e = r.eval(e)
	}
	return r.variables(e.Get("Variables"), functionVariable, x.id, r.options.Overrides.Of(x.id, name))
}
