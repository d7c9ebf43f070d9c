package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost/deploy"
	"github.com/wirepost/wirepost/internal/hint"
)

func (c *command) initCommand() *cobra.Command {
	var stack string
	stacks := []string{"sam", "terraform", "cdk"}
	cmd := &cobra.Command{
		Use:   "init [--stack sam|terraform|cdk] [FOLDER]",
		Short: "copy a function and a stack for AWS to start from",
		Long: `Copies what it takes to deploy a function of your own: main.go, a program to start
from, and a stack with a WebSocket API, four functions of that program, the table,
a queue and alarms. Without FOLDER they go where you are. Nothing is overwritten.`,
		Annotations: map[string]string{notes: `If you need no function of your own, deploy github.com/wirepost/wirepost's
cmd/wirepost-function with the same stack.`},
		Example: `    $ wirepost init chat
    $ cd chat
    $ go mod init chat && go get github.com/wirepost/wirepost && go mod tidy
    $ wirepost dev --watch --route-response '$default' go:.`,
		SuggestFor:        []string{"new", "create"},
		ValidArgsFunction: files,
	}
	cmd.Flags().StringVar(&stack, "stack", "sam", "`NAME` default sam: template.yaml for AWS SAM; terraform or cdk are the same stack")
	completeFlag(cmd, "stack", oneOf(stacks...))
	cmd.RunE = runs(func(_ *cobra.Command, args []string) int {
		switch {
		case len(args) > 1:
			return c.misuse(fmt.Sprintf("init takes one folder, and %q comes after it", args[1]), "'wirepost init --help' shows how it is used")
		case !slices.Contains(stacks, stack):
			return c.misuse(fmt.Sprintf("--stack %s: there are sam, terraform and cdk", stack), "")
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
	names, err := copyStack(stack, folder)
	if err != nil {
		return c.failWith(err)
	}
	for _, name := range names {
		c.stdout.Printf("wrote %s\n", name)
	}
	if !inModule(folder) {
		c.stderr.Printf("wirepost: hint: there is no go.mod yet: 'go mod init NAME', 'go get github.com/wirepost/wirepost' and 'go mod tidy' in that folder\n")
	}
	c.stderr.Printf("wirepost: hint: 'wirepost dev --watch --route-response \\$default go:.' runs it here, and 'wirepost package' builds function.zip for the stack\n")
	return exitDone
}

// ofOnesOwn makes the texts of a stack speak of the program next to it, and not of the
// ready-made function and of folders that are not there.
func ofOnesOwn(file []byte) []byte {
	return []byte(strings.NewReplacer(
		"wirepost's ready-made function", "the function of this folder",
		"function.zip github.com/wirepost/wirepost/cmd/wirepost-function", "function.zip .",
		"docs/operations.md", "https://github.com/wirepost/wirepost/blob/main/docs/operations.md",
		"deploy/terraform and deploy/cdk are the same stack", "'wirepost init --stack terraform' and '--stack cdk' have the same stack",
	).Replace(string(file)))
}

// copyStack writes the files of one stack and of the program, or none if one of them
// is there already.
func copyStack(stack, folder string) (names []string, err error) {
	files := map[string][]byte{}
	for _, from := range []string{"function", stack} {
		entries, err := fs.ReadDir(deploy.Files, from)
		if err != nil {
			return nil, fmt.Errorf("read the stack %s: %w", stack, err)
		}
		for _, e := range entries {
			b, err := deploy.Files.ReadFile(path.Join(from, e.Name()))
			if err != nil {
				return nil, fmt.Errorf("read the stack %s: %w", stack, err)
			}
			name := filepath.Join(folder, e.Name())
			if _, err := os.Lstat(name); err == nil {
				return nil, hint.New(fmt.Errorf("%s is there already, and nothing was written", name), "name an empty folder, such as 'wirepost init push'")
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("look for %s: %w", name, err)
			}
			files[name], names = ofOnesOwn(b), append(names, name)
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder %s: %w", folder, err)
	}
	for i, name := range names {
		if err := writeNew(name, files[name]); err != nil {
			// Half a stack would only be in the way of the next try.
			for _, written := range names[:i] {
				os.Remove(written)
			}
			return nil, fmt.Errorf("write %s, and nothing is left of the others: %w", name, err)
		}
	}
	return names, nil
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
