"""Asking a person whether a run may cost what it was estimated to cost."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from toolsmith.pipeline.ports import Ledger, Store

ASKS = 7
EACH = timedelta(days=1)


@dataclass(frozen=True)
class Request:
    """subject and text are a mail; detail is the event "Approval Requested"."""

    subject: str
    text: str
    detail: dict[str, Any]


def ask(
    work: Store, ledger: Ledger, run: str, token: str, asked_before: int, now: datetime, stack: str = ""
) -> Request:
    """Keep the task token in the run's row, where `toolsmith approve` finds it, and word the question.

    A run is asked about once a day, ASKS times; every question carries a token of its own. now: in UTC.
    stack: the name that the commands in the mail act on.
    """
    plan = work.read_json(f"runs/{run}/plan.json")
    expires = (now + EACH * max(1, ASKS - asked_before)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ledger.update("RUN", run, {"approval": {"token": token, "expires_at": expires}})
    usd = plan["estimated_usd"]
    money = f"estimated at {usd:,.2f} USD of a budget of {plan['budget_usd']:,.2f} USD" if usd else "of unknown cost"
    learned = f"{plan['examples']:,} examples of {len(plan['documents']):,} documents"
    unpriced = "" if usd else "No price is known for its jobs; those without instances are billed by the token."
    lines = [f"  {entry['stage']}: {entry['instance_count']} x {entry['instance_type']}, {entry['hours']:g} h"
             + (f", {entry['usd']:,.2f} USD" if entry["usd"] else "") for entry in plan["estimate"]]  # fmt: skip
    detail = {
        "version": "1",
        "run": run,
        "candidate": f"{plan['student']} trained on {learned}",
        "verdict": f"{money}; every check that costs nothing has passed",
        "report": work.uri(f"runs/{run}/plan.json"),
        "approve": f"toolsmith approve {run}",
        "reject": f"toolsmith reject {run}",
        "expires_at": expires,
    }
    at = f" --stack {stack}" if stack else ""
    text = "\n".join(
        [f"{run} waits for your approval: it is {money}.", f"It learns from {learned}.", unpriced, *lines, "",
         f"Without an answer by {expires} the run ends, and nothing is spent.", "", "Next, one of:",
         f"    {detail['approve']}{at}", f"    {detail['reject']}{at}", ""]
    )  # fmt: skip
    again = "reminder: " if asked_before else ""
    cost = f"{usd:,.0f} USD" if usd else "cost unknown"
    return Request(f"Toolsmith: {again}{run} waits for approval ({cost})", text, detail)
