package wirepost_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// filesOf reads the files of a pattern; there have to be some.
func filesOf(t *testing.T, pattern string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no file is named %s: %v", pattern, err)
	}
	files := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.ToSlash(name)] = string(text)
	}
	return files
}

func TestTheWorkflowsPassActionlint(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^ACTIONLINT_VERSION := (v\S+)$`).FindSubmatch(makefile)
	if version == nil {
		t.Fatal("the Makefile has no ACTIONLINT_VERSION")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tool := "github.com/rhysd/actionlint/cmd/actionlint@" + string(version[1])
	if out, err := exec.CommandContext(ctx, "go", "run", tool, "-version").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("go run %s: %v (with CI=true nothing is skipped)\n%s", tool, err, out)
		}
		t.Skipf("skipped: %s cannot be had: %v", tool, err)
	}
	// What shellcheck and pyflakes find depends on the machine.
	args := []string{"run", tool, "-no-color", "-shellcheck=", "-pyflakes="}
	for name := range filesOf(t, ".github/workflows/*.yml") {
		args = append(args, name)
	}
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		t.Errorf("actionlint: %v\n%s", err, out)
	}
}

func TestTheWorkflowForTestsRunsWhatCIRuns(t *testing.T) {
	if text := filesOf(t, ".github/workflows/test.yml")[".github/workflows/test.yml"]; !strings.Contains(text, "- run: .ci/run\n") {
		t.Error("test.yml has no step that runs .ci/run")
	}
}

func TestEachActionHasAVersionAndEachWorkflowItsRights(t *testing.T) {
	action := regexp.MustCompile(`(?m)uses: *(\S+)`)
	pinned := regexp.MustCompile(`^(actions|github)/[\w-]+(/[\w-]+)*@v\d+(\.\d+)*$|^\./\.github/workflows/[\w-]+\.yml$`)
	for name, text := range filesOf(t, ".github/workflows/*.yml") {
		for _, m := range action.FindAllStringSubmatch(text, -1) {
			if !pinned.MatchString(m[1]) {
				t.Errorf("%s uses %s: want an action of GitHub's own with its version", name, m[1])
			}
		}
		if !strings.Contains(text, "\npermissions:\n  contents: read\n") {
			t.Errorf("%s does not begin with the right to read alone", name)
		}
	}
}

func TestEachIssueFormAsksForTheDoctorsReport(t *testing.T) {
	for name, text := range filesOf(t, ".github/ISSUE_TEMPLATE/*.yml") {
		if filepath.Base(name) != "config.yml" && !strings.Contains(text, "`wirepost doctor --json`") {
			t.Errorf("%s does not ask for wirepost doctor --json", name)
		}
	}
}

// The pages at the root and the decisions are no pages of the site, whose build checks links.
func TestTheLinksOfTheProjectsPagesLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, pattern := range projectPages {
		for name, text := range filesOf(t, pattern) {
			for _, m := range link.FindAllStringSubmatch(text, -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
					t.Errorf("%s links to %s: %v", name, m[1], err)
				}
			}
		}
	}
}

// projectPages are those that say how the project works.
var projectPages = []string{"SECURITY.md", "SUPPORT.md", "CODE_OF_CONDUCT.md", "docs/adr/*.md", "docs/releasing.md"}

func TestTheSupportPolicyNamesTheGoVersionOfTheModule(t *testing.T) {
	module := filesOf(t, "go.mod")["go.mod"]
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(module)
	if version == nil {
		t.Fatal("go.mod has no version of Go")
	}
	if page := filesOf(t, "SUPPORT.md")["SUPPORT.md"]; !strings.Contains(page, "`go.mod` ("+version[1]+")") {
		t.Errorf("SUPPORT.md does not name Go %s", version[1])
	}
}

func TestTheIndexOfDecisionsHasEachDecisionAndEachHasItsParts(t *testing.T) {
	index := filesOf(t, "docs/adr/README.md")["docs/adr/README.md"]
	for name, text := range filesOf(t, "docs/adr/0*.md") {
		title, _, _ := strings.Cut(text, "\n")
		number, title, _ := strings.Cut(strings.TrimPrefix(title, "# "), ". ")
		if base := filepath.Base(name); !strings.Contains(index, "| ["+number+"]("+base+") | "+title+" |\n") || !strings.HasPrefix(base, number+"-") {
			t.Errorf("docs/adr/README.md has no row for %s: %q", name, title)
		}
		for _, part := range []string{"\nStatus: ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no part %q", name, part)
			}
		}
	}
}
