"""Builds the whole CreateTrainingJob request of one job and uploads its recipe."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.aws.training_place import training_place
from toolsmith.customization import load_profile
from toolsmith.pipeline import training


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "stage", "arm", "attempt"} -> {"job", "request"}."""
    profile = load_profile(wiring.setting("STUDENT"))
    prepared = training.prepare(
        wiring.work(), profile, training_place(), event["run"], event["stage"], event["arm"], int(event["attempt"])
    )
    return {"job": prepared.request["TrainingJobName"], "request": prepared.request}
