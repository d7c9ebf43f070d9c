package template

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/terminal"
)

// variables resolves the ${source:address, fallback} of serverless.yml. What
// belongs to CloudFormation, such as ${AWS::Region} and ${Name}, stays.
type variables struct {
	r      *reader
	root   *value
	files  *files
	lookup []string // addresses that are being looked up
	within []string // addresses whose value is being resolved
	depth  int
}

const (
	maxName     = 80      // bytes of the source of a variable
	maxVariable = 4 << 10 // bytes from its brace to the one that closes it
)

var variableStart = regexp.MustCompile(`^\s*[a-z][A-Za-z0-9_-]*(\(|:[^:]|:$)`)

// resolve is a value in which every variable is resolved.
func (x *variables) resolve(v *value) *value {
	if v == nil || v.kind != scalar && v.kind != list && v.kind != mapping {
		return v
	}
	if x.depth++; x.depth > maxCalls || !x.r.spend(v.pos, 1) {
		x.depth--
		return newUnknown(v.pos, "its variables are nested too deeply")
	}
	defer func() { x.depth-- }()
	v, key := x.head(v)
	if v.kind != list && v.kind != mapping {
		return v
	}
	if key != "" {
		if slices.Contains(x.within, key) {
			x.circle(v.pos, x.within, key)
			return newUnknown(v.pos, "${"+clip(key)+"} contains itself")
		}
		x.within = append(x.within, key)
		defer func() { x.within = x.within[:len(x.within)-1] }()
	}
	out := &value{kind: v.kind, pos: v.pos}
	for _, item := range v.items {
		out.items = append(out.items, x.resolve(item))
	}
	for _, f := range v.fields {
		out.fields = append(out.fields, field{f.key, f.pos, x.resolve(f.value)})
	}
	return out
}

func (x *variables) circle(pos Position, active []string, key string) {
	chain := append(append([]string(nil), active[slices.Index(active, key):]...), key)
	for i := range chain {
		chain[i] = "${" + chain[i] + "}"
	}
	x.r.fail(pos, "variable %s refers to itself: %s", clip(chain[0]), clip(strings.Join(chain, " → ")))
}

// head resolves a value as far as its kind; what is inside it is not resolved
// yet. The key names where it came from, if that was a variable.
func (x *variables) head(v *value) (*value, string) {
	if v == nil || v.kind != scalar || !strings.Contains(v.text, "${") {
		return v, ""
	}
	return x.expand(v.text, v.pos)
}

// expand replaces the variables in a string. A string that is nothing but one
// variable becomes whatever that is.
func (x *variables) expand(s string, pos Position) (*value, string) {
	if x.depth++; x.depth > maxCalls || !x.r.spend(pos, len(s)) {
		x.depth--
		return newUnknown(pos, "its variables are nested too deeply"), ""
	}
	defer func() { x.depth-- }()
	var out strings.Builder
	for rest := s; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			out.WriteString(rest)
			break
		}
		if i > 0 && rest[i-1] == '\\' {
			out.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		end := -1
		if variableStart.MatchString(rest[i+2 : min(i+2+maxName, len(rest))]) {
			if end = closing(rest[i+2 : min(i+2+maxVariable, len(rest))]); !x.r.spend(pos, maxName) {
				return newUnknown(pos, "its variables are too long"), ""
			}
		}
		if end < 0 || !variableStart.MatchString(rest[i+2:i+2+end]) {
			out.WriteString(rest[:i+2])
			rest = rest[i+2:]
			continue
		}
		v, key := x.first(rest[i+2:i+2+end], pos)
		if i == 0 && out.Len() == 0 && i+3+end == len(s) {
			return v, key
		}
		if v.kind != scalar {
			return orUnknown(v, pos, "${"+clip(rest[i+2:i+2+end])+"} is not a string, but is within one"), ""
		}
		out.WriteString(rest[:i] + v.text)
		rest = rest[i+3+end:]
		if out.Len() > maxString {
			return newUnknown(pos, "its variables make a string that is too long"), ""
		}
	}
	if !x.r.spend(pos, out.Len()) {
		return newUnknown(pos, "its variables make a string that is too long"), ""
	}
	return newText(pos, out.String()), ""
}

// closing is where the brace that was opened before s closes.
func closing(s string) int {
	open := 1
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "${"):
			open++
			i++
		case s[i] == '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// sources splits at the commas that are not within quotes, braces or brackets.
func sources(s string) []string {
	var out []string
	start, depth, quote := 0, 0, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '\'' || c == '"') && strings.TrimSpace(s[start:i]) == "":
			quote = c
		case c == '{' || c == '(':
			depth++
		case c == '}' || c == ')':
			depth--
		case c == ',' && depth == 0:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// first is the first source of a variable that has a value, or unknown with
// the reason of the first that has none.
func (x *variables) first(body string, pos Position) (*value, string) {
	var why *value
	all := sources(body)
	for _, s := range all {
		v, key := x.source(strings.TrimSpace(s), pos)
		if v != nil && v.kind != unknown && !v.empty() {
			return v, key
		}
		if why == nil && v != nil {
			why = v
		}
	}
	if why == nil {
		why = newUnknown(pos, "${"+clip(body)+"} has no value")
	}
	return why, ""
}

var plainLiteral = regexp.MustCompile(`^(true|false|-?[0-9]+(\.[0-9]+)?)$`)

// source is one of the alternatives of a variable: nil if it has no value.
func (x *variables) source(s string, pos Position) (*value, string) {
	switch {
	case len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0]:
		return x.expand(s[1:len(s)-1], pos)
	case plainLiteral.MatchString(s):
		return newText(pos, s), ""
	case s == "null" || s == "":
		return nil, ""
	}
	v, key := x.expand(s, pos)
	if v.kind != scalar || strings.HasPrefix(s, "${") && closing(s[2:]) == len(s)-3 {
		return v, key
	}
	s = v.text
	typ, address, _ := strings.Cut(s, ":")
	if name, rest, ok := strings.Cut(s, "("); ok && !strings.Contains(name, ":") {
		argument, after, ok := strings.Cut(rest, ")")
		if !ok {
			return newUnknown(pos, "${"+clip(s)+"} has no closing bracket"), ""
		}
		after = strings.TrimPrefix(after, ":")
		switch name {
		case "file":
			return x.at("file("+argument+"):"+after, pos, func() *value { return x.walk(x.files.read(argument, pos), after) })
		case "strToBool":
			switch b := strings.ToLower(strings.Trim(argument, `'" `)); b {
			case "true", "1":
				return newText(pos, "true"), ""
			case "false", "0":
				return newText(pos, "false"), ""
			}
			return newUnknown(pos, "strToBool of something that is neither true nor false"), ""
		}
		return newUnknown(pos, "${"+clip(name)+"()} is not understood"), ""
	}
	o := x.r.options
	switch typ {
	case "self":
		return x.at(s, pos, func() *value { return x.self(address, pos) })
	case "opt":
		return x.option(address, pos), ""
	case "env":
		if o.Env != nil {
			if e := o.Env(address); e != "" {
				return newText(pos, e), ""
			}
		}
		return newUnknown(pos, "environment variable "+clip(address)+" is not set"), ""
	case "param":
		return x.at(s, pos, func() *value { return x.param(address, pos) })
	case "sls":
		if address == "stage" {
			return x.at("sls:stage", pos, func() *value { return newText(pos, x.stage()) })
		}
		return newText(pos, "local"), "" // instanceId
	case "aws":
		switch address {
		case "accountId":
			return newText(pos, o.AccountID), ""
		case "region":
			return x.at(s, pos, func() *value { return x.self("provider.region", pos) })
		}
	}
	return newUnknown(pos, "${"+clip(s)+"} is not on this machine or not understood"), ""
}

// at runs a look-up of an address and finds those that need themselves.
func (x *variables) at(key string, pos Position, find func() *value) (*value, string) {
	if slices.Contains(x.lookup, key) {
		x.circle(pos, x.lookup, key)
		return newUnknown(pos, "${"+clip(key)+"} refers to itself"), ""
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
		if v == nil || v.kind == unknown {
			return v
		}
		child := v.get(name)
		if i, err := strconv.Atoi(name); err == nil && v.kind == list && i >= 0 && i < len(v.items) {
			child = v.items[i]
		}
		v, _ = x.head(child)
	}
	return v
}

func (x *variables) self(address string, pos Position) *value {
	v := x.walk(x.root, address)
	if !v.empty() {
		return v
	}
	switch address {
	case "provider.stage":
		return newText(pos, "dev")
	case "provider.region":
		return newText(pos, x.r.region())
	}
	return newUnknown(pos, "${self:"+clip(address)+"} has no value")
}

func (x *variables) option(name string, pos Position) *value {
	s, ok := x.r.options.CLI[name]
	if !ok {
		switch name {
		case "stage":
			s = x.r.options.Stage
		case "region":
			s = x.r.options.Region
		}
	}
	if s == "" {
		return newUnknown(pos, "option "+clip(name)+" is not given")
	}
	return newText(pos, s)
}

// param follows 'serverless --param', then the stage's own, then the default.
func (x *variables) param(name string, pos Position) *value {
	if s, ok := x.r.options.Parameters[name]; ok {
		return newText(pos, s)
	}
	stage := x.stage()
	for _, address := range []string{"params." + stage, "stages." + stage + ".params", "params.default", "stages.default.params"} {
		if v, _ := x.head(x.walk(x.root, address).get(name)); !v.empty() {
			return v
		}
	}
	return newUnknown(pos, "parameter "+clip(name)+" has no value: give --parameter "+terminal.Word(clip(name))+"=VALUE")
}

func (x *variables) stage() string {
	o := x.r.options
	if s := cmp.Or(o.CLI["stage"], o.Stage); s != "" {
		return s
	}
	if v := x.walk(x.root, "provider.stage"); v != nil && v.kind == scalar {
		return v.text
	}
	return "dev"
}
