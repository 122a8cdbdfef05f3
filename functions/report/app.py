"""Writes the report of a run, and the same for machines."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.pipeline import finish


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "outcome"} -> keys of the report and its verdict sentence."""
    return finish.report(wiring.work(), wiring.ledger(), event["run"], event["outcome"])
