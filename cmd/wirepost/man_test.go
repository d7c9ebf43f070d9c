package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestAManualPageOfEachCommandIsWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "wirepost")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "man", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, said)
	}
	pages := filepath.Join(dir, "pages", "man1")
	if said, err := exec.CommandContext(t.Context(), program, "man", pages).CombinedOutput(); err != nil || len(said) > 0 {
		t.Fatalf("man: %v\n%s", err, said)
	}
	if said, err := exec.CommandContext(t.Context(), program, "help").Output(); err != nil || strings.Contains(string(said), " man ") {
		t.Errorf("the command man is not hidden: %v\n%s", err, said)
	}
	want := 0
	eachCommand((&command{}).root(), func(cmd *cobra.Command) {
		if cmd.HasParent() && !cmd.IsAvailableCommand() {
			return
		}
		want++
		b, err := os.ReadFile(filepath.Join(pages, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		page := strings.NewReplacer(`\-`, "-", `\&`, "", `\fB`, "", `\fP`, "", `\fR`, "", `\\`, `\`).Replace(string(b))
		for _, text := range []string{cmd.Short, strings.SplitN(cmd.Long, "\n", 2)[0], strings.SplitN(cmd.Annotations[notes], "\n", 2)[0], cmd.Example, "SYNOPSIS"} {
			if !strings.Contains(page, text) {
				t.Errorf("the page of %s has not %q:\n%s", cmd.CommandPath(), text, page)
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(page, "--"+f.Name) || !strings.Contains(page, strings.SplitN(f.Usage, ";", 2)[0]) {
				t.Errorf("the page of %s has not --%s:\n%s", cmd.CommandPath(), f.Name, page)
			}
		})
		if strings.Contains(page, "Auto generated") || strings.Contains(page, "spf13") {
			t.Errorf("the page of %s says who wrote it", cmd.CommandPath())
		}
	})
	if files, err := os.ReadDir(pages); err != nil || len(files) != want {
		t.Errorf("there are %d pages, want %d (%v)", len(files), want, err)
	}
}
