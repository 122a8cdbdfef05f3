"""Keeps what a batch job answered; what it did not is asked on demand."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.pipeline import batch


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"document", "folder", "arn", "status"} -> how many records were answered, how many are asked again and why."""
    return batch.collect(wiring.work(), event)
