// Package template reads a template in whatever language it is written, and gives the
// app that it describes.
//
//	a, notes, err := template.Read("template.yaml", &template.Options{
//		Parameters: map[string]string{"TableName": "people"},
//	})
//	...
//	a, notes, err = a.Resolve(app.Names{APIs: map[string]app.APIName{
//		a.APIs[0].LogicalID: {ID: "local12345", Endpoint: func(stage string) string { return "http://localhost:3001/" + stage }},
//	}})
//
// It is the only package that knows every language: it recognises which one a file is
// in, and leads what one language makes to the package that reads on. A language is a
// package of its own next to this one, and none of them knows another.
//
// Nothing in a template is executed and no network is asked. Read are the template, the
// samconfig.toml or the manifest of CDK next to it, and for ${file()} of serverless.yml
// files below its directory; where functions have their code, it is looked at what is
// there (app.Function.Decide). A file has at most 2 MiB, 100,000 values with its aliases followed, and 100 levels;
// what all values become is bounded, so that a small template cannot describe a large
// app.
package template
