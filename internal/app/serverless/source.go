package serverless

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

var plainLiteral = regexp.MustCompile(`^(true|false|-?[0-9]+(\.[0-9]+)?)$`)

// source is one of the alternatives of a variable: nil if it has no value. The key
// names where the value came from, if it can contain itself.
func (x *variables) source(s string, pos app.Position) (v *value, key string) {
	switch {
	case len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0]:
		return x.expand(s[1:len(s)-1], pos)
	case plainLiteral.MatchString(s):
		return document.NewText(pos, s), ""
	case s == "null" || s == "":
		return nil, ""
	}
	v, key = x.expand(s, pos) // the variables within
	if v.Kind != document.Scalar || strings.HasPrefix(s, "${") && closing(s[2:]) == len(s)-3 {
		return v, key
	}
	s = v.Text
	if name, rest, ok := strings.Cut(s, "("); ok && !strings.Contains(name, ":") && !onAWS[name] {
		argument, after, ok := strings.Cut(rest, ")")
		if !ok {
			return document.NewUnknown(pos, "${"+document.Clip(s)+"} has no closing bracket"), ""
		}
		return x.call(name, argument, strings.TrimPrefix(after, ":"), pos)
	}
	return x.named(s, pos)
}

// call is NAME(ARGUMENT):ADDRESS.
func (x *variables) call(name, argument, address string, pos app.Position) (*value, string) {
	switch name {
	case "file":
		return x.at("file("+argument+"):"+address, pos, func() *value {
			if isProgram(argument) {
				return x.walk(x.files.run(argument, address, pos), "")
			}
			return x.walk(x.files.read(argument, pos), address)
		})
	case "strToBool":
		switch b := strings.ToLower(strings.Trim(argument, `'" `)); b {
		case "true", "1":
			return document.NewText(pos, "true"), ""
		case "false", "0":
			return document.NewText(pos, "false"), ""
		}
		return document.NewUnknown(pos, "strToBool of something that is neither true nor false"), ""
	}
	return document.NewUnknown(pos, "${"+document.Clip(name)+"()} is not understood"), ""
}

// named is SOURCE:ADDRESS.
func (x *variables) named(s string, pos app.Position) (*value, string) {
	source, address, _ := strings.Cut(s, ":")
	switch source {
	case "self":
		return x.at(s, pos, func() *value { return x.self(address, pos) })
	case "opt":
		return x.option(address, pos), ""
	case "env":
		return x.env(address, pos), ""
	case "param":
		return x.at(s, pos, func() *value { return x.param(address, pos) })
	case "sls":
		if address == "stage" {
			return x.at("sls:stage", pos, func() *value { return document.NewText(pos, x.stage()) })
		}
		return document.NewText(pos, "local"), "" // instanceId
	case "aws":
		switch address {
		case "accountId":
			return document.NewText(pos, x.options.Account), ""
		case "region":
			return x.at(s, pos, func() *value { return x.self("provider.region", pos) })
		}
	}
	if source, _, _ = strings.Cut(source, "("); onAWS[source] { // ssm(REGION)
		return x.given(source+":"+strings.TrimSuffix(strings.TrimSuffix(address, "~true"), "~split"), pos), ""
	}
	return document.NewUnknown(pos, "${"+document.Clip(s)+"} is not on this machine or not understood"), ""
}

// onAWS are the sources whose values only AWS has. What may stand in brackets behind
// them, such as a region, does not count for the name of a value.
var onAWS = map[string]bool{"ssm": true, "cf": true, "s3": true, "secretsmanager": true}

// secretOf is the path under which Systems Manager has a secret.
const secretOf = "ssm:/aws/reference/secretsmanager/"

// given is what the caller says for something that only AWS has.
func (x *variables) given(name string, pos app.Position) *value {
	x.asked[name] = true
	text, ok := x.value(name)
	if secret, isSecret := strings.CutPrefix(name, secretOf); isSecret && !ok {
		name = "secretsmanager:" + secret
		x.asked[name] = true
		text, ok = x.value(name)
	}
	switch {
	case !ok:
		return document.NewUnknown(pos, "${"+document.Clip(name)+"} is only on AWS; give "+app.Flag("--value", name, "VALUE"))
	case !x.Spend(pos, len(text)):
		return document.TooLarge(pos)
	}
	return document.NewText(pos, text)
}

func (x *variables) value(name string) (string, bool) {
	text, ok := x.options.Values[name]
	if !ok {
		text, ok = x.options.MoreValues[name]
	}
	return text, ok
}

// at runs a look-up of an address and finds those that need themselves.
func (x *variables) at(key string, pos app.Position, find func() *value) (*value, string) {
	if slices.Contains(x.lookup, key) {
		x.circle(pos, x.lookup, key)
		return document.NewUnknown(pos, "${"+document.Clip(key)+"} refers to itself"), ""
	}
	x.lookup = append(x.lookup, key)
	v := find()
	x.lookup = x.lookup[:len(x.lookup)-1]
	return v, key
}

// walk follows the names and indexes of an address.
func (x *variables) walk(v *value, address string) *value {
	v, _ = x.head(v)
	if address == "" {
		return v
	}
	for name := range strings.SplitSeq(address, ".") {
		if v == nil || v.Kind == document.Unknown {
			return v
		}
		child := v.Get(name)
		if i, err := strconv.Atoi(name); err == nil && v.Kind == document.List && i >= 0 && i < len(v.Items) {
			child = v.Items[i]
		}
		v, _ = x.head(child)
	}
	return v
}

// self is an address in the file itself.
func (x *variables) self(address string, pos app.Position) *value {
	if given := x.regionFlag(); address == "provider.region" && given != "" {
		return document.NewText(pos, given)
	}
	v := x.walk(x.root, address)
	if !v.Empty() {
		return v
	}
	switch address {
	case "provider.stage":
		return document.NewText(pos, "dev")
	case "provider.region":
		return document.NewText(pos, cmp.Or(x.region, app.DefaultRegion))
	}
	return document.NewUnknown(pos, "${self:"+document.Clip(address)+"} has no value")
}

func (x *variables) env(name string, pos app.Position) *value {
	if x.options.Env != nil {
		if e := x.options.Env(name); e != "" {
			return document.NewText(pos, e)
		}
	}
	switch e, ok := x.dotenv[name]; {
	case ok && credential.MatchString(name):
		return document.NewUnknown(pos, "environment variable "+document.Clip(name)+" is a credential of a .env file, which no function gets here")
	case ok && x.Spend(pos, len(e)):
		return document.NewText(pos, e)
	}
	return document.NewUnknown(pos, "environment variable "+document.Clip(name)+" is not set")
}

// regionFlag is the region that comes before the provider's, or empty.
func (x *variables) regionFlag() string { return cmp.Or(x.options.Region, x.options.CLI["region"]) }

// option is one of the command line.
func (x *variables) option(name string, pos app.Position) *value {
	x.flags[name] = true
	s, ok := x.options.CLI[name]
	if !ok {
		switch name {
		case "stage":
			s = x.options.Stage
		case "region":
			s = x.options.Region
		}
	}
	if s == "" {
		return document.NewUnknown(pos, "option "+document.Clip(name)+" is not given")
	}
	return document.NewText(pos, s)
}

// param follows 'serverless --param', then the stage's own, then the default.
func (x *variables) param(name string, pos app.Position) *value {
	x.parameters[name] = true
	if s, ok := x.options.Parameters[name]; ok {
		return document.NewText(pos, s)
	}
	stage := x.stage()
	for _, address := range []string{"params." + stage, "stages." + stage + ".params", "params.default", "stages.default.params"} {
		if v, _ := x.head(x.walk(x.root, address).Get(name)); !v.Empty() {
			return v
		}
	}
	return document.NewUnknown(pos, "parameter "+document.Clip(name)+" has no value: give "+app.Flag("--parameter", name, "VALUE"))
}

// stage is ${sls:stage}.
func (x *variables) stage() string {
	o := x.options
	if s := cmp.Or(o.CLI["stage"], o.Stage); s != "" {
		return s
	}
	if v := x.walk(x.root, "provider.stage"); v != nil && v.Kind == document.Scalar {
		return v.Text
	}
	return "dev"
}
