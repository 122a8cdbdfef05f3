"""Event types and detail names of GetExecutionHistory.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

import datetime
from typing import Any

from local.states.journal import Journal, dumps

COMPLETE = {"truncated": False}


def text(name: str, value: Any) -> dict:
    """{name: JSON text, nameDetails}: how events carry input and output."""
    return {name: dumps(value), f"{name}Details": COMPLETE}


def detail_key(kind: str) -> str:
    """The member of HistoryEvent that holds the details of an event type."""
    for ending in ("StateEntered", "StateExited"):
        if kind.endswith(ending):
            return f"{ending[0].lower()}{ending[1:]}EventDetails"
    return f"{kind[0].lower()}{kind[1:]}EventDetails"


def page(journal: Journal, execution: str, start: int, limit: int, reverse: bool, data: bool) -> list[dict]:
    """`limit` HistoryEvents after the first `start`; without input and output unless `data`."""
    return [_event(*row, data) for row in journal.events(execution, start, limit, reverse)]


def _event(number: int, previous: int, time: float, kind: str, detail: dict, data: bool) -> dict:
    event = {"timestamp": time, "type": kind, "id": number, "previousEventId": previous}
    if not data:
        detail = {k: v for k, v in detail.items() if k not in ("input", "output", "parameters")}
    if detail:
        event[detail_key(kind)] = detail
    return event


def iso(moment: float) -> str:
    """A moment as the context object and the result files write it: 2026-01-31T12:00:00.123Z."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z")
