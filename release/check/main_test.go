package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// made is a release of small files.
func made(t *testing.T, files map[string]string) *release {
	t.Helper()
	r := &release{folder: t.TempDir(), version: "1.2.3", sums: map[string]string{}}
	for name, content := range files {
		at := r.path(name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(name, "/") {
			r.sums[name] = fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
		}
	}
	return r
}

// wants says whether an error has a text; an empty one means no error.
func wants(t *testing.T, err error, text string) {
	t.Helper()
	if text == "" && err != nil || text != "" && (err == nil || !strings.Contains(err.Error(), text)) {
		t.Errorf("got %v, want an error with %q", err, text)
	}
}

func TestASumThatDoesNotFitIsFound(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(*release) error
		want string
	}{
		{"all is well", func(*release) error { return nil }, ""},
		{"a file was changed", func(r *release) error { return os.WriteFile(r.path("a.deb"), []byte("b"), 0o644) }, "the sum of a.deb does not fit"},
		{"a file is missing", func(r *release) error { return os.Remove(r.path("a.zip")) }, "a.zip"},
		{"a file has no sum", func(r *release) error { return os.WriteFile(r.path("b.rpm"), nil, 0o644) }, "checksums.txt lacks b.rpm"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := made(t, map[string]string{"a.deb": "a", "a.zip": "z", "a.zip.sbom.json": "{}"})
			if err := c.harm(r); err != nil {
				t.Fatal(err)
			}
			wants(t, sumsFit(t.Context(), r), c.want)
		})
	}
}

// The bill is of this test's own program.
func TestABillOfOtherModulesIsFound(t *testing.T) {
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) == 0 {
		t.Fatal("this program has no modules but its own")
	}
	all := map[string]string{"stdlib": info.GoVersion, info.Main.Path: "UNKNOWN"}
	for _, m := range info.Deps {
		all[m.Path] = m.Version
	}
	for _, c := range []struct{ name, module, version, want string }{
		{"all are listed", "stdlib", info.GoVersion, ""},
		{"one is missing", info.Deps[0].Path, "", "lacks " + info.Deps[0].Path},
		{"one has another version", info.Deps[0].Path, "v0.0.1", "has " + info.Deps[0].Path + "@v0.0.1"},
		{"one is too many", "example.com/other", "v1.0.0", "has example.com/other@v1.0.0"},
		{"it is of another Go", "stdlib", "go1.2", "has stdlib@go1.2"},
		{"it is of another program", info.Main.Path, "", "lacks the module"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var packages []any
			for path, version := range all {
				if path == c.module {
					version = c.version
				}
				if version != "" {
					packages = append(packages, spdxPackage(path, version))
				}
			}
			if all[c.module] == "" {
				packages = append(packages, spdxPackage(c.module, c.version))
			}
			text, err := json.Marshal(map[string]any{"spdxVersion": "SPDX-2.3", "packages": packages})
			if err != nil {
				t.Fatal(err)
			}
			r := made(t, map[string]string{"bill.json": string(text)})
			wants(t, billIsTrue(r.path("bill.json"), program), c.want)
		})
	}
}

func spdxPackage(path, version string) any {
	ref := map[string]string{"referenceType": "purl", "referenceLocator": "pkg:golang/" + path + "@" + version}
	return map[string]any{"name": path, "versionInfo": version, "externalRefs": []any{ref}}
}

func TestAManifestThatLeadsElsewhereIsFound(t *testing.T) {
	const manifest = `{"version":"1.2.3","license":"Apache-2.0","architecture":{
		"64bit":{"url":"URL/wirepost_1.2.3_windows_amd64.zip","hash":"AMD","bin":["wirepost.exe"]},
		"arm64":{"url":"URL/wirepost_1.2.3_windows_arm64.zip","hash":"ARM","bin":["wirepost.exe"]}}}`
	for _, c := range []struct{ name, old, new, want string }{
		{"it leads there", "", "", ""},
		{"another version", `"version":"1.2.3"`, `"version":"1.2.4"`, `version "1.2.4"`},
		{"another place", "URL/wirepost_1.2.3_windows_arm64", "https://example.com/wirepost", "arm64"},
		{"another sum", "AMD", "AMC", "64bit"},
		{"no command", `"bin":["wirepost.exe"]`, `"bin":[]`, "wirepost.exe"},
		{"no JSON", "{", "", "read Scoop's manifest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := manifest
			if c.old != "" {
				text = strings.Replace(text, c.old, c.new, 1)
			}
			r := made(t, map[string]string{"scoop/wirepost.json": strings.ReplaceAll(text, "URL", downloads+"v1.2.3")})
			r.sums["wirepost_1.2.3_windows_amd64.zip"], r.sums["wirepost_1.2.3_windows_arm64.zip"] = "AMD", "ARM"
			wants(t, manifestLeads(r), c.want)
		})
	}
}

func TestAFileThatLeadsOutOfAnArchiveIsFound(t *testing.T) {
	for name, want := range map[string]string{
		"man/man1/wirepost.1": "",
		"../README.md":        "leads out of the folder",
		"man/../README.md":    "leads out of the folder",
		"/etc/passwd":         "leads out of the folder",
	} {
		a := &archive{name: "wirepost_1_linux_amd64.tar.gz", files: map[string]file{}}
		wants(t, a.add(name, 0o644, strings.NewReader("x")), want)
	}
}
