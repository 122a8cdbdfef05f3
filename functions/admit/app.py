"""Pins what a run is made of and estimates what it costs."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.customization import load_profile
from toolsmith.pipeline import customize
from toolsmith.pipeline.defaults import RunDefaults


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "key", "version"} -> the run's facts and estimated cost."""
    student = wiring.setting("STUDENT")
    defaults = RunDefaults(
        student=student,
        teacher=wiring.setting("TEACHER"),
        seed=wiring.number("SEED"),
        control=wiring.setting("CONTROL_ARM") == "true",
        budget_usd=float(wiring.setting("BUDGET_USD")),
    )
    profile = load_profile(student)
    return customize.admit(wiring.intake(), wiring.work(), wiring.ledger(), profile, defaults, event["run"], event)
