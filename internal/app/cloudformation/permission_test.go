package cloudformation

import (
	"strings"
	"testing"
)

// permitted has an authorizer and two routes of one function, and permissions.
func permitted(permissions ...string) string {
	text := strings.ReplaceAll(guarded("AuthorizerType: REQUEST, AuthorizerUri: !Sub \"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${G.Arn}/invocations\""), "CredentialsArn: x, ", "") +
		"  G: {Type: AWS::Lambda::Function, Properties: {Runtime: nodejs22.x, Handler: a.b, Code: .}}\n" +
		"  D: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref A, RouteKey: $default, Target: !Sub \"integrations/${I}\"}}\n" +
		"  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: live}}\n" +
		"  B: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}\n"
	for i, p := range permissions {
		text += "  P" + string(rune('0'+i)) + ": {Type: AWS::Lambda::Permission, Properties: {Action: \"lambda:InvokeFunction\", Principal: apigateway.amazonaws.com, " + p + "}}\n"
	}
	return text
}

func TestAPermissionHasToAllowTheCallThatIsMade(t *testing.T) {
	source := func(function, rest string) string {
		return "FunctionName: !Ref " + function + ", SourceArn: !Sub 'arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:" + rest + "'"
	}
	const all = "FunctionName: !Ref G"
	const authorizer = "no AWS::Lambda::Permission of G has a SourceArn for authorizer Z, which calls as arn:aws:execute-api:us-east-1:000000000000:${A}/authorizers/Z: it is invoked here, but not on AWS"
	const connect = "no AWS::Lambda::Permission of F has a SourceArn for route $connect, which calls as arn:aws:execute-api:us-east-1:000000000000:${A}/live/$connect: it is invoked here, but not on AWS"
	const byDefault = "no AWS::Lambda::Permission of F has a SourceArn for route $default, which calls as arn:aws:execute-api:us-east-1:000000000000:${A}/live/$default: it is invoked here, but not on AWS"
	const both = "no AWS::Lambda::Permission of F has a SourceArn for route $connect and 1 more, which calls as arn:aws:execute-api:us-east-1:000000000000:${A}/live/$connect: it is invoked here, but not on AWS"
	const none = "no AWS::Lambda::Permission lets apigateway.amazonaws.com invoke F: it is invoked here, but not on AWS"
	for _, c := range []struct {
		name        string
		permissions []string
		want        string
	}{
		{"none", []string{all}, none},
		{"whatever calls", []string{all, "FunctionName: !GetAtt F.Arn"}, ""},
		{"the whole API", []string{all, source("F", "${A}/*")}, ""},
		{"each stage", []string{all, source("F", "${A}/*/*")}, ""},
		{"a method too, as of REST APIs", []string{all, source("F", "${A}/*/*/*")}, both},
		{"one route of each stage", []string{all, source("F", "${A}/*/$connect")}, byDefault},
		{"each route by itself", []string{all, source("F", "${A}/live/$connect"), source("F", "${A}/*/$default")}, ""},
		{"another route", []string{all, source("F", "${A}/*/$disconnect"), source("F", "${A}/*/$default")}, connect},
		{"another stage", []string{all, source("F", "${A}/beta/*")}, both},
		{"another API of the template", []string{all, source("F", "${B}/*")}, both},
		{"the ID of the API on AWS", []string{all, source("F", "a1b2c3d4e5/*/*")}, ""},
		{"any API", []string{all, source("F", "*/*/$connect"), source("F", "*")}, ""},
		{"a letter that may be any", []string{all, source("F", "${A}/*/?connect"), source("F", "${A}/*/?default")}, ""},
		{"another region and account", []string{all, "FunctionName: !Ref F, SourceArn: 'arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/*'"}, ""},
		{"another service", []string{all, "FunctionName: !Ref F, SourceArn: 'arn:aws:events:us-east-1:000000000000:rule/x'"}, both},
		{"a source that is not known", []string{all, "FunctionName: !Ref F, SourceArn: !ImportValue arn"}, ""},
		{"a function that is not known", []string{all, "FunctionName: !ImportValue f"}, ""},
		{"a route for the authorizer", []string{"FunctionName: !Ref F", source("G", "${A}/*/$connect")}, authorizer},
		{"the authorizer", []string{"FunctionName: !Ref F", source("G", "${A}/authorizers/${Z}")}, ""},
		{"all authorizers", []string{"FunctionName: !Ref F", source("G", "${A}/authorizers/*")}, ""},
		{"all of two levels", []string{"FunctionName: !Ref F", source("G", "${A}/*/*")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, notes, err := readText(permitted(c.permissions...), Options{API: "A"})
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, text := range texts(notes) {
				if strings.HasPrefix(text, "no AWS::Lambda::Permission") {
					said = append(said, text)
				}
			}
			if got := strings.Join(said, "\n"); got != c.want {
				t.Errorf("notes\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestAPermissionOfAnotherActionIsNone(t *testing.T) {
	text := strings.ReplaceAll(permitted("FunctionName: !Ref G", "FunctionName: !Ref F"), "lambda:InvokeFunction", "lambda:InvokeFunctionUrl")
	if _, notes, err := readText(text, Options{API: "A"}); err != nil || strings.Count(noteLines(notes), "no AWS::Lambda::Permission lets") != 2 {
		t.Errorf("notes %s, %v, want one for each function", noteLines(notes), err)
	}
}

func TestAStageThatIsNotInTheTemplateMayHaveAnyName(t *testing.T) {
	text := strings.ReplaceAll(permitted("FunctionName: !Ref G", "FunctionName: !Ref F, SourceArn: !Sub 'arn:aws:execute-api:us-east-1:000000000000:${A}/prod/*'"), "StageName: live", "StageName: !ImportValue stage")
	if _, notes, err := readText(text, Options{API: "A"}); err != nil || strings.Contains(noteLines(notes), "AWS::Lambda::Permission") {
		t.Errorf("notes %s, %v, want none of permissions", noteLines(notes), err)
	}
}
