"""A plan as a student writes it."""

import json
from collections.abc import Iterable
from typing import Any


def plan_text(category: str | None, calls: Iterable[tuple[str, dict[str, Any]]]) -> str:
    """The plan as one line of compact JSON: {"category":...,"calls":[{"name":...,"arguments":{...}}]}."""
    listed = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return json.dumps({"category": category, "calls": listed}, separators=(",", ":"), ensure_ascii=False)
