package vtl

import "strings"

// node is a part of a template.
type node interface {
	where() place
	render(*run) error
}

// expr is what has a value.
type expr interface {
	eval(*run) (any, error)
}

type (
	text struct {
		place
		text string
	}
	shown struct {
		place
		of      *reference
		prefix  string // half of the backslashes before it
		escaped bool
	}
	set struct {
		place
		to    *reference
		value expr
	}
	branches struct {
		place
		branches []branch
	}
	branch struct {
		condition expr // nil: #else
		body      []node
	}
	foreach struct {
		place
		name string
		of   expr
		body []node
	}
	definition struct {
		place
		name string
		body []node
	}
	leave struct {
		place
		how string
	}
	constant struct {
		place
		value any
	}
	interpolation struct {
		place
		nodes []node
		clip  bool
	}
	listLiteral struct {
		place
		items []expr
	}
	rangeLiteral struct {
		place
		from, to expr
	}
	mapLiteral struct {
		place
		keys, values []expr
	}
	not struct {
		place
		of expr
	}
	binary struct {
		place
		is          string
		left, right expr
	}
)

func (t *text) render(r *run) error { return r.write(t.text) }

func (p *shown) render(r *run) error {
	v, err := p.of.eval(r)
	if err != nil {
		return err
	}
	text := p.of.text
	if d, ok := v.(*define); ok && d.depth >= maxDefine {
		v = nil
	}
	switch {
	case p.escaped && v == nil:
		return r.write(p.prefix + `\` + text)
	case p.escaped:
		return r.write(p.prefix + text)
	case v == nil && (p.of.quiet || r.options.Quiet):
		return r.write(p.prefix + p.prefix)
	case v == nil:
		return r.write(p.prefix + p.prefix + text)
	}
	if err := r.write(p.prefix); err != nil {
		return err
	}
	if s, ok := v.(string); ok {
		return r.write(s)
	}
	out, err := r.text(nil, v, 0)
	if err == nil {
		err = r.spend(len(out))
	}
	if err != nil {
		return err
	}
	return r.write(string(out))
}

func (s *set) render(r *run) error {
	v, err := s.value.eval(r)
	if err != nil || v == nil { // null does not change anything
		return err
	}
	return s.to.assign(r, v)
}

func (b *branches) render(r *run) error {
	for i := range b.branches {
		if c := b.branches[i].condition; c != nil {
			ok, err := r.truth(c)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		return r.block(b.branches[i].body)
	}
	return nil
}

func (d *definition) render(r *run) error {
	r.vars[d.name] = &define{nodes: d.body, name: d.name}
	return nil
}

func (l *leave) render(*run) error {
	if l.how == "stop" {
		return errStop
	}
	return errBreak
}

// truth is what #if makes of an expression. Of what is neither a reference nor a
// comparison it makes false, as Velocity does.
func (r *run) truth(e expr) (bool, error) {
	if err := r.step(1); err != nil {
		return false, err
	}
	switch e := e.(type) {
	case *reference:
		v, err := e.eval(r)
		if b, ok := v.(bool); ok {
			return b, err
		}
		return v != nil, err
	case *not:
		ok, err := r.truth(e.of)
		return !ok, err
	case *binary:
		v, err := e.eval(r)
		b, _ := v.(bool)
		return b, err
	case *constant:
		b, _ := e.value.(bool)
		return b, nil
	}
	return false, nil
}

func (c *constant) eval(*run) (any, error) { return c.value, nil }

func (s *interpolation) eval(r *run) (any, error) {
	text, err := r.aside(s.nodes)
	if err != nil {
		return nil, err
	}
	if s.clip && text != "" {
		text = text[:len(text)-1]
	}
	return text, nil
}

func (l *listLiteral) eval(r *run) (any, error) {
	if err := r.spend(32 + 16*len(l.items)); err != nil {
		return nil, l.at(err)
	}
	made := &List{Items: make([]any, len(l.items))}
	for i, e := range l.items {
		var err error
		if made.Items[i], err = e.eval(r); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func (l *rangeLiteral) eval(r *run) (any, error) {
	from, err := l.from.eval(r)
	if err != nil {
		return nil, err
	}
	to, err := l.to.eval(r)
	if err != nil {
		return nil, err
	}
	x, ok := intOf(from)
	y, ok2 := intOf(to)
	if !ok || !ok2 {
		return nil, nil
	}
	step := int64(1)
	n := y - x + 1
	if x >= y {
		step, n = -1, x-y+1
	}
	if n > maxMemory {
		n = maxMemory
	}
	if err := r.spend(int(32 + 16*n)); err != nil {
		return nil, l.at(err)
	}
	made := &List{Items: make([]any, n)}
	for i := range made.Items {
		made.Items[i] = x + int64(i)*step
	}
	return made, nil
}

// intOf is Java's intValue.
func intOf(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return int64(int32(v)), true
	case float64:
		return int64(int32(max(min(v, 1<<31-1), -1<<31))), true
	}
	return 0, false
}

func (m *mapLiteral) eval(r *run) (any, error) {
	if err := r.spend(32 + 64*len(m.keys)); err != nil {
		return nil, m.at(err)
	}
	made := NewMap(nil)
	for i := range m.keys {
		key, err := m.keys[i].eval(r)
		if err != nil {
			return nil, err
		}
		value, err := m.values[i].eval(r)
		if err != nil {
			return nil, err
		}
		made.Put(key, value)
	}
	return made, nil
}

func (n *not) eval(r *run) (any, error) { return r.truth(n) }

func (b *binary) eval(r *run) (any, error) {
	if err := r.step(1); err != nil {
		return nil, b.at(err)
	}
	if b.is == "&&" || b.is == "||" {
		ok, err := r.truth(b.left)
		if err != nil || ok == (b.is == "||") {
			return ok, err
		}
		return r.truth(b.right)
	}
	left, err := b.left.eval(r)
	if err != nil {
		return nil, err
	}
	right, err := b.right.eval(r)
	if err != nil {
		return nil, err
	}
	v, err := b.value(r, left, right)
	return v, b.at(err)
}

func (b *binary) value(r *run, left, right any) (any, error) {
	switch b.is {
	case "==", "!=":
		same, err := r.equal(left, right)
		return same == (b.is == "=="), err
	case "<", "<=", ">", ">=":
		if !isNumber(left) || !isNumber(right) {
			return false, nil
		}
		switch c := compare(left, right); b.is {
		case "<":
			return c < 0, nil
		case "<=":
			return c <= 0, nil
		case ">":
			return c > 0, nil
		default:
			return c >= 0, nil
		}
	case "+":
		if v, ok, err := b.concatenated(r, left, right); ok || err != nil {
			return v, err
		}
	}
	if err := r.spend(digits(left) + digits(right)); err != nil {
		return nil, err
	}
	return calculate(b.is[0], left, right), nil
}

// digits is about the cost of arithmetic with a value.
func digits(v any) int {
	if b := bigOf(v); b != nil {
		return b.BitLen() * b.BitLen() / 64
	}
	return 0
}

// concatenated is a sum of which one is a string. Null is printed as it is written.
func (b *binary) concatenated(r *run, left, right any) (any, bool, error) {
	_, ok := left.(string)
	_, ok2 := right.(string)
	if !ok && !ok2 {
		return nil, false, nil
	}
	if left == nil {
		left = written(b.left)
	}
	if right == nil {
		right = written(b.right)
	}
	text, err := r.text(nil, left, 0)
	if err == nil {
		text, err = r.text(text, right, 0)
	}
	if err == nil {
		err = r.spend(len(text))
	}
	return string(text), true, err
}

// written is a reference as it is written.
func written(e expr) string {
	if r, ok := e.(*reference); ok {
		return r.text
	}
	return "null"
}

// equal is ==: numbers by their value, values of one class by equals, others by their
// text.
func (r *run) equal(a, b any) (bool, error) {
	switch {
	case isNumber(a) && isNumber(b):
		return compare(a, b) == 0, nil
	case a == nil || b == nil:
		return a == b, nil
	case class(a) == class(b):
		return r.same(a, b, 0)
	}
	x, err := r.text(nil, a, 0)
	if err != nil {
		return false, err
	}
	y, err := r.text(nil, b, 0)
	if err == nil {
		err = r.spend(len(x) + len(y))
	}
	return strings.Compare(string(x), string(y)) == 0, err
}

func class(v any) int {
	switch v.(type) {
	case string:
		return 1
	case bool:
		return 2
	case *List:
		return 3
	case *Map:
		return 4
	case *Entry:
		return 5
	case Object:
		return 6
	}
	return 7
}
