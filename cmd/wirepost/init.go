package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/deploy"
	"github.com/wirepost/wirepost/internal/hint"
)

func (c *command) initCommand() *cobra.Command {
	var stack string
	cmd := &cobra.Command{
		Use:   "init [--stack sam|terraform|cdk] [FOLDER]",
		Short: "write a function and a stack for AWS to start from",
		Long: `Writes what it takes to deploy a function of your own: a program with a route of its
own and tests, and the stack that fits it, with a WebSocket API, four functions of
that program, the table, a queue and alarms; a README, a Makefile and, outside of a
module, a go.mod. Without FOLDER they go where you are. Nothing is overwritten.`,
		Annotations: map[string]string{notes: `If you need no function of your own, deploy github.com/wirepost/wirepost's
cmd/wirepost-function with the same stack.`},
		Example: `    $ wirepost init chat
    $ cd chat
    $ go mod tidy
    $ make test
    $ wirepost dev --watch go:.`,
		SuggestFor:        []string{"new", "create"},
		ValidArgsFunction: files,
	}
	cmd.Flags().StringVar(&stack, "stack", "sam", "`NAME` default sam: template.yaml for AWS SAM; terraform or cdk are the same stack")
	completeFlag(cmd, "stack", oneOf(deploy.Stacks...))
	cmd.RunE = runs(func(_ *cobra.Command, args []string) int {
		switch {
		case len(args) > 1:
			return c.misuse(fmt.Sprintf("init takes one folder, but was also given %q", args[1]), "'wirepost init --help' shows how it is used")
		case !slices.Contains(deploy.Stacks, stack):
			return c.misuse(fmt.Sprintf("--stack %s: must be sam, terraform or cdk", stack), "")
		}
		folder := "."
		if len(args) == 1 {
			folder = args[0]
		}
		return c.init(stack, folder)
	})
	return cmd
}

func (c *command) init(stack, folder string) int {
	names, err := writeOwn(stack, folder)
	if err != nil {
		return c.failWith(err)
	}
	for _, name := range names {
		c.stdout.Printf("wrote %s\n", name)
	}
	tidy := "'go mod tidy'"
	if slices.Contains(names, filepath.Join(folder, "go.mod")) && released(wirepost.Version) == "" {
		tidy = "'go mod edit -replace github.com/wirepost/wirepost=CHECKOUT', because no version of it is published yet, and 'go mod tidy'"
	}
	c.stderr.Printf("wirepost: hint: in that folder: %s, then 'make test' and 'make dev'; README.md has the rest\n", tidy)
	return exitDone
}

// writeOwn writes a program and its stack, or nothing if one of the files is there
// already. Outside of a module they get a go.mod.
func writeOwn(stack, folder string) (names []string, err error) {
	name, err := nameOf(folder)
	if err != nil {
		return nil, err
	}
	own, err := deploy.Own(stack, name)
	if err != nil {
		return nil, err
	}
	if !inModule(folder) {
		own["go.mod"] = goMod(name)
	}
	for _, file := range slices.Sorted(maps.Keys(own)) {
		name := filepath.Join(folder, file)
		if _, err := os.Lstat(name); err == nil {
			return nil, hint.New(fmt.Errorf("%s already exists; nothing was written", name), "name an empty folder, such as 'wirepost init push'")
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look for %s: %w", name, err)
		}
		names = append(names, name)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder %s: %w", folder, err)
	}
	for i, name := range names {
		if err := writeNew(name, own[filepath.Base(name)]); err != nil {
			// Half a stack would only be in the way of the next try.
			for _, written := range names[:i] {
				os.Remove(written)
			}
			return nil, fmt.Errorf("write %s; the files written before it were removed: %w", name, err)
		}
	}
	return names, nil
}

var notInName = regexp.MustCompile(`[^a-z0-9-]+`)

// nameOf is what a program in a folder is called: the folder's name, as far as it can be
// that of a stack on AWS, which begins with a letter.
func nameOf(folder string) (string, error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("find the folder %s: %w", folder, err)
	}
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(filepath.Base(abs)), "-"), "-0123456789")
	return cmp.Or(name[:min(len(name), 40)], "push"), nil
}

// goMod is the go.mod of a program: with the versions that this command was built with.
// One that is no release names a version that there is not, and takes a replace.
func goMod(name string) []byte {
	version, lambda := released(wirepost.Version), ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/aws/aws-lambda-go" {
				lambda = "\t" + m.Path + " " + m.Version + "\n"
			}
		}
	}
	if version == "" {
		version = "v0.0.0 // no version of it is published: 'go mod edit -replace github.com/wirepost/wirepost=CHECKOUT'"
	}
	return fmt.Appendf(nil, "module %s\n\ngo %s\n\nrequire (\n%s\tgithub.com/wirepost/wirepost %s\n)\n", name, goVersion, lambda, version)
}

// goVersion is that of this module's go.mod.
const goVersion = "1.26"

// released is a version of this module as go.mod has it; empty between releases.
func released(version string) string {
	if strings.HasSuffix(version, "-dev") {
		return ""
	}
	return "v" + version
}

// writeNew writes a file that must not be there, whole or not at all.
func writeNew(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return bare(err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(name)
	}
	return bare(err)
}

// bare is an error of package os without the name of the file.
func bare(err error) error {
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		return wrong.Err
	}
	return err
}

// inModule reports whether a folder belongs to a Go module.
func inModule(folder string) bool {
	dir, err := filepath.Abs(folder)
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return true
		}
		if strings.TrimRight(dir, string(filepath.Separator)) == filepath.VolumeName(dir) || dir == filepath.Dir(dir) {
			return false
		}
	}
	return false
}
