"""Reads what a completed job left, or says of which class a failure is."""

from typing import Any

from toolsmith.aws import meters, wiring
from toolsmith.aws.handler import handler
from toolsmith.customization import load_profile
from toolsmith.pipeline import training


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "stage", "arm", "job", "seconds", "model"} -> checkpoint or scores; {"cause"} -> {"class", "reason"};
    {"failure", "redriven"} -> raises the failure's class until the execution is redriven."""
    if "cause" in event:
        return training.explain(event["cause"])
    if "failure" in event:
        return training.give_up(event["failure"], event["redriven"])
    profile = load_profile(wiring.setting("STUDENT"))
    seconds = float(event["seconds"])
    brief = (event["run"], event["stage"], event["arm"], event["job"], seconds)
    result = training.read(wiring.work(), profile, *brief, event.get("model"), wiring.setting("CUSTOMIZE_ON"))
    meters.job_read(result)
    return result
