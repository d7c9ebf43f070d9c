package main

import (
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/dev"
)

// parseRoutes reads which function a route has.
func (d *devFlags) parseRoutes() (mistake, cure string) {
	for _, r := range d.routes {
		key, function, ok := strings.Cut(r, "=")
		if !ok || key == "" || function == "" {
			return fmt.Sprintf("--route %q: write KEY=FUNCTION, such as sendmessage=./send", r), howNamed
		}
		d.named.Routes = append(d.named.Routes, dev.NamedRoute{Key: key, Function: function})
	}
	return "", ""
}

const howNamed = "'wirepost dev --help' says how functions are named"

// parseStandIns reads what runs in the place of parts of a template, and without one
// who is asked before $connect.
func (d *devFlags) parseStandIns() (mistake, cure string) {
	if d.template.file == "" {
		switch len(d.authorizers) {
		case 0:
		case 1:
			d.named.Authorizer = d.authorizers[0]
		default:
			return "--authorizer is given more than once, but $connect has only one", ""
		}
		return "", ""
	}
	in := app.StandIns{Routes: map[string]string{}, Authorizers: map[string]string{}, Functions: map[string]string{}}
	for _, r := range d.named.Routes {
		if _, twice := in.Routes[r.Key]; twice {
			return fmt.Sprintf("--route %s is given twice", r.Key), ""
		}
		in.Routes[r.Key] = r.Function
	}
	for _, kind := range []struct {
		flag, form string
		given      many
		to         map[string]string
	}{
		{"--authorizer", "NAME=FUNCTION, such as Guard=./guard, next to a --template", d.authorizers, in.Authorizers},
		{"--function", "LOGICALID=FUNCTION or LOGICALID=FOLDER, such as Report=./report", d.template.functions, in.Functions},
	} {
		for _, pair := range kind.given {
			name, function, ok := strings.Cut(pair, "=")
			if !ok || name == "" || function == "" {
				return fmt.Sprintf("%s %q: write %s", kind.flag, pair, kind.form), howNamed
			}
			if _, twice := kind.to[name]; twice {
				return fmt.Sprintf("%s %s is given twice", kind.flag, name), ""
			}
			kind.to[name] = function
		}
	}
	d.template.standIns = in
	return "", ""
}
