package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/wireposttest"
)

// rememberingService is a service in eu-central-1 whose function keeps each connection in
// a table.
func rememberingService(t *testing.T, runtime, handler, code string) (template string) {
	name, _, _ := strings.Cut(handler, ".")
	extension := map[bool]string{true: ".py", false: ".js"}[strings.HasPrefix(runtime, "python")]
	return filepath.Join(folderOf(t, map[string]string{
		name + extension: code,
		"serverless.yml": `service: remembering
provider:
  name: aws
  runtime: ` + runtime + `
  region: eu-central-1
  environment:
    HOME_REGION: ${self:provider.region}
    CALLBACK: !Sub 'https://${WebsocketsApi}.execute-api.${AWS::Region}.amazonaws.com/${sls:stage}'
functions:
  sockets:
    handler: ` + handler + `
    events: [{websocket: $connect}, {websocket: $default}]
resources:
  Resources:
    Sessions:
      Type: AWS::DynamoDB::Table
      Properties:
        TableName: sessions
        BillingMode: PAY_PER_REQUEST
        AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
        KeySchema: [{AttributeName: id, KeyType: HASH}]
`}), "serverless.yml")
}

// The clients are made as a deployed function makes them: nothing names an address. What a
// function prints is the time since its start; a port that refused would cost half a minute.
func TestAFirstConnectWhoseTableIsNotHereIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	clients := moduleFolder(t, "../../.tools/clients/node_modules")
	_, err := os.Stat(filepath.Join(clients, "aws-sdk"))
	needs(t, "AWS's clients for JavaScript", err == nil)
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	js := func(setup, put string) string {
		return setup + "\nexports.handler = async (event) => { const begun = performance.now(); const id = event.requestContext.connectionId\n" +
			"  try { await " + put + " } finally { console.log('TOOK ' + Math.round(performance.now() - begun)) }\n  return { statusCode: 200 } }\n"
	}
	python := `import time, boto3
table = boto3.resource("dynamodb").Table("sessions")
def handler(event, context):
    begun = time.monotonic()
    try:
        table.put_item(Item={"id": event["requestContext"]["connectionId"]})
    finally:
        print("TOOK %d" % ((time.monotonic() - begun) * 1000))
    return {"statusCode": 200}
`
	type connecting struct{ runtime, handler, code, path string }
	all := map[string]connecting{
		"JS v2": {"nodejs20.x", "v2.handler", js(fmt.Sprintf("const AWS = require(%q); const db = new AWS.DynamoDB.DocumentClient()", filepath.Join(clients, "aws-sdk")), "db.put({ TableName: 'sessions', Item: { id } }).promise()"), ""},
		"JS v3": {"nodejs20.x", "v3.handler", js(fmt.Sprintf("const { DynamoDB } = require(%q); const db = new DynamoDB({})", filepath.Join(clients, "@aws-sdk/client-dynamodb")), "db.putItem({ TableName: 'sessions', Item: { id: { S: id } } })"), ""},
	}
	for version, folder := range pythons(t) {
		all["boto3 "+version] = connecting{"python3.12", "app.handler", python, folder}
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dev := startDevProcess(t, []string{pathWith(c.path)}, "--template", rememberingService(t, c.runtime, c.handler, c.code))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begun := time.Now()
			client, err := wireposttest.Dial(ctx, dev.url, nil)
			if err == nil {
				client.Cut()
			}
			if err == nil || !strings.Contains(err.Error(), "502") {
				t.Errorf("the connection is refused with %v", err)
			}
			whole := time.Since(begun)
			dev.await(t, `^wirepost: hint: (?:a function|function \S+) called table sessions \(PutItem\): nothing here answers for DynamoDB; start wirepost dev with --dynamodb local`)
			took, err := strconv.Atoi(dev.await(t, `TOOK (\d+)`)[1])
			t.Logf("refused %d ms after the function's start, %d ms after the dial", took, whole.Milliseconds())
			if limit := 10 * time.Second; err != nil || time.Duration(took)*time.Millisecond > limit {
				t.Errorf("it took %d ms, %v", took, err)
			}
		})
	}
}

func TestFunctionTableAndAPIAreInTheRegionOfTheServiceWithoutAFlag(t *testing.T) {
	t.Parallel()
	tools := engineTools(t)
	const code = `import os, boto3
region = os.environ["HOME_REGION"]
db = boto3.client("dynamodb", region_name=region)
api = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["CALLBACK"], region_name=region)
def handler(event, context):
    c = event["requestContext"]
    key = {"id": {"S": c["connectionId"]}}
    if c["routeKey"] == "$connect":
        boto3.client("dynamodb").put_item(TableName="sessions", Item=key)
    else:
        kept = "Item" in db.get_item(TableName="sessions", Key=key)
        arn = db.describe_table(TableName="sessions")["Table"]["TableArn"]
        api.post_to_connection(ConnectionId=c["connectionId"], Data=f'{os.environ["AWS_REGION"]} {arn} {context.invoked_function_arn.split(":")[3]} {kept}'.encode())
    return {"statusCode": 200}
`
	for version, folder := range pythons(t) {
		t.Run("boto3 "+version, func(t *testing.T) {
			t.Parallel()
			dev := startDevProcess(t, []string{pathWith(folder), tools}, "--template", rememberingService(t, "python3.12", "app.handler", code), "--dynamodb", "local")
			client := dev.dial(t)
			if err := client.Send("{}"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			got, err := client.Receive(ctx)
			if want := regexp.MustCompile(`^eu-central-1 arn:aws:dynamodb:eu-central-1:\d{12}:table/sessions eu-central-1 True$`); err != nil || !want.MatchString(got) {
				t.Errorf("received %q, %v\n%s", got, err, dev.output)
			}
		})
	}
}
