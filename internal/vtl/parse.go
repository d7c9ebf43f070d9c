package vtl

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// place is where something begins in a template.
type place struct{ line, column int }

func (p place) where() place { return p }

func (p place) fail(format string, args ...any) error {
	return &Error{p.line, p.column, fmt.Sprintf(format, args...)}
}

// parser reads a template, or the text of a string in one.
type parser struct {
	text    string
	at      int
	lines   []int // where each line begins
	origin  place // of the text
	options *Options
	depth   int
	nodes   []node // what has been read of the innermost block
	fresh   bool   // nothing but a directive or a reference is before this: #set eats spaces here
}

func newParser(text string, o *Options) *parser {
	p := &parser{text: text, origin: place{1, 1}, options: o, lines: []int{0}, fresh: true}
	for i := range len(text) {
		if text[i] == '\n' {
			p.lines = append(p.lines, i+1)
		}
	}
	return p
}

func (p *parser) place(at int) place {
	line := sort.SearchInts(p.lines, at+1) - 1
	found := place{p.origin.line + line, at - p.lines[line] + 1}
	if line == 0 {
		found.column += p.origin.column - 1
	}
	return found
}

func (p *parser) here() place { return p.place(p.at) }

func (p *parser) fail(format string, args ...any) error { return p.here().fail(format, args...) }

// unexpected says what is there and should not be.
func (p *parser) unexpected(wanted string) error {
	if p.at >= len(p.text) {
		return p.fail("the template ends where %s is expected", wanted)
	}
	return p.fail("%s is not %s", clip(p.text[p.at:]), wanted)
}

// clip is the beginning of a text, in one line.
func clip(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s = strings.ToValidUTF8(s, "?")
	if r := []rune(s); len(r) > 30 {
		return string(r[:30]) + "…"
	}
	return s
}

func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail("more than %d things are in one another here", maxDepth)
	}
	return nil
}

// all reads a whole template.
func (p *parser) all() ([]node, error) {
	nodes, end, err := p.block()
	if err == nil && end.word != "" {
		err = end.fail("#%s is outside of a block", end.word)
	}
	return nodes, err
}

// ending is what ends a block: end, else, elseif, or nothing at the end of the text.
type ending struct {
	place
	word string
}

// block reads up to what ends it.
func (p *parser) block() (nodes []node, end ending, err error) {
	if err := p.deeper(); err != nil {
		return nil, end, err
	}
	outer := p.nodes
	p.nodes = nil
	for p.at < len(p.text) && end.word == "" && err == nil {
		end, err = p.statement()
	}
	nodes, p.nodes = p.nodes, outer
	p.depth--
	return nodes, end, err
}

// literal adds a text that is printed as it is.
func (p *parser) literal(s string) {
	if s == "" {
		return
	}
	if n := len(p.nodes); n > 0 {
		if last, ok := p.nodes[n-1].(*text); ok {
			last.text += s
			return
		}
	}
	p.nodes = append(p.nodes, &text{p.here(), s})
}

var (
	setStart       = regexp.MustCompile(`^[ \t]*#(?:set|\{set\}) *\(`)
	referenceStart = regexp.MustCompile(`^(\\*)\$(\\*!)?(\{?)[A-Za-z_]`)
	wordStart      = regexp.MustCompile(`^#(?:([A-Za-z_@][A-Za-z0-9_@]*)|\{([A-Za-z_][A-Za-z0-9_@]*)\})`)
	escapedWord    = regexp.MustCompile(`^(\\+)#(?:([A-Za-z_@][A-Za-z0-9_@]*)|\{([A-Za-z_][A-Za-z0-9_@]*)\})`)
)

// statement reads one thing.
func (p *parser) statement() (end ending, err error) {
	rest := p.text[p.at:]
	fresh := p.fresh
	p.fresh = false
	if fresh {
		if m := setStart.FindString(rest); m != "" {
			return end, p.setDirective(len(m))
		}
	}
	switch rest[0] {
	case '\\':
		return end, p.backslashes(rest)
	case '$':
		if referenceStart.MatchString(rest) {
			return end, p.printed()
		}
		if rest == "$" || rest == "$!" {
			return end, p.fail("the template ends with %s, which Velocity does not read", rest)
		}
		p.literal("$")
		p.at++
		if len(rest) > 2 && rest[1] == '!' && rest[2] != '{' && rest[2] != '$' { // Velocity loses it
			p.at++
		}
	case '#':
		return p.hash(rest)
	default:
		n := strings.IndexAny(rest, `$#\`)
		if n < 0 {
			n = len(rest)
		}
		p.literal(rest[:n])
		p.at += n
	}
	return end, nil
}

// backslashes reads those before a reference or a directive, and others.
func (p *parser) backslashes(rest string) error {
	if referenceStart.MatchString(rest) {
		return p.printed()
	}
	if m := escapedWord.FindStringSubmatch(rest); m != nil {
		n, name := len(m[1]), m[2]+m[3]
		switch {
		case n%2 == 1 && isDirective(name):
			p.literal(rest[:n/2] + rest[n:len(m[0])])
			p.at += len(m[0])
			return nil
		case n%2 == 1:
			p.literal(m[0])
			p.at += len(m[0])
			return nil
		case name != "set" && isDirective(name):
			p.literal(rest[:n/2])
			p.at += n
			p.fresh = true
			return nil
		}
	}
	n := len(rest) - len(strings.TrimLeft(rest, `\`))
	p.literal(rest[:n])
	p.at += n
	p.fresh = true
	return nil
}

// hash reads what begins with a #.
func (p *parser) hash(rest string) (end ending, err error) {
	switch {
	case strings.HasPrefix(rest, "##"):
		n := strings.IndexAny(rest, "\r\n")
		switch {
		case n < 0:
			n = len(rest)
		case strings.HasPrefix(rest[n:], "\r\n"):
			n += 2
		default:
			n++
		}
		p.at += n
		p.fresh = true
		return end, nil
	case strings.HasPrefix(rest, "#*"):
		n := strings.Index(rest[2:], "*#")
		if n < 0 { // Velocity takes it as closed by the end
			n = len(rest) - 4
		}
		p.at += n + 4
		p.fresh = true
		return end, nil
	case strings.HasPrefix(rest, "#[["):
		n := strings.Index(rest, "]]#")
		if n < 0 {
			return end, p.fail("a text in #[[ is not closed by ]]#")
		}
		p.literal(rest[3:n])
		p.at += n + 3
		p.fresh = true
		return end, nil
	}
	if m := setStart.FindString(rest); m != "" {
		return end, p.setDirective(len(m))
	}
	m := wordStart.FindStringSubmatch(rest)
	if m == nil {
		if rest == "#" {
			return end, p.fail("the template ends with #, which Velocity does not read")
		}
		p.literal("#")
		p.at++
		return end, nil
	}
	return p.directive(m[1]+m[2], len(m[0]))
}

var directives = map[string]bool{
	"if": true, "else": true, "elseif": true, "end": true, "set": true, "foreach": true, "define": true, "break": true, "stop": true,
	"macro": true, "include": true, "parse": true, "evaluate": true, "literal": true,
}

func isDirective(name string) bool { return directives[name] }

// directive reads a directive whose name and # have n bytes.
func (p *parser) directive(name string, n int) (end ending, err error) {
	began := p.here()
	from := p.at
	p.at += n
	switch name {
	case "end", "else":
		p.newline()
		p.fresh = true
		return ending{began, name}, nil
	case "elseif":
		return ending{began, name}, nil
	case "if":
		return end, p.ifDirective(began)
	case "foreach", "define":
		if !p.parenthesis() {
			p.literal(p.text[from:p.at])
			return end, nil
		}
		if name == "define" {
			return end, p.defineDirective(began)
		}
		return end, p.foreachDirective(began)
	case "break", "stop":
		if p.parenthesis() {
			if _, err := p.arguments(); err != nil {
				return end, err
			}
		}
		p.nodes = append(p.nodes, &leave{began, name})
		p.fresh = true
		return end, nil
	case "macro", "include", "parse", "evaluate", "literal":
		return end, began.fail("#%s is not supported here", name)
	}
	if at := p.at; strings.HasPrefix(name, "@") && p.parenthesis() {
		p.at = at
		return end, began.fail("#%s calls a macro, and macros are not supported here", clip(name))
	}
	if p.parenthesis() { // the call of a macro that there is not
		if _, err := p.arguments(); err != nil {
			return end, err
		}
		p.fresh = true
	}
	text := p.text[from:p.at]
	p.at = from
	p.literal(text)
	p.at += len(text)
	return end, nil
}

// newline eats spaces with the end of the line behind them.
func (p *parser) newline() {
	rest := strings.TrimLeft(p.text[p.at:], " \t")
	for _, end := range []string{"\r\n", "\n", "\r"} {
		if strings.HasPrefix(rest, end) {
			p.at = len(p.text) - len(rest) + len(end)
			return
		}
	}
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take reads a text if it is next.
func (p *parser) take(text string) bool {
	if !strings.HasPrefix(p.text[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

// parenthesis reads an opening one, behind spaces and ends of lines, or nothing.
func (p *parser) parenthesis() bool {
	began := p.at
	p.space()
	if p.take("(") {
		return true
	}
	p.at = began
	return false
}

// closed reads the parenthesis that closes a directive, with the end of the line.
func (p *parser) closed() error {
	p.space()
	if !p.take(")") {
		return p.unexpected("a )")
	}
	p.newline()
	p.fresh = true
	return nil
}

func (p *parser) setDirective(n int) error {
	s := &set{place: p.place(p.at + strings.Index(p.text[p.at:], "#"))}
	p.at += n
	p.space()
	var err error
	if s.to, err = p.reference(); err != nil {
		return err
	}
	p.space()
	if !p.take("=") || strings.HasPrefix(p.text[p.at:], "=") {
		return p.unexpected("a =")
	}
	if s.value, err = p.expression(); err != nil {
		return err
	}
	p.nodes = append(p.nodes, s)
	return p.closed()
}

func (p *parser) ifDirective(began place) error {
	all := &branches{place: began}
	p.nodes = append(p.nodes, all)
	end := ending{began, "if"}
	for end.word == "if" || end.word == "elseif" {
		if !p.parenthesis() {
			return p.unexpected("a (")
		}
		b := branch{}
		var err error
		if b.condition, err = p.expression(); err != nil {
			return err
		}
		if err = p.closed(); err != nil {
			return err
		}
		if b.body, end, err = p.block(); err != nil {
			return err
		}
		all.branches = append(all.branches, b)
	}
	if end.word == "else" {
		b := branch{}
		var err error
		if b.body, end, err = p.block(); err != nil {
			return err
		}
		all.branches = append(all.branches, b)
	}
	return p.ended(began, "if", end)
}

// ended is an error if a block is not ended by #end.
func (p *parser) ended(began place, name string, end ending) error {
	switch end.word {
	case "end":
		return nil
	case "":
		return began.fail("#%s has no #end", name)
	}
	return end.fail("#%s is not expected here, but the #end of the #%s on line %d", end.word, name, began.line)
}

func (p *parser) foreachDirective(began place) error {
	f := &foreach{place: began}
	p.space()
	r, err := p.reference()
	if err != nil {
		return err
	}
	f.name = r.name
	p.space()
	if m := wordAhead.FindString(p.text[p.at:]); m != "in" {
		return p.unexpected("the word in")
	}
	p.at += 2
	if f.of, err = p.argument(); err != nil {
		return err
	}
	if err = p.closed(); err != nil {
		return err
	}
	p.nodes = append(p.nodes, f)
	var end ending
	if f.body, end, err = p.block(); err != nil {
		return err
	}
	return p.ended(began, "foreach", end)
}

func (p *parser) defineDirective(began place) error {
	d := &definition{place: began}
	p.space()
	r, err := p.reference()
	if err != nil {
		return err
	}
	d.name = r.name
	if err = p.closed(); err != nil {
		return err
	}
	p.nodes = append(p.nodes, d)
	var end ending
	if d.body, end, err = p.block(); err != nil {
		return err
	}
	return p.ended(began, "define", end)
}

// arguments reads those of a call of a macro.
func (p *parser) arguments() (all []expr, err error) {
	for {
		p.space()
		if p.take(",") {
			p.space()
		}
		if strings.HasPrefix(p.text[p.at:], ")") {
			return all, p.closed()
		}
		if m := wordAhead.FindString(p.text[p.at:]); m != "" && m != "true" && m != "false" {
			p.at += len(m)
			continue
		}
		e, err := p.argument()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
}
