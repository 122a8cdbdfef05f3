"""Writes the input of a batch job that asks the teacher about all chunks of a document at once."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.catalog import load_catalog
from toolsmith.pipeline import batch


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"document"} -> counts, and the job to create where one is worth while."""
    limits = batch.Limits(wiring.number("BATCH_MINIMUM"))
    teacher, seed = wiring.setting("TEACHER"), wiring.number("SEED")
    return batch.prepare(wiring.work(), load_catalog(), event["document"], teacher, seed, limits)
