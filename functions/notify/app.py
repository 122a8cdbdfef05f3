"""Turns an event of the bus into a mail that people can read."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.reporting.mail import compose


@handler
def app(event: dict[str, Any]) -> None:
    """One EventBridge event -> one SNS message."""
    mail = compose(event["detail-type"], event["detail"], event.get("region", ""), wiring.named_stack())
    wiring.client("sns").publish(TopicArn=wiring.setting("TOPIC_ARN"), Subject=mail.subject, Message=mail.text)
