"""Money: what a run will cost before it starts, from a table of prices that people may edit."""

import json
from collections.abc import Mapping
from typing import Any

from toolsmith import recipes


def prices() -> dict[str, Any]:
    """recipes/prices.json: USD per instance hour and per million tokens, each with its source."""
    return json.loads(recipes.path("prices.json").read_text(encoding="utf-8"))


def job_usd(instance_type: str, count: int, seconds: float, table: Mapping[str, Any]) -> float:
    """USD of one job; an instance type that is not in the table costs nothing and is free on a laptop."""
    return table["instance_hour"].get(instance_type, 0.0) * count * seconds / 3600


def tokens_usd(model: str, input_tokens: int, output_tokens: int, table: Mapping[str, Any]) -> float:
    """USD of teacher tokens."""
    price = next((p for name, p in table["million_tokens"].items() if name in model), {"input": 0.0, "output": 0.0})
    return (input_tokens * price["input"] + output_tokens * price["output"]) / 1_000_000


def estimate(
    stages: Mapping[str, Mapping[str, Any]], jobs: list[str], table: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One line a job: stage, instance, count, expected hours (from the profile) and USD."""
    lines = []
    for stage in jobs:
        entry = stages[stage]
        hours = entry.get("expected_hours", 0.0)
        usd = job_usd(entry["instance_type"], entry["instance_count"], hours * 3600, table)
        lines.append(
            {
                "stage": stage,
                "instance_type": entry["instance_type"],
                "instance_count": entry["instance_count"],
                "hours": hours,
                "usd": round(usd, 2),
            }
        )
    return lines
