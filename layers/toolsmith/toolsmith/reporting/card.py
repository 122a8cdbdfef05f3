"""The model card, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolsmith.reporting.breakdown import label, ordered
from toolsmith.reporting.facts import abstention_questions, percent, points
from toolsmith.reporting.progress import summary

Report = Mapping[str, Any]

PURPOSE = (
    "Planning which of four securities-research tools to call, in which order and with which arguments. The plan is "
    "for a program that carries it out. It gives no legal advice."
)


def model_card(report: Report) -> str:
    """What the model is, what it was made from, what it can do by the numbers, and where it must not be trusted."""
    parts = [
        f"# Model card: {_plain(report['run'])}\n\n{_plain(report['verdict'])}",
        _shortfalls(report),
        _identity(report),
        f"## Intended use\n\n{PURPOSE}",
        _results(report),
        _training_data(report),
        "## Limits\n\n" + "\n".join(f"- {line}" for line in limits(report)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _shortfalls(report: Report) -> str:
    lines = [f"- {_plain(entry['what'])} {_plain(entry['tried'])}".rstrip() for entry in report["shortfalls"]]
    return "## Not reached, or lost\n\n" + "\n".join(lines) if lines else ""


def _identity(report: Report) -> str:
    line = report["lineage"]
    candidate = report["outcome"].get("candidate")
    entries = [
        ("Model", line["model_arn"]),
        ("Deployment", line["deployment_arn"]),
        ("Checkpoint", line["jobs"].get(candidate, {}).get("checkpoint")),
        ("Student", f"{line['student']}, seed {line['seed']}"),
        ("Teacher", line["teacher"]),
        ("Dataset", report["dataset"].get("prefix") or line["dataset"]),
        ("Tool registry", line["registry"]),
        ("Evaluated", report.get("finished_at")),
    ]
    return "## Model\n\n" + "\n".join(f"- {name}: `{_plain(str(value))}`" for name, value in entries if value)


def _results(report: Report) -> str:
    arms = report["arms"]
    rows = [(label(arm), percent(arms[arm]["score"]), percent(arms[arm]["talk_score"])) for arm in ordered(arms)]
    text = "## Results on held-out documents\n\nMeans with 95 % intervals by bootstrap over documents.\n\n"
    text += _table(("arm", "score", "score as the talk counted"), rows)
    pairs = [
        (f"{label(pair['candidate'])} − {label(pair['rival'])}", points(pair["score"]), points(pair["talk_score"]))
        for pair in report["paired"]
    ]
    if pairs:
        text += "\n\n" + _table(("difference on the same questions", "score", "score as the talk counted"), pairs)
    if report["attacks"]:
        text += f"\n\n{summary(report['attacks'])}"
    return text


def _training_data(report: Report) -> str:
    counts = report["dataset"].get("counts", {})
    split = ", ".join(f"{count} {name}" for name, count in counts.get("split", {}).items())
    untaught = abstention_questions(counts)
    kinds = {name: per for name, per in counts.get("source", {}).items() if name != "recipe"}
    sources = ", ".join(f"{sum(per.values())} about {name}s" for name, per in kinds.items())
    by_hand = f" {untaught} more, that no tool can answer, were written by hand." if untaught else ""
    everything = counts.get("examples", 0)
    return (
        f"## Training data\n\n{everything} questions ({split}). {everything - untaught} of them ({sources}) were "
        f"written by the teacher about {len(report['documents'])} documents; each was checked for form, executed "
        f"against the corpus and traced to its source.{by_hand} {len(report['rejected'])} documents were set aside. "
        "Splits share no company, CFR part or case."
    )


def limits(report: Report) -> list[str]:
    """What was not measured, and where the model is weakest: a sentence each."""
    lines = [
        "The questions were written by the teacher about the ingested documents; other phrasings and other domains "
        "were not measured.",
        "The score compares plans with a reference; it does not measure whether the tools' answers were any use.",
    ]
    last = next((arm for arm in ("rft", "sft", "base") if arm in report["reasons"]), None)
    weak = [(name, arms[last]["score"]["mean"]) for name, arms in report["categories"].items() if last and last in arms]
    if weak:
        name, score = min(weak, key=lambda item: item[1])
        lines.append(f"Weakest category: {name.replace('_', ' ')}, {100 * score:.1f} %.")
    return lines


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_plain, cells)) + " |" for cells in lines)


def _plain(text: str) -> str:
    """Text that stays in its line and cell."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
