import json


def handler(event, context):
    text = json.loads(event["body"])["text"]
    answer = text.upper() if event["requestContext"]["routeKey"] == "upper" else str(len(text.split()))
    return {"statusCode": 200, "body": answer}
