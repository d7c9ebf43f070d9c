package dev

import (
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
)

// variable gives a function a variable that the template has for it. Node.js takes the
// options of the template and those that are there already.
func (all *functions) variable(env Environment, f app.Function, name string) Environment {
	value := f.Env[name]
	switch strings.ToUpper(name) {
	case "NODE_OPTIONS":
		if before := env.value(name); before != "" {
			value = before + " " + value
		}
	case "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY":
		// Its value may have a password.
		all.c.Report.Hint(fmt.Sprintf("%s: function %s has %s in the template: what it calls goes through that proxy here too", f.Position, app.Clip(f.LogicalID), name))
	}
	return env.Set(name, value)
}
