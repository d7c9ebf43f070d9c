package wirepost_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// outputRules says which files may name a standard stream, how often, and why. All
// other output goes through package terminal, which makes it harmless. Its Printer does
// not implement io.Writer, so fmt cannot write around it.
var outputRules = map[string]struct {
	times int
	why   string
}{
	"cmd/wirepost/main.go":          {5, "main gives both streams to run, which makes printers of them at once, and a printer to the log that net/http writes to; while a shell completes, standard error is closed to everything"},
	"cmd/wirepost-function/main.go": {3, "a function: its lines go to CloudWatch, or through the printer of dev"},
	"deploy/function/main.go":       {5, "a function, and a program that users make their own"},
	"site/check/main.go":            {4, "what axe finds in wirepost's own pages, for those who write them"},
	"release/check/main.go":         {4, "what is wrong with the files of a release, for those who make it"},
	"images/check/main.go":          {2, "what is wrong with the images, for those who make them"},
	"examples/":                     {-1, "programs that users make their own"},
}

// printing are functions that write to a standard stream without naming it.
var printing = map[string]func(name string) bool{
	"fmt": func(name string) bool { return strings.HasPrefix(name, "Print") },
	"log": func(name string) bool { return name != "New" && name != "Logger" },
	"log/slog": func(name string) bool {
		return slices.Contains([]string{"Default", "SetDefault", "Debug", "DebugContext", "Info", "InfoContext", "Warn", "WarnContext", "Error", "ErrorContext", "Log", "LogAttrs", "With"}, name)
	},
	"os":      func(name string) bool { return name == "Stdout" || name == "Stderr" || name == "NewFile" },
	"syscall": func(name string) bool { return name == "Stdout" || name == "Stderr" },
}

func TestNothingWritesToATerminalButPackageTerminal(t *testing.T) {
	used := map[string]int{}
	for file := range parseImports(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, found := range printsIn(t, file) {
			rule := file
			if strings.HasPrefix(file, "examples/") {
				rule = "examples/"
			}
			if used[rule]++; outputRules[rule].times == 0 {
				t.Errorf("%s: print through package terminal, which makes what others have written harmless", found)
			}
		}
	}
	for file, rule := range outputRules {
		if rule.times >= 0 && used[file] != rule.times {
			t.Errorf("%s prints without package terminal in %d places, and may in %d (%s)", file, used[file], rule.times, rule.why)
		}
	}
}

// printsIn are the places of a file that write to a standard stream.
func printsIn(t *testing.T, file string) (found []string) {
	t.Helper()
	positions := token.NewFileSet()
	f, err := parser.ParseFile(positions, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	imported := map[string]string{} // by the name in this file
	for _, s := range f.Imports {
		from, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		name := path.Base(from)
		if s.Name != nil {
			name = s.Name.Name
		}
		if printing[from] != nil && name == "." {
			found = append(found, fmt.Sprintf("%s imports %s as a dot", positions.Position(s.Pos()), from))
		}
		imported[name] = from
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if of, ok := n.X.(*ast.Ident); ok && printing[imported[of.Name]] != nil && printing[imported[of.Name]](n.Sel.Name) {
				found = append(found, fmt.Sprintf("%s: %s.%s", positions.Position(n.Pos()), of.Name, n.Sel.Name))
			}
		case *ast.CallExpr:
			if of, ok := n.Fun.(*ast.Ident); ok && (of.Name == "print" || of.Name == "println") {
				found = append(found, fmt.Sprintf("%s: %s", positions.Position(n.Pos()), of.Name))
			}
		case *ast.BasicLit:
			if n.Kind == token.STRING && (strings.Contains(n.Value, "/dev/tty") || strings.Contains(n.Value, "/dev/std") || strings.Contains(n.Value, "CONOUT$")) {
				found = append(found, fmt.Sprintf("%s: %s", positions.Position(n.Pos()), n.Value))
			}
		}
		return true
	})
	return found
}
