package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
)

// Printer is what a command prints to: its standard output or its standard error.
// It is no io.Writer, so that nothing gets past it. All methods may be called at the
// same time, and each writes its text in one Write.
type Printer struct {
	mu sync.Mutex
	to io.Writer
}

// NewPrinter makes a printer to a stream. Whoever makes it gives the stream to nobody
// else.
func NewPrinter(to io.Writer) *Printer { return &Printer{to: to} }

func (p *Printer) write(s string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := io.WriteString(p.to, s)
	return err
}

// Print prints a text of wirepost's own, such as a help text.
func (p *Printer) Print(own string) { _ = p.write(Text(own)) } // nobody to tell

// Printf prints a format of wirepost's own, with values that anybody may have
// written: each is within the line, as [Line] has it.
func (p *Printer) Printf(format string, values ...any) {
	if false {
		_ = fmt.Sprintf(format, values...) // lets go vet check the callers
	}
	_ = p.write(Text(fmt.Sprintf(format, oneLine(values)...))) // nobody to tell
}

// Block prints a text that may have several lines behind a beginning of wirepost's
// own, as [Block] has it, and a line end.
func (p *Printer) Block(own, text string) { _ = p.write(own + Block(text) + "\n") } // nobody to tell

// JSON prints a value as JSON in one line, as [JSON] has it.
func (p *Printer) JSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return p.write(string(JSON(b.Bytes())))
}

// Data prints what a program has answered, and a line end: JSON as [JSON] has it,
// anything else as [Text].
func (p *Printer) Data(b []byte) error {
	if json.Valid(b) {
		return p.write(string(JSON(b)) + "\n")
	}
	return p.write(Text(string(b)) + "\n")
}

// Lines is a writer for what has lines of its own: the output of functions, a log, a
// report. What it gets is printed as [Text] has it, and a character that is cut into
// two Writes as its bytes.
func (p *Printer) Lines() io.Writer { return lines{p} }

type lines struct{ p *Printer }

func (l lines) Write(b []byte) (int, error) {
	if err := l.p.write(Text(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Table begins a table with these titles. Flush prints it.
func (p *Printer) Table(titles ...string) *Table {
	t := &Table{p: p}
	t.columns = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t.columns, strings.Join(titles, "\t"))
	return t
}

// Table is rows of cells in columns.
type Table struct {
	p       *Printer
	text    strings.Builder
	columns *tabwriter.Writer
	rows    int
}

// Row adds a row, with cells that anybody may have written: each is within its line.
func (t *Table) Row(cells ...any) {
	t.rows++
	for i, cell := range oneLine(cells) {
		if i > 0 {
			fmt.Fprint(t.columns, "\t")
		}
		fmt.Fprintf(t.columns, "%v", cell)
	}
	fmt.Fprintln(t.columns)
}

// Rows is how many rows the table has.
func (t *Table) Rows() int { return t.rows }

// Flush prints the table. Nothing may be added afterwards.
func (t *Table) Flush() error {
	if err := t.columns.Flush(); err != nil {
		return err
	}
	return t.p.write(t.text.String())
}

// oneLine makes values print within the line, whatever verb a format has for them.
func oneLine(values []any) []any {
	all := make([]any, len(values))
	for i, v := range values {
		switch v.(type) {
		case int, int64, uint64, float64, bool:
			all[i] = v
		default:
			all[i] = value{v}
		}
	}
	return all
}

type value struct{ of any }

// Format implements fmt.Formatter.
func (v value) Format(f fmt.State, verb rune) {
	_, _ = io.WriteString(f, Line(fmt.Sprintf(fmt.FormatString(f, verb), v.of)))
}
