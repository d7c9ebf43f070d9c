// Package bundle makes of TypeScript, or of JavaScript that a tool bundles, the files
// that Node.js runs in the place of Lambda, with esbuild as a library.
//
// What a tool does in programs of its own (JavaScript plugins, webpack's loaders,
// decorator metadata, which needs TypeScript's compiler) is not done.
package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/wirepost/wirepost/internal/app"
)

// most is how many of esbuild's errors there are in an Error.
const most = 10

// Make makes a bundle in a folder: the handler's file at its own path below it, with
// a source map that has the sources; links to the packages that stay outside of the
// bundle; and links to the files that are packed with it. What else is in the folder
// is removed. A file that is as it was is not written.
//
// If the source does not compile the folder stays as it is, and the error is an *Error.
// Bundles of one folder must not be made concurrently.
func Make(ctx context.Context, b *app.Bundle, folder string) (*app.Bundled, error) {
	source, err := filepath.Abs(b.Folder)
	if err != nil {
		return nil, fmt.Errorf("find the folder %s: %w", b.Folder, err)
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return nil, fmt.Errorf("find the folder of the bundle: %w", err)
	}
	m := &maker{Bundle: b, source: source, folder: folder, natives: map[string]bool{}}
	if m.entries, err = m.findEntries(); err != nil {
		return nil, err
	}
	return m.make(ctx)
}

// A maker makes one bundle.
type maker struct {
	*app.Bundle
	source, folder string // absolute
	entries        []api.EntryPoint
	notes          []string
	nativeLock     sync.Mutex      // esbuild resolves concurrently
	natives        map[string]bool // by a package's folder: it has compiled code
}

func (m *maker) make(ctx context.Context) (*app.Bundled, error) {
	options := m.buildOptions()
	building, failed := api.Context(options)
	if failed != nil {
		return nil, m.failure(failed.Errors)
	}
	defer building.Dispose()
	stop := context.AfterFunc(ctx, building.Cancel)
	result := building.Rebuild()
	stop()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("bundle the handler %s: %w", m.Handler, err)
	}
	if len(result.Errors) > 0 {
		return nil, m.failure(result.Errors)
	}
	var meta metafile
	if err := json.Unmarshal([]byte(result.Metafile), &meta); err != nil {
		return nil, fmt.Errorf("read what esbuild says of the bundle of %s: %w", m.Handler, err)
	}
	out := &output{folder: m.folder, keep: map[string]bool{}}
	for _, f := range result.OutputFiles {
		out.file(f.Path, f.Contents)
	}
	configs := m.configs(options.Tsconfig, m.sources(meta))
	m.linkPackages(out, meta)
	m.linkFiles(out)
	out.sweep()
	if err := errors.Join(out.errs...); err != nil {
		return nil, fmt.Errorf("write the bundle of %s: %w", m.Handler, err)
	}
	m.checkDecorators(configs, m.sources(meta))
	for _, w := range result.Warnings {
		if w.Location != nil && !isOfPackage(w.Location.File) {
			m.notes = append(m.notes, m.text(w))
		}
	}
	inputs := append(m.sources(meta), configs.files...)
	slices.Sort(inputs)
	return &app.Bundled{Inputs: slices.Compact(inputs), Changed: out.changed, Notes: m.notes}, nil
}

// metafile is what esbuild says of a build, as far as it is of use here.
type metafile struct {
	Inputs map[string]struct {
		Imports []struct {
			Path     string `json:"path"`
			External bool   `json:"external"`
		} `json:"imports"`
	} `json:"inputs"`
}

// sources are the absolute paths of a build's inputs that are of no package.
func (m *maker) sources(meta metafile) (files []string) {
	for name := range meta.Inputs {
		if file := m.input(name); file != "" && !isOfPackage(file) {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return files
}

// input is the absolute path of an input, or empty for one that is no file.
func (m *maker) input(name string) string {
	if strings.HasPrefix(name, "(disabled):") || strings.HasPrefix(name, "<") {
		return ""
	}
	if name = filepath.FromSlash(name); !filepath.IsAbs(name) {
		name = filepath.Join(m.source, name)
	}
	return name
}

func isOfPackage(file string) bool {
	return slices.Contains(strings.Split(filepath.ToSlash(file), "/"), "node_modules")
}

// An Error is a source that cannot be bundled.
type Error struct {
	Handler  string
	Messages []string // esbuild's own: FILE:LINE:COLUMN: TEXT, where it has a place
	More     int      // how many more there are
}

// Error has a line for each message.
func (e *Error) Error() string {
	s := "the handler " + e.Handler + " cannot be bundled: " + strings.Join(e.Messages, "\n")
	if e.More > 0 {
		s += fmt.Sprintf("\n(and %d more)", e.More)
	}
	return s
}

func (m *maker) failure(messages []api.Message) error {
	e := &Error{Handler: m.Handler}
	for _, one := range messages {
		if len(e.Messages) == most {
			e.More = len(messages) - most
			break
		}
		e.Messages = append(e.Messages, m.text(one))
	}
	return e
}

// text is a message as esbuild has it, with the file as it is opened from the
// directory in which the template was read.
func (m *maker) text(message api.Message) string {
	text := message.Text
	if l := message.Location; l != nil {
		file := filepath.FromSlash(l.File)
		if !filepath.IsAbs(file) {
			file = filepath.Join(m.Bundle.Folder, file)
		}
		text = fmt.Sprintf("%s:%d:%d: %s", file, l.Line, l.Column+1, text)
	}
	return text
}
