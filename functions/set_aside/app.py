"""Moves a file that cannot be used below rejected/, with its reason beside it."""

import json
from typing import Any

from toolsmith.aws import meters, wiring
from toolsmith.aws.handler import handler, metrics
from toolsmith.pipeline import ingest


def _reason(error: dict[str, Any]) -> tuple[str, str]:
    """Reason code and detail from the error of a failed task, whose cause is the runtime's JSON."""
    try:
        message = json.loads(error["Cause"])["errorMessage"]
    except (KeyError, TypeError, ValueError):
        message = str(error.get("Cause", ""))
    if error["Error"] != "DocumentRejected":
        return error["Error"], message
    reason, _, detail = message.partition(": ")
    return reason, detail


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"key", "version", "error": {"Error", "Cause"}} -> where the file lies now, and why."""
    reason, detail = _reason(event["error"])
    note = ingest.set_aside(wiring.intake(), wiring.ledger(), event, reason, detail)
    meters.set_aside(metrics())
    return note
