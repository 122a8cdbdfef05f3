"""Money: what a run will cost before it starts, from a table of prices that people may edit."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from toolsmith import recipes
from toolsmith.errors import InvalidInput


def prices() -> dict[str, Any]:
    """recipes/prices.json: USD per instance hour, per million tokens and per state transition, each with its source."""
    return json.loads(recipes.path("prices.json").read_text(encoding="utf-8"))


def job_usd(instance_type: str, count: int, seconds: float, table: Mapping[str, Any]) -> float:
    """USD of one job; an instance type that is not in the table costs nothing and is free on a laptop."""
    return table["instance_hour"].get(instance_type, 0.0) * count * seconds / 3600


def tokens_usd(model: str, input_tokens: int, output_tokens: int, table: Mapping[str, Any]) -> float:
    """USD of teacher tokens."""
    price = next((p for name, p in table["million_tokens"].items() if name in model), {"input": 0.0, "output": 0.0})
    return (input_tokens * price["input"] + output_tokens * price["output"]) / 1_000_000


def estimate(
    stages: Mapping[str, Mapping[str, Any]], jobs: Sequence[str], table: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One line a job: stage, instance, count, expected hours (from the profile) and USD.

    Raises InvalidInput for a stage that the student does not offer.
    """
    lines = []
    for stage in jobs:
        if stage not in stages:
            raise InvalidInput(f"the student offers no {stage}; it offers {sorted(stages)}")
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


def estimate_teaching(
    teacher: str, chunks: int, table: Mapping[str, Any], *, documents: int = 0, repairs: float = 0.2
) -> list[dict[str, Any]]:
    """Lines of what ingest pays: the teacher's tokens and the state transitions, before any chunk is taught.

    repairs: share of chunks that are asked a second time. USD keep four digits: a chunk costs fractions of a cent.
    """
    each = table["per_chunk"]
    calls = chunks * (1 + repairs)
    read, written = round(calls * each["input_tokens"]), round(calls * each["output_tokens"])
    moves = chunks * each["transitions"] + documents * table["per_document"]["transitions"]
    teaching = {"stage": "teach", "model": teacher, "input_tokens": read, "output_tokens": written}
    usd = tokens_usd(teacher, read, written, table)
    return [{**teaching, "usd": round(usd, 4)}, transitions(moves, table)]


def transitions(count: int, table: Mapping[str, Any]) -> dict[str, Any]:
    """The line of state transitions; a run of the customization workflow takes table["per_run"]["transitions"]."""
    return {"stage": "transitions", "count": count, "usd": round(count * table["state_transition"], 4)}


def estimate_run(
    stages: Mapping[str, Mapping[str, Any]], jobs: Sequence[str], table: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The jobs of a run and its state transitions."""
    return [*estimate(stages, jobs, table), transitions(table["per_run"]["transitions"], table)]


_HEAD = "| job | instances | expected hours | USD |\n|---|---|---|---|\n"


def markdown_table(stages: Mapping[str, Mapping[str, Any]], table: Mapping[str, Any]) -> str:
    """The table of README.md: the jobs of a run, and of its control."""
    sft, rft, evaluation, more = estimate(stages, ("sft", "rft", "evaluate", "more_sft"), table)
    counts, hours = (more, evaluation), f"{more['hours']} and {evaluation['hours']}"
    rows = (
        ("SFT", _instances(sft), f"{sft['hours']}", sft["usd"]),
        ("RFT", _instances(rft), f"{rft['hours']}", rft["usd"]),
        ("four evaluations", _instances(evaluation), f"{evaluation['hours']} each", 4 * evaluation["usd"]),
        (
            "control, if asked for (more SFT, and its evaluation)",
            f"{more['instance_count']} and {_instances(evaluation)}",
            hours,
            sum(line["usd"] for line in counts),
        ),
    )
    return _HEAD + "".join(f"| {job} | {what} | {long} | {usd:.0f} |\n" for job, what, long, usd in rows)


def _instances(line: Mapping[str, Any]) -> str:
    return f"{line['instance_count']} × {line['instance_type']}"
