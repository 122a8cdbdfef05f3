"""Asks people whether a run may go on; the execution waits until somebody answers with the task token."""

from datetime import UTC, datetime
from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.pipeline import approval


@handler
def app(event: dict[str, Any]) -> None:
    """{"run", "token", "asked_before"} -> a mail and an event "Approval Requested"."""
    now, stack = datetime.now(UTC), wiring.named_stack()
    asked = int(event["asked_before"])
    request = approval.ask(wiring.work(), wiring.ledger(), event["run"], event["token"], asked, now, stack)
    wiring.bus().tell("Approval Requested", request.detail)
    wiring.client("sns").publish(
        TopicArn=wiring.setting("TOPIC_ARN"), Subject=request.subject[:100], Message=request.text
    )
