import os, time
import boto3

HERE = os.path.dirname(os.path.abspath(__file__))


def fill(event, context):
    sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL_SQS"])
    for begin in range(0, 1000, 10):
        sqs.send_message_batch(QueueUrl=os.environ["JOBS"], Entries=[{"Id": str(i), "MessageBody": str(i)} for i in range(begin, begin + 10)])
    return {"statusCode": 200, "body": "filled"}


def take(event, context):
    time.sleep(0.4)  # so that there is a middle
    with open(os.path.join(HERE, "taken"), "a") as taken:
        taken.write("".join(r["body"] + "\n" for r in event["Records"]))
