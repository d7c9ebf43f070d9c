package serverless

import (
	"regexp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// variables resolves the ${source:address, fallback} of serverless.yml. What
// belongs to CloudFormation, such as ${AWS::Region} and ${Name}, stays.
type variables struct {
	*document.Reading
	options Options
	root    *value
	files   *files
	region  string   // what the CLI or the provider says, once that is read
	lookup  []string // addresses that are being looked up
	within  []string // addresses whose value is being resolved
	depth   int
	dotenv  map[string]string // what ${env:} has from a .env file

	asked, parameters, flags map[string]bool // names of values, of ${param:} and of ${opt:} that were looked up
}

const (
	maxName     = 80      // bytes of the source of a variable
	maxVariable = 4 << 10 // bytes from its brace to the one that closes it
)

var variableStart = regexp.MustCompile(`^\s*[a-z][A-Za-z0-9_-]*(\(|:[^:]|:$)`)

// resolve is a value in which every variable is resolved.
func (x *variables) resolve(v *value) *value {
	if v == nil || v.Kind != document.Scalar && v.Kind != document.List && v.Kind != document.Map {
		return v
	}
	if x.depth++; x.depth > document.MaxNesting || !x.Spend(v.Pos, 1) {
		x.depth--
		return document.NewUnknown(v.Pos, "its variables are nested too deeply")
	}
	defer func() { x.depth-- }()
	v, key := x.head(v)
	if v.Kind != document.List && v.Kind != document.Map {
		return v
	}
	if key != "" {
		if slices.Contains(x.within, key) {
			x.circle(v.Pos, x.within, key)
			return document.NewUnknown(v.Pos, "${"+document.Clip(key)+"} contains itself")
		}
		x.within = append(x.within, key)
		defer func() { x.within = x.within[:len(x.within)-1] }()
	}
	out := &value{Kind: v.Kind, Pos: v.Pos}
	for _, item := range v.Items {
		out.Items = append(out.Items, x.resolve(item))
	}
	for _, f := range v.Fields {
		out.Fields = append(out.Fields, field{Key: f.Key, Pos: f.Pos, Value: x.resolve(f.Value)})
	}
	return out
}

func (x *variables) circle(pos app.Position, active []string, key string) {
	chain := append(append([]string(nil), active[slices.Index(active, key):]...), key)
	for i := range chain {
		chain[i] = "${" + chain[i] + "}"
	}
	x.Fail(pos, "variable %s refers to itself: %s", document.Clip(chain[0]), document.Clip(strings.Join(chain, " → ")))
}

// head resolves a value as far as its kind; what is inside it is not resolved
// yet. The key names where it came from, if that was a variable.
func (x *variables) head(v *value) (*value, string) {
	if v == nil || v.Kind != document.Scalar || !strings.Contains(v.Text, "${") {
		return v, ""
	}
	return x.expand(v.Text, v.Pos)
}

// expand replaces the variables in a string. A string that is nothing but one
// variable becomes whatever that is.
func (x *variables) expand(s string, pos app.Position) (*value, string) {
	if x.depth++; x.depth > document.MaxNesting || !x.Spend(pos, len(s)) {
		x.depth--
		return document.NewUnknown(pos, "its variables are nested too deeply"), ""
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
			if end = closing(rest[i+2 : min(i+2+maxVariable, len(rest))]); !x.Spend(pos, maxName) {
				return document.NewUnknown(pos, "its variables are too long"), ""
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
		if v.Kind != document.Scalar {
			return document.OrUnknown(v, pos, "${"+document.Clip(rest[i+2:i+2+end])+"} is not a string, but is within one"), ""
		}
		out.WriteString(rest[:i] + v.Text)
		rest = rest[i+3+end:]
		if out.Len() > document.MaxString {
			return document.NewUnknown(pos, "its variables make a string that is too long"), ""
		}
	}
	if !x.Spend(pos, out.Len()) {
		return document.NewUnknown(pos, "its variables make a string that is too long"), ""
	}
	return document.NewText(pos, out.String()), ""
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
func (x *variables) first(body string, pos app.Position) (*value, string) {
	var why *value
	all := sources(body)
	for _, s := range all {
		v, key := x.source(strings.TrimSpace(s), pos)
		if v != nil && v.Kind != document.Unknown && !v.Empty() {
			return v, key
		}
		if why == nil && v != nil {
			why = v
		}
	}
	if why == nil {
		why = document.NewUnknown(pos, "${"+document.Clip(body)+"} has no value")
	}
	return why, ""
}
