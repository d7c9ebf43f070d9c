package mapping

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// step is one part of a JSON path.
type step struct {
	deep    bool // .. before it
	all     bool // *
	names   []string
	indexes []int
	slice   *[3]*int // from, to
	filter  *filter
	length  bool // length() or size() at the end
}

// jsonPath is a parsed path. Its form is that of Jayway's JsonPath, which AWS docs name:
// names, indexes, negative ones too, unions, slices, wildcards, .., filters with
// comparisons, && and ||, and length().
type jsonPath struct {
	steps    []step
	definite bool // it leads to one value at the most
}

const (
	maxPath    = 1000 // bytes
	maxResults = 100_000
)

// paths are those that templates had, parsed: their texts are mostly constants.
var paths = struct {
	sync.Mutex
	all map[string]*jsonPath
}{all: map[string]*jsonPath{}}

func pathOf(text string) (*jsonPath, error) {
	paths.Lock()
	defer paths.Unlock()
	if p := paths.all[text]; p != nil {
		return p, nil
	}
	p, err := parsePath(text)
	if err != nil {
		return nil, fmt.Errorf("the JSON path %s: %w", clip(text), err)
	}
	if len(paths.all) >= 1000 {
		clear(paths.all)
	}
	paths.all[text] = p
	return p, nil
}

// clip is the beginning of a text, in one line.
func clip(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if r := []rune(strings.ToValidUTF8(s, "?")); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

var (
	plainName = regexp.MustCompile(`^[^.\[\]()*?@$,'" \t\r\n]+`)
	indexes   = regexp.MustCompile(`^-?[0-9]{1,9}(?:\s*,\s*-?[0-9]{1,9})*$`)
	sliced    = regexp.MustCompile(`^(-?[0-9]{1,9})?\s*:\s*(-?[0-9]{1,9})?(?:\s*:\s*([0-9]{1,9}))?$`)
)

// parsePath reads a path. One without its dollar sign begins with a name (UNCERTAIN).
func parsePath(text string) (*jsonPath, error) {
	if len(text) > maxPath {
		return nil, fmt.Errorf("it has more than %d bytes", maxPath)
	}
	rest, rooted := strings.CutPrefix(strings.TrimSpace(text), "$")
	if !rooted && rest != "" && rest[0] != '.' && rest[0] != '[' {
		rest = "." + rest
	}
	p := &jsonPath{definite: true}
	for rest != "" {
		s, left, err := parseStep(rest)
		if err != nil {
			return nil, err
		}
		if s.deep || s.all || s.slice != nil || s.filter != nil || len(s.names) > 1 || len(s.indexes) > 1 {
			p.definite = false
		}
		if s.length && left != "" {
			return nil, fmt.Errorf("length() is at its end only")
		}
		p.steps, rest = append(p.steps, s), left
	}
	return p, nil
}

func parseStep(rest string) (s step, left string, err error) {
	if after, ok := strings.CutPrefix(rest, ".."); ok {
		s.deep = true
		rest = "." + after
		if strings.HasPrefix(after, "[") {
			rest = after
		}
	}
	if strings.HasPrefix(rest, "[") {
		return parseBracket(s, rest)
	}
	after, ok := strings.CutPrefix(rest, ".")
	if !ok {
		return s, "", fmt.Errorf("a dot or a bracket is missing before %s", clip(rest))
	}
	if left, ok := strings.CutPrefix(after, "*"); ok {
		s.all = true
		return s, left, nil
	}
	for _, name := range []string{"length()", "size()"} {
		if left, ok := strings.CutPrefix(after, name); ok && !s.deep {
			s.length = true
			return s, left, nil
		}
	}
	if strings.HasPrefix(after, "[") && !s.deep {
		return s, "", fmt.Errorf("a name is missing behind a dot")
	}
	name := plainName.FindString(after)
	left = after[len(name):]
	if name == "" || strings.HasPrefix(left, "(") {
		return s, "", fmt.Errorf("%s is not supported here: names, indexes, *, .., slices, filters and length() are", clip(after))
	}
	s.names = []string{name}
	return s, left, nil
}

// parseBracket reads what stands between brackets.
func parseBracket(s step, rest string) (step, string, error) {
	inner, left, ok := bracketed(rest)
	inner = strings.TrimSpace(inner)
	if !ok {
		return s, "", fmt.Errorf("a bracket is not closed")
	}
	switch {
	case inner == "*":
		s.all = true
	case strings.HasPrefix(inner, "?"):
		f, err := parseFilter(strings.TrimSpace(inner[1:]))
		if err != nil {
			return s, "", err
		}
		s.filter = f
	case indexes.MatchString(inner):
		for text := range strings.SplitSeq(inner, ",") {
			n, _ := strconv.Atoi(strings.TrimSpace(text))
			s.indexes = append(s.indexes, n)
		}
	case sliced.MatchString(inner):
		m := sliced.FindStringSubmatch(inner)
		s.slice = &[3]*int{}
		for i, text := range m[1:] {
			if n, err := strconv.Atoi(text); err == nil {
				s.slice[i] = &n
			}
		}
	default:
		names, ok := quotedNames(inner)
		if !ok {
			return s, "", fmt.Errorf("[%s] is neither an index, a slice, a filter nor a name in quotes", clip(inner))
		}
		s.names = names
	}
	return s, left, nil
}

// bracketed cuts what stands between the bracket at the beginning and the one that closes
// it, outside of quotes.
func bracketed(s string) (inner, left string, ok bool) {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], true
			}
		}
	}
	return "", "", false
}

func quotedNames(s string) (names []string, ok bool) {
	for {
		s = strings.TrimSpace(s)
		if len(s) < 2 || s[0] != '\'' && s[0] != '"' {
			return nil, false
		}
		name, left, ok := cutQuoted(s)
		if !ok {
			return nil, false
		}
		names = append(names, name)
		left = strings.TrimSpace(left)
		if left == "" {
			return names, true
		}
		if s, ok = strings.CutPrefix(left, ","); !ok {
			return nil, false
		}
	}
}

// cutQuoted cuts a text in quotes, in which a backslash takes what follows as it is.
func cutQuoted(s string) (text, left string, ok bool) {
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			out.WriteByte(s[i])
		case s[i] == s[0]:
			return out.String(), s[i+1:], true
		default:
			out.WriteByte(s[i])
		}
	}
	return "", "", false
}

// find is what a path leads to.
func (p *jsonPath) find(d *document) ([]span, error) { return p.from(d, d.root) }

func (p *jsonPath) from(d *document, root span) ([]span, error) {
	found := []span{root}
	for i := range p.steps {
		s := &p.steps[i]
		if s.length {
			return found, nil
		}
		var next []span
		for _, at := range found {
			if s.deep {
				for _, below := range d.below(nil, at) {
					next = s.apply(d, next, below)
				}
			} else {
				next = s.apply(d, next, at)
			}
			if len(next) > maxResults {
				return nil, fmt.Errorf("a JSON path finds more than %d values", maxResults)
			}
		}
		found = next
	}
	return found, nil
}

// below are a value and all in it.
func (d *document) below(dst []span, at span) []span {
	dst = append(dst, at)
	if k := d.kind(at); k == '{' || k == '[' {
		for _, m := range d.members(at) {
			if len(dst) > maxResults {
				break
			}
			dst = d.below(dst, m.at)
		}
	}
	return dst
}

func (s *step) apply(d *document, dst []span, at span) []span {
	k := d.kind(at)
	if k != '{' && k != '[' {
		return dst
	}
	all := d.members(at)
	switch {
	case s.all:
		for _, m := range all {
			dst = append(dst, m.at)
		}
	case s.names != nil && k == '{':
		for _, name := range s.names {
			for i := range all {
				if all[i].name == name {
					dst = append(dst, all[i].at)
				}
			}
		}
	case s.indexes != nil && k == '[':
		for _, n := range s.indexes {
			if n < 0 {
				n += len(all)
			}
			if n >= 0 && n < len(all) {
				dst = append(dst, all[n].at)
			}
		}
	case s.slice != nil && k == '[':
		from, to, by := bounds(s.slice, len(all))
		for i := from; i < to; i += by {
			dst = append(dst, all[i].at)
		}
	case s.filter != nil && k == '[':
		for _, m := range all {
			if s.filter.holds(d, m.at) {
				dst = append(dst, m.at)
			}
		}
	case s.filter != nil && s.filter.holds(d, at):
		dst = append(dst, at)
	}
	return dst
}

func bounds(slice *[3]*int, n int) (from, to, by int) {
	from, to, by = 0, n, 1
	if slice[0] != nil {
		if from = *slice[0]; from < 0 {
			from += n
		}
	}
	if slice[1] != nil {
		if to = *slice[1]; to < 0 {
			to += n
		}
	}
	if slice[2] != nil {
		by = max(*slice[2], 1)
	}
	return max(from, 0), min(to, n), by
}
