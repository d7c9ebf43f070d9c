package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// find is a command of a run that prints nothing.
func find(t *testing.T, names ...string) *cobra.Command {
	t.Helper()
	cmd, rest, err := (&command{}).root().Find(names)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%q: %v, %q is left", names, err, rest)
	}
	return cmd
}

func TestOneDashIsEnoughForAFlag(t *testing.T) {
	for _, c := range []struct{ command, args, want string }{
		{"dev", "-listen 127.0.0.1:0 -verbose", "--listen 127.0.0.1:0 --verbose"},
		{"dev", "-handler index.handler . -freeze=false", "--handler index.handler . --freeze=false"},
		{"dev", "-h", "-h"},
		{"dev", "-help", "--help"},
		{"dev", "-lisen x", "--lisen x"},
		{"dev", "--stage -listen -region -stage", "--stage -listen --region -stage"}, // values
		{"dev", "-stage=-listen", "--stage=-listen"},
		{"dev", "--verbose -listen x", "--verbose --listen x"},
		{"dev", "-watch -- ./bootstrap -watch", "--watch -- ./bootstrap -watch"},
		{"dev", "--stage -- -listen x", "--stage -- --listen x"},
		{"dev", "-timeout -5s", "--timeout -5s"},
		{"send", "-to everyone -", "--to everyone -"},
		{"send", "-to everyone -1", "--to everyone -1"},
		{"send", "-to everyone -- -to", "--to everyone -- -to"},
	} {
		args := strings.Fields(c.args)
		before := slices.Clone(args)
		if got := strings.Join(twoDashes(find(t, c.command).Flags(), args), " "); got != c.want {
			t.Errorf("%s %s is read as %s, want %s", c.command, c.args, got, c.want)
		}
		if !slices.Equal(args, before) {
			t.Errorf("%s %s was changed", c.command, c.args)
		}
	}
}

// What a shell gives a program, in whatever order, must reach the flag or the argument
// that it is meant for.
func TestFlagsStandAnywhere(t *testing.T) {
	for _, line := range []string{
		"--handler h.handler . --listen 127.0.0.1:0 --fault post:429:p=0.1,n=2 --fault connect:denied --route a=./x,y --timeout 5s --watch",
		". --watch --timeout=5s --route=a=./x,y --fault=post:429:p=0.1,n=2 --fault=connect:denied --listen=127.0.0.1:0 --handler=h.handler",
		"-watch=true -timeout 5s . -route a=./x,y -fault post:429:p=0.1,n=2 -fault connect:denied -listen 127.0.0.1:0 -handler h.handler",
	} {
		d := parsedDev(t, strings.Fields(line)...)
		if got := d.Flags(); got.Lookup("listen").Value.String() != "127.0.0.1:0" || got.Lookup("handler").Value.String() != "h.handler" || !slices.Equal(got.Args(), []string{"."}) {
			t.Errorf("%s: listen %v, handler %v, arguments %q", line, got.Lookup("listen").Value, got.Lookup("handler").Value, got.Args())
		}
		if got, _ := d.Flags().GetDuration("timeout"); got != 5*time.Second {
			t.Errorf("%s: timeout %v", line, got)
		}
		if got, _ := d.Flags().GetBool("watch"); !got {
			t.Errorf("%s: no watch", line)
		}
		for name, want := range map[string][]string{"fault": {"post:429:p=0.1,n=2", "connect:denied"}, "route": {"a=./x,y"}} {
			if got, _ := d.Flags().GetStringArray(name); !slices.Equal(got, want) {
				t.Errorf("%s: %s is %q, want %q", line, name, got, want)
			}
		}
	}
	behind := []string{"./bootstrap", "--x", "-listen", "--", "-h", "--watch=false"}
	d := parsedDev(t, append([]string{"--stage", "prod", "--"}, behind...)...)
	if !slices.Equal(d.Flags().Args(), behind) {
		t.Errorf("behind -- there is %q, want %q", d.Flags().Args(), behind)
	}
}

func parsedDev(t *testing.T, args ...string) *cobra.Command {
	t.Helper()
	cmd := find(t, "dev")
	if err := cmd.ParseFlags(twoDashes(cmd.Flags(), args)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestAFlagThatMayBeGivenMoreThanOnceIsNeverCutAtItsCommas(t *testing.T) {
	eachCommand((&command{}).root(), func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if strings.Contains(f.Value.Type(), "Slice") || strings.HasPrefix(f.Value.Type(), "stringTo") {
				t.Errorf("%s --%s is a %s", cmd.CommandPath(), f.Name, f.Value.Type())
			}
			if f.Shorthand != "" && f.Name != "help" {
				t.Errorf("%s --%s has the short form -%s, and one dash is enough for a long one", cmd.CommandPath(), f.Name, f.Shorthand)
			}
		})
	})
}

func TestWhatIsMistypedIsSuggested(t *testing.T) {
	for _, c := range []struct {
		args           string
		message, hints string // lines that begin so
	}{
		{"dve", `there is no command "dve"`, "did you mean 'wirepost dev'? the commands are dev, "},
		{"sed", `there is no command "sed"`, "did you mean 'wirepost send'?"},
		{"disconnect --to everyone", `there is no command "disconnect"`, "did you mean 'wirepost kick'?"},
		{"help dve", `there is no command "dve"`, "did you mean 'wirepost dev'?"},
		{"xyzzy", `there is no command "xyzzy"`, "the commands are dev, invoke, "},
		{"table chek dynamodb://t", `there is no command table "chek"`, "did you mean 'wirepost table check'? the commands are table create, table describe and table check"},
		{"table drop --json", `there is no command table "drop"`, "the commands are table create, table describe and table check"},
		{"help table drop", `there is no command table "drop"`, "the commands are table create"},
		{"help send data", `"data" is not a command of 'wirepost send'`, "'wirepost send --help' describes it"},
		{"dev --lsiten x", "there is no flag --lsiten (did you mean --listen?)", "'wirepost dev --help' lists the flags"},
		{"dev -handlr x", "there is no flag --handlr (did you mean --handler?)", "'wirepost dev --help' lists the flags"},
		{"dev --route-resp x", "there is no flag --route-resp (did you mean --route-response?)", ""},
		{"dev --no-such-thing", "there is no flag --no-such-thing\n", "'wirepost dev --help' lists the flags"},
		{"dev ./bootstrap --x", "there is no flag --x\n", "put the program's own flags after --, as in 'wirepost dev -- ./bootstrap --x'; 'wirepost dev --help' lists the flags"},
		{"send --to everyone -1", "there is no flag -1\n", "put an argument that begins with a dash after --"},
		{"--json list", "there is no flag --json\n", "the flags of a command come after its name"},
		{"send --to", "--to needs a value\n", "'wirepost send --help' lists the flags"},
		{"send --timeout soon", `--timeout "soon" is not a duration, such as 30s or 10m`, "'wirepost send --help'"},
		{"dev --seed -1", `--seed "-1" is not a whole number that fits`, ""},
		{"dev --freeze=perhaps", `--freeze "perhaps" is not true or false`, ""},
		{"send ---to", `"---to" is not a flag`, "'wirepost send --help'"},
		{"send --timeout -5s --to everyone hi", "--timeout must be more than zero\n", ""},
		{"dev --listen x:1 --idle-timeout -1m", "--idle-timeout and --max-age must be more than zero\n", ""},
		{"dev --integration-timeout 30s", "--integration-timeout must be from 50ms to 29s\n", "API Gateway waits at most 29s"},
		{"invoke --event connect event.json -- ./bootstrap", `invoke takes --event or a file, but was given --event connect and "event.json"`, "leave one of them out"},
		{"invoke -- ./bootstrap", "invoke needs --event NAME or a FILE", ""},
		{"completion tcsh", "completion takes the name of one shell", "the shells are bash, zsh, fish, powershell"},
	} {
		status, stdout, stderr := runCommand(t.Context(), strings.Fields(c.args)...)
		want := "wirepost: error: " + c.message
		if status != exitUsage || stdout != "" || !strings.HasPrefix(stderr, want) {
			t.Errorf("%s: status %d, %q, and on standard error\n%swant\n%s", c.args, status, stdout, stderr, want)
		}
		if want := "\nwirepost: hint: " + c.hints; c.hints != "" && !strings.Contains(stderr, want) {
			t.Errorf("%s has not the hint %q:\n%s", c.args, want, stderr)
		}
		if n := strings.Count(stderr, "\n"); n > 2 {
			t.Errorf("%s is answered with %d lines:\n%s", c.args, n, stderr)
		}
	}
}

func TestMistakesAreCounted(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"dve", "dev", 1}, {"listen", "lsiten", 1}, {"kitten", "sitting", 3}, {"to", "too", 1}, {"abc", "cab", 2}} {
		if got := mistakes(c.a, c.b); got != c.want {
			t.Errorf("from %q to %q are %d mistakes, want %d", c.a, c.b, got, c.want)
		}
		if got := mistakes(c.b, c.a); got != c.want {
			t.Errorf("from %q to %q are %d mistakes, want %d", c.b, c.a, got, c.want)
		}
	}
}
