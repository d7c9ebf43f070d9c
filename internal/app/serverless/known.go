package serverless

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// A standing is what is done with a key here: one row of keys.txt.
type standing struct {
	status, text string
}

//go:embed keys.txt
var keyRows string

// standings are the rows of keys.txt by key.
var standings = sync.OnceValue(func() map[string]standing {
	all := map[string]standing{}
	for line := range strings.Lines(keyRows) {
		key, row, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		status, text, _ := strings.Cut(row, " ")
		all[key] = standing{status, text}
	}
	return all
})

// leftOut says which keys of a section are left out here, as their rows have it, and
// which have a name that is nearly that of one. Within is the section's path with the
// dot behind it, and what names the section.
func (s *service) leftOut(v *value, within, what string) {
	rows := standings()
	for _, f := range v.Each() {
		row, known := rows[within+f.Key]
		switch {
		case f.Value.Empty():
		case row.status == "hint":
			s.Note(f.Pos, app.Warning, "%s of %s is left out: %s", document.Clip(f.Key), what, row.text)
		case row.status == "verbose":
			s.Note(f.Pos, app.Info, "%s of %s is left out: %s", document.Clip(f.Key), what, row.text)
		case row.status == "done" && f.Value.Kind == document.Map:
			if inside := within + f.Key + "."; len(keysOf(inside)) > 0 {
				s.leftOut(f.Value, inside, document.Clip(f.Key)+" of "+what)
			}
		case !known:
			if near := app.Nearest(f.Key, keysOf(within)); near != "" {
				s.Note(f.Pos, app.Warning, "%s of %s is not a key that is known here: did you mean %s?", document.Clip(f.Key), what, near)
			}
		}
	}
}

// keysOf are the known keys of a section.
func keysOf(within string) (names []string) {
	for key := range standings() {
		if name, ok := strings.CutPrefix(key, within); ok && !strings.Contains(name, ".") {
			names = append(names, name)
		}
	}
	return names
}
