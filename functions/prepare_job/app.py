"""Builds the whole request of one job that the budget allows, for the place where jobs are done; uploads its recipe."""

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
    job = (event["run"], event["stage"], event["arm"], int(event["attempt"]))
    prepared = training.start(wiring.work(), wiring.ledger(), profile, training_place(), *job)
    return {"job": prepared.name, "service": prepared.service, "request": prepared.request}
