"""Judges whether a candidate is better than its rival by the paired interval."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.pipeline import training


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "gate": "sft" | "rft"} -> the verdict with its numbers."""
    return training.judge(wiring.work(), event["run"], event["gate"])
