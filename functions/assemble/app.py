"""Makes the run's dataset from verified examples: deduplicated, split by document group, exported."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.catalog import load_catalog
from toolsmith.pipeline import customize


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run"} -> the dataset's digest, prefix and row counts."""
    return customize.assemble(wiring.work(), load_catalog(), event["run"])
