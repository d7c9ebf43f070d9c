package vtl

import (
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// units is a string in UTF-16, in which Java measures. A string of ASCII stays as it is.
type units struct {
	ascii string
	wide  []uint16
}

func unitsOf(s string) units {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return units{wide: utf16.Encode([]rune(s))}
		}
	}
	return units{ascii: s}
}

func (u units) len() int64 {
	if u.wide != nil {
		return int64(len(u.wide))
	}
	return int64(len(u.ascii))
}

func (u units) slice(from, to int64) string {
	if u.wide != nil {
		return string(utf16.Decode(u.wide[from:to]))
	}
	return u.ascii[from:to]
}

// index is the place in UTF-16 of a place in bytes.
func index(s string, at int) int64 {
	if at < 0 {
		return -1
	}
	return unitsOf(s[:at]).len()
}

func (r *run) stringMethod(s, name string, args []any) (any, error) {
	if err := r.spend(len(s)); err != nil {
		return nil, err
	}
	switch len(args) {
	case 0:
		switch name {
		case "length":
			return unitsOf(s).len(), nil
		case "isEmpty":
			return s == "", nil
		case "trim":
			return strings.TrimFunc(s, func(c rune) bool { return c <= ' ' }), nil
		case "toLowerCase":
			return strings.ToLower(s), nil
		case "toUpperCase":
			return strings.ToUpper(strings.ReplaceAll(s, "ß", "SS")), nil
		}
	case 1:
		return r.stringMethod1(s, name, args[0])
	case 2:
		return r.stringMethod2(s, name, args)
	}
	return nil, nil
}

func (r *run) stringMethod1(s, name string, arg any) (any, error) {
	if n, ok := arg.(int64); ok {
		u := unitsOf(s)
		switch name {
		case "substring":
			if n < 0 || n > u.len() {
				return nil, tooMuch("%d is outside of a text of %d characters", n, u.len())
			}
			return u.slice(n, u.len()), nil
		case "charAt":
			if n < 0 || n >= u.len() {
				return nil, tooMuch("%d is outside of a text of %d characters", n, u.len())
			}
			return u.slice(n, n+1), nil
		case "indexOf":
			return index(s, strings.IndexRune(s, rune(n))), nil
		case "valueOf":
			return r.call(n, "toString", nil)
		}
		return nil, nil
	}
	t, ok := arg.(string)
	if !ok {
		if name == "valueOf" && arg != nil {
			return r.call(arg, "toString", nil)
		}
		if name == "equalsIgnoreCase" && arg == nil {
			return false, nil
		}
		return nil, nil
	}
	switch name {
	case "contains":
		return strings.Contains(s, t), nil
	case "startsWith":
		return strings.HasPrefix(s, t), nil
	case "endsWith":
		return strings.HasSuffix(s, t), nil
	case "equalsIgnoreCase":
		return strings.EqualFold(s, t), nil
	case "indexOf":
		return index(s, strings.Index(s, t)), nil
	case "lastIndexOf":
		return index(s, strings.LastIndex(s, t)), nil
	case "concat":
		return s + t, r.spend(len(s) + len(t))
	case "compareTo":
		return compareTexts(s, t), nil
	case "valueOf":
		return t, nil
	case "matches":
		x, err := pattern(`\A(?:` + t + `)\z`)
		if err != nil {
			return nil, err
		}
		return x.MatchString(s), nil
	case "split":
		return r.split(s, t, 0)
	}
	return nil, nil
}

// compareTexts is Java's compareTo: the difference of the first units that differ, or of
// the lengths.
func compareTexts(s, t string) int64 {
	a, b := utf16.Encode([]rune(s)), utf16.Encode([]rune(t))
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return int64(a[i]) - int64(b[i])
		}
	}
	return int64(len(a) - len(b))
}

func (r *run) stringMethod2(s, name string, args []any) (any, error) {
	n, isInt := args[0].(int64)
	m, isInt2 := args[1].(int64)
	if name == "substring" && isInt && isInt2 {
		u := unitsOf(s)
		if n < 0 || m > u.len() || n > m {
			return nil, tooMuch("%d to %d is outside of a text of %d characters", n, m, u.len())
		}
		return u.slice(n, m), nil
	}
	t, ok := args[0].(string)
	if !ok {
		return nil, nil
	}
	if isInt2 {
		switch name {
		case "indexOf":
			return indexFrom(s, t, m), nil
		case "lastIndexOf":
			return lastIndexFrom(s, t, m), nil
		case "startsWith":
			u := unitsOf(s)
			return m >= 0 && m <= u.len() && strings.HasPrefix(u.slice(m, u.len()), t), nil
		case "split":
			return r.split(s, t, m)
		}
	}
	by, ok := args[1].(string)
	if !ok {
		return nil, nil
	}
	switch name {
	case "replace":
		if err := r.spend(strings.Count(s, t) * len(by)); err != nil {
			return nil, err
		}
		return strings.ReplaceAll(s, t, by), nil
	case "replaceAll":
		return r.replace(s, t, by, -1)
	case "replaceFirst":
		return r.replace(s, t, by, 1)
	}
	return nil, nil
}

func indexFrom(s, t string, from int64) int64 {
	u := unitsOf(s)
	from = min(max(from, 0), u.len())
	rest := u.slice(from, u.len())
	if i := index(rest, strings.Index(rest, t)); i >= 0 {
		return from + i
	}
	return -1
}

func lastIndexFrom(s, t string, from int64) int64 {
	u := unitsOf(s)
	if from < 0 {
		return -1
	}
	end := min(from+unitsOf(t).len(), u.len())
	return index(u.slice(0, end), strings.LastIndex(u.slice(0, end), t))
}

// pattern is a pattern of Java, as far as Go has it: without looking around, references
// to groups and possessive quantifiers. It takes time in proportion to the text.
func pattern(p string) (*regexp.Regexp, error) {
	x, err := regexp.Compile(p)
	if err != nil {
		return nil, tooMuch("the pattern %s is not supported here: %v", clip(p), err)
	}
	return x, nil
}

// replace is replaceAll, or replaceFirst for one. In by, $1 is a group and a backslash
// takes what follows as it is.
func (r *run) replace(s, p, by string, most int) (any, error) {
	x, err := pattern(p)
	if err != nil {
		return nil, err
	}
	found := x.FindAllStringSubmatchIndex(s, most)
	if err := r.spend(16 * len(found)); err != nil {
		return nil, err
	}
	var out strings.Builder
	at := 0
	for _, m := range found {
		out.WriteString(s[at:m[0]])
		if err := expand(&out, s, by, m); err != nil {
			return nil, err
		}
		at = m[1]
		if out.Len() > MaxText {
			return nil, tooMuch("a text has more than %d bytes", MaxText)
		}
	}
	out.WriteString(s[at:])
	return out.String(), r.spend(out.Len())
}

func expand(out *strings.Builder, s, by string, m []int) error {
	for i := 0; i < len(by); i++ {
		switch c := by[i]; {
		case c == '\\':
			if i++; i == len(by) {
				return tooMuch("a replacement ends with a backslash")
			}
			out.WriteByte(by[i])
		case c != '$':
			out.WriteByte(c)
		default:
			if i+1 == len(by) || by[i+1] < '0' || by[i+1] > '9' {
				return tooMuch("a $ in a replacement is not followed by the number of a group")
			}
			i++
			n := int(by[i] - '0')
			if 2*n >= len(m) {
				return tooMuch("there is no group %d", n)
			}
			for i+1 < len(by) && by[i+1] >= '0' && by[i+1] <= '9' && 2*(n*10+int(by[i+1]-'0')) < len(m) {
				i++
				n = n*10 + int(by[i]-'0')
			}
			if m[2*n] >= 0 {
				out.WriteString(s[m[2*n]:m[2*n+1]])
			}
		}
	}
	return nil
}

// split is Java's: it leaves out what is empty at the end, and a match of nothing at the
// beginning.
func (r *run) split(s, p string, limit int64) (any, error) {
	x, err := pattern(p)
	if err != nil {
		return nil, err
	}
	made := &List{kind: anArray}
	at := 0
	for _, m := range x.FindAllStringIndex(s, -1) {
		if limit > 0 && int64(len(made.Items)) == limit-1 {
			break
		}
		if m[1] == 0 || m[0] == len(s) && m[0] == m[1] {
			continue
		}
		made.Items = append(made.Items, s[at:m[0]])
		at = m[1]
	}
	made.Items = append(made.Items, s[at:])
	if limit == 0 && len(made.Items) > 1 {
		for len(made.Items) > 0 && made.Items[len(made.Items)-1] == "" {
			made.Items = made.Items[:len(made.Items)-1]
		}
	}
	return made, r.spend(32 + 16*len(made.Items))
}
