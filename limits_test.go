package wirepost_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// httpRules say which fields a value of net/http has to be given, with the reason.
var httpRules = []struct {
	name   string
	fields []string
	why    string
}{
	{"Client", []string{"Transport", "CheckRedirect"}, "it follows redirects to any host, and its usual transport reads 10 MB of header"},
	{"Transport", []string{"MaxResponseHeaderBytes"}, "it reads 10 MB of header, which may be half a gigabyte in memory"},
	{"Server", []string{"ReadHeaderTimeout", "ReadTimeout", "WriteTimeout", "MaxHeaderBytes"}, "it waits for a body that does not come, also before its handler is asked, and for a client that does not take what it answers itself"},
}

// httpExceptions are files of which a rule does not hold, with the reason.
var httpExceptions = map[string]string{
	"internal/dynamolocal/process.go": "it asks the server that it has started for a test",
	"images/check/serve.go":           "it asks the page of the image that it has started",
}

// usual are functions and values of net/http that have none of these.
var usual = []string{"DefaultClient", "Get", "Head", "Post", "PostForm", "ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS"}

func TestEveryHTTPClientAndServerHasItsLimits(t *testing.T) {
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && p != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") || httpExceptions[filepath.ToSlash(p)] != "" {
			return nil
		}
		f, err := parser.ParseFile(files, p, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				for _, rule := range httpRules {
					for _, field := range rule.fields {
						if ofHTTP(n.Type) == rule.name && !gives(n, field) {
							t.Errorf("%s: an http.%s without %s: %s", files.Position(n.Pos()), rule.name, field, rule.why)
						}
					}
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "new" && len(n.Args) == 1 && ofHTTP(n.Args[0]) == "Client" {
					t.Errorf("%s: new(http.Client) follows redirects", files.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				if name := ofHTTP(n); slices.Contains(usual, name) {
					t.Errorf("%s: http.%s has none of the limits", files.Position(n.Pos()), name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ofHTTP is the name of what an expression takes from package http, or empty.
func ofHTTP(e ast.Expr) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if pkg, ok := s.X.(*ast.Ident); !ok || pkg.Name != "http" {
		return ""
	}
	return s.Sel.Name
}

func gives(literal *ast.CompositeLit, field string) bool {
	return slices.ContainsFunc(literal.Elts, func(e ast.Expr) bool {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return false
		}
		name, ok := pair.Key.(*ast.Ident)
		return ok && name.Name == field
	})
}
