package vtl

import (
	"fmt"
	"slices"
	"strings"
)

// reference is $name with members, calls of methods and indexes behind it.
type reference struct {
	place
	name  string
	steps []accessor
	text  string // as it is written
	from  int    // where it is written
	quiet bool
}

// accessor is a member, a call or an index.
type accessor struct {
	place
	name      string
	arguments []expr
	call      bool
	index     expr
}

// printed reads a reference that is printed, with the backslashes before it.
func (p *parser) printed() error {
	rest := p.text[p.at:]
	m := referenceStart.FindStringSubmatch(rest)
	if strings.HasPrefix(m[2], `\`) { // $\!name is text, without one of its backslashes
		p.literal(rest[:len(m[1])+1] + m[2][1:])
		p.at += len(m[1]) + 1 + len(m[2])
		return nil
	}
	at := p.here()
	p.at += len(m[1])
	r, err := p.reference()
	if err != nil {
		return err
	}
	n := len(m[1])
	p.nodes = append(p.nodes, &shown{at, r, rest[:n/2], n%2 == 1})
	p.fresh = true
	return nil
}

// reference reads one from its dollar sign on.
func (p *parser) reference() (*reference, error) {
	r := &reference{place: p.here(), from: p.at}
	if !p.take("$") {
		return nil, p.unexpected("a reference")
	}
	r.quiet = p.take("!")
	braces := p.take("{")
	r.name = nameAhead.FindString(p.text[p.at:])
	if r.name == "" || r.name == "true" || r.name == "false" {
		return nil, p.unexpected("a name")
	}
	p.at += len(r.name)
	if err := p.deeper(); err != nil {
		return nil, err
	}
	for {
		a, ok, err := p.accessor()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		r.steps = append(r.steps, a)
	}
	p.depth--
	if braces && !p.take("}") {
		return nil, p.unexpected("the } of " + clip(p.text[r.from:]))
	}
	r.text = p.text[r.from:p.at]
	return r, nil
}

// accessor reads one, if there is one.
func (p *parser) accessor() (a accessor, ok bool, err error) {
	rest := p.text[p.at:]
	a.place = p.here()
	switch {
	case strings.HasPrefix(rest, "["):
		p.at++
		p.space()
		if c := p.text[p.at:]; c == "" || strings.IndexByte(`"'$-0123456789tf`, c[0]) < 0 {
			return a, false, p.unexpected("an index")
		}
		if a.index, err = p.argument(); err != nil {
			return a, false, err
		}
		p.space()
		if !p.take("]") {
			return a, false, p.unexpected("a ]")
		}
		return a, true, nil
	case len(rest) > 1 && rest[0] == '.' && (rest[1]|0x20) >= 'a' && (rest[1]|0x20) <= 'z':
		a.name = nameAhead.FindString(rest[1:])
		if a.name == "true" || a.name == "false" {
			return a, false, a.fail("Velocity does not read a member called %s; ['%s'] is", a.name, a.name)
		}
		p.at += 1 + len(a.name)
		if !p.take("(") {
			return a, true, nil
		}
		a.call = true
		if !known[a.name] && !slices.Contains(p.options.Methods, a.name) {
			return a, false, a.fail("the method %s is not supported here", clip(a.name))
		}
		a.arguments, err = p.parameters()
		return a, err == nil, err
	}
	return a, false, nil
}

// parameters reads those of a method and the parenthesis that closes them.
func (p *parser) parameters() (all []expr, err error) {
	if p.take(")") {
		return nil, nil
	}
	for {
		e, err := p.argument()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		p.space()
		switch {
		case p.take(")"):
			return all, nil
		case !p.take(","):
			return nil, p.unexpected("a , or a )")
		}
	}
}

// eval is the value of a reference, nil if something of it has none.
func (r *reference) eval(run *run) (any, error) {
	v := run.vars[r.name]
	for i := range r.steps {
		if v == nil {
			return nil, nil
		}
		if err := run.step(1); err != nil {
			return nil, r.at(err)
		}
		var err error
		if v, err = r.steps[i].of(run, v); err != nil {
			return nil, r.steps[i].at(err)
		}
	}
	return v, nil
}

// of is what a member, a call or an index is of a value.
func (a *accessor) of(r *run, v any) (any, error) {
	switch {
	case a.index != nil:
		i, err := a.index.eval(r)
		if err != nil {
			return nil, err
		}
		return r.indexed(v, i)
	case !a.call:
		return r.member(v, a.name)
	}
	arguments := make([]any, len(a.arguments))
	for i, e := range a.arguments {
		var err error
		if arguments[i], err = e.eval(r); err != nil {
			return nil, err
		}
	}
	if d, ok := v.(*define); ok { // a #define is its text to a method
		text, err := r.defined(nil, d)
		if err != nil {
			return nil, err
		}
		v = string(text)
	}
	v, err := r.call(v, a.name, arguments)
	if err != nil && r.ctx.Err() == nil {
		if _, placed := err.(*Error); !placed {
			err = &bound{fmt.Sprintf("%s: %v", a.name, err)}
		}
	}
	return v, err
}

// member is $value.name.
func (r *run) member(v any, name string) (any, error) {
	switch v := v.(type) {
	case *Map:
		return v.Get(name), nil
	case Object:
		return v.Get(name), nil
	case *Entry:
		switch name {
		case "key":
			return v.Key, nil
		case "value":
			return v.Value, nil
		}
	case *List:
		if name == "empty" {
			return len(v.Items) == 0, nil
		}
	case string:
		if name == "empty" {
			return v == "", nil
		}
	}
	if name == "class" {
		return nil, tooMuch("the class of a value is not supported here")
	}
	return nil, nil
}

// indexed is $value[index]: what get returns.
func (r *run) indexed(v, index any) (any, error) {
	if l, ok := v.(*List); ok {
		if n, ok := index.(int64); ok && n < 0 {
			index = n + int64(len(l.Items))
		}
	}
	if o, ok := v.(Object); ok {
		if name, ok := index.(string); ok {
			return o.Get(name), nil
		}
		return nil, nil
	}
	return r.call(v, "get", []any{index})
}

// assign sets a reference.
func (r *reference) assign(run *run, v any) error {
	if len(r.steps) == 0 {
		run.vars[r.name] = v
		return nil
	}
	to := run.vars[r.name]
	last := len(r.steps) - 1
	for i := range r.steps[:last] {
		if to == nil {
			return nil
		}
		var err error
		if to, err = r.steps[i].of(run, to); err != nil {
			return r.steps[i].at(err)
		}
	}
	a := &r.steps[last]
	switch {
	case a.call || to == nil:
		return nil
	case a.index == nil:
		if m, ok := to.(*Map); ok {
			m.Put(a.name, v)
		}
		return a.at(run.spend(64))
	}
	i, err := a.index.eval(run)
	if err != nil {
		return err
	}
	name := "put"
	if l, ok := to.(*List); ok {
		name = "set"
		if n, ok := i.(int64); ok && n < 0 {
			i = n + int64(len(l.Items))
		}
	}
	_, err = run.call(to, name, []any{i, v})
	return a.at(err)
}
