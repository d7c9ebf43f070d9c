"""Calls AWS with boto3 or with requests, as an event's body says."""
import json
import os
import urllib.parse

import boto3
import botocore.session
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

region = os.environ["AWS_REGION"]


def with_boto3(what, event):
    if what["do"] == "table":
        answer = boto3.client("dynamodb").get_item(TableName=what["name"], Key={"id": {"S": "1"}})
        return answer["Item"]["word"]["S"]
    if what["do"] == "invoke":
        return boto3.client("lambda").invoke(FunctionName=what["name"], Payload=b"{}")["Payload"].read().decode()
    api = boto3.client("apigatewaymanagementapi", endpoint_url=what["endpoint"])
    api.post_to_connection(ConnectionId=event["requestContext"]["connectionId"], Data=b"hello")
    return "posted"


def signed(service, url, body, headers):
    request = AWSRequest("POST", url, data=body, headers=headers)
    SigV4Auth(botocore.session.get_session().get_credentials(), service, region).add_auth(request)
    answer = requests.post(url, data=body, headers=dict(request.headers))
    answer.raise_for_status()
    return answer.text


def with_requests(what, event):
    if what["do"] == "table":
        text = signed("dynamodb", f"https://dynamodb.{region}.amazonaws.com/", json.dumps({"TableName": what["name"], "Key": {"id": {"S": "1"}}}),
                      {"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"})
        return json.loads(text)["Item"]["word"]["S"]
    if what["do"] == "invoke":
        return signed("lambda", f"https://lambda.{region}.amazonaws.com/2015-03-31/functions/{what['name']}/invocations", "{}", {})
    connection = urllib.parse.quote(event["requestContext"]["connectionId"], safe="")
    signed("execute-api", what["endpoint"] + "/@connections/" + connection, "hello", {})
    return "posted"


def handler(event, context):
    what = json.loads(event["body"])
    answer = {"boto3": with_boto3, "requests": with_requests}[what["client"]](what, event)
    return {"statusCode": 200, "body": answer}
