package terminal

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@,+-][A-Za-z0-9_./:@=,+-]*$`)
	// shownWord can stand between double quotes: there, too, bash replaces a ! by a
	// command of its history.
	shownWord = regexp.MustCompile(`^[ "-~]*$`)
	hexDigit  = regexp.MustCompile(`^[0-9A-Fa-f]$`)
)

// Word makes one word of a shell of an argument, for a command that stands between
// single quotes itself and that somebody pastes. It has ASCII characters that can be
// seen, and no shell acts on what is in it: a text with others is written in the $'…'
// of bash, zsh, ksh and the shells of macOS and Alpine; dash, the sh of Debian, does not know
// that. Of a text with a NUL, which no program can be given, the rest is lost.
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
			// A hexadecimal digit that follows \xHH would belong to it in some shells.
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
