"""Reads what a completed job left, or says of which class a failure is; keeps what either has cost."""

from typing import Any

from toolsmith.aws import meters, wiring
from toolsmith.aws.handler import handler
from toolsmith.customization import load_profile
from toolsmith.pipeline import training


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run", "stage", "arm", "job", "seconds", "model", "tokens"} -> checkpoint or scores; with "error" and "cause"
    instead of the last three -> {"class", "reason"}; {"failure", "redriven"} -> raises the failure's class until it is
    redriven."""
    if "failure" in event:
        return training.give_up(event["failure"], event["redriven"])
    if "run" not in event:  # an execution that is older than this function sends the cause alone
        return training.explain(event["cause"])
    profile, on = load_profile(wiring.setting("STUDENT")), wiring.setting("CUSTOMIZE_ON")
    job = (event["run"], event["stage"], event["arm"], event["job"])
    if "cause" in event:
        return training.fail(wiring.ledger(), profile, on, *job, event["error"], event["cause"])
    left = (float(event["seconds"]), event.get("model"), on, event.get("tokens"))
    result = training.read(wiring.work(), wiring.ledger(), profile, *job, *left)
    meters.job_read(result)
    return result
