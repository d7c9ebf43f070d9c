package template

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileInNoLanguageIsNamed(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"no template", "", "a: b\n", "t.yaml:1: is not a template: it has neither Resources, as CloudFormation and SAM have, nor a provider, as serverless.yml has"},
		{"a list", "", "- a\n", "t.yaml:1: is not a template: it has no Resources and no functions"},
		{"a program", "serverless.ts", "export default {}", "serverless.ts: is a program, which only 'wirepost dev' runs: 'npx serverless print --format json > serverless.json' makes a template of it"},
		{"nothing but a route from a variable that is not set", "serverless.yml", "service: a\nprovider: aws\nfunctions:\n  f:\n    handler: a.b\n    events:\n      - websocket: ${env:ROUTE}\n", "serverless.yml:2: API WebsocketsApi has no routes that can be run: its route key is not known here: environment variable ROUTE is not set"},
		{"no websocket event", "serverless.yml", "service: a\nprovider: aws\nfunctions: {f: {handler: a.b}}\n", "serverless.yml: has no WebSocket API: nothing of type AWS::ApiGatewayV2::Api with ProtocolType WEBSOCKET, no AWS::Serverless::WebSocketApi and no websocket event"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.file == "" {
				c.file = "t.yaml"
			}
			t.Chdir(t.TempDir())
			if err := os.WriteFile(c.file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			a, _, err := Read(c.file, nil)
			if err == nil || err.Error() != c.want || a != nil {
				t.Errorf("Read: %v, want %s", err, c.want)
			}
		})
	}
}

func TestAFileThatIsNotPlainIsRefused(t *testing.T) {
	dir := t.TempDir()
	_, _, err := Read(dir, nil)
	if err == nil || !strings.HasSuffix(err.Error(), ": is a folder: name the file of the template in it") {
		t.Errorf("Read of a folder: %v", err)
	}
	inside := filepath.Join(dir, "serverless.yml")
	if err := os.WriteFile(inside, []byte("service: a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(dir, nil); err == nil || !strings.HasSuffix(err.Error(), ": is a folder: name the file in it, "+inside) {
		t.Errorf("Read of a folder with a template: %v", err)
	}
	if _, _, err := Read(os.DevNull, nil); err == nil || !strings.HasSuffix(err.Error(), ": is not a plain file") {
		t.Errorf("Read of a device: %v", err)
	}
	if _, _, err := Read(filepath.Join(t.TempDir(), "none.yaml"), nil); !os.IsNotExist(err) {
		t.Errorf("Read of no file: %v, want that it does not exist", err)
	}
}
