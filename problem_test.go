package wirepost

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestEveryProblemHasASentenceAndAFix(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	f, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Problem") {
			return true
		}
		declared++
		code, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		p := Problem(code)
		if !form.MatchString(code) {
			t.Errorf("%s: %q is not kebab-case", spec.Names[0].Name, code)
		}
		for _, s := range []string{p.Sentence(), p.Fix()} {
			if s == "" || strings.HasSuffix(s, ".") {
				t.Errorf("%s: its sentence or fix is %q: it must be there and end without a full stop", code, s)
			}
		}
		return true
	})
	if declared == 0 || declared != len(Problems()) {
		t.Errorf("%d problems are declared and %d are in the catalogue", declared, len(Problems()))
	}
}

func TestAnErrorTellsWhatWasAnsweredFromWhatWeConclude(t *testing.T) {
	cause := errors.New("cause")
	said := &Error{Problem: ProblemForbidden, Status: 403, Body: `{"message":"Forbidden"}`, ConnectionID: "id", Endpoint: "https://e"}
	concluded := &Error{Problem: ProblemEndpointRefused, Err: cause}
	if !said.Answered() || concluded.Answered() {
		t.Error("Answered is wrong")
	}
	if !errors.Is(concluded, cause) || ProblemOf(concluded) != ProblemEndpointRefused || ProblemOf(cause) != "" {
		t.Error("an error does not lead to its cause and problem")
	}
	for _, want := range []string{"forbidden-unexplained", "connection id", "https://e", "answered 403", "Forbidden"} {
		if !strings.Contains(said.Error(), want) {
			t.Errorf("%q does not say %q", said, want)
		}
	}
}

func TestAnErrorIsOneLineOfWhatCanBeSeen(t *testing.T) {
	for body, want := range map[string]string{
		`{"message":"Forbidden"}` + "\n":     `(answered 403: {"message":"Forbidden"})`,
		"\x1b]52;c;eA==\a\nwirepost: sent 1": `(answered 403: "\x1b]52;c;eA==\a\nwirepost: sent 1")`,
		"a\u202eb\u2028\xff":                 `(answered 403: "a\u202eb\u2028\xff")`,
		"<p>\r\n  Grüße, \"世界\"</p>":         `(answered 403: "<p>\r\n  Grüße, \"世界\"</p>")`,
		"Grüße, \"世界\"":                      `(answered 403: Grüße, "世界")`,
	} {
		got := (&Error{Problem: ProblemForbidden, Status: 403, Body: body}).Error()
		if !strings.HasSuffix(got, want) {
			t.Errorf("%q, want it to end with %s", got, want)
		}
	}
}

func TestAGatewayOnThisMachineHasCuresOfItsOwn(t *testing.T) {
	for _, p := range []Problem{ProblemSigningRegion, ProblemCredentialsInvalid, ProblemEndpointCertificate, ProblemForbidden} {
		here, there := &Error{Problem: p, Endpoint: "http://localhost:3001/dev"}, &Error{Problem: p, Endpoint: "https://ws.example.com"}
		if here.Fix() == p.Fix() || there.Fix() != p.Fix() {
			t.Errorf("%s: here %q, elsewhere %q", p, here.Fix(), there.Fix())
		}
	}
	if got := candidatesOf(ProblemForbidden, "http://localhost:3001/dve"); len(got) != 1 || got[0] != ProblemStageUnknown {
		t.Errorf("a 403 of a gateway on this machine may be %v", got)
	}
}
