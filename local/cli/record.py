"""Listens to the stack's bus through a queue of its own, as any consumer would."""

import json
from typing import Any

from local.cli.place import Place

NAME = "toolsmith-demo-events"


class Recorder:
    """Collects every event of source "toolsmith" from the moment it is made; reads them with `events()`."""

    def __init__(self, place: Place) -> None:
        self._sqs, events = place.client("sqs"), place.client("events")
        self._url = self._sqs.create_queue(QueueName=NAME)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        bus = place.outputs["BusName"]
        rule = events.put_rule(Name=NAME, EventBusName=bus, EventPattern=json.dumps({"source": ["toolsmith"]}))[
            "RuleArn"
        ]
        statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
                     "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        events.put_targets(Rule=NAME, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])

    def events(self) -> list[dict[str, Any]]:
        """Every event since the last call, in the order of arrival."""
        found: list[dict[str, Any]] = []
        while True:
            batch = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
            messages = batch.get("Messages", [])
            if not messages:
                return found
            for message in messages:
                found.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
