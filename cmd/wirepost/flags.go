package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// many is a flag that may be given more than once. pflag has to take it as an array:
// its slices cut values at commas.
type many = []string

// parseHeader reads a header as --header has it, NAME: VALUE.
func parseHeader(text string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(text, ":")
	name = strings.TrimSpace(name)
	return name, strings.TrimSpace(value), ok && name != "" && !strings.ContainsAny(name, " =")
}

// program is an annotation of commands whose last arguments are a program and its
// own arguments.
const program = "program"

// declareStore declares --store, which most commands have.
func declareStore(flags *pflag.FlagSet, url *string) {
	flags.StringVar(url, "store", "", "`URL` default sqlite:.wirepost/store.db, or $WIREPOST_STORE")
}

// firstWord is the first argument that is neither a flag nor the value of one, as
// cobra counts them: a flag that it does not know has a value.
func firstWord(cmd *cobra.Command, args []string) string {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return ""
		case arg != "" && arg[0] != '-':
			return arg
		case strings.Contains(arg, "=") || len(arg) > 2 && arg[1] != '-':
		case len(arg) >= 2 && !isSwitch(cmd.Flags(), arg):
			i++ // its value
		}
	}
	return ""
}

func isSwitch(flags *pflag.FlagSet, arg string) bool {
	f := flags.Lookup(strings.TrimPrefix(arg, "--"))
	if len(arg) == 2 {
		f = flags.ShorthandLookup(arg[1:])
	}
	return f != nil && f.NoOptDefVal != ""
}

// twoDashes returns the arguments of a command with its flags as pflag takes them.
// One dash is enough, as with Go's own flags: no flag of ours has a short form but
// -h, and of -handler pflag would make a call for help.
func twoDashes(flags *pflag.FlagSet, args []string) []string {
	args = slices.Clone(args)
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		name, isFlag := strings.CutPrefix(args[i], "-")
		if !isFlag || name == "" {
			continue
		}
		name, long := strings.CutPrefix(name, "-")
		name, _, hasValue := strings.Cut(name, "=")
		if !long && len(name) > 1 && unicode.IsLetter(rune(name[0])) {
			args[i] = "-" + args[i]
		}
		if f := flags.Lookup(name); f != nil && f.NoOptDefVal == "" && !hasValue {
			i++ // its value, whatever it begins with
		}
	}
	return args
}

// flagError says what is wrong with a flag.
func (c *command) flagError(cmd *cobra.Command, err error) error {
	hint := fmt.Sprintf("'%s --help' lists the flags", cmd.CommandPath())
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return ended(c.noFlag(cmd, unknown, hint))
	}
	message := err.Error()
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		message = fmt.Sprintf("--%s needs a value", e.GetSpecifiedName())
	}
	if e, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		message = fmt.Sprintf("%q is not a flag", e.GetSpecifiedFlag())
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		f := e.GetFlag()
		kind := map[string]string{"duration": "a duration, such as 30s or 10m", "bool": "true or false"}[f.Value.Type()]
		if kind == "" {
			kind = "a whole number that fits"
		}
		message = fmt.Sprintf("--%s %q is not %s", f.Name, e.GetValue(), kind)
	}
	return ended(c.misuse(message, hint))
}

// noFlag says that a command has no flag of a name, and which may be meant.
func (c *command) noFlag(cmd *cobra.Command, e *pflag.NotExistError, hint string) int {
	flag := "--" + e.GetSpecifiedName()
	if short := e.GetSpecifiedShortnames(); short != "" {
		flag = "-" + short
	}
	message := "there is no flag " + flag
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := nearest(e.GetSpecifiedName(), names); near != "" {
		message += fmt.Sprintf(" (did you mean --%s?)", near)
	}
	switch {
	case !cmd.HasParent():
		hint = "the flags of a command come after its name"
	case cmd.Annotations[program] != "" && cmd.Flags().NArg() > 0:
		hint = fmt.Sprintf("put the program's own flags after --, as in '%s -- ./bootstrap %s'; %s", cmd.CommandPath(), flag, hint)
	case len(flag) > 1 && unicode.IsDigit(rune(flag[1])):
		hint = "put an argument that begins with a dash after --"
	}
	return c.misuse(message, hint)
}

// nearest is the name that may be meant by one that there is not: the one that the
// fewest mistakes lead to, two at most and no more than half of its characters, or one
// that begins so.
func nearest(typed string, names []string) (found string) {
	best := min(2, len(typed)/2) + 1
	for _, name := range names {
		n := mistakes(typed, name)
		if len(typed) > 1 && strings.HasPrefix(name, typed) {
			n = min(n, 1)
		}
		if n < best {
			best, found = n, name
		}
	}
	return found
}

// mistakes is how many characters of a have to be put in, left out or replaced, or
// pairs of them exchanged, to make b of it.
func mistakes(a, b string) int {
	var before []int // for one character of a fewer
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		older, next := before, make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			replace := row[j]
			if a[i] != b[j] {
				replace++
			}
			next[j+1] = min(replace, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], older[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
