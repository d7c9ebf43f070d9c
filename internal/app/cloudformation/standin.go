package cloudformation

import (
	"maps"
	"slices"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// overridden are the functions for which variables are given.
func (r *reader) overridden() map[string]string {
	out := map[string]string{}
	for name, variables := range r.options.Overrides.Each {
		if len(variables) > 0 {
			out[name] = ""
		}
	}
	return out
}

// checkStandIns fails for a stand-in of a part that there is not, and for variables of
// a function that there is not.
func (r *reader) checkStandIns(a *app.App) {
	var routes, authorizers, functions []string
	for _, route := range a.APIs[0].Routes {
		routes = append(routes, route.Key)
	}
	for _, z := range a.APIs[0].Authorizers {
		authorizers = append(authorizers, z.LogicalID, z.Name)
	}
	for _, f := range a.Functions {
		functions = append(functions, f.LogicalID, f.Name)
	}
	in := r.options.StandIns
	for _, kind := range []struct {
		flag, what string
		given      map[string]string
		there      []string
	}{
		{"--route", "route", in.Routes, routes}, {"--authorizer", "authorizer", in.Authorizers, authorizers}, {"--function", "function", in.Functions, functions},
		{"--env", "function", r.overridden(), functions},
	} {
		for _, name := range slices.Sorted(maps.Keys(kind.given)) {
			if !slices.Contains(kind.there, name) {
				slices.Sort(kind.there)
				if kind.flag == "--env" && r.options.Overrides.Loose[name] {
					r.Note(app.Position{File: r.File()}, app.Warning, "has no function %s, for which --env-vars has variables%s", document.Clip(name), didYouMean(name, slices.Compact(kind.there)))
					continue
				}
				r.Fail(app.Position{File: r.File()}, "has no %s %s, for which %s is given%s", kind.what, document.Clip(name), kind.flag, instead(name, slices.Compact(kind.there)))
			}
		}
	}
}
