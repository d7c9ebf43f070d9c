package app

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestWhatIsBundledIsDecidedByTheFilesAndTheTool(t *testing.T) {
	sam := &Bundle{Tool: SAMBuild, Entries: []string{"./src/a"}}
	typed := &Bundle{Tool: ServerlessBuild, OnlyTypeScript: true}
	for _, test := range []struct {
		name, handler string
		files         []string
		bundle        *Bundle
		want          string // its tool; - without a bundle
	}{
		{"JavaScript", "a.handler", []string{"a.js"}, nil, "-"},
		{"TypeScript", "src/a.handler", []string{"src/a.ts"}, nil, ""},
		{"both", "a.handler", []string{"a.mjs", "a.ts"}, nil, "-"},
		{"a name with two dots", "a.b.handler", []string{"a.mts"}, nil, ""},
		{"a folder with a dot", "v1.2/a.handler", []string{"v1.2/a.tsx"}, nil, ""},
		{"no file", "a.handler", []string{"b.ts"}, nil, "-"},
		{"a path that leads out", "../a.handler", []string{"a.ts"}, nil, "-"},
		{"SAM", "a.handler", []string{"src/a.ts"}, sam, SAMBuild},
		{"SAM of JavaScript", "src/a.handler", []string{"src/a.js"}, sam, SAMBuild},
		{"built by SAM", "a.handler", []string{"a.js"}, sam, "-"},
		{"Serverless 4 of JavaScript", "a.handler", []string{"a.js"}, typed, "-"},
		{"Serverless 4 of TypeScript", "a.handler", []string{"a.cts"}, typed, ServerlessBuild},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range test.files {
				file := filepath.Join(dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f := Function{LogicalID: "F", Handler: test.handler, Runtime: "nodejs22.x", Code: Code{Kind: CodeZip, Path: dir, Bundle: test.bundle}}
			f.Decide("SAM", dir)
			got := "-"
			if f.Launch != nil && f.Launch.Bundle != nil {
				if got = f.Launch.Bundle.Tool; f.Launch.Bundle.Folder != dir || f.Launch.Bundle.Handler != test.handler {
					t.Errorf("its bundle is %+v", f.Launch.Bundle)
				}
			}
			if got != test.want || f.Launch == nil {
				t.Errorf("it is bundled by %q, want %q; %v", got, test.want, f.Unrunnable)
			}
		})
	}
}

func TestTheModulesOfARuntimeAreThoseOfItsVersion(t *testing.T) {
	for runtime, want := range map[string]string{"nodejs12.x": "aws-sdk", "nodejs16.x": "aws-sdk", "nodejs18.x": "@aws-sdk/*", "nodejs24.x": "@aws-sdk/*", "": "@aws-sdk/*"} {
		if got := RuntimeModules(runtime); !slices.Equal(got, []string{want}) {
			t.Errorf("%s brings %q, want %s", runtime, got, want)
		}
	}
}
