"""Redrive: an execution that failed goes on from the state that failed, with the definition it was started with.

https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

from local.states.errors import ApiError
from local.states.journal import Journal

DAYS = 14
UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")
# what a state keeps of its failed life: that it was entered, and which children belong to it
KEPT = ("entered", "begun", "attempt", "items", "value", "map_run")


def refusal(row: dict, now: float) -> str | None:
    """Why the execution cannot be redriven, or None."""
    if row["status"] not in UNSUCCESSFUL:
        return f"Execution is {row['status']} and cannot be redriven"
    if row.get("map_run"):
        return "A child execution is redriven through its Map Run's parent"
    if now - row["stopped"] > DAYS * 86400:
        return f"Execution ended more than {DAYS} days ago and cannot be redriven"
    return None


def reopen(journal: Journal, row: dict, now: float, token: str | None) -> dict:
    """Make the execution, its unfinished flows and the children of its open Map Runs ready to run again.

    Returns the new row. Raises ApiError ExecutionNotRedrivable.
    """
    reason = refusal(row, now)
    if reason:
        raise ApiError("ExecutionNotRedrivable", reason)
    with journal.transaction():
        row = _restart(journal, row, now)
        if token:
            row["redrive_token"] = token
        journal.put_execution(row)
        for path, body in journal.flows(row["arn"]):
            if body["status"] != "SUCCEEDED":
                journal.put_flow(row["arn"], path, _again(journal, body, now))
    return row


def _restart(journal: Journal, row: dict, now: float) -> dict:
    gone = ("stopped", "error", "cause", "output")
    row = {**{k: v for k, v in row.items() if k not in gone}, "status": "RUNNING", "redriven": now,
           "redrives": row.get("redrives", 0) + 1}
    last = journal.last_event(row["arn"])
    journal.put_event(row["arn"], last + 1, last, now, "ExecutionRedriven", {"redriveCount": row["redrives"]})
    return row


def _again(journal: Journal, body: dict, now: float) -> dict:
    """A flow at the state it stood in, its retry counters and waits forgotten."""
    scratch = {k: v for k, v in body.get("scratch", {}).items() if k in KEPT}
    kept = {k: v for k, v in body.items() if k not in ("error", "cause")}
    run = journal.map_run(scratch.get("map_run", ""))
    if run:
        _reopen_map_run(journal, run, now)
        scratch["redriven"] = run["redrives"] + 1
    return {**kept, "status": "RUNNING", "scratch": scratch}


def _reopen_map_run(journal: Journal, run: dict, now: float) -> None:
    run = {k: v for k, v in run.items() if k != "stopped"}
    journal.put_map_run({**run, "status": "RUNNING", "redrives": run["redrives"] + 1, "redriven": now})
    for child in journal.children(run["arn"]):
        if child["status"] in UNSUCCESSFUL:
            journal.put_execution(_restart(journal, child, now))
            for path, body in journal.flows(child["arn"]):
                if body["status"] != "SUCCEEDED":
                    journal.put_flow(child["arn"], path, _again(journal, body, now))
