"""Asks the deployed model "hi" and one tool question."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.catalog import load_catalog
from toolsmith.pipeline import finish


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "deployment"} -> what it answered."""
    runtime = wiring.bedrock_runtime(300)
    return finish.smoke(runtime, wiring.work(), load_catalog(), event["run"], event["deployment"])
