package cloudformation

import (
	"strings"
	"testing"
)

func TestAParameterKeepsToItsConstraints(t *testing.T) {
	const before = "t.yaml:2: parameter P may not be "
	for _, c := range []struct{ parameter, given, want string }{
		{"{Type: String, MinLength: 3}", "abc", ""},
		{"{Type: String, MinLength: 3}", "ab", before + "ab: give --parameter P=VALUE of at least 3 characters"},
		{"{Type: String, MinLength: 1}", "", before + "empty: give --parameter P=VALUE of at least 1 characters"},
		{"{Type: String, MaxLength: 2}", "äöü", before + "äöü: give --parameter P=VALUE of at most 2 characters"},
		{"{Type: Number, MinValue: 1, MaxValue: 1000}", "1000", ""},
		{"{Type: Number, MinValue: 1}", "0", before + "0: give --parameter P=VALUE of at least 1"},
		{"{Type: Number, MaxValue: 9}", "10", before + "10: give --parameter P=VALUE of at most 9"},
		{"{Type: Number, MaxValue: '1.5'}", "1.25", ""},
		{"{Type: Number}", "many", before + "many: give --parameter P=VALUE that is a number"},
		{"{Type: String, MinValue: 5}", "1", ""},
		{"{Type: String, AllowedPattern: '[a-z]+'}", "abc", ""},
		{"{Type: String, AllowedPattern: '[a-z]+'}", "abc1", before + "abc1: give --parameter P=VALUE that matches [a-z]+"},
		{"{Type: String, AllowedPattern: 'a|b'}", "bx", before + "bx: give --parameter P=VALUE that matches a|b"},
		{"{Type: String, AllowedPattern: '(?!x).*'}", "x", ""},
		{"{Type: CommaDelimitedList, AllowedPattern: '[a-z]+'}", "a, B", before + "B: give --parameter P=VALUE that matches [a-z]+"},
		{"{Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: small letters only}", "A", before + "A: give --parameter P=VALUE that matches [a-z]+ (small letters only)"},
		{"{Type: String, NoEcho: true, MinLength: 8}", "secret", before + "what it is: give --parameter P=VALUE of at least 8 characters"},
		{"{Type: String, Default: x, AllowedValues: [y, z]}", "", before + "x: give --parameter P=VALUE with one of y, z"},
		{"{Type: 'AWS::SSM::Parameter::Value<String>', AllowedPattern: '/.*'}", "value", ""},
	} {
		o := Options{Parameters: map[string]string{"P": c.given}}
		if c.given == "" && c.want != before+"empty: give --parameter P=VALUE of at least 1 characters" {
			o.Parameters = nil
		}
		if _, _, err := readText("Parameters:\n  P: "+c.parameter+"\n"+goodLines, o); errorText(err) != c.want {
			t.Errorf("%s = %q: %q, want %q", c.parameter, c.given, errorText(err), c.want)
		}
	}
}

func TestAParameterThatTheTemplateDoesNotHaveIsAnError(t *testing.T) {
	for _, c := range []struct{ parameters, given, want string }{
		{"TableName: {Type: String, Default: a}", "TableNam", "t.yaml: has no parameter TableNam: did you mean TableName?"},
		{"TableName: {Type: String, Default: a}", "Other", "t.yaml: has no parameter Other: it has TableName"},
		{"", "Other", "t.yaml: has no parameter Other: it has none"},
		{"A1: {Type: String}, A2: {Type: String}, A3: {Type: String}, A4: {Type: String}, A5: {Type: String}, A6: {Type: String}", "Other", "t.yaml: has no parameter Other: it has A1 and 5 more"},
	} {
		text := "Parameters: {" + c.parameters + "}\n" + goodLines
		if _, _, err := readText(text, Options{Parameters: map[string]string{c.given: "x"}}); errorText(err) != c.want {
			t.Errorf("%s: %q, want %q", c.given, errorText(err), c.want)
		}
		// Those of a file may be another template's.
		if _, _, err := readText(text, Options{Defaults: map[string]string{c.given: "x"}}); err != nil {
			t.Errorf("%s of a file: %v", c.given, err)
		}
	}
}

func TestRulesRefuseParameters(t *testing.T) {
	const parameters = "Parameters: {Env: {Type: String, Default: dev}, Size: {Type: String, Default: small}, Zones: {Type: CommaDelimitedList, Default: 'a,b'}, Key: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /k}, Gone: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /gone}}\n"
	const refused = "t.yaml:8: rule R does not allow these parameters: "
	for _, c := range []struct{ rule, want string }{
		{"{Assertions: [{Assert: !Equals [!Ref Env, dev]}]}", ""},
		{"{Assertions: [{Assert: !Equals [!Ref Env, prod], AssertDescription: only prod}]}", refused + "only prod"},
		{"{Assertions: [{Assert: !Equals [!Ref Env, prod]}]}", refused + "one of its assertions does not hold"},
		{"{RuleCondition: !Equals [!Ref Env, prod], Assertions: [{Assert: !Equals [!Ref Size, large]}]}", ""},
		{"{Assertions: [{Assert: {'Fn::Contains': [[small, large], !Ref Size]}}]}", ""},
		{"{Assertions: [{Assert: {'Fn::Contains': [[large], !Ref Size]}, AssertDescription: size}]}", refused + "size"},
		{"{Assertions: [{Assert: {'Fn::EachMemberIn': [!Ref Zones, [a, b, c]]}}]}", ""},
		{"{Assertions: [{Assert: {'Fn::EachMemberIn': [!Ref Zones, [a]]}, AssertDescription: zones}]}", refused + "zones"},
		{"{Assertions: [{Assert: {'Fn::EachMemberEquals': [!Ref Zones, a]}, AssertDescription: one}]}", refused + "one"},
		{"{Assertions: [{Assert: {'Fn::Not': [{'Fn::EachMemberEquals': [!Ref Zones, a]}]}}]}", ""},
		{"{Assertions: [{Assert: {'Fn::Contains': [{'Fn::RefAll': 'AWS::EC2::VPC::Id'}, !Ref Env]}}]}", ""},
		{"{Assertions: [{Assert: !Equals [!Ref Key, x]}]}", ""}, // not known here
		{"{Assertions: [{Assert: {'Fn::Not': [{'Fn::Contains': [['1', '2'], !Ref Gone]}]}}]}", ""},
	} {
		text := parameters + goodLines + "Rules:\n  R: " + c.rule + "\n"
		given := Options{Parameters: map[string]string{"Env": "dev", "Size": "small", "Zones": "a,b"}}
		if _, _, err := readText(text, given); errorText(err) != c.want {
			t.Errorf("%s: %q, want %q", c.rule, errorText(err), c.want)
		}
		// With nothing but defaults it runs, and it is said.
		_, notes, err := readText(text, Options{})
		if said := noteLines(notes); strings.Contains(said, "not understood") {
			t.Errorf("%s: notes %s", c.rule, said)
		} else if err != nil || strings.Contains(said, "rule R does not allow the parameters' defaults") != (c.want != "") {
			t.Errorf("%s with defaults: notes %s, %v", c.rule, said, err)
		}
	}
}

func TestARuleAboutWhatOnlyAWSHasSaysNothing(t *testing.T) {
	text := "Parameters: {BootstrapVersion: {Type: \"AWS::SSM::Parameter::Value<String>\", Default: /cdk-bootstrap/x/version}}\n" +
		"Rules: {CheckBootstrapVersion: {Assertions: [{Assert: {Fn::Not: [{Fn::Contains: [['1', '2'], !Ref BootstrapVersion]}]}, AssertDescription: too old}]}}\n" + goodLines
	_, notes, err := readText(text, Options{})
	if said := noteLines(notes); err != nil || strings.Contains(said, "condition") || strings.Contains(said, "rule") {
		t.Errorf("notes %s, %v, want none of the rule", said, err)
	}
}
