// Package vtl renders templates in the language of Apache Velocity 1.7: its directives,
// references, expressions and whitespace, and those of Java's methods that the templates
// of API Gateway call. It knows nothing of gateways: what a template may refer to is
// given to Render.
//
// #set, #if, #elseif, #else, #foreach, #define, #break, #stop, #[[ ]]# and comments are
// done. #macro, #parse, #include, #evaluate and #literal are errors of Parse, as is a
// method that is in no list of this package (Methods) and that Options does not name.
// Whatever Velocity itself cannot read is an error, too.
//
// Values of a template are nil, bool, string, int64 (Java's Integer and Long),
// *big.Int, float64 (Double), *List, *Map, *Entry and Object. Strings are measured in
// UTF-16 units, as Java's are.
package vtl

import (
	"context"
	"fmt"
)

// Bounds of a template and of one Render of it.
const (
	// MaxText is the most that Parse reads, and Render writes, in bytes.
	MaxText = 6 << 20

	maxDepth  = 100       // of blocks, expressions and values in one another
	maxSteps  = 2_000_000 // nodes that one Render evaluates
	maxMemory = 64 << 20  // bytes of the values that one Render makes, about
	maxLoops  = 1000
)

// Options of a template. Nil means the defaults.
type Options struct {
	// Methods are the names of the methods that objects given to Render have.
	Methods []string

	// Quiet has a reference without a value print nothing, as if it were $!x. Otherwise
	// it prints its own text.
	Quiet bool

	// MaxLoops is how often a #foreach goes round at the most; then it ends, as
	// Velocity's directive.foreach.maxloops has it. Zero means 1000.
	MaxLoops int
}

// Error says what is wrong with a template, or what failed when it was rendered, and
// where. Lines and columns count from 1, columns in bytes.
type Error struct {
	Line, Column int
	Text         string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
}

// Object is a value of the host. Its methods are called by one Render only.
type Object interface {
	// Get is the member of that name, nil if there is none.
	Get(name string) any

	// Call calls a method that Options names. An error ends the Render.
	Call(name string, arguments []any) (any, error)

	// String is what a reference to the object prints.
	String() string
}

// Template is a parsed template. It may be used concurrently.
type Template struct {
	nodes   []node
	options Options
}

// Parse reads a template. Its error is an *Error.
func Parse(text string, o *Options) (*Template, error) {
	t := &Template{}
	if o != nil {
		t.options = *o
	}
	if t.options.MaxLoops <= 0 {
		t.options.MaxLoops = maxLoops
	}
	if len(text) > MaxText {
		return nil, &Error{1, 1, fmt.Sprintf("the template has %d bytes, and may have %d", len(text), MaxText)}
	}
	p := newParser(text, &t.options)
	nodes, err := p.all()
	if err != nil {
		return nil, err
	}
	t.nodes = nodes
	return t, nil
}

// Render is the template's text with these variables. It changes the lists and maps among
// them if the template does, and not vars itself. Its error is an *Error, but for that of
// a context that ended.
func (t *Template) Render(ctx context.Context, vars map[string]any) ([]byte, error) {
	r := &run{ctx: ctx, options: &t.options, vars: make(map[string]any, len(vars)+4)}
	for name, v := range vars {
		r.vars[name] = v
	}
	if err := r.block(t.nodes); err != nil && err != errStop && err != errBreak {
		return nil, err
	}
	return r.out, nil
}
