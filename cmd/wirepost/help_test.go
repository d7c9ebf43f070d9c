package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// eachCommand calls do for a command and all below it.
func eachCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, sub := range cmd.Commands() {
		eachCommand(sub, do)
	}
}

func TestEveryHelpSaysHowWhatAndWithWhichFlagsAndEndsWithAnExample(t *testing.T) {
	eachCommand((&command{}).root(), func(cmd *cobra.Command) {
		help := helpOf(cmd)
		before, example, ok := strings.Cut(help, "\n\nExample:\n")
		if !ok || !strings.Contains(example, "    $ ") || !strings.HasPrefix(help, "Usage:\n    wirepost") || !strings.HasSuffix(help, "\n") || strings.HasSuffix(help, "\n\n") {
			t.Errorf("the help of %s:\n%s", cmd.CommandPath(), help)
		}
		if cmd.Short == "" || cmd.Long == "" {
			t.Errorf("%s is not described", cmd.CommandPath())
		}
		for line := range strings.Lines(before) {
			if len([]rune(strings.TrimSuffix(line, "\n"))) > 88 {
				t.Errorf("the help of %s has a line of %d columns: %s", cmd.CommandPath(), len(line), line)
			}
		}
		titles := map[string]bool{}
		last := ""
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			isSwitch, value := f.NoOptDefVal != "", annotation(f, valueName)
			if f.Usage == "" || strings.Contains(f.Usage, "`") || isSwitch != (value == "") {
				t.Errorf("%s --%s is described as %q, with the value %q", cmd.CommandPath(), f.Name, f.Usage, value)
			}
			if title := annotation(f, flagGroup); title != last {
				if titles[title] {
					t.Errorf("%s has the flags %s in two places", cmd.CommandPath(), title)
				}
				last, titles[title] = title, true
			}
		})
	})
}

func TestHelpIsTheSameHoweverItIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"dev", []string{"help dev", "dev -h", "dev --help", "dev -help", "--help dev", "-h dev", "dev --listen 127.0.0.1:0 --help", "dev go:./chat -h"}},
		{"send", []string{"help send", "send -h", "send --to everyone --help hi"}},
		{"table create", []string{"help table create", "table create -h", "table help create", "table --help create"}},
		{"table", []string{"help table", "table help", "table --help"}},
		{"", []string{"help", "--help", "-h", "-help"}},
	} {
		want := helpOf(find(t, strings.Fields(c.name)...))
		for _, args := range c.args {
			status, stdout, stderr := runCommand(t.Context(), strings.Fields(args)...)
			if status != exitDone || stdout != want || stderr != "" {
				t.Errorf("%s: status %d, %s\n%s", args, status, stderr, stdout)
			}
		}
	}
	if status, stdout, stderr := runCommand(t.Context()); status != exitUsage || stdout != "" || stderr != helpOf(find(t)) {
		t.Errorf("without arguments: status %d, %q\n%s", status, stdout, stderr)
	}
	// Behind -- it is the program's.
	if status, _, stderr := runCommand(t.Context(), "invoke", "--event", "connect", "--", "./nothing", "--help"); status == exitDone || !strings.Contains(stderr, "there is no program ./nothing") {
		t.Errorf("the program's --help: status %d, %s", status, stderr)
	}
}

func TestTheHelpOfDevHasItsFlagsByGroups(t *testing.T) {
	help := helpOf(find(t, "dev"))
	at := 0
	for _, want := range []string{"\nThe gateway:\n    --listen ADDRESS ", "\nFunctions:\n", "    --route KEY=FUNCTION ", "\nHow functions run:\n", "    --credentials dev|inherit  ", "\nA template:\n    --template FILE ", "\nFaults:\n", "\nWhat is seen of it:\n", "\nThe port answers https://", "\nExample:\n"} {
		next := strings.Index(help[at:], want)
		if next < 0 {
			t.Fatalf("there is no %q, or not where it should be, in\n%s", want, help)
		}
		at += next
	}
}

func TestTheHelpOfWirepostHasItsCommandsByGroups(t *testing.T) {
	help := helpOf(find(t))
	at := 0
	for _, want := range []string{"\nRun here:\n    wirepost dev ", "\nSend and see:\n    wirepost send ", "\nDiagnose:\n    wirepost doctor ", "\nDeploy:\n    wirepost init ", "\nMore:\n    wirepost completion "} {
		next := strings.Index(help[at:], want)
		if next < 0 {
			t.Fatalf("there is no %q, or not where it should be, in\n%s", want, help)
		}
		at += next
	}
}
