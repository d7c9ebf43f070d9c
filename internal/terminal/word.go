package terminal

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@,+-][A-Za-z0-9_./:@=,+-]*$`)
	// shownWord is safe between double quotes. bash expands ! there.
	shownWord = regexp.MustCompile(`^[ "-~]*$`)
	hexDigit  = regexp.MustCompile(`^[0-9A-Fa-f]$`)
)

// Word quotes an argument for a command that people paste into a POSIX shell. The
// command itself may stand between single quotes. The result has only visible ASCII
// characters. Arguments with other characters need the $'…' quotes of bash, zsh, ksh and
// the shells of macOS and Alpine, which dash, Debian's sh, does not have. No program can
// receive a NUL: the shell cuts the argument there.
func Word(arg string) string {
	switch {
	case plainWord.MatchString(arg):
		return arg
	case shownWord.MatchString(arg):
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(arg) + `"`
	}
	var b strings.Builder
	b.WriteString("$'")
	afterByte := false
	for i := range len(arg) {
		c := arg[i]
		switch {
		case c == '\\':
			b.WriteString(`\\`)
			afterByte = false
		case c < ' ' || c > '~' || c == '\'' || c == '!' || afterByte && hexDigit.MatchString(arg[i:i+1]):
			// In some shells a hexadecimal digit after \xHH would belong to the escape.
			fmt.Fprintf(&b, `\x%02x`, c)
			afterByte = true
		default:
			b.WriteByte(c)
			afterByte = false
		}
	}
	b.WriteByte('\'')
	return b.String()
}
