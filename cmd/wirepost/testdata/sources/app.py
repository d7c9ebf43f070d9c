import json, os, urllib.request
import boto3


def client(service):
    # Old versions of boto3 do not read these variables by themselves.
    return boto3.client(service, endpoint_url=os.environ.get("AWS_ENDPOINT_URL_" + service.upper()))


def connect(event, context):
    client("dynamodb").put_item(TableName=os.environ["CONNECTIONS"], Item={"id": {"S": event["requestContext"]["connectionId"]}})
    return {"statusCode": 200}


def post(event, context):
    if "by" in event:
        said = event["by"]
    elif event.get("version") == "2.0":
        word = event.get("pathParameters", {}).get("word")
        said = "an HTTP API: " + word + " " + event["body"] if word else "a function's URL: " + event["rawPath"]
    elif "httpMethod" in event:
        said = "a REST API: " + event["pathParameters"]["word"] + " " + event["requestContext"]["path"]
    else:
        first = event["Records"][0]
        said = {
            "aws:sqs": lambda: "a queue: " + first["body"],
            "aws:sns": lambda: "a topic: " + first["Sns"]["Message"] + " " + first["Sns"]["MessageAttributes"]["kind"]["Value"],
            "aws:dynamodb": lambda: "a stream: " + first["dynamodb"]["NewImage"]["id"]["S"],
        }[first.get("eventSource") or first["EventSource"]]()
    management = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["ENDPOINT"])
    for row in client("dynamodb").scan(TableName=os.environ["CONNECTIONS"])["Items"]:
        try:
            management.post_to_connection(ConnectionId=row["id"]["S"], Data=said.encode())
        except management.exceptions.GoneException:
            pass
    return {"statusCode": 202, "body": "posted"}


def do(event, context):
    def url():
        urllib.request.urlopen(os.environ["URL"] + "whole/path", data=b"", timeout=10)

    invoke = lambda how, by: client("lambda").invoke(FunctionName=os.environ["POST"], InvocationType=how, Payload=json.dumps({"by": by}).encode())
    what = json.loads(event["body"])["what"]
    {
        "queue": lambda: client("sqs").send_message(QueueUrl=os.environ["JOBS"], MessageBody="one"),
        "topic": lambda: [client("sns").publish(TopicArn=os.environ["NEWS"], Message=m, MessageAttributes={"kind": {"DataType": "String", "StringValue": m}}) for m in ("not told", "told")],
        "stream": lambda: client("dynamodb").put_item(TableName=os.environ["CHANGES"], Item={"id": {"S": "row"}}),
        "function": lambda: invoke("RequestResponse", "another function"),
        "event": lambda: invoke("Event", "another function, as an event"),
        "url": url,
    }[what]()
    return {"statusCode": 200}
