package dev

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// AWS's own clients call the Invoke API: what each of them makes of an answer, of an
// error of the function, of no such function, of an event and of a dry run.
func TestAWSsClientsInvokeFunctions(t *testing.T) {
	r := start(t, chained(t, "First", "Second"))
	endpoint := partOf[*lambdaEndpoint](r.dev).url()
	modules := moduleFolder(t, "../../.tools/sdk-js-2/node_modules")
	python := `
import base64, boto3, json
c = boto3.client("lambda", endpoint_url="` + endpoint + `")
a = c.invoke(FunctionName="stack-Second-1", Payload=b"{}", LogType="Tail")
log = base64.b64decode(a["LogResult"]).decode()
print(a["StatusCode"], a["ExecutedVersion"], a["Payload"].read().decode(), "the end of the chain" in log and log.startswith("START RequestId: "))
a = c.invoke(FunctionName="arn:aws:lambda:us-east-1:000000000000:function:stack-Second-1", Qualifier="live", Payload=json.dumps({"Fail": True}))
print(a["StatusCode"], a["FunctionError"], json.loads(a["Payload"].read())["errorMessage"])
try: c.invoke(FunctionName="Third", Payload=b"{}")
except c.exceptions.ResourceNotFoundException as e: print("none:", e.response["Error"]["Message"])
print(c.invoke(FunctionName="Second", InvocationType="Event", Payload=b"{}")["StatusCode"], c.invoke(FunctionName="Second", InvocationType="DryRun")["StatusCode"])
try: c.invoke(FunctionName="Second", Payload=b"x" * (6 * 1024 * 1024 + 1))
except c.exceptions.RequestTooLargeException as e: print("too large")
try: c.invoke(FunctionName="Second", Payload=b"{")
except c.exceptions.InvalidRequestContentException as e: print("no JSON")
`
	node := `
const Lambda = require("` + modules + `/aws-sdk/clients/lambda");
const c = new Lambda({ endpoint: "` + endpoint + `", region: "us-east-1", maxRetries: 0 });
const fails = (p) => c.invoke(p).promise().then(() => "no error", (e) => e.code);
(async () => {
  let a = await c.invoke({ FunctionName: "stack-Second-1", Payload: "{}", LogType: "Tail" }).promise();
  const log = Buffer.from(a.LogResult, "base64").toString();
  console.log(a.StatusCode, a.ExecutedVersion, String(a.Payload), log.includes("the end of the chain") && log.startsWith("START RequestId: ") ? "True" : log);
  a = await c.invoke({ FunctionName: "arn:aws:lambda:us-east-1:000000000000:function:stack-Second-1", Qualifier: "live", Payload: JSON.stringify({ Fail: true }) }).promise();
  console.log(a.StatusCode, a.FunctionError, JSON.parse(a.Payload).errorMessage);
  await c.invoke({ FunctionName: "Third", Payload: "{}" }).promise().catch((e) => console.log("none:", e.message));
  console.log((await c.invoke({ FunctionName: "Second", InvocationType: "Event", Payload: "{}" }).promise()).StatusCode, (await c.invoke({ FunctionName: "Second", InvocationType: "DryRun" }).promise()).StatusCode);
  if (await fails({ FunctionName: "Second", Payload: "x".repeat(6 * 1024 * 1024 + 1) }) === "RequestTooLargeException") console.log("too large");
  if (await fails({ FunctionName: "Second", Payload: "{" }) === "InvalidRequestContentException") console.log("no JSON");
})();
`
	const want = "200 $LATEST \"stack-Second-1\" True\n200 Unhandled it was to fail\nnone: Function not found: arn:aws:lambda:us-east-1:000000000000:function:Third\n202 204\ntoo large\nno JSON"
	for name, args := range map[string][]string{"boto3": {"/usr/bin/python3", "-c", python}, "JS v2": {"node", "-e", node}} {
		t.Run(name, func(t *testing.T) {
			if name == "boto3" {
				needs(t, "Python with boto3", exec.Command(args[0], "-c", "import boto3").Run() == nil)
			} else {
				_, err := os.Stat(filepath.Join(modules, "aws-sdk"))
				_, nodeErr := exec.LookPath("node")
				needs(t, "Node.js with AWS's SDK v2", err == nil && nodeErr == nil)
			}
			run := exec.CommandContext(t.Context(), args[0], args[1:]...)
			run.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=wirepost", "AWS_SECRET_ACCESS_KEY=wirepost", "AWS_DEFAULT_REGION=us-east-1", "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE=1",
				"AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1", "NODE_NO_WARNINGS=1")
			out, err := run.CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != want {
				t.Errorf("%v; it says\n%s\nwant\n%s", err, got, want)
			}
		})
	}
}
