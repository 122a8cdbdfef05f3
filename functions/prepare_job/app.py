"""Builds the whole request of one job for the place where jobs are done, and uploads its recipe."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.aws.training_place import training_place
from toolsmith.customization import load_profile
from toolsmith.pipeline import training


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "stage", "arm", "attempt"} -> {"job", "service", "request"}."""
    profile = load_profile(wiring.setting("STUDENT"))
    prepared = training.prepare(
        wiring.work(), profile, training_place(), event["run"], event["stage"], event["arm"], int(event["attempt"])
    )
    return {"job": prepared.name, "service": prepared.service, "request": prepared.request}
