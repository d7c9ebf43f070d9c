package terraform

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// A block of a configuration. In JSON a block within another one is an attribute.
type block struct {
	typ    string
	labels []string
	attrs  map[string]*attribute
	blocks []*block
	pos    app.Position
}

// An attribute of a block.
type attribute struct {
	expr hcl.Expression
	pos  app.Position
}

func (b *block) expr(name string) hcl.Expression {
	if a := b.attrs[name]; a != nil {
		return a.expr
	}
	return nil
}

// where is the place of an attribute, or that of the block.
func (b *block) where(name string) app.Position {
	if a := b.attrs[name]; a != nil {
		return a.pos
	}
	return b.pos
}

// What a configuration may be.
const (
	maxFile  = 512 << 10
	maxFiles = 2000
	maxBytes = 16 << 20 // of all files that are read, those of functions too
)

// topLevel are the blocks of a configuration with their labels.
var topLevel = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "variable", LabelNames: []string{"name"}}, {Type: "output", LabelNames: []string{"name"}}, {Type: "locals"},
	{Type: "resource", LabelNames: []string{"type", "name"}}, {Type: "data", LabelNames: []string{"type", "name"}},
	{Type: "module", LabelNames: []string{"name"}}, {Type: "provider", LabelNames: []string{"name"}}, {Type: "terraform"},
}}

// A source is the files of one folder: what they declare.
type source struct {
	dir                                             string // as opened from here
	variables, outputs, calls, resources, providers map[string]*block
	locals                                          map[string]*attribute
	order                                           []*block // resources, data and module calls
}

// names of the configuration's files in a folder, those that override others last.
func configurationFiles(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	var overrides []string
	for _, e := range entries {
		base, json := strings.CutSuffix(e.Name(), ".tf.json")
		if !json {
			var ok bool
			if base, ok = strings.CutSuffix(e.Name(), ".tf"); !ok {
				continue
			}
		}
		switch {
		case base == "" || strings.HasPrefix(base, "."):
		case base == "override" || strings.HasSuffix(base, "_override"):
			overrides = append(overrides, e.Name())
		default:
			names = append(names, e.Name())
		}
	}
	return append(names, overrides...)
}

// load reads the files of a folder.
func (c *configuration) load(dir string) (*source, error) {
	if s := c.sources[dir]; s != nil {
		return s, nil
	}
	s := &source{dir: dir, variables: map[string]*block{}, outputs: map[string]*block{}, calls: map[string]*block{},
		resources: map[string]*block{}, providers: map[string]*block{}, locals: map[string]*attribute{}}
	for _, name := range configurationFiles(dir) {
		file := filepath.Join(dir, name)
		data, err := c.read(file)
		if err != nil {
			return nil, err
		}
		blocks, err := c.parse(file, data)
		if err != nil {
			return nil, err
		}
		base := strings.TrimSuffix(strings.TrimSuffix(name, ".json"), ".tf")
		for _, b := range blocks {
			s.declare(c, b, base == "override" || strings.HasSuffix(base, "_override"))
		}
	}
	c.sources[dir] = s
	return s, nil
}

// read is a plain file, within the bounds.
func (c *configuration) read(file string) ([]byte, error) {
	if data, ok := c.files[file]; ok {
		return data, nil
	}
	data, err := document.ReadFile(file)
	if err != nil {
		if pathError := (*fs.PathError)(nil); errors.As(err, &pathError) {
			return nil, app.Errorf(app.Position{File: file}, "cannot be read: %v", pathError.Err)
		}
		return nil, err
	}
	c.bytes += len(data)
	switch {
	case len(data) > document.MaxBytes:
		return nil, app.Errorf(app.Position{File: file}, "is larger than %d bytes and is not read", document.MaxBytes)
	case len(c.files) >= maxFiles || c.bytes > maxBytes:
		return nil, app.Errorf(app.Position{File: file}, "is one file too many: a configuration may have %d files and %d bytes", maxFiles, maxBytes)
	}
	c.files[file] = data
	return data, nil
}

// parse reads one file of a configuration, in HCL or in JSON.
func (c *configuration) parse(file string, data []byte) ([]*block, error) {
	body, err := c.body(file, data)
	if err != nil {
		return nil, err
	}
	content, _, diags := body.PartialContent(topLevel)
	if diags.HasErrors() {
		return nil, c.diagnosed(file, diags)
	}
	var out []*block
	for _, b := range content.Blocks {
		made, err := c.block(file, b.Type, b.Labels, b.Body, c.at(b.DefRange))
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	return out, nil
}

// body is what a file has, HCL or JSON.
func (c *configuration) body(file string, data []byte) (hcl.Body, error) {
	if len(data) > maxFile {
		return nil, app.Errorf(app.Position{File: file}, "is larger than %d bytes, which is too much for a file of Terraform", maxFile)
	}
	var f *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(file, ".json") {
		if why := wildJSON(data); why != "" {
			return nil, app.Errorf(app.Position{File: file}, "%s", why)
		}
		f, diags = hcljson.Parse(data, file)
	} else {
		tokens, _ := hclsyntax.LexConfig(data, file, hcl.InitialPos)
		if line, why := wild(tokens); why != "" {
			return nil, app.Errorf(app.Position{File: file, Line: line}, "%s", why)
		}
		f, diags = hclsyntax.ParseConfig(data, file, hcl.InitialPos)
	}
	if diags.HasErrors() {
		return nil, c.diagnosed(file, diags)
	}
	return f.Body, nil
}

// block is a block with all that is in it.
func (c *configuration) block(file, typ string, labels []string, body hcl.Body, pos app.Position) (*block, error) {
	out := &block{typ: typ, labels: labels, attrs: map[string]*attribute{}, pos: pos}
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		attrs, diags := body.JustAttributes()
		if diags.HasErrors() {
			return nil, c.diagnosed(file, diags)
		}
		for name, a := range attrs {
			if name != "//" { // a comment
				c.mention(a.Expr)
				out.attrs[name] = &attribute{a.Expr, c.at(a.Range)}
			}
		}
		return out, nil
	}
	for name, a := range native.Attributes {
		c.mention(a.Expr)
		if typ != "variable" {
			c.meter.count(a.Expr)
		}
		out.attrs[name] = &attribute{a.Expr, c.at(a.SrcRange)}
	}
	for _, b := range native.Blocks {
		made, err := c.block(file, b.Type, b.Labels, b.Body, c.at(b.TypeRange))
		if err != nil {
			return nil, err
		}
		out.blocks = append(out.blocks, made)
	}
	return out, nil
}

// declare adds a block of a file. Of an override each attribute replaces that of the
// block of the same name, and so do all blocks of a type.
func (s *source) declare(c *configuration, b *block, override bool) {
	put := func(all map[string]*block, name string) {
		before := all[name]
		switch {
		case before != nil && override:
			maps.Copy(before.attrs, b.attrs)
			for _, inner := range b.blocks {
				before.blocks = slices.DeleteFunc(before.blocks, func(o *block) bool { return o.kind() == inner.kind() })
			}
			before.blocks = append(before.blocks, b.blocks...)
			return
		case before != nil:
			c.Fail(b.pos, "%s is there already, on line %d of %s, and Terraform refuses duplicates", document.Clip(strings.Join(append([]string{b.typ}, b.labels...), " ")), before.pos.Line, before.pos.File)
			return
		}
		all[name] = b
		if b.typ == "resource" || b.typ == "data" || b.typ == "module" {
			s.order = append(s.order, b)
		}
	}
	switch b.typ {
	case "locals":
		maps.Copy(s.locals, b.attrs)
	case "resource":
		put(s.resources, b.labels[0]+"."+b.labels[1])
	case "data":
		put(s.resources, "data."+b.labels[0]+"."+b.labels[1])
	case "provider":
		if b.attrs["alias"] == nil && s.providers[b.labels[0]] == nil {
			s.providers[b.labels[0]] = b
		}
	case "variable":
		put(s.variables, b.labels[0])
	case "output":
		put(s.outputs, b.labels[0])
	case "module":
		put(s.calls, b.labels[0])
	}
}

// kind is the type of a block, also of one that is dynamic.
func (b *block) kind() string {
	if b.typ == "dynamic" && len(b.labels) == 1 {
		return b.labels[0]
	}
	return b.typ
}

// What the text of an expression may be, so that reading and working it out needs
// little of the stack.
const (
	maxNesting   = 100
	maxOperators = 500
)

const tooNested = "is nested deeper than 100 levels"

// wild is where a file has an expression that is nested too deeply or has too many
// operators, and why.
func wild(tokens hclsyntax.Tokens) (line int, why string) {
	operators := []int{0}
	braces := []bool{true} // a newline ends what is at this level
	for _, t := range tokens {
		top := len(operators) - 1
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp:
			if len(operators) > maxNesting {
				return t.Range.Start.Line, tooNested
			}
			operators, braces = append(operators, 0), append(braces, t.Type == hclsyntax.TokenOBrace)
		case hclsyntax.TokenTemplateControl:
			if operators[top]++; operators[top] > maxOperators || len(operators) > maxNesting {
				return t.Range.Start.Line, tooNested
			}
			operators, braces = append(operators, 0), append(braces, false)
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			if top > 0 {
				operators, braces = operators[:top], braces[:top]
			}
		case hclsyntax.TokenNewline:
			if braces[top] {
				operators[top] = 0
			}
		case hclsyntax.TokenComma:
			operators[top] = 0
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent,
			hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenQuestion, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual,
			hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenDot:
			if operators[top]++; operators[top] > maxOperators {
				return t.Range.Start.Line, "has an expression with more than 500 operators"
			}
		}
	}
	return 0, ""
}

// wildJSON is why a file of JSON is not read: it is none, or nested too deeply, which
// the expressions in its strings may be too.
func wildJSON(data []byte) string {
	d := json.NewDecoder(bytes.NewReader(data))
	depth := 0
	for {
		t, err := d.Token()
		if err != nil {
			return "" // the parser says what is wrong, and where
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				depth++
			} else {
				depth--
			}
			if depth > maxNesting {
				return tooNested
			}
		case string:
			tokens, _ := hclsyntax.LexTemplate([]byte(t), "", hcl.InitialPos)
			if _, why := wild(tokens); why != "" {
				return why
			}
		}
	}
}

// at is a place of HCL.
func (c *configuration) at(r hcl.Range) app.Position {
	return app.Position{File: r.Filename, Line: r.Start.Line}
}

// diagnosed is the first error of a parser.
func (c *configuration) diagnosed(file string, diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		pos := app.Position{File: file}
		if d.Subject != nil {
			pos = c.at(*d.Subject)
		}
		return app.Errorf(pos, "cannot be understood: %s", sentence(d))
	}
	return app.Errorf(app.Position{File: file}, "cannot be understood")
}

// sentence is a diagnostic as a clause.
func sentence(d *hcl.Diagnostic) string {
	s := d.Detail
	if s == "" {
		s = d.Summary
	}
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if first, _, ok := strings.Cut(s, ". "); ok {
		s = first
	}
	s = strings.TrimRight(s, ".;: ")
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'a' && s[1] <= 'z' || strings.HasPrefix(s, "A ") {
		s = strings.ToLower(s[:1]) + s[1:]
	}
	const most = 200
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}
