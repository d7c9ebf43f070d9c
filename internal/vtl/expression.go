package vtl

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

var (
	wordAhead    = regexp.MustCompile(`^[A-Za-z_@][A-Za-z0-9_@]*`)
	nameAhead    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*`)
	floatAhead   = regexp.MustCompile(`^-?(?:[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)`)
	integerAhead = regexp.MustCompile(`^-?[0-9]+`)
)

// operators by their rank, the weakest first.
var operators = [][]struct{ sign, word, is string }{
	{{"||", "or", "||"}},
	{{"&&", "and", "&&"}},
	{{"==", "eq", "=="}, {"!=", "ne", "!="}},
	{{"<=", "le", "<="}, {">=", "ge", ">="}, {"<", "lt", "<"}, {">", "gt", ">"}},
	{{"+", "", "+"}, {"-", "", "-"}},
	{{"*", "", "*"}, {"/", "", "/"}, {"%", "", "%"}},
}

// expression reads an expression of #set and #if.
func (p *parser) expression() (expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	e, err := p.ranked(0)
	p.depth--
	return e, err
}

func (p *parser) ranked(rank int) (expr, error) {
	if rank == len(operators) {
		return p.unary()
	}
	left, err := p.ranked(rank + 1)
	for n := 0; err == nil; n++ {
		p.space()
		at := p.here()
		is := p.operator(rank)
		if is == "" {
			return left, nil
		}
		if n > maxDepth*10 {
			return nil, at.fail("an expression has more than %d operators", maxDepth*10)
		}
		var right expr
		if right, err = p.ranked(rank + 1); err == nil {
			left = &binary{at, is, left, right}
		}
	}
	return nil, err
}

// operator reads one of a rank. A minus with a digit behind it is the sign of a number.
func (p *parser) operator(rank int) string {
	rest := p.text[p.at:]
	word := wordAhead.FindString(rest)
	for _, o := range operators[rank] {
		switch {
		case o.word != "" && word == o.word:
			p.at += len(word)
			return o.is
		case o.sign == "-" && (integerAhead.MatchString(rest) || floatAhead.MatchString(rest)):
		case strings.HasPrefix(rest, o.sign):
			p.at += len(o.sign)
			return o.is
		}
	}
	return ""
}

func (p *parser) unary() (expr, error) {
	p.space()
	at := p.here()
	word := wordAhead.FindString(p.text[p.at:])
	if word != "not" && !p.take("!") {
		return p.primary()
	}
	if word == "not" {
		p.at += len(word)
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	of, err := p.unary()
	p.depth--
	return &not{at, of}, err
}

func (p *parser) primary() (expr, error) {
	p.space()
	if !p.take("(") {
		return p.argument()
	}
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	p.space()
	if !p.take(")") {
		return nil, p.unexpected("a )")
	}
	return e, nil
}

// argument reads what may be an argument of a method: everything but operators.
func (p *parser) argument() (expr, error) {
	p.space()
	at := p.here()
	rest := p.text[p.at:]
	if rest == "" {
		return nil, p.unexpected("a value")
	}
	switch rest[0] {
	case '"', '\'':
		return p.stringLiteral()
	case '$':
		return p.reference()
	case '[':
		return p.listOrRange()
	case '{':
		return p.mapLiteral()
	}
	if m := floatAhead.FindString(rest); m != "" && !strings.HasPrefix(rest[len(integerAhead.FindString(rest)):], "..") {
		p.at += len(m)
		f, _ := strconv.ParseFloat(m, 64)
		return &constant{at, f}, nil
	}
	if m := integerAhead.FindString(rest); m != "" {
		p.at += len(m)
		n, ok := new(big.Int).SetString(m, 10)
		if !ok || len(m) > 1000 {
			return nil, at.fail("%s is not a number", clip(m))
		}
		return &constant{at, narrow(n)}, nil
	}
	if m := wordAhead.FindString(rest); m == "true" || m == "false" {
		p.at += len(m)
		return &constant{at, m == "true"}, nil
	}
	return nil, p.unexpected("a value")
}

// stringLiteral reads a text in quotes. In double ones it is a template of its own.
func (p *parser) stringLiteral() (expr, error) {
	at := p.here()
	rest := p.text[p.at:]
	quote := rest[:1]
	end := stringEnd(rest)
	if end < 0 {
		return nil, p.fail("a text in quotes is not closed by %s", quote)
	}
	p.at += end
	image := rest[1 : end-1]
	if quote == "'" {
		return &constant{at, strings.ReplaceAll(image, "''", "'")}, nil
	}
	image, err := unescapeUnicode(image)
	if err != nil {
		return nil, at.fail("%v", err)
	}
	interpolated := strings.ContainsAny(image, "$#")
	image = strings.ReplaceAll(image, `""`, `"`)
	if !interpolated {
		return &constant{at, image}, nil
	}
	s := &interpolation{place: at, clip: !strings.Contains(image, "##")}
	if s.clip {
		image += " " // as Velocity does, so that what ends at the end of the text is closed
	}
	inner := newParser(image, p.options)
	inner.origin = place{at.line, at.column + 1}
	inner.depth = p.depth
	if s.nodes, err = inner.all(); err != nil {
		return nil, err
	}
	return s, nil
}

// stringEnd is behind the quote that closes a text, -1 if there is none. Two quotes are
// one in the text.
func stringEnd(s string) int {
	found := -1
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			continue
		}
		if i+1 >= len(s) || s[i+1] != s[0] {
			return i + 1
		}
		found = i + 1 // if nothing closes it later
		i++
	}
	return found
}

func unescapeUnicode(s string) (string, error) {
	var out strings.Builder
	for {
		before, after, ok := strings.Cut(s, `\u`)
		out.WriteString(before)
		if !ok {
			return out.String(), nil
		}
		if len(after) < 4 {
			return "", tooMuch(`\u has fewer than four digits`)
		}
		n, err := strconv.ParseUint(after[:4], 16, 16)
		if err != nil {
			return "", tooMuch(`\u%s is not a character`, clip(after[:4]))
		}
		out.WriteRune(rune(n))
		s = after[4:]
	}
}

func (p *parser) listOrRange() (expr, error) {
	l := &listLiteral{place: p.here()}
	p.at++
	p.space()
	if p.take("]") {
		return l, nil
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	for {
		e, err := p.argument()
		if err != nil {
			return nil, err
		}
		p.space()
		if len(l.items) == 0 && p.take("..") {
			return p.rangeEnd(l.place, e)
		}
		l.items = append(l.items, e)
		switch {
		case p.take("]"):
			return l, nil
		case !p.take(","):
			return nil, p.unexpected("a , or a ]")
		}
	}
}

func (p *parser) rangeEnd(at place, from expr) (expr, error) {
	to, err := p.argument()
	if err != nil {
		return nil, err
	}
	p.space()
	if !p.take("]") {
		return nil, p.unexpected("a ]")
	}
	for _, e := range []expr{from, to} {
		switch e := e.(type) {
		case *reference:
		case *constant:
			if bigOf(e.value) == nil {
				return nil, at.fail("a range is of integers")
			}
		default:
			return nil, at.fail("a range is of integers")
		}
	}
	return &rangeLiteral{at, from, to}, nil
}

func (p *parser) mapLiteral() (expr, error) {
	m := &mapLiteral{place: p.here()}
	p.at++
	p.space()
	if p.take("}") {
		return m, nil
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	for {
		key, err := p.argument()
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.take(":") {
			return nil, p.unexpected("a :")
		}
		value, err := p.argument()
		if err != nil {
			return nil, err
		}
		m.keys, m.values = append(m.keys, key), append(m.values, value)
		p.space()
		switch {
		case p.take("}"):
			return m, nil
		case !p.take(","):
			return nil, p.unexpected("a , or a }")
		}
	}
}
