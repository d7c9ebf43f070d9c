package app

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// A project's own build makes programs for AWS's processor, which is often not this
// machine's; their names may say nothing.
func TestAProgramForAnotherMachineIsBuiltFromThePackageThatGoNotedInIt(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the Go compiler")
	}
	place(t, map[string]string{
		"go.mod":            "module example.com/chat\n\ngo 1.24\n",
		"server/in/main.go": "package main\n\nfunc main() {}\n", "server/out/main.go": "package main\n\nfunc main() {}\n",
	})
	if err := os.MkdirAll("dist/1", 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", "dist/1/bootstrap", "./server/out")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+map[bool]string{true: "arm64", false: "amd64"}[runtime.GOARCH != "arm64"], "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	zipped(t, "dist/1/bootstrap", "dist/1.zip")
	for _, code := range []string{"dist/1", "dist/1.zip"} {
		f := Function{LogicalID: "F", Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: code}}
		f.Decide("serverless.yml", ".")
		if f.Launch == nil || f.Launch.Kind != LaunchGo || filepath.Clean(f.Launch.Path) != filepath.FromSlash("server/out") {
			t.Errorf("%s: launch %+v, unrunnable %+v, want the package server/out", code, f.Launch, f.Unrunnable)
		}
	}
	if err := os.WriteFile("go.mod", []byte("module example.com/other\n\ngo 1.24\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := Function{LogicalID: "F", Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "dist/1.zip"}}
	if f.Decide("serverless.yml", "."); f.Unrunnable == nil {
		t.Errorf("a program of another module has the launch %+v", f.Launch)
	}
}

// zipped puts a file alone into a zip file.
func zipped(t *testing.T, file, archive string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := zip.NewWriter(out)
	entry, err := w.Create(filepath.Base(file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
