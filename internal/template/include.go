package template

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	maxFiles     = 64
	maxFileBytes = 8 << 20 // of all files together
)

// files reads what ${file()} names, under the directory of the template only:
// os.Root refuses whatever leads out of it, symbolic links too.
type files struct {
	r     *reader
	known map[string]*value
	bytes int
}

// read is a file's content: values for YAML and JSON, a string for any other.
// One that does not exist is unknown, one that may not be read has a note too.
func (f *files) read(name string, pos Position) *value {
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

func (f *files) open(name string, pos Position) *value {
	refuse := func(why string) *value {
		f.r.note(pos, Warning, "file(%s) %s", clip(name), why)
		return newUnknown(pos, "file("+clip(name)+") "+why)
	}
	local := filepath.FromSlash(name)
	if filepath.IsAbs(local) {
		if dir, err := filepath.Abs(f.r.dir); err == nil {
			if rel, err := filepath.Rel(dir, local); err == nil {
				local = rel
			}
		}
	}
	const outside = "is outside the directory of the template and is not read"
	if local = filepath.Clean(local); !filepath.IsLocal(local) || strings.HasPrefix(name, "~") {
		return refuse(outside)
	}
	switch path.Ext(filepath.ToSlash(local)) {
	case ".js", ".cjs", ".mjs", ".ts", ".cts", ".mts":
		return refuse("is a program, which is never run here")
	}
	if len(f.known) >= maxFiles {
		return refuse("is one file too many")
	}
	root, err := os.OpenRoot(f.r.dir)
	if err != nil {
		return refuse("is not read: the directory of the template cannot be opened")
	}
	defer root.Close()
	info, err := root.Stat(local)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newUnknown(pos, "file("+clip(name)+") does not exist")
	case err != nil:
		return refuse(outside)
	case !info.Mode().IsRegular():
		return refuse("is not a plain file and is not read")
	case info.Size() > maxBytes || f.bytes+int(info.Size()) > maxFileBytes:
		return refuse("is too large and is not read")
	}
	file, err := root.Open(local)
	if err != nil {
		return refuse("cannot be opened")
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return refuse("cannot be read")
	}
	f.bytes += len(data)
	shown := filepath.Join(f.r.dir, local)
	switch path.Ext(filepath.ToSlash(local)) {
	case ".yml", ".yaml", ".json", ".tfstate":
		v, err := parse(shown, data, f.r.note)
		if err != nil {
			if e := (*Error)(nil); errors.As(err, &e) {
				f.r.fail(e.Position, "%s", e.Text)
			}
			return newUnknown(pos, "file("+clip(name)+") cannot be understood")
		}
		return v
	}
	if len(data) > maxString {
		return refuse("is too large and is not read")
	}
	return newText(Position{File: shown, Line: 1}, string(data))
}
