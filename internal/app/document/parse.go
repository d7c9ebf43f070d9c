package document

import (
	"bytes"
	"encoding/json"
	"io"
	"os"

	"github.com/wirepost/wirepost/internal/app"
)

// What a file may be. AWS takes templates of 1 MB.
const (
	MaxBytes = 2 << 20
	maxNodes = 100_000 // with every alias counted as often as it is used
	maxDepth = 100
)

// ReadFile reads a plain file, one byte past MaxBytes at most: Parse refuses what is
// longer. It never waits: another kind of file, such as a pipe, is an *app.Error.
func ReadFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, app.Errorf(app.Position{File: file}, "is a folder: name the file of the template in it")
	}
	if !info.Mode().IsRegular() {
		return nil, app.Errorf(app.Position{File: file}, "is not a plain file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxBytes+1))
}

// Parse reads YAML or JSON. File is the name in positions; notes go to reading. A
// key that is written twice is a note, and its last value counts. An error is an
// *app.Error: a syntax error, or a file that has more than MaxBytes, more than
// 100,000 values with its aliases followed, or more than 100 levels.
func Parse(file string, data []byte, reading *Reading) (*Value, error) {
	p := &parser{file: file, reading: reading}
	if len(data) > MaxBytes {
		return nil, app.Errorf(p.at(1), "is larger than %d bytes, which no template may be", MaxBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if first := bytes.TrimLeft(data, " \t\r\n"); len(first) > 0 && first[0] == '{' && json.Valid(data) {
		return p.json(data)
	}
	return p.yaml(data)
}

// A parser reads one file.
type parser struct {
	file    string
	nodes   int
	reading *Reading
}

func (p *parser) at(line int) app.Position { return app.Position{File: p.file, Line: line} }

// count bounds the values of a file and how deep they are.
func (p *parser) count(pos app.Position, depth int) error {
	p.nodes++
	if p.nodes > maxNodes {
		return app.Errorf(pos, "has more than %d values once its aliases are followed", maxNodes)
	}
	if depth > maxDepth {
		return app.Errorf(pos, "is nested deeper than %d levels, or an alias contains itself", maxDepth)
	}
	return nil
}

// fields are those of one map, whose keys are unique.
type fields struct {
	of *Value
	at map[string]int // key to its index in of.Fields
}

func newFields(of *Value) *fields { return &fields{of, map[string]int{}} }

// put adds a field, or replaces the one of the same key with a note.
func (p *parser) put(to *fields, f Field) {
	if i, ok := to.at[f.Key]; ok {
		p.reading.Note(f.Pos, app.Warning, "%s is written twice, first on line %d: the last one counts", Clip(f.Key), to.of.Fields[i].Pos.Line)
		to.of.Fields[i] = f
		return
	}
	to.add(f)
}

// add adds a field unless there is one of the same key.
func (to *fields) add(f Field) {
	if _, ok := to.at[f.Key]; ok {
		return
	}
	to.at[f.Key] = len(to.of.Fields)
	to.of.Fields = append(to.of.Fields, f)
}
