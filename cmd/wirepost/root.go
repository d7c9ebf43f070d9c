package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// commandGroup is some commands under one title of the help.
type commandGroup struct {
	id, title string
	commands  []*cobra.Command
}

func (c *command) groups() []commandGroup {
	return []commandGroup{
		{"run", "Run here", []*cobra.Command{c.devCommand(), c.invokeCommand(), c.faultCommand()}},
		{"send", "Send and see", []*cobra.Command{c.sendCommand(), c.kickCommand(), c.listCommand(), c.tailCommand(), c.listenCommand(), c.historyCommand(), c.logCommand()}},
		{"diagnose", "Diagnose", []*cobra.Command{c.doctorCommand(), c.sweepCommand()}},
		{"deploy", "Deploy", []*cobra.Command{c.initCommand(), c.packageCommand(), c.tableCommand()}},
		{"more", "More", append([]*cobra.Command{c.completionCommand(), c.versionCommand()}, c.taggedCommands()...)},
	}
}

func init() { cobra.EnableCommandSorting = false } // the help has its own order

// root is the command without a name, with all the others.
func (c *command) root() *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "wirepost COMMAND [FLAGS]",
		Short: "run, feed and diagnose WebSocket APIs of API Gateway",
		Long: `Runs an API-Gateway-compatible WebSocket gateway on this machine, and pushes
messages to its clients or to those of a real one.`,
		Annotations: map[string]string{notes: `An AUDIENCE is user:NAME, topic:NAME, connection:ID or everyone.
The store is sqlite:.wirepost/store.db, or --store URL, or $WIREPOST_STORE;
a URL is sqlite:PATH or dynamodb://TABLE?region=REGION.

Exit status: 0 done, 1 something failed, 2 wrong usage.
'wirepost COMMAND --help' describes a command.`},
		Example: `    $ wirepost dev
    $ wirepost send --to topic:lobby '{"text":"hi"}'
    sent 2`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.RunE = runs(func(*cobra.Command, []string) int {
		if version {
			return c.printVersion()
		}
		c.stderr.Print(helpOf(root))
		return exitUsage
	})
	root.Flags().BoolVar(&version, "version", false, "say which version this is")
	root.SetOut(c.stdout.Lines())
	root.SetErr(c.stderr.Lines())
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { c.stdout.Print(helpOf(cmd)) })
	root.SetHelpCommand(c.helpCommand())
	root.SetFlagErrorFunc(c.flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	for _, g := range c.groups() {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, cmd := range g.commands {
			cmd.GroupID = g.id
			root.AddCommand(cmd)
		}
	}
	root.InitDefaultHelpCmd() // now, so that it is found
	prepare(root)
	return root
}

// ended is the exit status of a command that has said itself what is wrong, in the
// form in which cobra passes it on.
type ended int

func (e ended) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// runs makes of a command of ours one that cobra runs.
func runs(do func(cmd *cobra.Command, args []string) int) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if status := do(cmd, args); status != exitDone {
			return ended(status)
		}
		return nil
	}
}

// run runs the command that the arguments name.
func (c *command) run(ctx context.Context, args []string) int {
	root := c.root()
	if isCompletion(args) {
		root.SetErr(io.Discard)
		root.SetArgs(args)
		_ = root.ExecuteContext(ctx) // a shell has no use for errors
		return exitDone
	}
	cmd, rest, _ := root.Find(args) // its error is that of an unknown command
	if name := firstWord(cmd, rest); name != "" && cmd.HasSubCommands() {
		return c.noCommand(cmd, name)
	}
	names := strings.Fields(cmd.CommandPath())[1:]
	root.SetArgs(slices.Concat([]string{}, names, twoDashes(cmd.Flags(), rest)))
	switch err := root.ExecuteContext(ctx).(type) {
	case nil:
		return exitDone
	case ended:
		return int(err)
	default: // of cobra's own: none is known
		return c.misuse(err.Error(), fmt.Sprintf("'%s --help' shows how it is used", cmd.CommandPath()))
	}
}

// noCommand says that a group of commands has none of a name, and which may be meant.
func (c *command) noCommand(group *cobra.Command, name string) int {
	of := ""
	if group.HasParent() {
		of = group.Name() + " "
	}
	names := namesIn(group)
	near := nearest(name, names)
	for _, cmd := range group.Commands() {
		if slices.Contains(cmd.SuggestFor, name) {
			near = cmd.Name()
		}
	}
	if near != "" {
		near = fmt.Sprintf("did you mean '%s %s'? ", group.CommandPath(), near)
	}
	for i := range names {
		names[i] = of + names[i]
	}
	hint := near + "the command is " + names[0]
	if len(names) > 1 {
		hint = fmt.Sprintf("%sthe commands are %s and %s", near, strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
	}
	return c.misuse(fmt.Sprintf("there is no command %s%q", of, name), hint)
}

// namesIn are the commands of a group that people see, but for help.
func namesIn(group *cobra.Command) (names []string) {
	for _, cmd := range group.Commands() {
		if cmd.IsAvailableCommand() && cmd.Name() != "help" {
			names = append(names, cmd.Name())
		}
	}
	return names
}
