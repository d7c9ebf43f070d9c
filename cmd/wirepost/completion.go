package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/terminal"
)

// completionTime is how long somebody who presses Tab waits for a store at most.
const completionTime = 300 * time.Millisecond

// mostCompleted is of how many connections the users and topics are offered.
const mostCompleted = 200

// shells are those that cobra writes a script for.
var shells = map[string]func(root *cobra.Command, to *bytes.Buffer) error{
	"bash":       func(root *cobra.Command, to *bytes.Buffer) error { return root.GenBashCompletionV2(to, true) },
	"zsh":        func(root *cobra.Command, to *bytes.Buffer) error { return root.GenZshCompletion(to) },
	"fish":       func(root *cobra.Command, to *bytes.Buffer) error { return root.GenFishCompletion(to, true) },
	"powershell": func(root *cobra.Command, to *bytes.Buffer) error { return root.GenPowerShellCompletionWithDesc(to) },
}

func (c *command) completionCommand() *cobra.Command {
	names := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "print what makes a shell complete commands, flags and audiences",
		Long: `Prints a script for bash, zsh, fish or powershell. With it the Tab key completes
commands and flags, and for --to the users and topics that are connected: those of
the first 200 connections in the store, as far as they can be read within 300 ms.
Names that a shell would act on, such as those with a space or a $, are left out.

bash needs the package bash-completion.`,
		Example: `    $ source <(wirepost completion bash)         # in ~/.bashrc, to have it always
    $ wirepost completion zsh >"${fpath[1]}/_wirepost"
    $ wirepost completion fish >~/.config/fish/completions/wirepost.fish
    PS> wirepost completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: names,
		RunE: runs(func(cmd *cobra.Command, args []string) int {
			if len(args) != 1 || shells[args[0]] == nil {
				return c.misuse("completion takes the name of one shell", "the shells are "+strings.Join(names, ", "))
			}
			var script bytes.Buffer
			if err := shells[args[0]](cmd.Root(), &script); err != nil {
				return c.fail(fmt.Errorf("write the script for %s: %w", args[0], err))
			}
			c.stdout.Print(script.String())
			return exitDone
		}),
	}
}

// isCompletion reports whether the arguments are a question of one of these scripts.
func isCompletion(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// completed is what a flag or an argument of a command may be.
type completed = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeFlag offers values for a flag, which has to be there.
func completeFlag(cmd *cobra.Command, flag string, values completed) {
	if err := cmd.RegisterFlagCompletionFunc(flag, values); err != nil {
		panic(err) // there is no such flag: a mistake of ours
	}
}

// oneOf offers values that are known.
func oneOf(values ...string) completed {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

// files leaves it to the shell, which offers files.
func files(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// connected offers what the connections in the store are asked for.
func (c *command) connected(of func(wirepost.Connection) []string, always ...string) completed {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(typed, "=") { // the script for bash would put it there once more
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), c.completionTime)
		defer cancel()
		url, _ := cmd.Flags().GetString("store")
		names, err := namesOf(ctx, storeURL(url), of)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names = slices.DeleteFunc(append(names, always...), func(name string) bool {
			// Clients choose their names. A shell puts what several have in common on the line
			// as it is, and acts on it with the next key.
			return !strings.HasPrefix(name, typed) || terminal.Word(name) != name
		})
		slices.Sort(names)
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
	}
}

// namesOf asks a store about its first connections. It returns when the context ends,
// with what is known by then.
func namesOf(ctx context.Context, url string, of func(wirepost.Connection) []string) ([]string, error) {
	var mu sync.Mutex
	var names []string
	read := make(chan error, 1)
	go func() { // ends with the context, or with the program if a store does not heed it
		read <- eachRow(ctx, url, mostCompleted, func(row wirepost.Connection) {
			mu.Lock()
			defer mu.Unlock()
			names = append(names, of(row)...)
		})
	}()
	var err error
	select {
	case err = <-read:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		err = nil // the time is up, and what has been read is good
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(names), err
}

// eachRow calls do for the first connections of a store, for several at the same time.
func eachRow(ctx context.Context, url string, most int, do func(wirepost.Connection)) error {
	store, err := openStore(ctx, url)
	if err != nil {
		return err
	}
	defer store.Close()
	return each(ctx, firstOf{store, most}, func(ctx context.Context, l wirepost.Listed) error {
		row, err := store.Connection(ctx, l.ID)
		switch {
		case errors.Is(err, wirepost.ErrNotFound): // it has ended meanwhile
			return nil
		case err != nil:
			return err
		}
		do(row)
		return nil
	})
}

// firstOf is a store that lists no more than some of its connections.
type firstOf struct {
	wirepost.Store
	most int
}

func (s firstOf) Connections(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	return func(yield func(wirepost.Listed, error) bool) {
		n := 0
		for l, err := range s.Store.Connections(ctx, a, o) {
			if n++; !yield(l, err) || n == s.most {
				return
			}
		}
	}
}

// completeAudience offers for a flag the audiences that there are.
func (c *command) completeAudience(cmd *cobra.Command, flag string) {
	users := c.connected(func(row wirepost.Connection) (names []string) {
		if row.User != "" {
			names = append(names, "user:"+row.User)
		}
		for _, topic := range row.Topics {
			names = append(names, "topic:"+topic)
		}
		return names
	}, "everyone")
	connections := c.connected(func(row wirepost.Connection) []string { return []string{"connection:" + row.ID} })
	completeFlag(cmd, flag, func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if typed != "" && strings.HasPrefix(typed, "connection:"[:min(len(typed), len("connection:"))]) {
			return connections(cmd, args, typed) // only when asked for: they would hide the others
		}
		return users(cmd, args, typed)
	})
}
