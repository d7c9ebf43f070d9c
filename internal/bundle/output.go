package bundle

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/atomicfile"
)

// output is the folder of a bundle while it is written.
type output struct {
	folder  string
	keep    map[string]bool // paths within the folder
	changed bool
	errs    []error
}

func (o *output) failed(err error) {
	if err != nil {
		o.errs = append(o.errs, err)
	}
}

// file writes a file that is another than before.
func (o *output) file(name string, data []byte) {
	inside, err := filepath.Rel(o.folder, name)
	if err != nil || !filepath.IsLocal(inside) {
		o.failed(fmt.Errorf("%s is not in its folder", name))
		return
	}
	o.keep[inside] = true
	if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, data) {
		return
	}
	o.changed = true
	if err := o.place(name); err != nil {
		o.failed(err)
		return
	}
	o.failed(atomicfile.Write(name, data, 0o600))
}

// link makes a link within the folder to a file or a folder, unless something is there.
func (o *output) link(inside, to string) {
	if o.keep[inside] {
		return
	}
	o.keep[inside] = true
	name := filepath.Join(o.folder, inside)
	if old, err := os.Readlink(name); err == nil && old == to {
		return
	}
	o.changed = true
	if err := o.place(name); err != nil {
		o.failed(err)
		return
	}
	o.failed(os.Symlink(to, name))
}

// place makes a path free. A folder above it may be a link of before, which leads out
// of the bundle: it goes.
func (o *output) place(name string) error {
	inside, err := filepath.Rel(o.folder, name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.folder, 0o700); err != nil {
		return err
	}
	at := o.folder
	parts := strings.Split(inside, string(filepath.Separator))
	for i, part := range parts {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if err == nil && i < len(parts)-1 && info.IsDir() {
			continue
		}
		if err == nil {
			if err := os.RemoveAll(at); err != nil {
				return err
			}
		}
		if i < len(parts)-1 {
			if err := os.Mkdir(at, 0o700); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweep removes what earlier bundles have left.
func (o *output) sweep() {
	var folders []string
	err := filepath.WalkDir(o.folder, func(name string, d fs.DirEntry, err error) error {
		inside, _ := filepath.Rel(o.folder, name)
		switch {
		case err != nil:
			return err
		case name == o.folder || o.keep[inside]:
			return nil
		case d.IsDir():
			folders = append(folders, name)
			return nil
		}
		o.changed = true
		return os.Remove(name)
	})
	o.failed(err)
	for _, folder := range slices.Backward(folders) {
		_ = os.Remove(folder) // which fails for one that is not empty
	}
}

func sortedInputs(meta metafile) []string { return slices.Sorted(maps.Keys(meta.Inputs)) }

// maxPacked is how many files are linked next to a bundle.
const maxPacked = 5000

// notPacked are folders of which nothing is linked: what tools keep there is not what
// a function reads.
var notPacked = []string{"node_modules", ".git", ".wirepost", ".serverless", ".aws-sam", ".esbuild", ".build", ".webpack", "cdk.out"}

// linkFiles links the files that the template packs next to the bundle, but for code,
// which is in the bundle.
func (m *maker) linkFiles(out *output) {
	if len(m.Files) == 0 {
		return
	}
	patterns := make([]pattern, 0, len(m.Files))
	for _, s := range m.Files {
		patterns = append(patterns, newPattern(s))
	}
	linked := 0
	_ = filepath.WalkDir(m.source, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it has gone, or may not be read: it cannot be packed either
		}
		if d.IsDir() {
			if name != m.source && (slices.Contains(notPacked, d.Name()) || name == m.folder) {
				return fs.SkipDir
			}
			return nil
		}
		inside, err := filepath.Rel(m.source, name)
		if err != nil || slices.Contains(app.SourceFiles(), filepath.Ext(name)) || !takes(patterns, filepath.ToSlash(inside)) {
			return nil
		}
		if linked++; linked > maxPacked {
			m.notes = append(m.notes, fmt.Sprintf("more than %d files are packed with the bundle of %s, and no more are linked to it", maxPacked, m.Handler))
			return fs.SkipAll
		}
		out.link(inside, name)
		return nil
	})
}

// A pattern is one of what is packed. The last one that a path is of decides.
type pattern struct {
	leaves bool
	path   *regexp.Regexp
}

func takes(patterns []pattern, name string) (taken bool) {
	for _, p := range patterns {
		if p.path.MatchString(name) {
			taken = !p.leaves
		}
	}
	return taken
}

// newPattern reads a pattern with **, *, ? and {a,b}. Another one is a name.
func newPattern(s string) pattern {
	s, leaves := strings.CutPrefix(s, "!")
	s = strings.ToValidUTF8(strings.TrimPrefix(s, "./"), "\uFFFD")
	var b strings.Builder
	b.WriteString(`^`)
	braces := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case strings.HasPrefix(s[i:], "**/"):
			b.WriteString(`(?:.*/)?`)
			i += 2
		case strings.HasPrefix(s[i:], "**"):
			b.WriteString(`.*`)
			i++
		case c == '*':
			b.WriteString(`[^/]*`)
		case c == '?':
			b.WriteString(`[^/]`)
		case c == '{':
			braces++
			b.WriteString(`(?:`)
		case c == '}' && braces > 0:
			braces--
			b.WriteString(`)`)
		case c == ',' && braces > 0:
			b.WriteString(`|`)
		default:
			_, size := utf8.DecodeRuneInString(s[i:])
			b.WriteString(regexp.QuoteMeta(s[i : i+size]))
			i += size - 1
		}
	}
	b.WriteString(strings.Repeat(`)`, braces) + `$`)
	path, err := regexp.Compile(b.String())
	if err != nil {
		path = regexp.MustCompile(`^` + regexp.QuoteMeta(s) + `$`)
	}
	return pattern{leaves, path}
}
