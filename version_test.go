package wirepost_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

// semantic is a version as this project writes it: released, or on its way to it.
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-dev)?$`)

// `wirepost version` prints the constant; the browser client and the changelog have to
// say the same.
func TestTheBrowserClientAndTheChangelogHaveTheVersionOfTheModule(t *testing.T) {
	if !semantic.MatchString(wirepost.Version) {
		t.Fatalf("Version is %q: want MAJOR.MINOR.PATCH, or the same with -dev", wirepost.Version)
	}
	text, err := os.ReadFile("clients/js/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var client struct{ Version string }
	if err := json.Unmarshal(text, &client); err != nil {
		t.Fatal(err)
	}
	if client.Version != wirepost.Version {
		t.Errorf("clients/js/package.json has version %q, the module %q", client.Version, wirepost.Version)
	}
	changelog, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if heading := firstVersion(string(changelog)); !announces(heading, wirepost.Version) {
		t.Errorf("CHANGELOG.md begins with %q; the module has version %s", heading, wirepost.Version)
	}
}

// firstVersion is the first heading of a changelog, with the sentence that follows it.
func firstVersion(changelog string) string {
	return regexp.MustCompile(`(?m)^## .*(\n+The next version is .*)?$`).FindString(changelog)
}

// announces says whether what a changelog begins with fits a version: a release has its
// heading and its day, one on its way is the next version under Unreleased.
func announces(heading, version string) bool {
	if next, dev := strings.CutSuffix(version, "-dev"); dev {
		return heading == "## [Unreleased]\n\nThe next version is "+next+"."
	}
	return regexp.MustCompile(`^## \[` + regexp.QuoteMeta(version) + `\] - \d{4}-\d\d-\d\d$`).MatchString(heading)
}

func TestWhatAChangelogAnnounces(t *testing.T) {
	for _, c := range []struct {
		changelog, version string
		want               bool
	}{
		{"# Changelog\n\n## [Unreleased]\n\nThe next version is 0.2.0.\n\n### Added\n", "0.2.0-dev", true},
		{"# Changelog\n\n## [Unreleased]\n\nThe next version is 0.2.0.\n", "0.3.0-dev", false},
		{"# Changelog\n\n## [Unreleased]\n\nThe next version is 0.2.0.\n", "0.2.0", false},
		{"# Changelog\n\n## [Unreleased]\n\n### Added\n", "0.2.0-dev", false},
		{"# Changelog\n\n## [0.2.0] - 2026-11-29\n\n### Added\n", "0.2.0", true},
		{"# Changelog\n\n## [0.2.0] - 2026-11-29\n", "0.2.1", false},
		{"# Changelog\n\n## [0.2.0] - 2026-11-29\n", "0.2.0-dev", false},
		{"# Changelog\n\n## [0.2.0]\n", "0.2.0", false},
		{"# Changelog\n", "0.2.0-dev", false},
	} {
		if got := announces(firstVersion(c.changelog), c.version); got != c.want {
			t.Errorf("%q for %s: %t, want %t", c.changelog, c.version, got, c.want)
		}
	}
}

// What `go install` takes is a tag: the commit that has one is that version.
func TestATaggedCommitHasTheVersionOfItsTag(t *testing.T) {
	tags, err := exec.Command("git", "tag", "--points-at", "HEAD", "--list", "v*").Output()
	if err != nil {
		t.Logf("not checked, this is no clone: %v", err)
	}
	for tag := range strings.Lines(string(tags)) {
		if got := strings.TrimSpace(tag); got != "v"+wirepost.Version {
			t.Errorf("the commit has the tag %s, the module has version %s", got, wirepost.Version)
		}
	}
}
