package serverless

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// sayDotenvPlugin says how functions get what serverless-dotenv-plugin gives them: all that
// is in .env, or in the file that custom.dotenv names (its README).
func (s *service) sayDotenvPlugin(root *value) {
	plugin, ok := s.plugins(root)["serverless-dotenv-plugin"]
	if !ok {
		return
	}
	o := s.variables.resolve(root.Get("custom", "dotenv"))
	file := cmp.Or(o.Get("path").ScalarText(), path.Join(o.Get("basePath").ScalarText(), ".env"))
	s.Note(plugin.Pos, app.Warning, "serverless-dotenv-plugin is not run: give --env-file %s for the variables that functions get from it", document.Clip(file))
}

// loadDotenv reads the variables that ${env:} has on top of the environment: those of
// .env.STAGE, or of .env if that is not there (Serverless Framework docs, "Resolution of
// environment variables"). Version 4 does it without useDotenv, and takes from .env what
// .env.STAGE does not have (UNCERTAIN: read from its docs, not tried).
//
// It comes before all other variables. One that the stage itself depends on is taken
// from the environment alone, as there.
func (x *variables) loadDotenv() {
	use, isVersion4 := x.root.Get("useDotenv"), version4.MatchString(x.root.Get("frameworkVersion").ScalarText())
	if use.ScalarText() != "true" && !isVersion4 {
		return
	}
	pos := use.Where()
	names := []string{".env." + x.stage(), ".env"}
	for _, name := range names {
		text, why := x.files.plain(name)
		switch {
		case why == absent:
			continue
		case why != "":
			x.Note(pos, app.Warning, "%s %s", document.Clip(name), why)
			continue
		}
		x.Note(pos, app.Info, "${env:} has what %s says, and the environment over it", document.Clip(name))
		found := parseDotenv(text)
		for name, value := range found {
			if _, ok := x.dotenv[name]; !ok {
				x.dotenv[name] = x.expandDotenv(value, found, []string{name})
			}
		}
		if !isVersion4 {
			return
		}
	}
	if len(x.dotenv) == 0 && use != nil {
		x.Note(pos, app.Info, "useDotenv: there is neither %s nor .env", document.Clip(names[0]))
	}
}

// absent is why a file is not read that is not there.
const absent = "is not there"

// plain is the text of a file next to the template, or why it is not read.
func (f *files) plain(name string) (text, why string) {
	local, why := f.local(name)
	if why != "" {
		return "", why
	}
	data, why, err := f.content(local)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", absent
	case why != "":
		return "", why
	}
	f.bytes += len(data)
	return string(data), ""
}

// credential reports whether a variable leads to somebody's account. Such a one of a
// .env file is for the framework; a function gets it from nowhere unasked.
var credential = regexp.MustCompile(`^AWS_.*(KEY|TOKEN|SECRET|PROFILE|CREDENTIAL|ROLE)`)

// dotenvLine is NAME=VALUE as the package dotenv reads it: with export or without, the
// value in quotes, which may have several lines, or plain, up to a # or the line's end.
var dotenvLine = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z0-9_.-]+)(?:[ \t]*=[ \t]*|:[ \t]+)('(?:\\'|[^'])*'|"(?:\\"|[^"])*"|` + "`(?:\\\\`|[^`])*`" + `|[^#\r\n]*)?[ \t]*(?:#.*)?\r?$`)

// parseDotenv is the variables of a .env file. What is not NAME=VALUE is left out.
func parseDotenv(text string) map[string]string {
	found := map[string]string{}
	for _, m := range dotenvLine.FindAllStringSubmatch(strings.ReplaceAll(text, "\r\n", "\n"), -1) {
		value := strings.TrimSpace(m[2])
		if n := len(value); n >= 2 && strings.ContainsRune("'\"`", rune(value[0])) && value[n-1] == value[0] {
			quote := value[0]
			if value = value[1 : n-1]; quote == '"' {
				value = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(value)
			}
		}
		found[m[1]] = value
	}
	return found
}

// dotenvReference is $NAME, ${NAME} or ${NAME:-DEFAULT}, or an escaped dollar.
var dotenvReference = regexp.MustCompile(`\\\$|\$\{([A-Za-z0-9_]+)(?::?-([^}]*))?\}|\$([A-Za-z0-9_]+)`)

const (
	// maxDotenv is how much longer a value may become by what it is made of.
	maxDotenv = 64 << 10
	// maxReferences is how many references are followed in a value and in what it is
	// made of.
	maxReferences = 1000
)

// expandDotenv replaces the references in the value of a variable to others, which the
// environment has, or the file. One that leads back to within is empty.
func (x *variables) expandDotenv(value string, found map[string]string, within []string) string {
	references := maxReferences
	return x.expandReferences(value, found, within, &references)
}

func (x *variables) expandReferences(value string, found map[string]string, within []string, references *int) string {
	left := maxDotenv
	return dotenvReference.ReplaceAllStringFunc(value, func(reference string) string {
		m := dotenvReference.FindStringSubmatch(reference)
		name := m[1] + m[3]
		if name == "" {
			return "$"
		}
		if *references--; *references < 0 {
			return ""
		}
		made := m[2]
		if e := x.options.Env; e != nil && e(name) != "" {
			made = e(name)
		} else if v := found[name]; v != "" && !slices.Contains(within, name) && len(within) < 5 {
			made = x.expandReferences(v, found, append(slices.Clone(within), name), references)
		}
		if left -= len(made); left < 0 {
			return ""
		}
		return made
	})
}
