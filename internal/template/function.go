package template

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func (r *reader) functions() []Function {
	r.layers = map[string]*resource{}
	for _, x := range r.each("AWS::Lambda::LayerVersion", "AWS::Serverless::LayerVersion") {
		if arn := r.physical(x, x.pos); arn.kind == scalar {
			r.layers[arn.text] = x
		}
	}
	var out []Function
	for _, x := range r.each("AWS::Lambda::Function", "AWS::Serverless::Function") {
		out = append(out, r.function(x))
	}
	return out
}

func (r *reader) function(x *resource) Function {
	p, what := x.props, "function "+clip(x.id)
	f := Function{
		LogicalID: x.id, Name: r.physical(x, x.pos).text, Position: x.pos,
		Handler:      r.text(p.get("Handler"), "the handler of "+what),
		Runtime:      r.text(p.get("Runtime"), "the runtime of "+what),
		Kind:         r.text(p.get("PackageType"), "PackageType of "+what),
		Architecture: "x86_64",
		Timeout:      time.Duration(r.number(p.get("Timeout"), 3, 900, "the timeout of "+what)) * time.Second,
		Memory:       r.number(p.get("MemorySize"), 128, 32<<10, "the memory of "+what),
		Env:          r.variables(p.get("Environment", "Variables"), "variable", x.id),
	}
	if environment := p.get("Environment"); environment != nil {
		if _, _, ok := environment.intrinsic(); ok {
			f.Env = r.variables(r.eval(environment).get("Variables"), "variable", x.id)
		}
	}
	if a := r.texts(p.get("Architectures"), "the architecture of "+what); len(a) > 0 {
		f.Architecture = a[0]
	}
	r.code(x, &f)
	layers := p.get("Layers")
	if layers != nil && layers.kind != list {
		layers = r.eval(layers)
	}
	if layers != nil {
		for _, item := range layers.items {
			if layer, ok := r.layer(item, what); ok {
				f.Layers = append(f.Layers, layer)
			}
		}
	}
	if events := p.get("Events"); len(events.each()) > 0 {
		r.note(events.pos, Info, "the events of %s are not run here", what)
	}
	if f.Kind == "Image" {
		return f
	}
	f.Kind = "Zip"
	if f.Handler == "" {
		r.note(x.pos, Warning, "%s has no handler", what)
	}
	if f.Runtime == "" {
		r.note(x.pos, Warning, "%s has no runtime", what)
	}
	return f
}

func (r *reader) number(v *value, otherwise, limit int, what string) int {
	s := r.text(v, what)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > limit {
		r.note(v.where(), Warning, "%s is not a number from 1 to %d: %d is taken", what, limit, otherwise)
		return otherwise
	}
	return n
}

// code says where the code of a function is, in the ways of CloudFormation
// before 'aws cloudformation package', of SAM and of serverless.yml.
func (r *reader) code(x *resource, f *Function) {
	p, what := x.props, "function "+clip(x.id)
	code := p.get("Code")
	if x.typ == "AWS::Serverless::Function" {
		code = p.get("CodeUri")
		f.Inline = r.text(p.get("InlineCode"), "the code of "+what)
		f.Image = r.text(p.get("ImageUri"), "ImageUri of "+what)
	}
	m := x.metadata
	f.BuildMethod = r.text(m.get("BuildMethod"), "BuildMethod of "+what)
	if f.Dockerfile = r.text(m.get("Dockerfile"), "Dockerfile of "+what); f.Dockerfile != "" {
		f.DockerContext = r.path(x.pos, r.text(m.get("DockerContext"), "DockerContext of "+what))
	}
	f.Command = r.texts(p.get("ImageConfig", "Command"), "the command of "+what)
	code = r.eval(code)
	switch code.kind {
	case scalar:
		r.codePath(x, f, code)
	case mapping:
		f.Inline = r.text(code.get("ZipFile"), "the code of "+what)
		f.Image = r.text(code.get("ImageUri"), "ImageUri of "+what)
		if f.Inline == "" && f.Image == "" {
			if f.Code = r.asset(m); f.Code != "" {
				break
			}
			r.note(code.pos, Warning, "the code of %s is in a bucket, not on this machine", what)
		}
	case unknown:
		r.note(code.where(), Warning, "where the code of %s is is not known here: %s", what, code.text)
	default:
		if f.Inline == "" && f.Image == "" && f.Dockerfile == "" {
			r.note(x.pos, Warning, "%s does not say where its code is", what)
		}
	}
	if f.Image != "" || f.Dockerfile != "" {
		f.Kind = "Image"
	}
}

// asset is where CDK put the code that its template has in a bucket: a folder
// or a zip file beside the template.
func (r *reader) asset(metadata *value) string {
	s := r.text(metadata.get("aws:asset:path"), "the asset")
	if s == "" {
		return ""
	}
	return r.path(metadata.pos, s)
}

func (r *reader) codePath(x *resource, f *Function, code *value) {
	if strings.Contains(code.text, "://") {
		r.note(code.pos, Warning, "the code of function %s is in a bucket, not on this machine", clip(x.id))
		return
	}
	f.Code = r.path(code.pos, code.text)
}

// path is one that a template names, as it is opened from here. It is only
// named, never read.
func (r *reader) path(pos Position, s string) string {
	if strings.ContainsRune(s, 0) {
		r.note(pos, Warning, "a path with a zero byte is left out")
		return ""
	}
	if filepath.IsAbs(s) {
		return filepath.Clean(s)
	}
	return filepath.Join(r.dir, filepath.FromSlash(s))
}

func (r *reader) layer(item *value, what string) (Layer, bool) {
	e := r.eval(item)
	switch e.kind {
	case scalar:
	case unknown:
		r.note(e.where(), Warning, "a layer of %s is left out: %s", what, e.text)
		return Layer{}, false
	default:
		return Layer{}, false
	}
	x := r.layers[e.text]
	if x == nil {
		r.note(e.where(), Warning, "layer %s of %s is only on AWS", clip(e.text), what)
		return Layer{ARN: e.text}, true
	}
	content := x.props.get("Content")
	if x.typ == "AWS::Serverless::LayerVersion" {
		content = x.props.get("ContentUri")
	}
	layer := Layer{LogicalID: x.id, ARN: e.text}
	if c := r.eval(content); c.kind == scalar && !strings.Contains(c.text, "://") {
		layer.Content = r.path(c.pos, c.text)
	} else if layer.Content = r.asset(x.metadata); layer.Content == "" {
		r.note(x.pos, Warning, "the content of layer %s is not on this machine", clip(x.id))
	}
	return layer, true
}
