"""Finds before the first paid job what would make it fail or make its reward worthless."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.aws.training_place import training_place
from toolsmith.customization import load_profile
from toolsmith.pipeline import customize


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run"} -> rows checked, attacks tried, the worst attack."""
    profile = load_profile(wiring.setting("STUDENT"))
    return customize.preflight(wiring.work(), profile, training_place(), event["run"])
