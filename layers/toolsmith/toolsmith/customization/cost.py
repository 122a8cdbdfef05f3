"""Money: what a run will cost before it starts, from a table of prices that people may edit."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from toolsmith import recipes
from toolsmith.errors import InvalidInput

PRICES = "recipes/prices.json"


class Tokens(NamedTuple):
    """Tokens that a job reads and writes; what supervised training passes over counts as read."""

    read: int
    written: int

    @property
    def total(self) -> int:
        return self.read + self.written

    def scaled(self, total: int) -> "Tokens":
        """As many tokens as a service counted, in the same proportion."""
        read = round(total * self.read / self.total) if self.total else total
        return Tokens(read, total - read)


class Price(NamedTuple):
    """USD per million tokens read and written, both None where nobody knows; key: where it stands in prices.json."""

    key: str
    read: float | None
    written: float | None

    def usd(self, tokens: Tokens) -> float | None:
        """USD of so many tokens; None where the price is not known."""
        if self.read is None or self.written is None:
            return None
        return (tokens.read * self.read + tokens.written * self.written) / 1_000_000


def prices() -> dict[str, Any]:
    """recipes/prices.json: USD per instance hour, per million tokens and per state transition, each with its source."""
    return json.loads(recipes.path("prices.json").read_text(encoding="utf-8"))


def job_usd(instance_type: str, count: int, seconds: float, table: Mapping[str, Any]) -> float | None:
    """USD of one job on instances; None for an instance type that has no price in the table."""
    hour = _number(table["instance_hour"].get(instance_type))
    return None if hour is None else hour * count * seconds / 3600


def customization_price(place: str, model: str, what: str, table: Mapping[str, Any]) -> Price:
    """What the tokens of a job without instances cost; an entry is for every model whose id holds its name.

    place: "serverless" or "bedrock". what: "sft", "rft" or "evaluate".
    """
    key = f"customization_million_tokens.{place}"
    return _price(table["customization_million_tokens"].get(place, {}), key, model, what)


def model_price(model: str, table: Mapping[str, Any]) -> Price:
    """What the tokens of a model that Bedrock offers cost on demand."""
    return _price(table["million_tokens"], "million_tokens", model)


def _price(models: Mapping[str, Any], key: str, model: str, what: str = "") -> Price:
    name = next((name for name in models if name in model), model)
    found = models.get(name)
    if what:
        found, name = (found or {}).get(what), f"{name}.{what}"
    parts = found if isinstance(found, Mapping) else {"input": found, "output": found}
    return Price(f"{key}.{name}", _number(parts.get("input")), _number(parts.get("output")))


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def tokens_usd(model: str, input_tokens: int, output_tokens: int, table: Mapping[str, Any]) -> float | None:
    """USD of teacher tokens; None for a model that has no price in the table."""
    return model_price(model, table).usd(Tokens(input_tokens, output_tokens))


def estimate(
    stages: Mapping[str, Mapping[str, Any]], jobs: Sequence[str], table: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One line a job: stage, instance, count, expected hours (from the profile) and USD (None without a price).

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
                "usd": usd if usd is None else round(usd, 2),
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
    return [{**teaching, "usd": usd if usd is None else round(usd, 4)}, transitions(moves, table)]


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
