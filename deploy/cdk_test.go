package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// synthesise builds the CDK app and is the file with the template that it makes. The
// CDK checks it against the schemas of AWS's resources while it does.
func synthesise(t *testing.T) string {
	t.Helper()
	modules := cdkModules(t)
	once.Do(func() { synthesised, problem = build(read(t, "cdk"), modules) })
	if problem != nil {
		t.Fatal(problem)
	}
	return write(t, synthesised)
}

// cdkModules is where the CDK is installed. Without it the test is skipped.
func cdkModules(t *testing.T) string {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join("..", ".tools", "cdk", "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	tsc := filepath.Join(modules, ".bin", "tsc")
	if _, err := os.Stat(tsc); err != nil || exec.Command("node", "--version").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Node.js with the CDK is not installed; run make test-needs (with CI=true nothing is skipped)")
		}
		t.Skip("skipped: Node.js with the CDK is not installed; run make test-needs")
	}
	return modules
}

// The app is built once: it takes seconds.
var (
	once        sync.Once
	synthesised string
	problem     error
)

func build(files map[string]string, modules string) (string, error) {
	dir, err := os.MkdirTemp("", "wirepost-cdk-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "function.zip"), []byte("any zip"), 0o600); err != nil {
		return "", err
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		return "", err
	}
	for _, args := range [][]string{{filepath.Join(modules, ".bin", "tsc")}, {"node", "build/app.js"}} {
		c := exec.Command(args[0], args[1:]...)
		c.Dir = dir
		c.Env = append(os.Environ(), "CDK_OUTDIR=cdk.out")
		out, err := c.CombinedOutput()
		if err != nil || strings.Contains(string(out), "WARNING") || strings.Contains(string(out), "ERROR") {
			return "", fmt.Errorf("%s: %v\n%s", filepath.Base(args[0]), err, out)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "cdk.out", "wirepost.template.json"))
	if err != nil {
		return "", err
	}
	// The CDK's own check of what it needs in an account is no part of the stack.
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		return "", err
	}
	delete(all["Parameters"].(map[string]any), "BootstrapVersion")
	delete(all["Rules"].(map[string]any), "CheckBootstrapVersion")
	b, err = json.MarshalIndent(all, "", " ")
	return string(b), err
}

// What a test installs is what a user installs.
func TestTheVersionsOfTheCDKAreThoseOfItsPackage(t *testing.T) {
	var pack struct{ Dependencies, DevDependencies map[string]string }
	if err := json.Unmarshal([]byte(read(t, "cdk")["cdk/package.json"]), &pack); err != nil {
		t.Fatal(err)
	}
	needs, err := os.ReadFile(filepath.Join("..", "scripts", "test-needs"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?s)cdk_packages=\((.*?)\)`).FindSubmatch(needs)
	if block == nil {
		t.Fatal("scripts/test-needs installs no CDK")
	}
	for _, p := range strings.Fields(string(block[1])) {
		at := strings.LastIndex(p, "@")
		name, version := p[:at], p[at+1:]
		if got := pack.Dependencies[name] + pack.DevDependencies[name]; got != version {
			t.Errorf("scripts/test-needs installs %s %s, and package.json says %q", name, version, got)
		}
	}
}
