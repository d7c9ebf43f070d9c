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

// Printer prints to the standard output or the standard error of a command. It does not
// implement io.Writer, so fmt cannot write around it. Its methods may be called
// concurrently; each call makes one Write. Methods without a result ignore errors of
// that Write, as there is nobody to report them to.
type Printer struct {
	mu sync.Mutex
	to io.Writer
}

// NewPrinter makes a Printer. Nothing else should write to the stream afterwards.
func NewPrinter(to io.Writer) *Printer { return &Printer{to: to} }

func (p *Printer) write(s string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := io.WriteString(p.to, s)
	return err
}

// Print prints wirepost's own text, such as a help text.
func (p *Printer) Print(own string) { _ = p.write(Text(own)) }

// Printf prints values from outside in a format of wirepost's own. It passes each
// formatted value through [Line].
func (p *Printer) Printf(format string, values ...any) {
	if false {
		_ = fmt.Sprintf(format, values...) // lets go vet check the callers
	}
	_ = p.write(Text(fmt.Sprintf(format, oneLine(values)...)))
}

// Block prints a prefix of wirepost's own, a text of one or more lines, and a line end.
// It passes the text through [Block].
func (p *Printer) Block(own, text string) { _ = p.write(own + Block(text) + "\n") }

// JSON prints a value in one line and passes it through [JSON].
func (p *Printer) JSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return p.write(string(JSON(b.Bytes())))
}

// Data prints the answer of a program and a line end. It passes JSON through [JSON] and
// anything else through [Text].
func (p *Printer) Data(b []byte) error {
	if json.Valid(b) {
		return p.write(string(JSON(b)) + "\n")
	}
	return p.write(Text(string(b)) + "\n")
}

// Lines returns a writer for text in whole lines: logs, reports and the output of
// functions. It passes each Write through [Text] separately, so a character that is
// split between two Writes is shown as bytes.
func (p *Printer) Lines() io.Writer { return lines{p} }

type lines struct{ p *Printer }

func (l lines) Write(b []byte) (int, error) {
	if err := l.p.write(Text(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Table begins a table with the titles of its columns. Flush prints it.
func (p *Printer) Table(titles ...string) *Table {
	t := &Table{p: p}
	t.columns = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t.columns, strings.Join(titles, "\t"))
	return t
}

// Table collects rows.
type Table struct {
	p       *Printer
	text    strings.Builder
	columns *tabwriter.Writer
	rows    int
}

// Row adds a row. It passes each cell through [Line].
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

// Rows returns the number of rows without the titles.
func (t *Table) Rows() int { return t.rows }

// Flush prints the table. No rows may be added afterwards.
func (t *Table) Flush() error {
	if err := t.columns.Flush(); err != nil {
		return err
	}
	return t.p.write(t.text.String())
}

// oneLine wraps values so that fmt passes them through Line, with any verb.
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
