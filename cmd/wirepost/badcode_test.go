package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each of them is one sentence, at its place in the template where the template is wrong,
// and a function that has nothing to do with them answers.
func TestBadCodeIsASentenceEachAndTheRestRuns(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	foreign := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...)
	foreign[18] = 0xf3 // RISC-V
	dir := folderOf(t, map[string]string{
		"template.yaml": strings.Replace(samWith(
			"good", "{Runtime: nodejs20.x, CodeUri: js, Handler: good.handler}",
			"link", "{Runtime: nodejs20.x, CodeUri: js, Handler: good.handler, Layers: [!Ref Link]}",
			"broken", "{Runtime: nodejs20.x, CodeUri: ts, Handler: broken.handler}",
			"noexport", "{Runtime: nodejs20.x, CodeUri: js, Handler: good.main}",
			"module", "{Runtime: nodejs20.x, CodeUri: js, Handler: module.handler}",
			"foreign", "{Runtime: provided.al2023, CodeUri: foreign, Handler: bootstrap}",
			"made", "{Runtime: provided.al2023, CodeUri: made, Handler: bootstrap}",
			"project", "{Runtime: provided.al2023, CodeUri: made, Handler: bootstrap}",
		), "  made:\n", "  made:\n    Metadata: {BuildMethod: makefile}\n", 1) + "  Link: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: link}}\n",
		"js/good.js": "exports.handler = async () => ({statusCode: 200, body: 'good'})", "js/module.js": "export const handler = async () => ({statusCode: 200})",
		"ts/broken.ts": "export const handler = async (): Promise<object> => ({\n", "foreign/bootstrap": string(foreign), "made/Makefile": "build-made:\n\tfalse\n",
	})
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	dev := startDevProcess(t, nil, "--template", filepath.Join(dir, "template.yaml"))
	for _, line := range []string{
		`^wirepost: hint: \S+template\.yaml:\d+: layer Link is left out of function link: its content \S+link is a link that leads nowhere$`,
		`^wirepost: error: \S+template\.yaml:\d+: function broken fails each invocation: the handler broken\.handler cannot be bundled: \S+broken\.ts:2:1: Expected identifier but found end of file$`,
		`^wirepost: error: \S+template\.yaml:\d+: function noexport did not start: the handler good\.main is not there: main is not a function that good\.js exports; it exports handler$`,
		`^wirepost: error: \S+template\.yaml:\d+: function module did not start: the handler module\.handler uses import or export in a file that is not a module \(.*\); name it \.mjs, or put "type": "module" into its package\.json$`,
		`^wirepost: hint: \S+template\.yaml:\d+: function foreign, which route foreign needs, cannot be run here: its program bootstrap is one for linux/riscv64, and this machine is \S+; build it for \S+, or give --function "?foreign=go:FOLDER"? with its source$`,
		`^wirepost: hint: \S+template\.yaml:\d+: function made, which route made needs, cannot be run here: there is no bootstrap in \S+made; it is made by BuildMethod makefile: run 'sam build' and name \.aws-sam/build/template\.yaml as the template, or run 'make build-made ARTIFACTS_DIR=FOLDER' in \S+made with the whole path of a new folder, and give --function made=FOLDER$`,
		`^wirepost: hint: \S+template\.yaml:\d+: function project, which route project needs, cannot be run here: there is no bootstrap in \S+made; build it, as with 'make', or give --function project=FOLDER with the program or --function project=go:FOLDER with its source$`,
	} {
		dev.await(t, line)
	}
	dev.each(t, "good", "good", "link", "good")
	client := dev.dial(t)
	for _, route := range []string{"broken", "noexport", "module", "foreign", "made", "project"} {
		ask(t, client, `{"action":"`+route+`"}`, `^\{"message": ?"Internal server error"`)
	}
	dev.each(t, "good", "good")
}

// boto3 is where the project has it, in a virtual environment next to the template, and
// neither in the function's folder nor where the Python of the PATH looks.
func TestAPythonFunctionFindsBoto3WhereItsProjectHasIt(t *testing.T) {
	t.Parallel()
	needs(t, "Python", exec.Command("python3", "--version").Run() == nil)
	dir := folderOf(t, map[string]string{
		"template.yaml": samWith("py", "{Runtime: python3.12, CodeUri: src, Handler: app.handler}", "other", "{Runtime: python3.12, CodeUri: src, Handler: other.handler}"),
		"src/app.py":    "import boto3\n\ndef handler(event, context):\n    return {'statusCode': 200, 'body': boto3.word}\n",
		"src/other.py":  "import notoftheruntime\n",
		".venv/lib/python3.12/site-packages/boto3/__init__.py":           "word = 'of the project'\n",
		".venv/lib/python3.12/site-packages/notoftheruntime/__init__.py": "",
	})
	bare := filepath.Join(t.TempDir(), "venv")
	if out, err := exec.Command("python3", "-m", "venv", "--without-pip", bare).CombinedOutput(); err != nil {
		t.Skipf("skipped: python3 -m venv: %v: %s", err, out)
	}
	dev := startDevProcess(t, []string{pathWith(filepath.Join(bare, "bin"))}, "--template", filepath.Join(dir, "template.yaml"))
	dev.each(t, "py", "of the project")
	dev.await(t, `^wirepost: error: \S+template\.yaml:\d+: function other did not start: the handler other\.handler imports notoftheruntime, which is not installed; `)
}
