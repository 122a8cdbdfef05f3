"""Says on the stack's bus that an execution failed, timed out or was stopped."""

import json
from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.events import SOURCE, failure_of


@handler
def app(event: dict[str, Any]) -> None:
    """An event "Step Functions Execution Status Change" -> an event "Run Failed"."""
    entry = {"EventBusName": wiring.setting("BUS_NAME"), "Source": SOURCE, "DetailType": "Run Failed"}
    detail = failure_of(event["detail"])
    wiring.client("events").put_events(Entries=[{**entry, "Detail": json.dumps(detail)}])
