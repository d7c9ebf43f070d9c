package template

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// deployment is what a file next to a template says of its deployment.
type deployment struct {
	region, account, stack string
	parameters             map[string]string
}

// samConfigs are the names of SAM's configuration, the first of which counts. (AWS
// docs, SAM developer guide: "AWS SAM CLI configuration file".)
var samConfigs = []string{"samconfig.toml", "samconfig.yaml", "samconfig.yml"}

// samConfig reads what the default environment of SAM's configuration says of deploy,
// or else of all commands. A template that 'sam build' wrote has it two folders up. A
// file that cannot be understood is a note.
func samConfig(template string, reading *document.Reading) deployment {
	dir := filepath.Dir(template)
	if strings.HasSuffix(filepath.ToSlash(dir), ".aws-sam/build") {
		dir = filepath.Join(dir, "..", "..")
	}
	for _, name := range samConfigs {
		file := filepath.Join(dir, name)
		data, err := document.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var config *document.Value
		if err == nil {
			config, err = parseConfig(file, data)
		}
		if err != nil {
			pos, why := cause(file, err)
			reading.Note(pos, app.Warning, "is not read: %s", why)
			return deployment{}
		}
		return deployOf(config, template, reading, file)
	}
	return deployment{}
}

// cause is the place and the text of an error of reading a file.
func cause(file string, err error) (app.Position, string) {
	pos := app.Position{File: file}
	if e := (*app.Error)(nil); errors.As(err, &e) {
		return e.Position, e.Text
	}
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return pos, e.Err.Error()
	}
	return pos, err.Error()
}

func parseConfig(file string, data []byte) (*document.Value, error) {
	if filepath.Ext(file) != ".toml" {
		return document.Parse(file, data, document.NewReading(file))
	}
	var config map[string]any
	if len(data) > document.MaxBytes {
		return nil, errors.New("it is too large")
	}
	if err := toml.Unmarshal(data, &config); err != nil {
		if e := (toml.ParseError{}); errors.As(err, &e) {
			return nil, app.Errorf(app.Position{File: file, Line: e.Position.Line}, "is not TOML: %s", document.Clip(e.Message))
		}
		return nil, err
	}
	return document.FromAny(app.Position{File: file}, config), nil
}

func deployOf(config *document.Value, template string, reading *document.Reading, file string) deployment {
	of := func(name string) *document.Value {
		for _, command := range []string{"deploy", "global"} {
			parameters := config.Get("default", command, "parameters")
			for _, key := range []string{name, strings.ReplaceAll(name, "_", "-")} {
				if v := parameters.Get(key); !v.Empty() {
					return v
				}
			}
		}
		return nil
	}
	for _, key := range []string{"template_file", "template"} {
		if named := of(key).ScalarText(); named != "" && !sameTemplate(filepath.Dir(file), named, template) {
			reading.Note(app.Position{File: file}, app.Info, "is not used: it is of the template %s", document.Clip(named))
			return deployment{}
		}
	}
	d := deployment{region: of("region").ScalarText(), stack: of("stack_name").ScalarText(), parameters: overrides(of("parameter_overrides"))}
	if d.region != "" || d.stack != "" || len(d.parameters) > 0 {
		reading.Note(app.Position{File: file}, app.Info, "gives the region, the stack's name and parameters, as far as flags do not")
	}
	return d
}

// sameTemplate reports whether a configuration names this template, also in the form
// that 'sam build' wrote.
func sameTemplate(dir, named, template string) bool {
	if !filepath.IsAbs(named) {
		named = filepath.Join(dir, named)
	}
	return filepath.Clean(named) == filepath.Clean(template) || strings.Contains(filepath.ToSlash(template), ".aws-sam/build/")
}

// overrides are the parameters in the forms that SAM takes: a text or a list of
// NAME=VALUE and of ParameterKey=NAME,ParameterValue=VALUE, or a map.
func overrides(v *document.Value) map[string]string {
	out := map[string]string{}
	for _, f := range v.Each() {
		if f.Value.Kind == document.List {
			var parts []string
			for _, item := range f.Value.Items {
				parts = append(parts, item.ScalarText())
			}
			out[f.Key] = strings.Join(parts, ",")
			continue
		}
		out[f.Key] = f.Value.ScalarText()
	}
	var texts []string
	if v != nil {
		texts = append(texts, v.ScalarText())
		for _, item := range v.Items {
			if item.Kind == document.Map {
				for name, value := range overrides(item) {
					out[name] = value
				}
			}
			texts = append(texts, item.ScalarText())
		}
	}
	for _, text := range texts {
		for _, word := range words(text) {
			if pair, ok := strings.CutPrefix(word, "ParameterKey="); ok {
				if name, value, ok := strings.Cut(pair, ",ParameterValue="); ok && name != "" {
					out[name] = value
				}
			} else if name, value, ok := strings.Cut(word, "="); ok && name != "" {
				out[name] = value
			}
		}
	}
	return out
}

// words splits a text at spaces that are not within quotes, and takes the quotes
// away, as a shell does.
func words(text string) (out []string) {
	var word strings.Builder
	quote, inside := byte(0), false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text) && quote != '\'':
			i++
			word.WriteByte(text[i])
			inside = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inside = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if inside {
				out = append(out, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteByte(c)
			inside = true
		}
	}
	if inside {
		out = append(out, word.String())
	}
	return out
}
