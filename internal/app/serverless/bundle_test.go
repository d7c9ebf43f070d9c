package serverless

import (
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app/document"
)

// shownBundle is a function's Metadata in one line.
func shownBundle(v *document.Value) string {
	var b strings.Builder
	for _, f := range v.Each() {
		if f.Key == "BuildProperties" {
			b.WriteString(" (" + strings.TrimSpace(shownBundle(f.Value)) + ")")
			continue
		}
		b.WriteString(" " + f.Key + "=" + f.Value.ScalarText())
		if f.Value.Kind == document.List {
			for i, item := range f.Value.Items {
				b.WriteString(strings.Repeat(",", min(i, 1)) + item.ScalarText())
			}
		}
	}
	return strings.TrimSpace(b.String())
}

func TestTheServicesBundlerMakesItsFunctions(t *testing.T) {
	for _, test := range []struct {
		name, service, function string
		want                    string
		note                    string
	}{
		{"none", "", "", "", ""},
		{
			"serverless-esbuild", "plugins: [serverless-offline, serverless-esbuild]\npackage: {patterns: [a/**]}\ncustom: {esbuild: {minify: true, target: node20, format: \"${self:custom.f}\"}, f: esm}\n", ", package: {patterns: ['!a/b']}",
			"BuildMethod=esbuild Tool=serverless-esbuild OnlyTypeScript=false Exclude=@aws-sdk/* Files=a/**,!a/b (minify=true target=node20 format=esm)", "plugins are not run",
		},
		{
			"serverless-esbuild that excludes, with programs", "plugins: {modules: [serverless-esbuild]}\ncustom: {esbuild: {exclude: [a, b], plugins: ./p.js, config: c.js}}\n", ", runtime: nodejs16.x",
			"BuildMethod=esbuild Tool=serverless-esbuild OnlyTypeScript=false Exclude=a,b Files= (plugins=./p.js config=c.js)", "the configuration c.js of serverless-esbuild is a program and is not run",
		},
		{
			"serverless-webpack", "plugins: [serverless-webpack]\n", ", runtime: nodejs16.x",
			"BuildMethod=esbuild Tool=serverless-webpack OnlyTypeScript=false Exclude=aws-sdk Files= ()", "without webpack's loaders and plugins; where that matters run 'npx serverless package' and give --function ID=FOLDER with its output",
		},
		{
			"serverless-plugin-typescript", "plugins: [serverless-plugin-typescript]\n", ", package: {exclude: [x/**]}",
			"BuildMethod=esbuild Tool=serverless-plugin-typescript OnlyTypeScript=true Exclude= Files=**,!x/** (packages=external)", "",
		},
		{"Serverless 4", "frameworkVersion: ^4.1\n", "", "BuildMethod=esbuild Tool=esbuild of Serverless 4 OnlyTypeScript=true Exclude=@aws-sdk/* Files= ()", ""},
		{"Serverless 4, quoted", "frameworkVersion: '4'\n", "", "BuildMethod=esbuild Tool=esbuild of Serverless 4 OnlyTypeScript=true Exclude=@aws-sdk/* Files= ()", ""},
		{"Serverless 3", "frameworkVersion: '3'\n", "", "", ""},
		{"Serverless 4, with options", "build: {esbuild: {external: [x], configFile: ./c.js}}\n", "", "BuildMethod=esbuild Tool=esbuild of Serverless 4 OnlyTypeScript=false Exclude=@aws-sdk/* Files= (external=x configFile=./c.js)", "the configuration ./c.js of esbuild of Serverless 4 is a program"},
		{"Serverless 4, off", "frameworkVersion: '4'\nbuild: {esbuild: false}\n", "", "", ""},
		{"Serverless 4, off for one", "frameworkVersion: '4'\n", ", build: {esbuild: false}", "", ""},
		{"Serverless 4, for one", "build: {esbuild: {minify: true}}\n", ", build: {esbuild: {format: esm}}", "BuildMethod=esbuild Tool=esbuild of Serverless 4 OnlyTypeScript=false Exclude=@aws-sdk/* Files= (minify=true format=esm)", ""},
		{"an artifact", "plugins: [serverless-esbuild]\n", ", package: {artifact: a.zip}", "", ""},
		{"another runtime", "plugins: [serverless-esbuild]\n", ", runtime: python3.13", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := "service: a\nprovider: {name: aws, runtime: nodejs22.x}\n" + test.service + "functions:\n  f: {handler: a.b, events: [{websocket: $connect}]" + test.function + "}\n"
			s, notes, err := expandWith("serverless.yml", text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := shownBundle(s.Template.Get("Resources", "FLambdaFunction", "Metadata")); got != test.want {
				t.Errorf("the bundle is\n%s, want\n%s", got, test.want)
			}
			if !strings.Contains(notes, test.note) || test.note == "" && notes != "" {
				t.Errorf("the notes are %q, want %q", notes, test.note)
			}
		})
	}
}
