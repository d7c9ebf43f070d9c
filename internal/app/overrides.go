package app

import "maps"

// Overrides are variables that the caller gives to functions in the place of what the
// template says of them.
type Overrides struct {
	All  map[string]string            // of every function
	Each map[string]map[string]string // of one function, by its logical ID or name

	// Loose are functions of Each that the template need not have: a file may serve
	// several templates.
	Loose map[string]bool
}

// Before are those of o and of a file behind it, whose functions the template need not
// have.
func (o Overrides) Before(file Overrides) Overrides {
	out := Overrides{All: maps.Clone(file.All), Each: map[string]map[string]string{}, Loose: map[string]bool{}}
	if out.All == nil {
		out.All = map[string]string{}
	}
	maps.Copy(out.All, o.All)
	for function, variables := range file.Each {
		out.Each[function] = maps.Clone(variables)
		_, named := o.Each[function]
		out.Loose[function] = !named
		for name := range o.All { // of the file's, none comes before a flag
			delete(out.Each[function], name)
		}
	}
	for function, variables := range o.Each {
		if out.Each[function] == nil {
			out.Each[function] = map[string]string{}
		}
		maps.Copy(out.Each[function], variables)
	}
	return out
}

// Of are those of one function. What is given for it alone comes before what is given
// for all.
func (o Overrides) Of(logicalID, name string) map[string]string {
	out := maps.Clone(o.All)
	for _, key := range []string{name, logicalID} {
		for variable, text := range o.Each[key] {
			if out == nil {
				out = map[string]string{}
			}
			out[variable] = text
		}
	}
	return out
}
