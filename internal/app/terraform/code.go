package terraform

import (
	"os"
	"path/filepath"

	"github.com/zclconf/go-cty/cty"

	"github.com/wirepost/wirepost/internal/app/document"
)

// functionCode is where the code of a function is.
func (x *instance) functionCode() []field {
	if uri := x.argument(x.content(), []string{"image_uri"}); uri != nil {
		return []field{{Key: "Code", Value: document.NewMap(uri.Pos, field{Key: "ImageUri", Value: uri})}}
	}
	return []field{{Key: "Code", Value: x.codeOf()}}
}

// codeOf is a folder, a file or a zip file on this machine; or an object in a bucket,
// or why it is not known. Nil means that nothing is written.
func (x *instance) codeOf() *value {
	b := x.content()
	if v := x.sourcePath(); v != nil {
		return v
	}
	a, ok := b.attrs["filename"]
	if bare, _ := orNull(a.value).Unmark(); ok && (!bare.IsKnown() || !bare.IsNull()) {
		return x.fileOrArchive(a)
	}
	key := b.text("s3_key")
	for _, typ := range []string{"aws_s3_object", "aws_s3_bucket_object"} {
		for _, o := range x.everywhere(typ) {
			if o.content().text("key") == key && key != "" && text(o.object.GetAttr("bucket")) == b.text("s3_bucket") {
				if source, ok := o.content().attrs["source"]; ok {
					return o.fileOrArchive(source)
				}
			}
		}
	}
	if a, ok := b.attrs["s3_bucket"]; ok {
		return document.NewMap(a.pos, field{Key: "S3Bucket", Value: document.NewText(a.pos, "")})
	}
	return nil
}

// sourcePath is the code that the community's module of Lambda packs: its variable
// source_path is a path, or a list of paths and of objects with one.
func (x *instance) sourcePath() *value {
	b := x.module.source.variables["source_path"]
	if b == nil || x.parent == nil {
		return nil
	}
	v, _ := x.variable("source_path", b.pos).Unmark()
	if items := itemsOf(v); len(items) > 0 {
		v, _ = items[0].Unmark()
	}
	if p := attributeOf(v, "path"); p != cty.NilVal {
		v = p
	}
	if s := text(v); s != "" && v.Type() == cty.String {
		pos := x.call.where("source_path")
		return document.NewText(pos, x.absoluteOf(s))
	}
	return nil
}

// itemsOf are the elements of a list, and none for any other value.
func itemsOf(v cty.Value) (out []cty.Value) {
	if v == cty.NilVal {
		return nil
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() || v.Type().IsMapType() || v.Type().IsObjectType() {
		return nil
	}
	for it := v.ElementIterator(); it.Next(); {
		_, item := it.Element()
		out = append(out, item)
	}
	return out
}

// absoluteOf is a path that the CloudFormation reader takes from the root's folder.
func (x *instance) absoluteOf(name string) string {
	if filepath.IsAbs(name) {
		if relative, err := filepath.Rel(x.cwd, name); err == nil {
			return relative
		}
	}
	return name
}

// everywhere are the instances of a type in all modules.
func (c *configuration) everywhere(typ string) (out []*instance) {
	c.root.each(func(m *module) {
		for _, b := range m.source.order {
			if b.typ != "module" && b.labels[0] == typ {
				for _, x := range m.instances(b).all {
					x.value(b.pos)
					out = append(out, x)
				}
			}
		}
	})
	return out
}

// fileOrArchive is a zip file, or what the configuration makes it of: the source runs
// as it is, so that a change needs no 'terraform apply'.
func (x *instance) fileOrArchive(a evaluated) *value {
	v := x.document(a.value, a.expr, a.pos)
	if v == nil || v.Kind != document.Scalar {
		return v
	}
	name := x.file(v.Text)
	for _, archive := range x.everywhere("archive_file") {
		b := archive.content()
		if b.text("output_path") == "" || filepath.Clean(x.file(b.text("output_path"))) != filepath.Clean(name) {
			continue
		}
		if source := archive.archived(b); source != nil && (source.Kind != document.Scalar || isThere(x.file(source.Text)) || !isThere(name)) {
			return source
		}
	}
	return document.NewText(v.Pos, x.absoluteOf(v.Text))
}

// archived is what an archive is made of: a folder or a file. Source blocks are the
// files that their content comes from, as far as that can be seen.
func (x *instance) archived(b *body) *value {
	for _, argument := range []string{"source_dir", "source_file"} {
		if a, ok := b.attrs[argument]; ok {
			if s := text(a.value); s != "" {
				return document.NewText(a.pos, x.absoluteOf(s))
			}
			if v, _ := a.value.Unmark(); v.IsKnown() && v.IsNull() {
				continue
			}
			return x.document(a.value, a.expr, a.pos)
		}
	}
	if len(b.blocks["source"]) > 0 {
		return x.files(b)
	}
	return nil
}

// files are the source blocks of an archive, as files of their own.
func (x *instance) files(b *body) *value {
	files := &value{Kind: document.Map, Pos: b.pos}
	for _, s := range b.blocks["source"] {
		name := s.text("filename")
		content := x.document(s.attrs["content"].value, nil, s.pos)
		if name == "" || content == nil {
			continue
		}
		if content.Kind == document.Unknown {
			return content
		}
		files.Fields = append(files.Fields, field{Key: name, Pos: s.pos, Value: content})
	}
	return document.NewMap(b.pos, field{Key: "Files", Value: files})
}

// isThere reports whether a path leads to something.
func isThere(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
