package cloudformation

import (
	"maps"
	"slices"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// checkStandIns fails for a stand-in of a part that there is not.
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
	} {
		for _, name := range slices.Sorted(maps.Keys(kind.given)) {
			if !slices.Contains(kind.there, name) {
				slices.Sort(kind.there)
				r.Fail(app.Position{File: r.File()}, "has no %s %s, for which %s is given%s", kind.what, document.Clip(name), kind.flag, instead(name, slices.Compact(kind.there)))
			}
		}
	}
}
