package dev

import (
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
)

// variable is the value of a variable that the template has for a function. Node.js gets
// the options of the template and those that there are already.
func (all *functions) variable(f app.Function, name string) string {
	value := f.Env[name]
	switch strings.ToUpper(name) {
	case "NODE_OPTIONS":
		if before := Environment(all.config.Env).value(name); before != "" {
			value = before + " " + value
		}
	case "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY":
		// Its value may have a password.
		all.c.Report.Hint(fmt.Sprintf("%s: function %s has %s in the template: what it calls goes through that proxy here too", f.Position, app.Clip(f.LogicalID), name))
	}
	return value
}
