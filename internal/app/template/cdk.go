package template

import (
	"path/filepath"
	"regexp"

	"github.com/wirepost/wirepost/internal/app/document"
)

// environment is where a stack of CDK is deployed. (AWS docs, CDK: the schema of
// cloud assemblies.)
var environment = regexp.MustCompile(`^aws://([^/]+)/(.+)$`)

// cdkManifest reads what the manifest next to a template of CDK says of its stack.
// What CDK does not know is empty.
func cdkManifest(template string) (d deployment) {
	file := filepath.Join(filepath.Dir(template), "manifest.json")
	data, err := document.ReadFile(file)
	if err != nil {
		return d
	}
	manifest, err := document.Parse(file, data, document.NewReading(file))
	if err != nil {
		return d
	}
	for _, f := range manifest.Get("artifacts").Each() {
		if f.Value.Get("type").ScalarText() != "aws:cloudformation:stack" || f.Value.Get("properties", "templateFile").ScalarText() != filepath.Base(template) {
			continue
		}
		if d.stack = f.Value.Get("properties", "stackName").ScalarText(); d.stack == "" {
			d.stack = f.Key
		}
		if m := environment.FindStringSubmatch(f.Value.Get("environment").ScalarText()); m != nil {
			if m[1] != "unknown-account" {
				d.account = m[1]
			}
			if m[2] != "unknown-region" {
				d.region = m[2]
			}
		}
		d.parameters = overrides(f.Value.Get("properties", "parameters"))
		return d
	}
	return d
}
