package serverless

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

const (
	maxFiles     = 64
	maxFileBytes = 8 << 20 // of all files together
)

// files reads what ${file()} names, below the directory of the template only:
// os.Root refuses every path that leads out of it, symbolic links too.
type files struct {
	reading *document.Reading
	dir     string // of the template
	known   map[string]*value
	bytes   int
	program func(file, address string) ([]byte, error) // or nil: none is run
}

// read is a file's content: values for YAML and JSON, a string for any other.
// One that does not exist is unknown, one that may not be read has a note too.
func (f *files) read(name string, pos app.Position) *value {
	name = strings.Trim(strings.TrimSpace(name), `'"`)
	if v, ok := f.known[name]; ok {
		return v
	}
	v := f.open(name, pos)
	if len(f.known) < maxFiles {
		f.known[name] = v
	}
	return v
}

const outside = "is outside the directory of the template and is not read"

// open is the content of a file that is not known yet.
func (f *files) open(name string, pos app.Position) *value {
	local, why := f.local(name)
	if why == "" && len(f.known) >= maxFiles {
		why = "is one file too many"
	}
	if why != "" {
		return f.refuse(name, why, pos)
	}
	data, why, err := f.content(local)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return document.NewUnknown(pos, "file("+document.Clip(name)+") does not exist")
	case why != "":
		return f.refuse(name, why, pos)
	}
	f.bytes += len(data)
	shown := filepath.Join(f.dir, local)
	switch path.Ext(filepath.ToSlash(local)) {
	case ".yml", ".yaml", ".json", ".tfstate":
		v, err := document.Parse(shown, data, f.reading)
		if err != nil {
			if e := (*app.Error)(nil); errors.As(err, &e) {
				f.reading.Fail(e.Position, "%s", e.Text)
			}
			return document.NewUnknown(pos, "file("+document.Clip(name)+") cannot be understood")
		}
		return v
	}
	if len(data) > document.MaxString {
		return f.refuse(name, "is too large and is not read", pos)
	}
	return document.NewText(app.Position{File: shown, Line: 1}, string(data))
}

// refuse is the value of a file that may not be read, with a note.
func (f *files) refuse(name, why string, pos app.Position) *value {
	f.reading.Note(pos, app.Warning, "file(%s) %s", document.Clip(name), why)
	return document.NewUnknown(pos, "file("+document.Clip(name)+") "+why)
}

// local is the path of a file from the directory of the template, or why it is not
// read.
func (f *files) local(name string) (local, why string) {
	local = filepath.FromSlash(name)
	if filepath.IsAbs(local) {
		if dir, err := filepath.Abs(f.dir); err == nil {
			if rel, err := filepath.Rel(dir, local); err == nil {
				local = rel
			}
		}
	}
	if local = filepath.Clean(local); !filepath.IsLocal(local) || strings.HasPrefix(name, "~") {
		return "", outside
	}
	return local, ""
}

// isProgram reports whether the framework runs a file and takes what it exports
// (Serverless Framework 3 docs, "Variables": "Reference Variables in Javascript Files").
func isProgram(name string) bool {
	switch path.Ext(filepath.ToSlash(strings.Trim(strings.TrimSpace(name), `'"`))) {
	case ".js", ".cjs", ".mjs", ".ts", ".cts", ".mts":
		return true
	}
	return false
}

// run is what a program exports at an address. It is run once for each address.
func (f *files) run(name, address string, pos app.Position) *value {
	name = strings.Trim(strings.TrimSpace(name), `'"`)
	key := name + ":" + address
	if v, ok := f.known[key]; ok {
		return v
	}
	v := f.exported(name, address, pos)
	if len(f.known) < maxFiles {
		f.known[key] = v
	}
	return v
}

// exported is what a program that is not known yet exports at an address.
func (f *files) exported(name, address string, pos app.Position) *value {
	local, why := f.local(name)
	switch {
	case why != "":
	case f.program == nil:
		why = "is a program, which only 'wirepost dev' runs"
	case len(f.known) >= maxFiles:
		why = "is one file too many"
	default:
		var err error
		if _, why, err = f.content(local); errors.Is(err, fs.ErrNotExist) {
			return document.NewUnknown(pos, "file("+document.Clip(name)+") does not exist")
		}
	}
	if why != "" {
		return f.refuse(name, why, pos)
	}
	shown := filepath.Join(f.dir, local)
	data, err := f.program(shown, address)
	if err != nil {
		return f.refuse(name, err.Error(), pos)
	}
	if f.bytes += len(data); f.bytes > maxFileBytes {
		return f.refuse(name, "exports too much", pos)
	}
	v, err := document.Parse(shown, data, f.reading)
	if err != nil {
		return f.refuse(name, "exports what cannot be read", pos)
	}
	return document.At(v, app.Position{File: shown, Line: 1})
}

// content is what a plain file holds, or why it is not read. The error is that of
// finding it.
func (f *files) content(local string) (data []byte, why string, err error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, "is not read: the directory of the template cannot be opened", nil
	}
	defer root.Close()
	info, err := root.Stat(local)
	switch {
	case err != nil:
		return nil, outside, err
	case !info.Mode().IsRegular():
		return nil, "is not a plain file and is not read", nil
	case info.Size() > document.MaxBytes || f.bytes+int(info.Size()) > maxFileBytes:
		return nil, "is too large and is not read", nil
	}
	file, err := root.Open(local)
	if err != nil {
		return nil, "cannot be opened", nil
	}
	defer file.Close()
	if data, err = io.ReadAll(io.LimitReader(file, document.MaxBytes+1)); err != nil {
		return nil, "cannot be read", nil
	}
	return data, "", nil
}
