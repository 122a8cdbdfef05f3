"""Writes the report of a run, and the same for machines."""

from datetime import UTC, datetime
from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.catalog import load_catalog
from toolsmith.pipeline import finish


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "outcome"} -> keys of the report and its verdict sentence."""
    now, work = datetime.now(UTC).isoformat(timespec="seconds"), wiring.work()
    written = finish.report(work, wiring.ledger(), load_catalog(), event["run"], event["outcome"], now)
    if wiring.setting("MODEL_CARDS") == "true":
        finish.publish_card(wiring.client("sagemaker"), work, event["run"])
    return written
