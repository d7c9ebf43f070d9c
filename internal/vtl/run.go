package vtl

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// run is one Render.
type run struct {
	ctx     context.Context
	options *Options
	vars    map[string]any
	out     []byte
	depth   int
	steps   int
	memory  int
}

// #stop and #break end what they stand in.
var (
	errStop  = errors.New("stopped")
	errBreak = errors.New("broken off")
)

// bound is an error that has no place yet.
type bound struct{ text string }

func (b *bound) Error() string { return b.text }

func tooMuch(format string, args ...any) error { return &bound{fmt.Sprintf(format, args...)} }

// at gives an error its place.
func (p place) at(err error) error {
	if b, ok := err.(*bound); ok {
		return &Error{p.line, p.column, b.text}
	}
	return err
}

// step counts work.
func (r *run) step(n int) error {
	before := r.steps
	r.steps += n
	if r.steps > maxSteps {
		return tooMuch("the template takes more than %d steps", maxSteps)
	}
	if before>>10 != r.steps>>10 {
		return r.ctx.Err()
	}
	return nil
}

// spend counts the bytes of a value.
func (r *run) spend(n int) error {
	r.memory += n
	if r.memory > maxMemory {
		return tooMuch("the template's values take more than %d MB", maxMemory>>20)
	}
	return r.step(1 + n/1024)
}

func (r *run) write(text string) error {
	if len(r.out)+len(text) > MaxText {
		return tooMuch("its text has more than %d bytes", MaxText)
	}
	r.out = append(r.out, text...)
	return nil
}

func (r *run) block(nodes []node) error {
	if r.depth++; r.depth > maxDepth {
		return tooMuch("blocks are more than %d deep in one another", maxDepth)
	}
	defer func() { r.depth-- }()
	for _, n := range nodes {
		if err := r.step(1); err != nil {
			return n.where().at(err)
		}
		if err := n.render(r); err != nil {
			return n.where().at(err)
		}
	}
	return nil
}

// aside renders into a text of its own.
func (r *run) aside(nodes []node) (string, error) {
	out := r.out
	r.out = nil
	err := r.block(nodes)
	text := string(r.out)
	r.out = out
	if err == nil {
		err = r.spend(len(text))
	}
	return text, err
}

// define is the block of a #define: it is rendered wherever it is referred to.
type define struct {
	nodes []node
	name  string
	depth int
}

// maxDefine is how often a #define may be in itself, as Velocity's
// directive.define.max.depth has it.
const maxDefine = 2

func (r *run) defined(dst []byte, d *define) ([]byte, error) {
	if d.depth >= maxDefine {
		return dst, nil
	}
	d.depth++
	text, err := r.aside(d.nodes)
	d.depth--
	if err != nil && err != errBreak {
		return nil, err
	}
	return append(dst, text...), nil
}

// loop is $foreach.
type loop struct {
	index, n int
	parent   any
}

func (l *loop) Get(name string) any {
	switch name {
	case "count":
		return int64(l.index + 1)
	case "index":
		return int64(l.index)
	case "hasNext":
		return l.index+1 < l.n
	case "first":
		return l.index == 0
	case "last":
		return l.index+1 == l.n
	case "parent":
		return l.parent
	case "topmost":
		for {
			outer, ok := l.parent.(*loop)
			if !ok {
				return l
			}
			l = outer
		}
	}
	return nil
}

func (l *loop) Call(name string, arguments []any) (any, error) {
	if member, ok := map[string]string{
		"hasNext": "hasNext", "getCount": "count", "getIndex": "index", "isFirst": "first", "isLast": "last", "getParent": "parent",
	}[name]; ok && len(arguments) == 0 {
		return l.Get(member), nil
	}
	return nil, nil
}

func (l *loop) String() string { return "org.apache.velocity.runtime.directive.ForeachScope@0" }

// each are the elements that a #foreach goes through: of a map, its values.
func each(v any) []any {
	switch v := v.(type) {
	case *List:
		return v.Items
	case *Map:
		all := make([]any, 0, v.Len())
		for _, e := range v.Entries() {
			all = append(all, e.Value)
		}
		return all
	}
	return nil
}

func (f *foreach) render(r *run) error {
	v, err := f.of.eval(r)
	if err != nil {
		return err
	}
	items := each(v)
	if err := r.spend(16 * len(items)); err != nil {
		return err
	}
	if v == nil || len(items) == 0 {
		return nil
	}
	saved := map[string]any{}
	for _, name := range []string{f.name, "foreach", "velocityCount", "velocityHasNext"} {
		saved[name] = r.vars[name]
	}
	l := &loop{n: len(items), parent: saved["foreach"]}
	r.vars["foreach"] = l
	for i, item := range items {
		if i >= r.options.MaxLoops {
			break
		}
		l.index = i
		r.set("velocityCount", int64(i+1))
		r.set("velocityHasNext", i+1 < len(items))
		r.set(f.name, item)
		if err = r.block(f.body); err != nil {
			break
		}
	}
	if err == errBreak {
		err = nil
	}
	for name, v := range saved {
		r.set(name, v)
	}
	return err
}

// set sets a variable, or takes it away.
func (r *run) set(name string, v any) {
	if v == nil {
		delete(r.vars, name)
		return
	}
	r.vars[name] = v
}

// Methods are the names of the methods of Java that templates may call.
func Methods() map[string]bool { return maps.Clone(known) }
