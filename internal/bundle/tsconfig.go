package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/wirepost/wirepost/internal/app"
)

// configs are the files that say how a source is bundled.
type configs struct {
	files     []string // tsconfig.json and those that it extends, and package.json
	decorates bool     // emitDecoratorMetadata is on
}

// maxExtends is how many files a tsconfig.json may extend, one after the other.
const maxExtends = 20

// configs finds those of some files. given is the tsconfig.json that the tool names, if
// it does.
func (m *maker) configs(given string, sources []string) configs {
	c := configs{}
	folders := map[string]bool{}
	for _, file := range sources {
		folders[filepath.Dir(file)] = true
	}
	typed := map[string]bool{}
	if given != "" {
		typed[given] = true
	}
	for folder := range folders {
		if file := above(folder, "package.json"); file != "" {
			c.files = append(c.files, file)
		}
		if file := above(folder, "tsconfig.json"); file != "" && given == "" {
			typed[file] = true
		}
	}
	for file := range typed {
		if decorates := c.typescript(file, maxExtends); decorates != nil && *decorates {
			c.decorates = true
		}
	}
	slices.Sort(c.files)
	c.files = slices.Compact(c.files)
	return c
}

// typescript reads a tsconfig.json and what it extends, and gives what they say of
// emitDecoratorMetadata, if they say anything.
func (c *configs) typescript(file string, more int) (decorates *bool) {
	if more == 0 || !isFile(file) {
		return nil
	}
	if !isOfPackage(file) {
		c.files = append(c.files, file)
	}
	var t struct {
		Extends         any `json:"extends"`
		CompilerOptions struct {
			EmitDecoratorMetadata *bool `json:"emitDecoratorMetadata"`
		} `json:"compilerOptions"`
	}
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(withoutComments(data), &t) != nil {
		return nil // esbuild says what is wrong with it
	}
	bases, _ := texts(t.Extends)
	for _, base := range bases {
		if d := c.typescript(extended(base, filepath.Dir(file)), more-1); d != nil {
			decorates = d
		}
	}
	if own := t.CompilerOptions.EmitDecoratorMetadata; own != nil {
		decorates = own
	}
	return decorates
}

// extended is the file that a tsconfig.json in a folder means.
func extended(base, folder string) string {
	file := filepath.FromSlash(base)
	if name := packageName(base); name != "" {
		at := installed(name, folder)
		if at == "" {
			return ""
		}
		file = filepath.Join(at, filepath.FromSlash(base[len(name):]))
	} else if !filepath.IsAbs(file) {
		file = filepath.Join(folder, file)
	}
	for _, try := range []string{file, file + ".json", filepath.Join(file, "tsconfig.json")} {
		if isFile(try) {
			return try
		}
	}
	return ""
}

var commentOrString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|//[^\n]*|/\*(?s:.*?)\*/|,\s*([}\]])`)

// withoutComments is JSON of a tsconfig.json, which may have comments and commas at
// the end of a list.
func withoutComments(data []byte) []byte {
	once := func(data []byte) []byte {
		return commentOrString.ReplaceAllFunc(data, func(found []byte) []byte {
			switch found[0] {
			case '"':
				return found
			case ',':
				return found[len(found)-1:]
			}
			return nil
		})
	}
	return once(once(data)) // a comment may be behind the last comma
}

var decorator = regexp.MustCompile(`(?m)^[ \t]*@[A-Za-z_$][\w$.]*`)

// checkDecorators says that decorators find no types here, if the source asks for them.
func (m *maker) checkDecorators(c configs, sources []string) {
	if !c.decorates {
		return
	}
	for _, file := range sources {
		if ext := filepath.Ext(file); ext != ".ts" && ext != ".mts" && ext != ".cts" && ext != ".tsx" {
			continue
		}
		if data, err := os.ReadFile(file); err == nil && decorator.Match(data) {
			m.notes = append(m.notes, fmt.Sprintf("emitDecoratorMetadata is on and not done, because esbuild does not know types: what reads the types of decorated parameters, such as %s, may find none; where that matters run the app's own build and give --function ID=FOLDER with its output", app.Clip(m.shown(file))))
			return
		}
	}
}

// shown is a path as it is opened from the directory in which the template was read.
func (m *maker) shown(file string) string {
	if inside, err := filepath.Rel(m.source, file); err == nil {
		return filepath.Join(m.Bundle.Folder, inside)
	}
	return file
}
