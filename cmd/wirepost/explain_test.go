package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dev"
	"github.com/wirepost/wirepost/internal/dynamodb"
	"github.com/wirepost/wirepost/internal/terminal"
)

func TestAnErrorOfTheStoreIsToldInAFewWords(t *testing.T) {
	missing := &dynamodb.Error{Operation: "Query", Status: 400, Code: "ResourceNotFoundException", Message: "No such table"}
	refused := &dynamodb.Error{Operation: "Query", Err: fmt.Errorf("dial: %w", errors.New("connection refused"))}
	for _, c := range []struct {
		err           error
		message, hint string
	}{
		{errors.New("wirepost: plain"), "plain", ""},
		{&wirepost.Error{Problem: wirepost.ProblemThrottled, Detail: "it is", FixText: "wait"}, "throttled: it is", "wait"},
		{fmt.Errorf("list a: there is no such table there; create it with 'wirepost table create dynamodb://a?region=b', or name it: %w", missing),
			"list a: there is no such table there (ResourceNotFoundException: No such table)", `create it with 'wirepost table create "dynamodb://a?region=b"', or name it`},
		{&wirepost.Error{Problem: wirepost.ProblemStore, Detail: "not listed", Err: fmt.Errorf("list a: nothing answers there; start it: %w", refused)},
			"store: not listed: list a: nothing answers there (connection refused)", "start it"},
		{fmt.Errorf("list a: %w; until then: %w", context.DeadlineExceeded, refused),
			"list a: context deadline exceeded; until then (connection refused)", ""},
		{fmt.Errorf("list a: %w", missing), "list a (ResourceNotFoundException: No such table)", ""},
		{fmt.Errorf("list a: %w, and more", missing), "list a: " + missing.Error() + ", and more", ""},
	} {
		if message, hint := explain(c.err); message != c.message || hint != c.hint {
			t.Errorf("%v\nis told as %q, %q\nwant       %q, %q", c.err, message, hint, c.message, c.hint)
		}
	}
}

func TestAnArgumentInAHintIsOneWord(t *testing.T) {
	for arg, want := range map[string]string{
		"prod":                               "prod",
		"sqlite:../a.db":                     "sqlite:../a.db",
		"dynamodb://a?region=b&endpoint=c":   `"dynamodb://a?region=b&endpoint=c"`,
		"$default":                           `"\$default"`,
		"sqlite:my store/" + "`x`" + `"\.db`: `"sqlite:my store/` + "\\`x\\`" + `\"\\.db"`,
		"":                                   `""`,
	} {
		if got := terminal.Word(arg); got != want {
			t.Errorf("%s is %s, want %s", arg, got, want)
		}
	}
}

func TestAWrongPairOfThisFolderIsNotBlamedOnTheEnvironment(t *testing.T) {
	mismatch := &wirepost.Error{Problem: wirepost.ProblemSignatureMismatch}
	for _, c := range []struct {
		name string
		err  error
		with aws.CredentialsProvider
		want string
	}{
		{"the folder's pair", mismatch, &dev.KeyPair{}, "the pair in " + folder.KeyPairFile() + " is not that of the gateway that answers"},
		{"the environment's", mismatch, nil, "check the secret key"},
		{"another problem", &wirepost.Error{Problem: wirepost.ProblemEndpointRefused}, &dev.KeyPair{}, "start the gateway"},
	} {
		if _, hint := explain(blamePair(c.err, c.with)); !strings.Contains(hint, c.want) {
			t.Errorf("%s: %q, want %q", c.name, hint, c.want)
		}
	}
	if plain := errors.New("plain"); blamePair(plain, &dev.KeyPair{}) != plain {
		t.Error("an error of another kind was changed")
	}
}

// People paste commands from hints into a shell, and names in them come from templates.
func TestACommandInAHintIsWordsOfAShell(t *testing.T) {
	for name, c := range map[string]struct{ template, want string }{
		"a parameter": {"Parameters: {\"x; $(touch pwned)\": {Type: String}}\nResources:\n  A: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: !Ref \"x; $(touch pwned)\"}}\n",
			"give --parameter \"x; \\$(touch pwned)=VALUE\""},
		"a file": {"Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: \"a'!`touch pwned`.zip\"}}\n" +
			"  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}\n" +
			"  I: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !Sub \"arn:aws:apigateway:x:lambda:path/2015-03-31/functions/${F.Arn}/invocations\"}}\n" +
			"  R: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub \"integrations/${I}\"}}\n",
			"wirepost package --output $'a\\x27\\x21`touch pwned`.zip' PACKAGE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, "template.yaml", c.template)
			var out transcript
			if status := run(t.Context(), []string{"dev", "--listen", "127.0.0.1:0", "--strict", "--template", "template.yaml"}, strings.NewReader(""), &out, &out); status != exitFailed || !strings.Contains(out.String(), c.want) {
				t.Errorf("%d, want %s in\n%s", status, c.want, &out)
			}
		})
	}
}
