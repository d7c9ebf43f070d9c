package cloudformation

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// propertyNames are the names of testdata/properties.txt by type.
func propertyNames(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile("testdata/properties.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		if typ, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			all[typ] = append(all[typ], name)
		}
	}
	return all
}

func TestEveryPropertyHasARowAndEveryRowAProperty(t *testing.T) {
	names, rows := propertyNames(t), standings()
	statuses := []string{"done", "said", "hint", "verbose", "nothing", "unknown"}
	for typ, all := range names {
		if _, whole := rows[typ]["*"]; whole {
			continue
		}
		for _, name := range all {
			row, ok := rows[typ][name]
			parent, _, within := strings.Cut(name, ".")
			if !ok && within {
				row = rows[typ][parent]
				ok = row.status != "done" && row.status != ""
			}
			if !ok {
				t.Errorf("%s of %s has no row in properties.txt", name, typ)
			}
		}
	}
	for typ, all := range rows {
		for name, row := range all {
			if name != "*" && !slices.Contains(names[typ], name) {
				t.Errorf("properties.txt has a row of %s of %s, which there is not", name, typ)
			}
			if !slices.Contains(statuses, row.status) {
				t.Errorf("%s of %s has the status %q, which is none of %v", name, typ, row.status, statuses)
			}
			if row.text == "" && slices.Contains([]string{"said", "hint", "verbose"}, row.status) {
				t.Errorf("%s of %s does not say why it is left out", name, typ)
			}
		}
	}
	for typ := range names {
		if len(rows[typ]) == 0 {
			t.Errorf("%s has no rows in properties.txt", typ)
		}
	}
}

// inTemplate has a resource of a type, which is used, with one more property.
func inTemplate(typ, property string) string {
	more := property + ": {x: y}"
	switch typ {
	case "AWS::ApiGatewayV2::Api":
		return with("ProtocolType: WEBSOCKET", "ProtocolType: WEBSOCKET, "+more)
	case "AWS::ApiGatewayV2::Integration":
		return with("CredentialsArn: x", "CredentialsArn: x, "+more)
	case "AWS::ApiGatewayV2::Route":
		return with("RouteKey: $default", "RouteKey: $default, "+more)
	case "AWS::Lambda::Function":
		return with("Handler: a.b", "Handler: a.b, "+more)
	case "AWS::Serverless::WebSocketApi":
		return "Transform: AWS::Serverless-2016-10-31\nResources:\n  W: {Type: AWS::Serverless::WebSocketApi, Properties: {RouteSelectionExpression: $request.body.action, Routes: {a: {FunctionArn: x}}, " + more + "}}\n"
	case "AWS::Serverless::Function":
		return strings.ReplaceAll("Transform: AWS::Serverless-2016-10-31\n"+goodLines, "Type: AWS::Lambda::Function, Properties: {Handler: a.b, Runtime: nodejs22.x, Code: .", "Type: AWS::Serverless::Function, Properties: {Handler: a.b, Runtime: nodejs22.x, CodeUri: ., "+more)
	}
	id := ""
	if strings.HasPrefix(typ, "AWS::ApiGatewayV2::") {
		id = "ApiId: !Ref A, StageName: live, "
	}
	return goodLines + "  X: {Type: \"" + typ + "\", Properties: {" + id + more + "}}\n"
}

func TestWhatARowSaysIsLeftOutIsSaid(t *testing.T) {
	said := 0
	for typ, all := range standings() {
		for name, row := range all {
			if row.status != "hint" && row.status != "verbose" || strings.Contains(name, ".") {
				continue
			}
			_, notes, err := readText(inTemplate(typ, name), Options{})
			if err != nil {
				t.Errorf("%s of %s: %v", name, typ, err)
				continue
			}
			if want := "is left out: " + row.text; !slices.ContainsFunc(texts(notes), func(s string) bool { return strings.HasPrefix(s, name+" of ") && strings.HasSuffix(s, want) }) {
				t.Errorf("%s of %s is not said to be left out; notes: %q", name, typ, texts(notes))
			}
			said++
		}
	}
	if said < 20 {
		t.Errorf("%d properties were looked at", said)
	}
}

func TestAPropertyThatIsMistypedIsTold(t *testing.T) {
	_, notes, err := readText(with("Handler: a.b", "Handler: a.b, Enviroment: {Variables: {A: b}}, Other: x"), Options{})
	const want = "Enviroment of F is not a property of AWS::Lambda::Function that is known here: did you mean Environment?"
	if said := texts(notes); err != nil || !slices.Contains(said, want) || strings.Contains(strings.Join(said, "\n"), "Other of F") {
		t.Errorf("notes %q, %v, want %q and none of Other", said, err, want)
	}
}

func TestThePageHasEveryType(t *testing.T) {
	page, err := os.ReadFile("../../../docs/apps.md")
	if err != nil {
		t.Fatal(err)
	}
	for typ := range standings() {
		if n := strings.Count(string(page), "\n| `"+typ+"` | "); n != 1 {
			t.Errorf("docs/apps.md has %d rows of %s, want one", n, typ)
		}
	}
	for line := range strings.Lines(string(page)) {
		if name, ok := strings.CutPrefix(line, "| `AWS::"); ok {
			if typ, _, _ := strings.Cut("AWS::"+name, "`"); len(standings()[typ]) == 0 {
				t.Errorf("docs/apps.md has a row of %s, which properties.txt does not have", typ)
			}
		}
	}
}
