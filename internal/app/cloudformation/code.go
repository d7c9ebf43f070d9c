package cloudformation

import (
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// code reads where the code of a function is, in the ways of CloudFormation before
// 'aws cloudformation package', of SAM, of CDK and of serverless.yml.
func (r *reader) code(x *resource, c *app.Code) {
	p, m, what := x.props, x.metadata, "function "+document.Clip(x.id)
	code := p.Get("Code")
	if x.typ == "AWS::Serverless::Function" {
		code = p.Get("CodeUri")
		r.inline(p.Get("InlineCode"), c, what)
		c.Image.URI = r.text(p.Get("ImageUri"), "ImageUri of "+what)
	}
	c.Build = r.text(m.Get("BuildMethod"), "BuildMethod of "+what)
	c.Bundle = r.bundle(m, c.Build, what)
	if c.Image.Dockerfile = r.text(m.Get("Dockerfile"), "Dockerfile of "+what); c.Image.Dockerfile != "" {
		c.Image.Context = r.path(x.pos, r.text(m.Get("DockerContext"), "DockerContext of "+what))
	}
	c.Image.Command = r.texts(p.Get("ImageConfig", "Command"), "the command of "+what)
	if z := code.Get("ZipFile"); z != nil {
		c.InlineLine = lineOf(z)
	}
	code = r.eval(code)
	switch code.Kind {
	case document.Scalar:
		r.codePath(code, c)
	case document.Map:
		r.codeMap(code, m, c, what)
	case document.Unknown:
		c.Unknown = "where its code is is not known here: " + code.Text
	}
	if c.Image.URI != "" || c.Image.Dockerfile != "" {
		c.Kind = app.CodeImage
	}
}

const inBucket = "its code is in a bucket, not on this machine"

// codePath is a folder or a file.
func (r *reader) codePath(code *value, c *app.Code) {
	if strings.Contains(code.Text, "://") {
		c.Unknown = inBucket
		return
	}
	c.Path = r.path(code.Pos, code.Text)
}

// codeMap is the source itself, an image, or an object in a bucket.
func (r *reader) codeMap(code, metadata *value, c *app.Code, what string) {
	c.Inline = r.text(code.Get("ZipFile"), "the code of "+what)
	c.Image.URI = r.text(code.Get("ImageUri"), "ImageUri of "+what)
	for _, f := range code.Get("Files").Each() { // of a document that another language made
		if fs.ValidPath(f.Key) && f.Value.Kind == document.Scalar {
			if c.Files == nil {
				c.Files = map[string]string{}
			}
			c.Files[f.Key] = f.Value.Text
		}
	}
	if c.Inline != "" || c.Image.URI != "" || c.Files != nil {
		return
	}
	if c.Path = r.asset(metadata, code.Get("S3Key")); c.Path == "" {
		c.Unknown = inBucket
	}
}

// inline is code that is in the template itself.
func (r *reader) inline(v *value, c *app.Code, what string) {
	if c.Inline = r.text(v, "the code of "+what); c.Inline != "" {
		c.InlineLine = lineOf(v)
	}
}

// lineOf is the line on which a text begins, also one that Fn::Sub or Fn::Join makes.
func lineOf(v *value) int {
	if s := v.Get("Fn::Sub"); s != nil {
		return lineOf(s)
	}
	if j := v.Get("Fn::Join"); j != nil && len(j.Items) == 2 {
		return lineOf(j.Items[1])
	}
	if v.Kind == document.List && len(v.Items) > 0 {
		return lineOf(v.Items[0])
	}
	if v.Block {
		return v.Pos.Line + 1
	}
	return v.Pos.Line
}

// asset is where CDK put what its template has in a bucket: a folder or a zip file
// next to the template. Without the metadata that 'cdk synth' adds, as where the app
// itself was run or with --no-asset-metadata, the manifest of assets says it, or the
// object's key has the hash that is in the name.
func (r *reader) asset(metadata, key *value) string {
	if s := r.text(metadata.Get("aws:asset:path"), "the asset"); s != "" {
		return r.path(metadata.Pos, s)
	}
	text := r.eval(key).ScalarText()
	m := assetKey.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	for _, name := range []string{r.assets.path(r.dirOf(key.Pos.File), text), "asset." + m[1], "asset." + m[1] + m[2]} {
		if name == "" {
			continue
		}
		path := r.path(key.Pos, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// assetKey is the key of an asset of CDK, with the prefix that a synthesizer may have.
var assetKey = regexp.MustCompile(`(?:^|/)([0-9a-f]{64})(\.zip)$`)
