package serverless

import (
	"os"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app/document"
)

// environmentOf is the text of a function's variable A of a service in the current
// folder.
func environmentOf(t *testing.T, head, a string, env map[string]string) string {
	t.Helper()
	text := head + "service: s\nprovider: {name: aws, runtime: nodejs22.x, stage: \"${opt:stage, 'dev'}\"}\nfunctions:\n  f: {handler: a.b, environment: {A: \"" + a + "\"}, events: [{websocket: $connect}]}\n"
	reading := document.NewReading("serverless.yml")
	root, err := document.Parse("serverless.yml", []byte(text), reading)
	if err != nil {
		t.Fatal(err)
	}
	service, err := Expand(root, reading, Options{Env: func(name string) string { return env[name] }, CLI: map[string]string{"stage": env["STAGE"]}})
	if err != nil {
		t.Fatal(err)
	}
	return service.Template.Get("Resources", "FLambdaFunction", "Properties", "Environment", "Variables", "A").Text
}

func TestDotenvIsReadAsServerlessReadsIt(t *testing.T) {
	const use, four = "useDotenv: true\n", "frameworkVersion: '4'\n"
	for _, c := range []struct {
		name, head, a string
		files, env    map[string]string
		want          string
	}{
		{"the default file", use, "${env:X}", map[string]string{".env": "X=1\n"}, nil, "1"},
		{"the stage's", use, "${env:X}", map[string]string{".env": "X=1\n", ".env.dev": "X=2\n"}, nil, "2"},
		{"the stage of the command line", use, "${env:X}", map[string]string{".env.qa": "X=3\n", ".env.dev": "X=2\n"}, map[string]string{"STAGE": "qa"}, "3"},
		{"the stage's alone", use, "${env:Y, 'none'}", map[string]string{".env": "Y=1\n", ".env.dev": "X=2\n"}, nil, "none"},
		{"the environment first", use, "${env:X}", map[string]string{".env": "X=1\n"}, map[string]string{"X": "mine"}, "mine"},
		{"without useDotenv", "", "${env:X, 'none'}", map[string]string{".env": "X=1\n"}, nil, "none"},
		{"both in version 4", four, "${env:X}${env:Y}", map[string]string{".env": "X=1\nY=1\n", ".env.dev": "X=2\n"}, nil, "21"},
		{"another version", "frameworkVersion: '3'\n", "${env:X, 'none'}", map[string]string{".env": "X=1\n"}, nil, "none"},
		{"one made of others", use, "${env:URL}", map[string]string{".env": "HOST=my.example\nURL=$SCHEME://${HOST}/${PATH_PART:-a}\\$\n"}, map[string]string{"SCHEME": "https"}, "https://my.example/a$"},
		{"one made of itself", use, "${env:X}", map[string]string{".env": "X=a$Y\nY=b$X\n"}, nil, "ab"},
		{"a credential", use, "${env:AWS_SECRET_ACCESS_KEY, 'none'}", map[string]string{".env": "AWS_SECRET_ACCESS_KEY=secret\n"}, nil, "none"},
		{"no file", use, "${env:X, 'none'}", nil, nil, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, text := range c.files {
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := environmentOf(t, c.head, c.a, c.env); got != c.want {
				t.Errorf("A is %q, want %q", got, c.want)
			}
		})
	}
}

func TestThePluginThatReadsDotenvIsSaidWithTheFlagInItsPlace(t *testing.T) {
	for custom, file := range map[string]string{"": ".env", "custom: {dotenv: {basePath: ./config/}}\n": "config/.env", "custom: {dotenv: {path: ./env, basePath: ./}}\n": "./env"} {
		text := custom + "service: a\nprovider: {name: aws, runtime: nodejs22.x}\nplugins: [serverless-offline, serverless-dotenv-plugin]\nfunctions:\n  f: {handler: a.b, events: [{websocket: $connect}]}\n"
		_, notes, err := expandWith("serverless.yml", text, Options{})
		if want := "serverless-dotenv-plugin is not run: give --env-file " + file + " for the variables that functions get from it"; err != nil || !strings.Contains(notes, want) {
			t.Errorf("%s: the notes are %q, %v, want %s", custom, notes, err, want)
		}
	}
}

func TestLinesOfDotenv(t *testing.T) {
	for line, want := range map[string]string{
		"A=b": "b", "A = b ": "b", "export A=b": "b", "A: b": "b", "A=": "", "A=b # c": "b", "A='b # c'": "b # c", `A="b\nc"`: "b\nc", `A='b\nc'`: `b\nc`,
		"A=`it's \"b\"`": `it's "b"`, "A=\"b\nc\"": "b\nc", "A=b=c": "b=c", "A=b\r": "b", "A={\"b\": \"c\"}": `{"b": "c"}`, "A=one\nA=two": "two",
	} {
		if got := parseDotenv("# first\n" + line + "\nB=last"); got["A"] != want || got["B"] != "last" {
			t.Errorf("%q: A is %q and B %q, want %q and last", line, got["A"], got["B"], want)
		}
	}
	if got := parseDotenv("just a word\n#A=b\n = c\n"); len(got) != 0 {
		t.Errorf("variables of nothing: %v", got)
	}
}

func FuzzDotenv(f *testing.F) {
	for _, text := range []string{"A=b\n", "A=\"b\nc\"\nB='", "export A=$A$A$A", "A=${B:-$A}\nB=${A}", "\x00=\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		x := &variables{}
		found := parseDotenv(text)
		for name, value := range found {
			if name == "" || strings.ContainsAny(name, "= \n") {
				t.Errorf("a variable is called %q", name)
			}
			if got := x.expandDotenv(value, found, []string{name}); len(got) > len(text)+maxDotenv {
				t.Errorf("%d bytes grow to %d", len(text), len(got))
			}
		}
	})
}
