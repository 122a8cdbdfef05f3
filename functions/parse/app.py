"""Parses and chunks one dropped file."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.pipeline import ingest


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"bucket", "key", "version"} -> the document's digest, its chunk count and where its batches lie."""
    chunking = ingest.Chunking(
        wiring.number("CHUNK_SIZE"), wiring.number("CHUNK_OVERLAP"), wiring.number("CHUNKS_PER_BATCH")
    )
    return ingest.parse(wiring.intake(), wiring.work(), wiring.ledger(), event, chunking)
