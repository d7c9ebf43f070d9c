package cloudformation

import (
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// bundle reads how SAM bundles a function with esbuild: the Metadata of the resource
// (AWS docs, SAM: "Building Node.js Lambda functions with esbuild"). SAM's names of
// the options are those of esbuild with a capital. Its own default is to minify, which
// changes nothing but names in stack traces, and is not done.
//
// A document that was written out of another language may say more: Tool is what
// bundles there, OnlyTypeScript that it leaves other functions alone, Exclude what it
// leaves out, Files what it packs too.
func (r *reader) bundle(metadata *value, method, what string) *app.Bundle {
	if method != "esbuild" {
		return nil
	}
	b := &app.Bundle{Tool: app.SAMBuild, Options: map[string]any{}, OnlyTypeScript: metadata.Get("OnlyTypeScript").ScalarText() == "true"}
	if tool := metadata.Get("Tool").ScalarText(); tool != "" {
		b.Tool = tool
	}
	b.Exclude = r.texts(metadata.Get("Exclude"), "what is left out of the bundle of "+what)
	b.Files = r.texts(metadata.Get("Files"), "what is packed with "+what)
	properties := r.eval(metadata.Get("BuildProperties"))
	b.Entries = r.texts(properties.Get("EntryPoints"), "the entry points of "+what)
	for _, f := range properties.Each() {
		if f.Key == "" || f.Key == "EntryPoints" || f.Value.Empty() {
			continue
		}
		v, why := r.plain(f.Value)
		if why != "" {
			r.Note(f.Pos, app.Warning, "%s of the bundle of %s is left out: %s", document.Clip(f.Key), what, why)
			continue
		}
		b.Options[strings.ToLower(f.Key[:1])+f.Key[1:]] = v
	}
	return b
}

// plain is a value as Go has it: text, []any or map[string]any; or why it is not known.
func (r *reader) plain(v *value) (out any, why string) {
	v = r.eval(v)
	switch v.Kind {
	case document.Unknown:
		return nil, v.Text
	case document.List:
		items := []any{}
		for _, item := range v.Items {
			one, why := r.plain(item)
			if why != "" {
				return nil, why
			}
			items = append(items, one)
		}
		return items, ""
	case document.Map:
		fields := map[string]any{}
		for _, f := range v.Fields {
			one, why := r.plain(f.Value)
			if why != "" {
				return nil, why
			}
			fields[f.Key] = one
		}
		return fields, ""
	}
	return v.ScalarText(), ""
}
