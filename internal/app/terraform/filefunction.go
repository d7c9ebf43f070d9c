package terraform

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"go.yaml.in/yaml/v3"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

var firstByte = hcl.InitialPos

// hashes are what files and texts have functions for.
var hashes = map[string]func([]byte) string{
	"md5":          func(b []byte) string { h := md5.Sum(b); return hex.EncodeToString(h[:]) },
	"sha1":         func(b []byte) string { h := sha1.Sum(b); return hex.EncodeToString(h[:]) },
	"sha256":       func(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) },
	"sha512":       func(b []byte) string { h := sha512.Sum512(b); return hex.EncodeToString(h[:]) },
	"base64sha256": func(b []byte) string { h := sha256.Sum256(b); return base64.StdEncoding.EncodeToString(h[:]) },
	"base64sha512": func(b []byte) string { h := sha512.Sum512(b); return base64.StdEncoding.EncodeToString(h[:]) },
}

// textFunctions make a text of a text.
var textFunctions = func() map[string]func(string) (string, error) {
	sure := func(f func(string) string) func(string) (string, error) {
		return func(s string) (string, error) { return f(s), nil }
	}
	all := map[string]func(string) (string, error){
		"base64encode": sure(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }),
		"base64decode": func(s string) (string, error) {
			b, err := base64.StdEncoding.DecodeString(s)
			if err != nil || !utf8.Valid(b) {
				return "", errors.New("it is not the base64 of a text")
			}
			return string(b), nil
		},
		"base64gzip": func(s string) (string, error) {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			if _, err := w.Write([]byte(s)); err != nil {
				return "", err
			}
			if err := w.Close(); err != nil {
				return "", err
			}
			return base64.StdEncoding.EncodeToString(b.Bytes()), nil
		},
		"urlencode": sure(url.QueryEscape),
		"urldecode": func(s string) (string, error) { return url.QueryUnescape(s) },
		"basename":  sure(path.Base), "dirname": sure(path.Dir),
	}
	for name, f := range hashes {
		all[name] = sure(func(s string) string { return f([]byte(s)) })
	}
	return all
}()

// fileFunctions are those that read files.
func (c *configuration) fileFunctions() map[string]function.Function {
	ofFile := func(f func([]byte) (string, error)) function.Function {
		return ofText(func(name string) (string, error) {
			data, err := c.read(c.file(name))
			if err != nil {
				return "", errors.New(unread(name, err))
			}
			return f(data)
		})
	}
	all := map[string]function.Function{
		"file": ofFile(func(b []byte) (string, error) {
			if len(b) > document.MaxString || !utf8.Valid(b) {
				return "", errors.New("the file is too large, or no text")
			}
			return string(b), nil
		}),
		"filebase64": ofFile(func(b []byte) (string, error) {
			if len(b) > document.MaxString/2 {
				return "", errors.New("the file is too large")
			}
			return base64.StdEncoding.EncodeToString(b), nil
		}),
		"abspath":    ofText(func(s string) (string, error) { return filepath.ToSlash(c.absolute(s)), nil }),
		"pathexpand": ofText(func(s string) (string, error) { return s, nil }),
		"fileset":    c.filesetFunction(),
		"fileexists": function.New(&function.Spec{Params: []function.Parameter{textParameter("path")}, Type: function.StaticReturnType(cty.Bool),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				info, err := os.Stat(c.file(args[0].AsString()))
				return cty.BoolVal(err == nil && info.Mode().IsRegular()), nil
			}}),
		"templatefile": c.templateFunction(func(name string) (string, error) {
			data, err := c.read(c.file(name))
			if err != nil {
				return "", errors.New(unread(name, err))
			}
			return string(data), nil
		}),
		"templatestring": c.templateFunction(func(text string) (string, error) { return text, nil }),
	}
	for name, f := range hashes {
		of := "file" + name
		all[of] = ofText(func(name string) (string, error) {
			// A file that a build makes, such as a zip file, changes nothing here but its
			// own hash.
			data, err := c.read(c.file(name))
			if err != nil {
				data = []byte(name)
			}
			return f(data), nil
		})
	}
	return all
}

// unread is why a file is not read, with the name that the configuration has for it.
func unread(name string, err error) string {
	if e := (*app.Error)(nil); errors.As(err, &e) {
		return document.Clip(name) + " " + e.Text
	}
	return document.Clip(name) + " cannot be read"
}

// file is a path of the configuration as it is opened from here: relative ones are from
// the root's folder.
func (c *configuration) file(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(c.options.Dir, filepath.FromSlash(name))
}

func (c *configuration) absolute(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(c.cwd, filepath.FromSlash(name))
}

func (c *configuration) templateFunction(text func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{textParameter("template"), {Name: "vars", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowMarked: true}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			s, err := text(name)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%v", err)
			}
			v := c.rendered(document.Clip(name), s, args[1])
			if _, ok := to(v, cty.String); !ok || v.Type() == cty.DynamicPseudoType {
				return cty.UnknownVal(cty.String).WithSameMarks(v), nil
			}
			return v, nil
		},
	})
}

// maxWalk is how many files fileset looks at.
const maxWalk = 20_000

// filesetFunction is fileset: the files below a folder that a pattern takes.
func (c *configuration) filesetFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{textParameter("path"), textParameter("pattern")}, Type: function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			dir, pattern := c.file(args[0].AsString()), args[1].AsString()
			var found []cty.Value
			seen := 0
			err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
				if seen++; seen > maxWalk {
					return fmt.Errorf("there are more than %d files", maxWalk)
				}
				if err != nil || d.IsDir() || !d.Type().IsRegular() {
					return nil
				}
				name, err := filepath.Rel(dir, file)
				if name = filepath.ToSlash(name); err == nil && matches(strings.Split(pattern, "/"), strings.Split(name, "/")) {
					found = append(found, cty.StringVal(name))
				}
				return nil
			})
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%v", err)
			}
			if len(found) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			return cty.SetVal(found), nil
		},
	})
}

// matches holds a path against a pattern, of which ** takes any number of folders.
func matches(pattern, name []string) bool {
	for len(pattern) > 0 && pattern[0] != "**" {
		if len(name) == 0 || !matchesOne(pattern[0], name[0]) {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	if len(pattern) == 0 {
		return len(name) == 0
	}
	const most = 8 // of **, which ask for each other
	if len(pattern) > most {
		return false
	}
	for i := 0; i <= len(name); i++ {
		if matches(pattern[1:], name[i:]) {
			return true
		}
	}
	return false
}

// matchesOne holds one name against a pattern with {a,b}.
func matchesOne(pattern, name string) bool {
	before, rest, ok := strings.Cut(pattern, "{")
	if !ok {
		matched, err := path.Match(pattern, name)
		return err == nil && matched
	}
	choices, after, ok := strings.Cut(rest, "}")
	if !ok || strings.Contains(after, "{") {
		return false
	}
	for choice := range strings.SplitSeq(choices, ",") {
		if matched, err := path.Match(before+choice+after, name); err == nil && matched {
			return true
		}
	}
	return false
}

var yamlDecodeFunction = function.New(&function.Spec{
	Params: []function.Parameter{textParameter("text")}, Type: function.StaticReturnType(cty.DynamicPseudoType),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		root, err := document.Parse("the text", []byte(args[0].AsString()), document.NewReading("the text")) // bounds aliases
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "%v", err)
		}
		var plain any
		if err := yaml.Unmarshal([]byte(args[0].AsString()), &plain); err != nil || root == nil {
			return cty.NilVal, function.NewArgErrorf(0, "it is not YAML")
		}
		return fromAny(plain), nil
	},
})

// fromAny is a value of what YAML has.
func fromAny(v any) cty.Value {
	switch v := v.(type) {
	case nil:
		return cty.NullVal(cty.DynamicPseudoType)
	case string:
		return cty.StringVal(v)
	case bool:
		return cty.BoolVal(v)
	case int:
		return cty.NumberIntVal(int64(v))
	case float64:
		if n := new(big.Float); v == v && v-v == 0 { // neither NaN nor infinite
			return cty.NumberVal(n.SetFloat64(v))
		}
	case []any:
		var items []cty.Value
		for _, item := range v {
			items = append(items, fromAny(item))
		}
		return cty.TupleVal(items)
	case map[string]any:
		fields := map[string]cty.Value{}
		for k, item := range v {
			fields[k] = fromAny(item)
		}
		return cty.ObjectVal(fields)
	}
	return cty.StringVal(fmt.Sprint(v))
}

var yamlEncodeFunction = function.New(&function.Spec{
	Params: []function.Parameter{anything}, Type: function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		j, err := ctyjson.Marshal(args[0], args[0].Type())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "%v", err)
		}
		var plain any
		if err := json.Unmarshal(j, &plain); err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "%v", err)
		}
		y, err := yaml.Marshal(plain)
		return cty.StringVal(string(y)), err
	},
})
