import os

import boto3

# boto3 knows this variable itself since 1.28; on AWS it is not set.
dynamodb = boto3.resource("dynamodb", endpoint_url=os.environ.get("AWS_ENDPOINT_URL_DYNAMODB"))
table = dynamodb.Table(os.environ["TABLE"])
client = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["ENDPOINT"])


def handler(event, context):
    rc = event["requestContext"]
    if rc["routeKey"] == "$connect":
        table.put_item(Item={"id": rc["connectionId"]})
    elif rc["routeKey"] == "$disconnect":
        table.delete_item(Key={"id": rc["connectionId"]})
    else:
        for item in table.scan()["Items"]:
            client.post_to_connection(ConnectionId=item["id"], Data=event["body"].encode())
    return {"statusCode": 200}
