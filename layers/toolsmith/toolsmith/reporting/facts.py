"""Everything a report is written from, gathered by the caller; and the verdict in one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunFacts:
    """One run.

    plan: runs/<run>/plan.json; dataset: the dataset's manifest with its S3 prefix as "prefix"; measures: arm -> {"score",
    "talk_score", "exact": {"mean", "low", "high"}, "rows": [...]}, arms that need no model without rows; jobs: arm ->
    {"job", "checkpoint", "seconds", "usd", "metrics": [{column: number}]}; gates: "sft" | "rft" -> verdict; attacks: rows
    {"name","description","imitates","score","talk_score","honest"}; documents, rejected: ledger rows; outcome: {"candidate", "registered", "model_arn", "deployment_arn",
    "smoke"}.
    """

    run: str
    plan: Mapping[str, Any]
    dataset: Mapping[str, Any]
    measures: Mapping[str, Mapping[str, Any]]
    jobs: Mapping[str, Mapping[str, Any]]
    gates: Mapping[str, Mapping[str, Any]]
    attacks: list[Mapping[str, Any]]
    documents: list[Mapping[str, Any]]
    rejected: list[Mapping[str, Any]]
    outcome: Mapping[str, Any] = field(default_factory=dict)


def percent(interval: Mapping[str, float]) -> str:
    """ "74.9 % [70.6, 79.4]" of a mean with its interval as fractions."""
    return f"{100 * interval['mean']:.1f} % [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]"


def verdict(facts: RunFacts) -> str:
    """What the run showed, in one sentence, with its numbers; the control is named where it wins."""
    scores = {arm: measure["score"] for arm, measure in facts.measures.items()}
    base, sft = scores.get("base"), scores.get("sft")
    if not facts.outcome.get("registered"):
        shown = f"SFT {percent(sft)} against base {percent(base)}" if sft and base else "nothing was evaluated"
        return f"No model was registered: {shown} is no proof of being better."
    candidate = facts.outcome["candidate"]
    text = f"The {candidate.upper()} model was registered: {percent(scores[candidate])} on held-out documents, base {percent(base)}"
    if candidate == "rft":
        text += f", SFT {percent(sft)}"
    elif "rft" in scores:
        text += f"; RFT {percent(scores['rft'])} did not beat it"
    control = scores.get("more_sft")
    if control and "rft" in scores:
        words = "more than" if control["mean"] > scores["rft"]["mean"] else "not more than"
        text += f"; the same compute spent on more SFT gives {percent(control)}, {words} RFT"
    return text + "."
