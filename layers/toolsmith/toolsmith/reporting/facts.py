"""Everything a report is written from, gathered by the caller; and the verdict in one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolsmith.customization.statistics import paired


@dataclass(frozen=True)
class RunFacts:
    """One run.

    plan: runs/<run>/plan.json; dataset: the dataset's manifest with its S3 prefix as "prefix"; measures: arm ->
    {"score", "talk_score", "exact": {"mean", "low", "high"}, "rows": [...]}, arms that need no model may lack rows;
    jobs: arm -> {"job", "checkpoint", "seconds", "usd", "metrics": [{column: number}]}; gates: "sft" | "rft" ->
    verdict; attacks: rows {"name", "description", "imitates", "score", "talk_score", "honest"}; documents, rejected:
    ledger rows; outcome: {"candidate", "registered", "model_arn", "deployment_arn", "smoke"}.
    references: question id -> what was expected of it, for the examples. finished_at: ISO 8601, orders runs in the
    index. digests: name -> digest or version of whatever else made the model (recipe of each job, prompts, code).
    probe: the rollouts before reinforcement, runs/<run>/probe.json of a thorough run. spending: the ledger's rows of
    all jobs, also of those that failed: {"id", "stage", "arm", "estimated_usd", "usd"}.
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
    references: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    finished_at: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    probe: Mapping[str, Any] = field(default_factory=dict)
    spending: list[Mapping[str, Any]] = field(default_factory=list)


def abstention_questions(counts: Mapping[str, Any]) -> int:
    """Questions of a dataset that no tool can answer, from its manifest's counts; datasets of old runs have none."""
    return sum(sum(per.values()) for per in counts.get("abstention", {}).values())


def percent(interval: Mapping[str, float]) -> str:
    """ "74.9 % [70.6, 79.4]" of a mean with its interval as fractions."""
    return f"{100 * interval['mean']:.1f} % [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]"


def points(interval: Mapping[str, float]) -> str:
    """ "−4.2 points [−7.3, −1.0]" of a difference with its interval as fractions."""
    mean, low, high = (signed(100 * interval[name]) for name in ("mean", "low", "high"))
    return f"{mean} points [{low}, {high}]"


def signed(points: float) -> str:
    """ "−4.2": a difference in points with its sign, as the charts write it."""
    return f"{points:+.1f}".replace("-", "\u2212")


def verdict(facts: RunFacts, shortfalls: int = 0) -> str:
    """What the run showed, in one sentence, with its numbers; the control is named where RFT was trained.

    shortfalls: how many the report lists; the sentence ends with them, so that mails and ledger do not hide them.
    """
    named = f"; the report begins with {shortfalls_in_words(shortfalls)}" if shortfalls else ""
    return f"{_shown(facts)}{named}."


def shortfalls_in_words(count: int) -> str:
    """ "1 shortfall", "4 shortfalls"."""
    return f"{count} shortfall{'' if count == 1 else 's'}"


def _shown(facts: RunFacts) -> str:
    scores = {arm: percent(measure["score"]) for arm, measure in facts.measures.items()}
    if not facts.outcome.get("registered"):
        return _not_registered(facts, scores)
    candidate = facts.outcome["candidate"]
    text = (
        f"The {candidate.upper()} model was registered: {scores.get(candidate, 'not measured')} on held-out documents"
    )
    text += f", base {scores['base']}" if "base" in scores else ""
    if candidate == "rft":
        text += f", SFT {scores['sft']}" if "sft" in scores else ""
    elif "rft" in scores:
        text += f"; RFT {scores['rft']} is no proof of being better"
    return text + _control(facts, scores)


def _not_registered(facts: RunFacts, scores: Mapping[str, str]) -> str:
    if not {"sft", "base"} <= set(scores):
        return "No model was registered: nothing was evaluated"
    shown = f"SFT {scores['sft']} against base {scores['base']}"
    if facts.gates.get("sft", {}).get("passed"):
        return f"No model was registered, although {shown} passed its gate"
    return f"No model was registered: {shown} is no proof of being better"


def _control(facts: RunFacts, scores: Mapping[str, str]) -> str:
    """How RFT compares with the same compute spent on more SFT; nothing where either is missing."""
    if not {"more_sft", "rft"} <= set(scores):
        return ""
    text = f"; the same compute spent on more SFT gives {scores['more_sft']}, "
    control, candidate = facts.measures["more_sft"], facts.measures["rft"]
    if not (control.get("rows") and candidate.get("rows")):
        more = control["score"]["mean"] > candidate["score"]["mean"]
        return text + f"{'more than' if more else 'not more than'} RFT"
    gap = paired(candidate["rows"], control["rows"])
    if gap.low > 0:
        return text + "less than RFT"
    return text + ("more than RFT" if gap.high < 0 else "which cannot be told apart from RFT")
