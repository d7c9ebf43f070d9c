package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// withEngines lets dev find the engines that scripts/test-needs has installed, which are
// where the user's cache would be.
func withEngines(t *testing.T) {
	t.Helper()
	_, cache, _ := strings.Cut(engineTools(t), "=")
	t.Setenv("XDG_CACHE_HOME", cache)
}

// engineTools is what lets a dev that is a process find these engines.
func engineTools(t *testing.T) (env string) {
	t.Helper()
	cache := moduleFolder(t, "../../.tools/cache")
	installed, _ := filepath.Glob(filepath.Join(cache, "wirepost/tools/*-*"))
	needs(t, "Java 17", exec.Command("java", "-version").Run() == nil)
	needs(t, "engines of tables and queues", len(installed) >= 3)
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("skipped: this system has no XDG_CACHE_HOME, and tests install nothing for the user")
	}
	return "XDG_CACHE_HOME=" + cache
}

// pythons are the folders of a Python with boto3, for the PATH: the current one, and
// Debian's of 2022, which speaks SQS's query protocol and reads no AWS_ENDPOINT_URL.
func pythons(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, folder := range []string{"", "/usr/bin"} {
		c := exec.CommandContext(t.Context(), filepath.Join(folder, "python3"), "-c", "import boto3; print(boto3.__version__)")
		if version, err := c.Output(); err == nil {
			all[string(bytes.TrimSpace(version))] = folder
		}
	}
	needs(t, "boto3 of Python", len(all) > 0)
	return all
}

// clientsTemplate has a function for each client of AWS's, which does what is asked for and
// answers with how long it took, in ms, and what came of it.
func clientsTemplate(t *testing.T) (folder string) {
	t.Helper()
	clients := moduleFolder(t, "../../.tools/clients/node_modules")
	_, err := os.Stat(filepath.Join(clients, "aws-sdk"))
	needs(t, "AWS's client for JavaScript, version 2,", err == nil)
	js := "const ENV = process.env;\nexports.handler = async () => { const begun = performance.now(); let said; try { said = await (CALL) } catch (e) { said = e.name + ': ' + e.message } return {statusCode: 200, body: Math.round(performance.now() - begun) + ' ' + said} }\n"
	call := func(setup, call string) string { return setup + strings.ReplaceAll(js, "CALL", call) }
	return folderOf(t, map[string]string{
		"template.yaml": samWith(
			"boto3", "{Runtime: python3.12, CodeUri: py, Handler: rows.handler, Environment: {Variables: {TABLE: !Ref Rows}}}",
			"v2", "{Runtime: nodejs20.x, CodeUri: js, Handler: v2.handler}",
			"v3", "{Runtime: nodejs20.x, CodeUri: js, Handler: v3.handler}",
			"boto3queue", "{Runtime: python3.12, CodeUri: py, Handler: jobs.handler}",
			"v2queue", "{Runtime: nodejs20.x, CodeUri: js, Handler: v2queue.handler}",
			"v3queue", "{Runtime: nodejs20.x, CodeUri: js, Handler: v3queue.handler}",
		) + "  Rows: {Type: AWS::DynamoDB::Table, Properties: {TableName: rows, BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: id, AttributeType: S}], KeySchema: [{AttributeName: id, KeyType: HASH}]}}\n",
		"py/rows.py": `import os, time, boto3
client = boto3.client("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
def handler(event, context):
    begun, said = time.monotonic(), "put"
    try:
        client.put_item(TableName=os.environ["TABLE"], Item={"id": {"S": "boto3"}})
    except Exception as e:
        said = str(e)
    return {"statusCode": 200, "body": "%d %s" % ((time.monotonic() - begun) * 1000, said)}
`,
		"py/jobs.py": `import os, time, boto3
client = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL_SQS"])
def handler(event, context):
    begun = time.monotonic()
    try:
        url = client.create_queue(QueueName="of-boto3", Attributes={"VisibilityTimeout": "9"})["QueueUrl"]
        sent = client.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "<a> & b", "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "7"}}}, {"Id": "b", "MessageBody": "b"}])
        assert len(sent["Successful"]) == 2, sent
        got = {}
        for _ in range(2):
            for m in client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2, MessageAttributeNames=["All"], AttributeNames=["All"]).get("Messages", []):
                got[m["Body"]] = m
                client.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
        assert got["<a> & b"]["MessageAttributes"]["n"]["StringValue"] == "7", got
        assert got["b"]["Attributes"]["ApproximateReceiveCount"] == "1", got
        assert client.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]["VisibilityTimeout"] == "9"
        assert url in client.list_queues()["QueueUrls"]
        said = "queue " + url
    except Exception as e:
        said = repr(e)
    return {"statusCode": 200, "body": "%d %s" % ((time.monotonic() - begun) * 1000, said)}
`,
		"js/v2.js": call(fmt.Sprintf("const AWS = require(%q);\nconst db = new AWS.DynamoDB.DocumentClient({endpoint: process.env.AWS_ENDPOINT_URL_DYNAMODB});\n", filepath.Join(clients, "aws-sdk")),
			"db.put({TableName: 'rows', Item: {id: 'v2'}}).promise().then(() => 'put')"),
		"js/v3.js": call(fmt.Sprintf("const {DynamoDBClient, PutItemCommand} = require(%q);\nconst db = new DynamoDBClient({});\n", filepath.Join(clients, "@aws-sdk/client-dynamodb")),
			"db.send(new PutItemCommand({TableName: 'rows', Item: {id: {S: 'v3'}}})).then(() => 'put')"),
		"js/v2queue.js": call(fmt.Sprintf("const AWS = require(%q);\nconst sqs = new AWS.SQS({endpoint: process.env.AWS_ENDPOINT_URL_SQS});\n", filepath.Join(clients, "aws-sdk")),
			"sqs.createQueue({QueueName: 'of-v2'}).promise().then(async q => { await sqs.sendMessage({QueueUrl: q.QueueUrl, MessageBody: 'x'}).promise(); const m = await sqs.receiveMessage({QueueUrl: q.QueueUrl}).promise(); return m.Messages[0].Body == 'x' && 'queue ' + q.QueueUrl })"),
		"js/v3queue.js": call(fmt.Sprintf("const {SQSClient, CreateQueueCommand, SendMessageCommand, ReceiveMessageCommand} = require(%q);\nconst sqs = new SQSClient({});\n", filepath.Join(clients, "@aws-sdk/client-sqs")),
			"sqs.send(new CreateQueueCommand({QueueName: 'of-v3'})).then(async q => { await sqs.send(new SendMessageCommand({QueueUrl: q.QueueUrl, MessageBody: 'x'})); const m = await sqs.send(new ReceiveMessageCommand({QueueUrl: q.QueueUrl})); return m.Messages[0].Body == 'x' && 'queue ' + q.QueueUrl })"),
	})
}

// calls sends a message to each route, and checks what its function says.
func (r *running) calls(t *testing.T, want map[string]string) {
	t.Helper()
	client := r.dial(t)
	for _, route := range []string{"boto3", "v2", "v3", "boto3queue", "v2queue", "v3queue"} {
		if err := client.Send(`{"action":"` + route + `"}`); err != nil {
			t.Fatal(err)
		}
		got, err := client.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ms, said, _ := strings.Cut(got, " ")
		took, err := strconv.Atoi(ms)
		if err != nil || !regexp.MustCompile(want[route]).MatchString(said) {
			t.Errorf("%s: %s", route, got)
		}
		t.Logf("%s: %d ms: %s", route, took, said)
		// Retries at a port that refuses took boto3 25 s and JavaScript 38 s.
		if limit := 10 * time.Second; time.Duration(took)*time.Millisecond > limit {
			t.Errorf("%s took %d ms", route, took)
		}
	}
}

func TestEveryClientHearsAtOnceThatItsTableIsNotHere(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	template := filepath.Join(clientsTemplate(t), "template.yaml")
	for version, folder := range pythons(t) {
		t.Run("boto3 "+version, func(t *testing.T) {
			t.Parallel()
			dev := startDevProcess(t, []string{pathWith(folder)}, "--template", template)
			table := "ResourceNotFoundException.*: table rows is not here: .*--dynamodb local"
			queue := func(name string) string {
				return "QueueDoesNotExist.*queue of-" + name + " is not here: .*--sqs local|NonExistentQueue.*queue of-" + name + " is not here: .*--sqs local"
			}
			dev.calls(t, map[string]string{"boto3": table, "v2": table, "v3": table, "boto3queue": queue("boto3"), "v2queue": queue("v2"), "v3queue": queue("v3")})
			dev.await(t, `a function called table rows \(PutItem\): .*--dynamodb local`)
			if n := strings.Count(dev.output.String(), "a function called table rows"); n != 1 {
				t.Errorf("table rows was told %d times", n)
			}
		})
	}
}

func TestEveryClientFindsTheEngines(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	tools := engineTools(t)
	template := filepath.Join(clientsTemplate(t), "template.yaml")
	for version, folder := range pythons(t) {
		t.Run("boto3 "+version, func(t *testing.T) {
			t.Parallel()
			dev := startDevProcess(t, []string{pathWith(folder), tools}, "--template", template, "--dynamodb", "local", "--sqs", "local")
			queue := func(name string) string { return `^queue http://127\.0\.0\.1:\d+/000000000000/of-` + name + "$" }
			dev.calls(t, map[string]string{"boto3": "^put$", "v2": "^put$", "v3": "^put$", "boto3queue": queue("boto3"), "v2queue": queue("v2"), "v3queue": queue("v3")})
			// The commands know the table.
			if status, stdout, stderr := dev.command(t, "table", "describe", "dynamodb://rows"); !strings.Contains(stdout, "holds    3 rows") {
				t.Errorf("table describe: status %d: %s%s", status, stdout, stderr)
			}
		})
	}
}
