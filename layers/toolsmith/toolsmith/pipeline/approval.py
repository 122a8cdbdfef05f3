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
    money, cost = _money(plan)
    learned = f"{plan['examples']:,} examples of {len(plan['documents']):,} documents"
    missing = plan.get("unpriced", ())
    unpriced = f"recipes/prices.json has no price for {', '.join(missing)}: no budget stops it." if missing else ""
    lines = [_line(entry) for entry in plan["estimate"]]
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
    return Request(f"Toolsmith: {again}{run} waits for approval ({cost})", text, detail)


def _money(plan: dict[str, Any]) -> tuple[str, str]:
    """What a run may cost, for a sentence and for a subject."""
    usd, budget = plan["estimated_usd"], f"of a budget of {plan['budget_usd']:,.2f} USD"
    if not plan.get("unpriced"):
        return (f"estimated at {usd:,.2f} USD {budget}", f"{usd:,.0f} USD") if usd else ("free of cost", "free")
    if not usd:
        return "of unknown cost", "cost unknown"
    lacking = f"without {plan['unpriced_jobs']} of its jobs, whose price is unknown"
    return f"estimated at {usd:,.2f} USD {budget}, {lacking}", "cost unknown"


def _line(entry: dict[str, Any]) -> str:
    """One job of the estimate."""
    tokens = entry.get("input_tokens", 0) + entry.get("output_tokens", 0)
    where = f"{entry['instance_count']} x {entry['instance_type']}, {entry['hours']:g} h"
    if tokens:
        where = f"{entry['instance_type']}, about {tokens:,} tokens"
    usd = "price unknown" if entry["usd"] is None else f"{entry['usd']:,.2f} USD" if entry["usd"] else "free"
    of = f" of {entry['arm'].replace('_', ' ')}" if entry["stage"] == "evaluate" and "arm" in entry else ""
    return f"  {entry['stage']}{of}: {where}, {usd}"
