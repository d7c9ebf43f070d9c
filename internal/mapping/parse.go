package mapping

import (
	"fmt"
	"regexp"
	"strings"
)

// parser reads a template from one place on.
type parser struct {
	text string
	at   int
}

func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("line %d: %s", 1+strings.Count(p.text[:p.at], "\n"), fmt.Sprintf(format, args...))
}

// directives are Velocity's, in the form that begins one.
var directive = regexp.MustCompile(`^#(?:#|\*|\[\[|@?\{?(?:set|if|elseif|else|end|foreach|include|parse|stop|break|evaluate|define|macro)\b)`)

// directive is an error if one of Velocity's directives begins here.
func (p *parser) directive() error {
	if d := directive.FindString(p.text[p.at:]); d != "" {
		return p.fail("%s is of Velocity and not done here; references to $context, $stageVariables, $input and $util.escapeJavaScript are", d)
	}
	return nil
}

// variable is what follows a dollar sign if it is a reference.
var variable = regexp.MustCompile(`^\$!?\{?[A-Za-z_]`)

// reference reads a reference with its dollar sign. It is nil if there is none.
func (p *parser) reference() (reference, error) {
	if !variable.MatchString(p.text[p.at:]) {
		return nil, nil
	}
	began := p.at
	p.at++
	p.take("!")
	braces := p.take("{")
	r, err := p.path()
	if err == nil && braces && !p.take("}") {
		err = p.fail("%s is not closed by }", clip(p.text[began:]))
	}
	return r, err
}

// take reads a text if it is next.
func (p *parser) take(text string) bool {
	if !strings.HasPrefix(p.text[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

var memberNames = regexp.MustCompile(`^(?:\.[A-Za-z_][A-Za-z0-9_-]*)+`)

// path reads a reference behind its dollar sign.
func (p *parser) path() (reference, error) {
	rest := p.text[p.at:]
	for _, root := range []string{"context", "stageVariables"} {
		if !strings.HasPrefix(rest, root) {
			continue
		}
		names := memberNames.FindString(rest[len(root):])
		if names == "" {
			break
		}
		p.at += len(root) + len(names)
		if err := p.noCall(root + names); err != nil {
			return nil, err
		}
		return member{root, strings.Split(names[1:], ".")}, nil
	}
	switch {
	case p.take("input.json("):
		return p.input(asJSON)
	case p.take("input.path("):
		return p.input(asText)
	case p.take("input.body"):
		return body{}, p.noCall("input.body")
	case p.take("util.escapeJavaScript("):
		p.space()
		of, err := p.argument()
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.take(")") {
			return nil, p.fail("$util.escapeJavaScript is not closed by )")
		}
		return escaped{of}, p.noCall("util.escapeJavaScript(…)")
	}
	return nil, p.fail("%s is not done here; $context.NAME, $stageVariables.NAME, $input.body, $input.json('PATH'), $input.path('PATH') and $util.escapeJavaScript(…) are", clip("$"+rest))
}

// noCall refuses a method or an index of what was read: Velocity would take it for one.
func (p *parser) noCall(of string) error {
	if rest := p.text[p.at:]; methodOrIndex.MatchString(rest) {
		return p.fail("%s of $%s is not done here", clip(rest), of)
	}
	return nil
}

var methodOrIndex = regexp.MustCompile(`^(?:\(|\[|\.[A-Za-z_][A-Za-z0-9_]*[(\[])`)

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// argument reads a reference or a text in quotes.
func (p *parser) argument() (reference, error) {
	if text, ok := p.quoted(); ok {
		return constant(text), nil
	}
	r, err := p.reference()
	if err == nil && r == nil {
		err = p.fail("%s is neither a reference nor a text in quotes", clip(p.text[p.at:]))
	}
	return r, err
}

// quoted reads a text in single quotes, or in double quotes without a reference.
func (p *parser) quoted() (text string, ok bool) {
	rest := p.text[p.at:]
	if rest == "" || rest[0] != '\'' && rest[0] != '"' {
		return "", false
	}
	end := strings.IndexByte(rest[1:], rest[0])
	if end < 0 || rest[0] == '"' && strings.Contains(rest[1:end+1], "$") && !strings.HasPrefix(rest[1:], "$") {
		return "", false
	}
	p.at += end + 2
	return rest[1 : end+1], true
}

// input reads the JSON path of $input.json or $input.path.
func (p *parser) input(as form) (reference, error) {
	p.space()
	text, ok := p.quoted()
	if !ok {
		return nil, p.fail("%s is not a JSON path in quotes", clip(p.text[p.at:]))
	}
	steps, err := parsePath(text)
	if err != nil {
		return nil, p.fail("%v", err)
	}
	p.space()
	if !p.take(")") {
		return nil, p.fail("the JSON path %s is not followed by )", clip(text))
	}
	return input{steps, as}, p.noCall("input.json or $input.path")
}

// clip is the beginning of a text, in one line.
func clip(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if r := []rune(strings.ToValidUTF8(s, "?")); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
