package main

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/wireposttest"
)

// ask sends a message on a two-way route and holds the answer against a pattern.
func ask(t *testing.T, client *wireposttest.Client, send, want string) {
	t.Helper()
	if err := client.Send(send); err != nil {
		t.Fatal(err)
	}
	if got, err := client.Receive(t.Context()); err != nil || !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("%s: received %q, %v, want %s", send, got, err, want)
	}
}

func needsNodeAndPython(t *testing.T) {
	t.Helper()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	needs(t, "Python", exec.Command("python3", "--version").Run() == nil)
}

// Seven of them run anywhere. They are asked before and after the three.
func TestOfTenRoutesSevenRunAndThreeSayWhyNot(t *testing.T) {
	t.Parallel()
	needsNodeAndPython(t)
	template := filepath.Join(moduleFolder(t, "testdata/templates/ten"), "template.yaml")
	dev := startDevProcess(t, nil, "--template", template)
	for _, line := range []string{
		`function Report, which route report needs, cannot be run here: its runtime is java21, .*; run 'sam local start-lambda --port 3002' and give --function "Report=lambda:`,
		`function Render, which route render needs, cannot be run here: it is a container image; .* give --function "Render=lambda:`,
		`route events cannot be run here: its integration calls Kinesis, .*; give --route events=FUNCTION$`,
	} {
		dev.await(t, `^wirepost: hint: \S+template\.yaml:\d+: `+line)
	}
	client := dev.dial(t)
	dev.await(t, `^\[Hub\] .*\$connect of \S+$`)
	seven := func() {
		ask(t, client, `{"action":"say"}`, `^say \{"action":"say"\}$`)
		ask(t, client, `{"action":"upper","text":"a b"}`, `^A B$`)
		ask(t, client, `{"action":"count","text":"a b"}`, `^2$`)
		ask(t, client, `{"action":"ping"}`, `^pong$`)
	}
	seven()
	for range 2 {
		for _, key := range []string{"report", "events", "render"} {
			ask(t, client, `{"action":"`+key+`"}`, `^\{"message": ?"Internal server error"`)
		}
	}
	seven()
	dev.await(t, `^wirepost: hint: answered 'Internal server error': route report: \S+template\.yaml:\d+: function Report, .*java21`)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	dev.await(t, `^\[Hub\] .*\$disconnect of \S+$`)
}

func TestStandInsMakeAllTenRoutesWork(t *testing.T) {
	t.Parallel()
	needsNodeAndPython(t)
	template := filepath.Join(moduleFolder(t, "testdata/templates/ten"), "template.yaml")
	report := t.TempDir()
	write(t, filepath.Join(report, "main.py"), `import os
def handler(event, context): return {"statusCode": 200, "body": os.environ["TITLE"] + " " + context.function_name}
`)
	words := t.TempDir() // its code is elsewhere
	write(t, filepath.Join(words, "app.py"), "def handler(event, context): return {'statusCode': 200, 'body': 'A1'}\n")
	render := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/2015-03-31/functions/function/invocations" {
			w.Write([]byte(`{"statusCode":200,"body":"rendered"}`))
		}
	}))
	t.Cleanup(render.Close)
	dev := startDevProcess(t, nil, "--template", template, "--strict", "--function", "Words="+words, "--function", "Report=python:"+report+"#main.handler",
		"--function", "Render=lambda:"+render.URL+"#function", "--route", "events=mock:kept", "--route-response", "$default")
	client := dev.dial(t)
	dev.await(t, `^\[Hub\] .*\$connect of \S+$`)
	for send, want := range map[string]string{
		`{"action":"say"}`: `^say `, `{"action":"upper","text":"a"}`: `^A1$`, `{"action":"count","text":"a"}`: `^A1$`, `{"action":"ping"}`: `^pong$`,
		`{"action":"report"}`: `^Monthly Report$`, `{"action":"render"}`: `^rendered$`, `{"action":"events"}`: `^kept$`, `nothing`: `^\$default nothing$`,
	} {
		ask(t, client, send, want)
	}
	if said := dev.output.String(); strings.Contains(said, "cannot be run") {
		t.Errorf("it says that something cannot be run:\n%s", said)
	}
}

func TestFlagsNextToATemplateThatNameNothingOfItAreRefused(t *testing.T) {
	template := filepath.Join(moduleFolder(t, "testdata/templates/ten"), "template.yaml")
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args   []string
		status int
		want   []string
	}{
		{[]string{"--strict"}, exitFailed, []string{"wirepost: error: .*java21", "wirepost: error: .*container image", "wirepost: error: with --strict nothing runs"}},
		// Whether a service of AWS can be called is known only when the engines are.
		{[]string{"--strict", "--route", "report=mock:", "--route", "render=mock:"}, exitFailed, []string{"Kinesis, which is not here", "with --strict nothing runs"}},
		{[]string{"--route", "reprot=mock:"}, exitFailed, []string{"has no route reprot, for which --route is given: did you mean report"}},
		{[]string{"--function", "Repot=./x"}, exitFailed, []string{"has no function Repot, .*did you mean Report"}},
		{[]string{"--authorizer", "Guard=./x"}, exitFailed, []string{"has no authorizer Guard"}},
		{[]string{"--authorizer", "./x"}, exitUsage, []string{`--authorizer "./x": write NAME=FUNCTION`}},
		{[]string{"--function", "Report"}, exitUsage, []string{`--function "Report": write LOGICALID=FUNCTION`}},
		{[]string{"--function", "Report=a", "--function", "Report=b"}, exitUsage, []string{"--function Report is given twice"}},
		{[]string{"--route", "events=lambda:x"}, exitUsage, []string{`--route events: "lambda:x": write lambda:URL#NAME`}},
		{[]string{"--function", "Report=./nothing"}, exitUsage, []string{"--function Report: there is no program ./nothing"}},
		{[]string{"--route-response", "reprot"}, exitUsage, []string{`--route-response reprot: the template has no such route \(did you mean report\?\)`}},
		{[]string{"--identity-source", "route.request.header.A"}, exitUsage, []string{"with a template, --identity-source needs --authorizer"}},
		{[]string{"--value", "Pool"}, exitFailed, []string{"--value: write NAME=VALUE"}},
		{[]string{"--value", "Pool=@nothing"}, exitFailed, []string{"--value Pool: open nothing: "}},
		{[]string{"--connect-rate", "0"}, exitUsage, []string{"--connect-rate must be more than zero"}},
		{[]string{"go:."}, exitUsage, []string{"use --function, --route or --authorizer"}},
	} {
		var out transcript
		if status := run(t.Context(), append([]string{"dev", "--listen", "127.0.0.1:0", "--template", template}, c.args...), nil, &out, &out); status != c.status {
			t.Errorf("%q: status %d, want %d", c.args, status, c.status)
		}
		for _, want := range c.want {
			if !regexp.MustCompile(want).MatchString(out.String()) {
				t.Errorf("%q says\n%s\nwant %s", c.args, &out, want)
			}
		}
	}
}

func TestAFunctionOfATemplateThatDoesNotStartFailsItsOwnInvocationsOnly(t *testing.T) {
	t.Parallel()
	needsNodeAndPython(t)
	dir := copyOf(t, filepath.Join(moduleFolder(t, "testdata/templates/ten")))
	app := filepath.Join(dir, "words/app.py")
	write(t, app, "import os\nNAME = os.environ['NOT_SET']\n")
	dev := startDevProcess(t, nil, "--template", filepath.Join(dir, "template.yaml"), "--watch")
	dev.await(t, `^\[Words\] KeyError: 'NOT_SET'$`)
	dev.await(t, `^wirepost: error: \S+template\.yaml:16: function Words did not start: it said KeyError: 'NOT_SET'\n\t.*--function Words=FUNCTION`)
	client := dev.dial(t)
	for range 3 {
		ask(t, client, `{"action":"upper","text":"a"}`, `Internal server error`)
		ask(t, client, `{"action":"say"}`, `^say `)
	}
	dev.await(t, `^wirepost: hint: answered 'Internal server error': route upper: function Words did not start: it said KeyError: 'NOT_SET'`)
	if n := strings.Count(dev.output.String(), "wirepost: error: "); n != 1 {
		t.Errorf("the error is said %d times", n)
	}
	write(t, app, "def handler(event, context): return {'statusCode': 200, 'body': 'mended'}\n")
	dev.await(t, `^wirepost: hint: function Words (runs, now that|was restarted, because) \S+app\.py (has )?changed$`)
	ask(t, client, `{"action":"upper","text":"a"}`, `^mended$`)
}
