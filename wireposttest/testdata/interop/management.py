"""Posts, gets and deletes with boto3, and prints as JSON what it saw.

usage: management.py ENDPOINT CONNECTION-ID FILE
"""
import json
import sys

import boto3

endpoint, connection, path = sys.argv[1:]
client = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
with open(path, "rb") as file:
    data = file.read()


def status(answer):
    return answer["ResponseMetadata"]["HTTPStatusCode"]


saw = {"version": boto3.__version__}
saw["post"] = status(client.post_to_connection(ConnectionId=connection, Data=data))
got = client.get_connection(ConnectionId=connection)
saw["get"] = status(got)
saw["sourceIp"] = got["Identity"]["SourceIp"]
saw["connectedAt"] = int(got["ConnectedAt"].timestamp() * 1000)
saw["delete"] = status(client.delete_connection(ConnectionId=connection))
try:
    client.post_to_connection(ConnectionId=connection, Data=data)
except client.exceptions.GoneException as gone:
    saw["gone"] = gone.response["Error"]["Code"]
    saw["goneStatus"] = status(gone.response)
print(json.dumps(saw))
