# As AWS's documentation shows it: the client is made of what the event says.
import boto3

clients = {}


def handler(event, context):
    rc = event["requestContext"]
    if rc["routeKey"] != "$default":
        return {"statusCode": 200}
    endpoint = f"https://{rc['domainName']}/{rc['stage']}"
    if endpoint not in clients:
        clients[endpoint] = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
    clients[endpoint].post_to_connection(ConnectionId=rc["connectionId"], Data=event["body"].encode())
    return {"statusCode": 200}
