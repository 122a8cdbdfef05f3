"""Writes what became of every chunk of a document and checks that the counts balance."""

from typing import Any

from toolsmith.aws import meters, wiring
from toolsmith.aws.handler import handler, metrics
from toolsmith.pipeline import ingest


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"document"} -> its counts."""
    row = ingest.settle(wiring.work(), wiring.ledger(), event["document"])
    meters.settled(metrics(), row, ingest.OUTCOMES)
    return row
