package terraform

import (
	"os"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

func TestThePageHasEveryType(t *testing.T) {
	page, err := os.ReadFile("../../../docs/apps.md")
	if err != nil {
		t.Fatal(err)
	}
	for typ := range kinds() {
		if n := strings.Count(string(page), "\n| `"+typ+"` | "); n != 1 {
			t.Errorf("docs/apps.md has %d rows of %s, want one", n, typ)
		}
	}
	for line := range strings.Lines(string(page)) {
		if name, ok := strings.CutPrefix(line, "| `aws_"); ok {
			if typ, _, _ := strings.Cut("aws_"+name, "`"); kinds()[typ] == nil {
				t.Errorf("docs/apps.md has a row of %s, which arguments.txt does not have", typ)
			}
		}
	}
}

func TestEveryRowHasATypeAndAProperty(t *testing.T) {
	for typ, k := range kinds() {
		if !strings.HasPrefix(typ, "aws_") || !strings.HasPrefix(k.typ, "AWS::") {
			t.Errorf("%s is %s", typ, k.typ)
		}
		for argument, property := range k.properties {
			if first := property[0]; first != '-' && first != '*' && (first < 'A' || first > 'Z') {
				t.Errorf("%s of %s is the property %q", argument, typ, property)
			}
		}
		if name := names[typ]; name != "" && len(k.order) > 0 && k.properties[name] == "" {
			t.Errorf("%s is named by %s, which has no row", typ, name)
		}
	}
}

func TestMessagesAreInTermsOfTerraform(t *testing.T) {
	for said, want := range map[string]string{
		"no AWS::Lambda::Permission of aws_lambda_function.f has a SourceArn for route $connect": "no aws_lambda_permission of aws_lambda_function.f has a source_arn for route $connect",
		"its IntegrationUri is not known here":                                                   "its integration_uri is not known here",
		"route a has no Target and is left out":                                                  "route a has no target and is left out",
		"function Handler is not in the template":                                                "function Handler is not in the configuration",
	} {
		if got := Notes([]app.Note{{Text: said}})[0].Text; got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
	}
}

func TestAnArgumentThatIsMistypedIsTold(t *testing.T) {
	dir := folder(t, map[string]string{"main.tf": anAPI + "resource \"aws_lambda_function\" \"f\" {\n  runtme  = \"nodejs22.x\"\n  another = 1\n}\n"})
	_, notes, err := expand(t, dir, Options{})
	if want := "main.tf:6: runtme of aws_lambda_function.f is not an argument that is known here: did you mean runtime?"; err != nil || len(notes) != 1 || notes[0] != want {
		t.Errorf("notes %q, %v, want %s", notes, err, want)
	}
}
