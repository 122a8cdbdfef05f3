"""Pins what a run is made of and estimates what it costs."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.customization import load_profile
from toolsmith.pipeline import customize


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "key", "version", "asks_approval"} -> the run's facts and estimated cost."""
    defaults, budget = wiring.run_defaults(), float(wiring.setting("BUDGET_USD"))
    profile = load_profile(defaults.student)
    stores = wiring.intake(), wiring.work(), wiring.ledger()
    # said by the machine, because a redriven execution asks as its own definition does and not as the stack does now
    asks_approval = bool(event.get("asks_approval"))
    return customize.admit(*stores, profile, defaults, budget, event["run"], event, asks_approval)
