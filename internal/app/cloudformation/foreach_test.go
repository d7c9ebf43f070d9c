package cloudformation

import (
	"strings"
	"testing"
)

func TestLoopsAreWrittenOut(t *testing.T) {
	route := func(loop string) string {
		return "Transform: AWS::LanguageExtensions\nParameters: {Keys: {Type: CommaDelimitedList, Default: 'say,join'}, None: {Type: \"AWS::SSM::Parameter::Value<List<String>>\", Default: /keys}}\n" + goodLines + loop
	}
	body := "{'${Key}Route': {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref A, RouteKey: !Ref Key, Target: !Sub 'integrations/${I}'}}}"
	for _, c := range []struct{ name, loop, want, note string }{
		{"a list", "  Fn::ForEach::Routes: [Key, [say, join], " + body + "]\n", "$default say join", ""},
		{"a parameter", "  Fn::ForEach::Routes: [Key, !Ref Keys, " + body + "]\n", "$default say join", ""},
		{"one within another", "  Fn::ForEach::Outer: [A1, [a, b], {Fn::ForEach::Inner: [Key, ['${A1}x', '${A1}y'], " + body + "]}]\n", "$default ax ay bx by", ""},
		{"letters that no logical ID has", "  Fn::ForEach::Routes: [Key, ['a.b', c], {'R&{Key}': {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref A, RouteKey: 'key-${Key}', Target: !Sub 'integrations/${I}'}}}]\n", "$default key-a.b key-c", ""},
		{"in properties", "  X: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref A, Fn::ForEach::P: [P, [RouteKey], {'${P}': say}], Target: !Sub 'integrations/${I}'}}\n", "$default say", ""},
		{"a list that is not known", "  Fn::ForEach::Routes: [Key, !Ref None, " + body + "]\n", "$default", "stops t.yaml:8: Fn::ForEach::Routes cannot be run here: its collection is not known here: parameter None comes from Systems Manager; give --value ssm:/keys=VALUE"},
		{"no list", "  Fn::ForEach::Routes: [Key, {a: b}, " + body + "]\n", "$default", "stops t.yaml:8: Fn::ForEach::Routes cannot be run here: its collection is not known here: it is not a list"},
		{"no loop", "  Fn::ForEach::Routes: [Key]\n", "$default", "stops t.yaml:8: Fn::ForEach::Routes cannot be run here: a loop needs the name of its variable, a collection and a map of what it makes"},
		{"the same resource twice", "  Fn::ForEach::Routes: [Key, [say, say], " + body + "]\n", "t.yaml:8: sayRoute is there twice: a loop makes it again", ""},
		{"more than there may be", "  Fn::ForEach::A: [A1, " + many + ", {Fn::ForEach::B: [B1, " + many + ", {Fn::ForEach::C: [C1, " + many + ", {'X${A1}${B1}${C1}': {Type: x}}]}]}]\n", "t.yaml:8: the template is too large once it is resolved", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, notes, err := readText(route(c.loop), Options{})
			got := errorText(err)
			if err == nil {
				var keys []string
				for _, r := range a.APIs[0].Routes {
					keys = append(keys, r.Key)
				}
				got = strings.Join(keys, " ")
			}
			if got != c.want {
				t.Errorf("the routes are %s, want %s", got, c.want)
			}
			if said := severeLines(notes); !strings.Contains(said, c.note) {
				t.Errorf("notes %s, want %s", said, c.note)
			}
		})
	}
}

// many is a list of 500 texts.
var many = "[" + strings.Repeat("a, ", 499) + "a]"

func TestAMapBecomesJSON(t *testing.T) {
	for value, want := range map[string]string{
		"{Fn::ToJsonString: {a: [1, '1', true, !Ref 'AWS::Region'], b: !Ref 'AWS::NoValue'}}": `{"a":[1,"1",true,"us-east-1"]}`,
		"{Fn::ToJsonString: [a]}": `["a"]`, "{Fn::ToJsonString: a}": "", "{Fn::ToJsonString: {a: !ImportValue b}}": "",
	} {
		a, notes, err := readText(variable(value, ""), Options{})
		if err != nil || a.Functions[0].Env["V"] != want {
			t.Errorf("%s is %q, %v, want %q; notes %s", value, a.Functions[0].Env["V"], err, want, noteLines(notes))
		}
	}
}
