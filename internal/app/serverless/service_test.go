package serverless

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app/document"
)

func expand(file, text string) (*Service, error) {
	reading := document.NewReading(file)
	root, err := document.Parse(file, []byte(text), reading)
	if err != nil {
		return nil, err
	}
	return Expand(root, reading, Options{})
}

func TestAMistakeIsNamedWhereItIs(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a service of another provider", "service: a\nprovider: {name: google}\n", `serverless.yml:2: is for provider "google": only aws has WebSocket APIs of API Gateway`},
		{"a variable of itself", "service: ${self:custom.a}\nprovider: aws\ncustom:\n  a: x${self:custom.b}\n  b: ${self:custom.a}\n", "serverless.yml:5: variable ${self:custom.a} refers to itself: ${self:custom.a} → ${self:custom.b} → ${self:custom.a}"},
		{"a variable that contains itself", "service: a\nprovider: aws\ncustom: {a: {b: \"${self:custom}\"}}\nfunctions: ${self:custom}\n", "serverless.yml:3: variable ${self:custom} refers to itself: ${self:custom} → ${self:custom}"},
		{"functions that cannot be known", "service: a\nprovider: aws\nfunctions: ${file(f.js)}\n", "serverless.yml:3: functions cannot be read: file(f.js) is a program, which only 'wirepost dev' runs"},
		{"functions outside", "service: a\nprovider: aws\nfunctions: ${file(../f.yml)}\n", "serverless.yml:3: functions cannot be read: file(../f.yml) is outside the directory of the template and is not read"},
		{"an event without a route", "service: a\nprovider: aws\nfunctions:\n  f:\n    handler: a.b\n    events:\n      - websocket: {}\n", "serverless.yml:7: a websocket event of function f has no route: write websocket: $connect or route: $connect"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			service, err := expand("serverless.yml", c.text)
			if err == nil || err.Error() != c.want || service != nil {
				t.Errorf("Expand: %v, want %s", err, c.want)
			}
		})
	}
}

func TestAProgramThatFileNamesIsRunForWhatItExports(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "serverless.yml")
	for name, text := range map[string]string{
		"settings.js": "", "fails.js": "",
		"serverless.yml": "service: a\nprovider: {name: aws, runtime: nodejs22.x, stage: '${file(./settings.js):stage}', environment: {PLACE: '${file(settings.js):place, \"nowhere\"}', " +
			"FAILED: '${file(fails.js)}', ABSENT: '${file(absent.js)}', OUTSIDE: '${file(../settings.js)}'}}\nfunctions: {f: {handler: a.b, events: [{websocket: $connect}]}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	reading := document.NewReading(file)
	root, err := document.Parse(file, data, reading)
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	service, err := Expand(root, reading, Options{Program: func(file, address string) ([]byte, error) {
		name := filepath.Base(file) + ":" + address
		ran[name]++
		switch name {
		case "settings.js:stage":
			return []byte(`"blue"`), nil
		case "fails.js:":
			return nil, errors.New("fails: Error: no vault")
		}
		return []byte("null"), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	variables := service.Template.Get("Resources").Get("FLambdaFunction").Get("Properties").Get("Environment").Get("Variables")
	if service.Stack != "a-blue" || variables.Get("PLACE").ScalarText() != "nowhere" {
		t.Errorf("stack %s, PLACE %s, want the stage of the program and the default", service.Stack, variables.Get("PLACE").ScalarText())
	}
	if want := map[string]int{"settings.js:stage": 1, "settings.js:place": 1, "fails.js:": 1}; !maps.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	said := ""
	for _, n := range reading.Notes() {
		said += n.String() + "\n"
	}
	for _, want := range []string{"file(fails.js) fails: Error: no vault", "file(../settings.js) is outside the directory of the template and is not read"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in\n%s", want, said)
		}
	}
}

func TestALinkOutOfTheDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret.yml")
	if err := os.WriteFile(secret, []byte("a: b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "inside.yml")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	file := filepath.Join(dir, "serverless.yml")
	if err := os.WriteFile(file, []byte("service: a\nprovider: aws\nfunctions: ${file(inside.yml)}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = expand(file, string(data))
	if err == nil || !strings.HasSuffix(err.Error(), "file(inside.yml) is outside the directory of the template and is not read") {
		t.Errorf("Expand through a link: %v", err)
	}
}
