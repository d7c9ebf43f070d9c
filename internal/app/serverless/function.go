package serverless

import (
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// function makes a Lambda function, and what its events ask for.
func (s *service) function(f field) {
	v := f.Value
	if v.Kind == document.Unknown {
		part := &app.Unrunnable{What: "function " + document.Clip(f.Key), Why: v.Text, Position: f.Pos}
		s.Add(part.Note(true))
		return
	}
	if v.Kind != document.Map {
		s.Note(f.Pos, app.Warning, "function %s is not a map and is left out", document.Clip(f.Key))
		return
	}
	name := v.Get("name")
	if name.Empty() {
		name = document.NewText(f.Pos, s.name+"-"+s.stage+"-"+f.Key)
	}
	properties := []field{
		{Key: "FunctionName", Value: name}, {Key: "Handler", Value: v.Get("handler")},
		{Key: "Runtime", Value: s.or(v, "runtime", nil)},
		{Key: "Timeout", Value: s.or(v, "timeout", document.NewText(f.Pos, "6"))},
		{Key: "MemorySize", Value: s.or(v, "memorySize", document.NewText(f.Pos, "1024"))},
		{Key: "Layers", Value: s.or(v, "layers", nil)},
	}
	if e := s.environment(v); e != nil {
		properties = append(properties, field{Key: "Environment", Value: document.NewMap(f.Pos, field{Key: "Variables", Value: e})})
	}
	if a := s.or(v, "architecture", nil); a != nil {
		properties = append(properties, field{Key: "Architectures", Value: document.NewList(a.Pos, a)})
	}
	code, metadata := s.code(f), s.bundle(f, s.or(v, "runtime", nil))
	if image := v.Get("image"); !image.Empty() {
		code, metadata = s.image(image)
		properties = append(properties, field{Key: "PackageType", Value: document.NewText(image.Pos, "Image")})
		if c := image.Get("command"); c != nil {
			properties = append(properties, field{Key: "ImageConfig", Value: document.NewMap(c.Pos, field{Key: "Command", Value: c})})
		}
	}
	properties = append(properties, field{Key: "Code", Value: code})
	id := s.add(normalized(f.Key)+"LambdaFunction", "AWS::Lambda::Function", f.Pos, v.Get("condition"), metadata, properties...)
	s.events(f, id)
	s.url(f, id)
}

// environment is the provider's with the function's over it. A function says null
// to be without a variable of the provider.
func (s *service) environment(function *value) *value {
	e := document.Merge(s.provider.Get("environment"), function.Get("environment"))
	switch {
	case e.Empty():
		return nil
	case e.Kind != document.Map:
		return e
	}
	out := &value{Kind: document.Map, Pos: e.Pos}
	for _, variable := range e.Fields {
		if variable.Value.Kind != document.Null {
			out.Fields = append(out.Fields, variable)
		}
	}
	return out
}

// code is the function's zip file, the service's, or the service's folder.
func (s *service) code(f field) *value {
	if a := f.Value.Get("package", "artifact"); !a.Empty() {
		return a
	}
	if !s.artifact.Empty() {
		return s.artifact
	}
	return document.NewText(f.Pos, ".")
}

// image is a function's image: a URI, or an entry of provider.ecr.images.
func (s *service) image(v *value) (code, metadata *value) {
	uri := v
	if v.Kind == document.Map {
		uri = v.Get("uri")
	}
	name := v.Get("name")
	if v.Kind == document.Scalar && !strings.ContainsAny(v.Text, "/.:@") {
		name = v
	}
	if made := s.provider.Get("ecr", "images", name.ScalarText()); name != nil && made != nil {
		if uri = made.Get("uri"); made.Kind == document.Scalar {
			uri = made
		}
		if p := made.Get("path"); p != nil {
			file := made.Get("file")
			if file.Empty() {
				file = document.NewText(p.Pos, "Dockerfile")
			}
			return nil, document.NewMap(p.Pos, field{Key: "Dockerfile", Value: file}, field{Key: "DockerContext", Value: p})
		}
	}
	return document.NewMap(v.Pos, field{Key: "ImageUri", Value: uri}), nil
}

// layers makes the layers of the service.
func (s *service) layers(v *value) {
	for _, f := range s.merged(v, "layers").Each() {
		content := f.Value.Get("path")
		if a := f.Value.Get("package", "artifact"); !a.Empty() {
			content = a
		}
		name := f.Value.Get("name")
		if name.Empty() {
			name = document.NewText(f.Pos, f.Key)
		}
		s.add(normalized(f.Key)+"LambdaLayer", "AWS::Lambda::LayerVersion", f.Pos, nil, nil,
			field{Key: "LayerName", Value: name}, field{Key: "Content", Value: content})
	}
}
