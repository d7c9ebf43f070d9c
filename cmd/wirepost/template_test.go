package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// Three templates of different shape. Each function has its endpoint in a variable,
// which on AWS would name a host of AWS.
func TestTheAPIOfATemplateRunsHere(t *testing.T) {
	templates := moduleFolder(t, "testdata/templates")
	modules := moduleFolder(t, "../../.tools/node/node_modules")
	for _, c := range []struct {
		name, file, url string
		args            func(t *testing.T) []string
	}{
		{"CloudFormation with a table", "cloudformation/template.yaml", `/beta$`, func(t *testing.T) []string {
			needs(t, "Python with boto3", exec.Command("/usr/bin/python3", "-c", "import boto3").Run() == nil)
			t.Setenv("PATH", "/usr/bin:"+os.Getenv("PATH"))
			return []string{"--parameter", "StageName=beta", "--dynamodb", dynamolocal.Start(t, dynamolocal.DynamoDBLocal)}
		}},
		{"SAM", "sam/template.yaml", `/test$`, func(*testing.T) []string { return nil }},
		{"serverless.yml", "serverless/serverless.yml", `/qa$`, func(*testing.T) []string { return []string{"--opt", "stage=qa"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyOf(t, filepath.Join(templates, filepath.Dir(c.file)))
			if filepath.Dir(c.file) != "cloudformation" {
				_, err := os.Stat(filepath.Join(modules, "@aws-sdk/client-apigatewaymanagementapi"))
				needs(t, "Node.js with AWS's SDK", err == nil && exec.Command("node", "--version").Run() == nil)
				if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
					t.Fatal(err)
				}
			}
			dev := startDev(t, append([]string{"--template", filepath.Join(dir, filepath.Base(c.file))}, c.args(t)...)...)
			dev.await(t, `^connect +ws://\S+`+c.url)
			client := dev.dial(t)
			for _, text := range []string{`{"action":"echo","n":1}`, `{"action":"echo","n":2}`} {
				if err := client.Send(text); err != nil {
					t.Fatal(err)
				}
				if got, err := client.Receive(t.Context()); err != nil || got != text {
					t.Errorf("received %q, %v, want %q", got, err, text)
				}
			}
			// Pushes do not leave this machine, and it is said.
			dev.await(t, `^wirepost: hint: \S+:\d+: .*http://localhost:\d+/`)
		})
	}
}

func TestATemplateThatCannotRunIsNamedWithItsLine(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]string{
		"Resources: {}\n":   `WebSocket`,
		"Resources:\n  - x": `template.yaml:`,
	} {
		write(t, "template.yaml", text)
		var out transcript
		if status := run(t.Context(), []string{"dev", "--listen", "127.0.0.1:0", "--template", "template.yaml"}, nil, &out, &out); status == exitDone {
			t.Errorf("%q: no error", text)
		}
		(&running{output: &out}).await(t, `^wirepost: error: read the template: .*`+want)
	}
}

func TestATemplateIsReadBeforeAnythingListensOrIsMade(t *testing.T) {
	t.Chdir(t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	write(t, "template.yaml", "Resources: {}\n")
	var out transcript
	if status := run(t.Context(), []string{"dev", "--listen", taken.Addr().String(), "--template", "template.yaml"}, nil, &out, &out); status == exitDone {
		t.Error("no error")
	}
	(&running{output: &out}).await(t, `^wirepost: error: read the template: .*WebSocket`)
	if _, err := os.Stat(string(folder)); err == nil {
		t.Error("it made its folder for a template that it cannot run")
	}
}
