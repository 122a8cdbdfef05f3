"""Puts the questions of an evaluation to a model in Bedrock, as many as fit into one call."""

import time
from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.asked_model import AskedModel
from toolsmith.aws.handler import handler
from toolsmith.pipeline import asking

ENOUGH_SECONDS = 600  # of the function's 900: the last part must be answered and written too


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "job", "asked"} -> {"answered", "left"}."""
    end = time.monotonic() + ENOUGH_SECONDS
    runtime = AskedModel(wiring.bedrock_runtime(120))
    return asking.ask_all(
        runtime, wiring.work(), event["run"], event["job"], event["asked"], lambda: time.monotonic() < end
    )
