package dev

import (
	"cmp"
	"maps"
	"slices"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// describe is how a function of an app is run, but for what.
func (all *functions) describe(f *app.Function) lambdart.Config {
	config := all.config
	config.Name = all.nameOf(nil, cmp.Or(f.Name, f.LogicalID))
	config.Timeout = cmp.Or(config.Timeout, f.Timeout)
	config.MemoryMB = f.Memory
	config.Around = all.around(*f, config.Name)
	env := Environment(config.Env)
	var own Environment
	for _, name := range slices.Sorted(maps.Keys(f.Env)) {
		if name == "WIREPOST_STORE" && all.tables.lends(f.Env[name]) {
			continue
		}
		own = append(own, name+"="+f.Env[name])
		env = env.Set(name, all.variable(*f, name))
	}
	all.calls.variables("function "+f.LogicalID, own)
	config.Env = env
	return config
}
