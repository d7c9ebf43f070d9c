package wirepost

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files that tests hold against what is generated")

// problemSections are the headings of docs/problems.md, each before the first of its
// problems.
var problemSections = []struct {
	first Problem
	title string
}{
	{ProblemEndpointUnset, "The endpoint"},
	{ProblemEndpointUnresolved, "The network"},
	{ProblemCredentialsMissing, "Credentials and rights"},
	{ProblemConnectionGone, "Connections and messages"},
	{ProblemAPIUnknown, "How the API is set up"},
	{ProblemStoreDeadAPI, "The store"},
	{ProblemFunctionTimeout, "The program that sends"},
	{ProblemLongUnset, "Answers that come in pieces"},
	{ProblemConnectFailed, "A client that connects"},
}

// declaredProblems are the codes in the order of the catalogue.
func declaredProblems(t *testing.T) (all []Problem) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == 1 && strings.HasPrefix(spec.Names[0].Name, "Problem") {
			code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, Problem(code))
		}
		return true
	})
	return all
}

func problemDocument(t *testing.T) string {
	var b strings.Builder
	b.WriteString(`# Problems

What went wrong, and what do you do? This page lists every failure that wirepost has a name for: the cause, the cure, and what it looks like without the name. The names are in errors, in the log, in the report of ` + "`wirepost doctor`" + ` and in ` + "`wirepost.Problem`" + `; they do not change. ` + "`wirepost.Explain`" + ` finds the name of an error from this module or from AWS's client.

` + "`wirepost doctor`" + ` looks for most of them by itself. From inside a function it is [package doctor](../doctor/doctor.go).

This file is generated from ` + "`catalogue.go`" + ` (` + "`go test -run TestTheProblemsDocument -update .`" + `).
`)
	ofSection := 0
	for _, p := range declaredProblems(t) {
		for _, s := range problemSections {
			if s.first == p {
				ofSection++
				fmt.Fprintf(&b, "\n## %s\n", s.title)
			}
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s.\n\n**Fix:** %s.\n", p, upperFirst(p.Sentence()), p.Fix())
		if p.Seen() != "" {
			fmt.Fprintf(&b, "\n**Seen as:** %s.\n", p.Seen())
		}
		if c := candidates[p]; c != nil {
			names := make([]string, len(c))
			for i, p := range c {
				names[i] = fmt.Sprintf("[%s](#%[1]s)", p)
			}
			fmt.Fprintf(&b, "\n**What it may be**, the likeliest first: %s.\n", strings.Join(names, ", "))
		}
	}
	if ofSection != len(problemSections) {
		t.Errorf("%d of %d sections have a problem", ofSection, len(problemSections))
	}
	return escapeTags(b.String())
}

// escapeTags keeps placeholders such as <stage> from being HTML, outside of code.
func escapeTags(s string) string {
	parts := strings.Split(s, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.ReplaceAll(parts[i], "<", "\\<")
	}
	return strings.Join(parts, "`")
}

func upperFirst(s string) string {
	if strings.HasPrefix(s, "API") || s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func TestTheProblemsDocumentIsTheCatalogue(t *testing.T) {
	file := filepath.Join("docs", "problems.md")
	want := problemDocument(t)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the catalogue says: run go test -run TestTheProblemsDocument -update .", file)
	}
	for _, p := range Problems() {
		if !strings.Contains(want, "\n### "+string(p)+"\n") {
			t.Errorf("%s has no anchor", p)
		}
		if !strings.HasSuffix(p.URL(), "docs/problems.md#"+string(p)) {
			t.Errorf("the URL of %s is %s", p, p.URL())
		}
	}
}
