"""Says on the stack's bus that an execution failed, timed out or was stopped."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.aws.machines import failed_item
from toolsmith.events import failure_of


@handler
def app(event: dict[str, Any]) -> None:
    """An event "Step Functions Execution Status Change" -> an event "Run Failed"."""
    change = event["detail"]
    item = failed_item(wiring.client("stepfunctions"), change)
    wiring.bus().tell("Run Failed", failure_of(change, item))
