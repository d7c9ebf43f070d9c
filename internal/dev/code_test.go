package dev

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

func TestAZipFileThatIsRefusedLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		archive []byte
		says    string
	}{
		"a bomb": {zeros(t, maxUnpacked, -1), `function Fn: unpack its code .*function\.zip: it has more than 250 MB, and AWS Lambda takes no more`},
		"a link": {zipOf(t, "bootstrap", "link"), `function Fn: unpack its code .*function\.zip: "link" is neither a file nor a folder`},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "function.zip")
			if err := os.WriteFile(file, c.archive, 0o600); err != nil {
				t.Fatal(err)
			}
			config, said := complete(t, Config{App: &app.App{
				APIs: []app.API{{LogicalID: "Api", Stage: "dev", Routes: []app.Route{
					{Key: "$default", Integration: app.Integration{Kind: app.AWSProxy, Function: "Fn"}, Position: app.Position{File: "template.yaml", Line: 5}}}}},
				Functions: []app.Function{{LogicalID: "Fn", Name: "chat", Runtime: "provided.al2023", Handler: "bootstrap", Code: app.Code{Kind: app.CodeZip, Path: file}}},
			}})
			d, err := New(config)
			if err != nil {
				t.Fatal(err)
			}
			r := begin(t, d, said)
			within(t, r.ended, "the dev to give up")
			if _, err := r.end(); err == nil || !regexp.MustCompile(`^template.yaml:5: route \$default: .*`+c.says+`$`).MatchString(err.Error()) {
				t.Errorf("it ends with %v", err)
			}
			var left []string
			filepath.WalkDir(config.Folder.file("functions"), func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() || strings.Contains(path, ".new-") {
					left = append(left, path)
				}
				return nil
			})
			if len(left) > 0 {
				t.Errorf("left are %v", left)
			}
			leavesNothing(t, d)
		})
	}
}
