"""Has the teacher write questions about one batch of chunks, and verifies them."""

from functools import cache
from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.catalog import Catalog, load_catalog
from toolsmith.pipeline import ingest


@cache
def _catalog() -> Catalog:
    return load_catalog()


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"document", "first", "last"} -> counts of the outcomes of its chunks."""
    seed = wiring.number("SEED")
    return ingest.teach(wiring.work(), wiring.teacher(), _catalog(), event, seed, wiring.reviewer())
