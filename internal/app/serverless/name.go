package serverless

import (
	"maps"
	"slices"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// checkNames looks at the parameters and options that were given: one that nothing
// asks for is a mistake if it is nearly one that is asked for, and else a note, since
// a part of the file that is not read may ask for it.
func (s *service) checkNames(own *value) {
	x := s.variables
	s.checkGiven("parameter", x.options.Parameters, x.parameters, func(name string) bool {
		return own.Get("Parameters", name) != nil || slices.Contains(s.declared(), name)
	})
	s.checkGiven("option", x.options.CLI, x.flags, func(name string) bool { return name == "stage" || name == "region" })
}

func (s *service) checkGiven(what string, given map[string]string, asked map[string]bool, known func(string) bool) {
	file := app.Position{File: s.File()}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if asked[name] || known(name) {
			continue
		}
		var open []string
		for other := range asked {
			if _, ok := given[other]; !ok {
				open = append(open, other)
			}
		}
		if what == "parameter" {
			open = append(open, s.declared()...)
		}
		if near := app.Nearest(name, open); near != "" {
			s.Fail(file, "nothing uses %s %s: did you mean %s?", what, document.Clip(name), document.Clip(near))
		} else {
			s.Note(file, app.Warning, "%s %s is given, but nothing that is read asks for it", what, document.Clip(name))
		}
	}
}

// declared are the names of the parameters that the file has values of.
func (s *service) declared() (names []string) {
	for _, address := range []string{"params." + s.stage, "stages." + s.stage + ".params", "params.default", "stages.default.params"} {
		for _, f := range s.variables.walk(s.variables.root, address).Each() {
			names = append(names, f.Key)
		}
	}
	return names
}
