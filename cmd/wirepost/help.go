package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Annotations of commands and flags.
const (
	notes     = "notes" // of a command: what its help says after the flags
	valueName = "value" // of a flag: what its value is called; none for a switch
	flagGroup = "group" // of a flag: the title that it stands under
)

// helpWidth is how many columns a help text has at most, but for its examples.
const helpWidth = 80

func (c *command) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "describe a command",
		Long:    "Describes a command, as 'wirepost COMMAND --help' does.",
		Example: "    $ wirepost help dev",
		Hidden:  true,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			group, _, _ := cmd.Parent().Find(args)
			names := slices.DeleteFunc(namesIn(group), func(name string) bool { return !strings.HasPrefix(name, typed) })
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: runs(func(cmd *cobra.Command, args []string) int {
			of, rest := cmd.Parent(), args
			for len(rest) > 0 {
				next := slices.IndexFunc(of.Commands(), func(sub *cobra.Command) bool { return sub.Name() == rest[0] })
				switch {
				case next >= 0:
					of, rest = of.Commands()[next], rest[1:]
				case of.HasSubCommands():
					return c.noCommand(of, rest[0])
				default:
					return c.misuse(fmt.Sprintf("%q is not a command of '%s'", rest[0], of.CommandPath()), fmt.Sprintf("'%s --help' describes it", of.CommandPath()))
				}
			}
			c.stdout.Print(helpOf(of))
			return exitDone
		}),
	}
}

// grouped declares flags of a command under a title of its help. They stand there in
// the order of their declaration.
func grouped(cmd *cobra.Command, title string, declare func(*pflag.FlagSet)) {
	flags := pflag.NewFlagSet(title, pflag.ContinueOnError)
	flags.SortFlags = false
	declare(flags)
	flags.VisitAll(func(f *pflag.Flag) { annotate(f, flagGroup, title) })
	cmd.Flags().AddFlagSet(flags)
}

func annotate(f *pflag.Flag, key, value string) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[key] = []string{value}
}

func annotation(f *pflag.Flag, key string) string {
	if a := f.Annotations[key]; len(a) > 0 {
		return a[0]
	}
	return ""
}

// prepare makes a command, and those below it, ready for [helpOf]. It takes apart what
// their flags are declared with: "`VALUE` what it does".
func prepare(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true // each says where they are
	cmd.Flags().SortFlags = false
	cmd.InitDefaultHelpFlag() // now, or '--help send' takes send for its value
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if rest, ok := strings.CutPrefix(f.Usage, "`"); ok {
			name, usage, _ := strings.Cut(rest, "`")
			annotate(f, valueName, name)
			f.Usage = strings.TrimSpace(usage)
		}
	})
	for _, sub := range cmd.Commands() {
		prepare(sub)
	}
}

// helpOf is the help text of a command: how it is used, what it does, its commands and
// flags by groups, and an example at the end.
func helpOf(cmd *cobra.Command) string {
	parts := []string{
		"Usage:\n" + indent(cmd.UseLine()),
		cmd.Long,
		commandsOf(cmd),
		flagsOf(cmd),
		cmd.Annotations[notes],
		"Example:\n" + cmd.Example,
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.Join(parts, "\n\n") + "\n"
}

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }

// commandsOf are the commands of a group, those of one kind under their title.
func commandsOf(cmd *cobra.Command) string {
	longest := 0
	for _, name := range namesIn(cmd) {
		longest = max(longest, len(name))
	}
	var b strings.Builder
	list := func(group string) {
		for _, sub := range cmd.Commands() {
			if sub.GroupID == group && slices.Contains(namesIn(cmd), sub.Name()) {
				fmt.Fprintf(&b, "    %s %-*s  %s\n", cmd.CommandPath(), longest, sub.Name(), sub.Short)
			}
		}
	}
	list("")
	for _, g := range cmd.Groups() {
		fmt.Fprintf(&b, "\n%s:\n", g.Title)
		list(g.ID)
	}
	return strings.Trim(b.String(), "\n")
}

// flagsOf are the flags of a command in two columns, those of one group under its
// title.
func flagsOf(cmd *cobra.Command) string {
	const most = 25 // a longer one has its text in the lines below
	var flags []*pflag.Flag
	longest := 0
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		flags = append(flags, f)
		if n := len(written(f)); n <= most {
			longest = max(longest, n)
		}
	})
	longest = cmp.Or(longest, most)
	var b strings.Builder
	group := ""
	for _, f := range flags {
		if title := annotation(f, flagGroup); title != group {
			fmt.Fprintf(&b, "\n%s:\n", title)
			group = title
		}
		left := "    " + written(f)
		for _, line := range wrap(f.Usage, helpWidth-longest-6) {
			if len(left) > longest+4 {
				b.WriteString(left + "\n")
				left = ""
			}
			fmt.Fprintf(&b, "%-*s  %s\n", longest+4, left, line)
			left = ""
		}
	}
	return strings.Trim(b.String(), "\n")
}

// written is a flag as one writes it.
func written(f *pflag.Flag) string {
	return strings.TrimSpace("--" + f.Name + " " + annotation(f, valueName))
}

// wrap cuts a text into lines of at most so many bytes, if its words let it.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}
