"""The model card as SageMaker keeps it: the same facts as model_card.md in the service's own JSON schema.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-cards.html#model-cards-json-schema says what may stand where;
texts that are too long are cut.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from toolsmith.reporting.breakdown import label, ordered
from toolsmith.reporting.card import PURPOSE, limits
from toolsmith.reporting.facts import abstention_questions

Report = Mapping[str, Any]

MOST_TEXT, MOST_OBSERVED = 1024, 2048
ENDS = {"mean": "mean", "low": "low end of the 95 % interval", "high": "high end of the 95 % interval"}
MOST_DATASETS, MOST_METRICS = 15, 50


def content(report: Report) -> dict[str, Any]:
    """The card's content of a registered model. report: report.json."""
    line, candidate = report["lineage"], report["outcome"]["candidate"]
    made = [line["model_arn"], line["deployment_arn"], line["jobs"][candidate]["checkpoint"]]
    return {
        "model_overview": {
            "model_description": _cut(report["verdict"]),
            "model_artifact": _texts(made),
            "algorithm_type": _cut(f"{label(candidate)} of {line['student']}, seed {line['seed']}"),
            "problem_type": "Planning of tool calls",
        },
        "intended_uses": {"purpose_of_model": _cut(PURPOSE, MOST_OBSERVED)},
        "training_details": _training(report, candidate),
        "evaluation_details": [_evaluation(report, arm) for arm in ordered(report["arms"])],
        "additional_information": {
            "caveats_and_recommendations": _cut(" ".join([*_shortfalls(report), *limits(report)]), MOST_OBSERVED),
            "custom_details": _details(report),
        },
    }


def _shortfalls(report: Report) -> list[str]:
    return [entry["what"] for entry in report["shortfalls"]]


def _training(report: Report, candidate: str) -> dict[str, Any]:
    counts = report["dataset"].get("counts", {})
    curve = report["curves"].get(candidate) or [{}]
    last = {name: value for name, value in curve[-1].items() if value is not None}
    return {
        "training_observations": _cut(
            f"{counts.get('split', {}).get('train', 0)} of {counts.get('examples', 0)} examples; of all, "
            f"{abstention_questions(counts)} were written by hand, the others verified and from "
            f"{len(report['documents'])} documents; none of the test's documents among them."
        ),
        "training_job_details": {
            "training_datasets": _texts([report["dataset"].get("prefix") or report["lineage"]["dataset"]]),
            "training_metrics": [{"name": name, "value": value} for name, value in sorted(last.items())][:MOST_METRICS],
        },
    }


def _evaluation(report: Report, arm: str) -> dict[str, Any]:
    measured = report["arms"][arm]
    metrics = [
        {
            "name": f"{name} {end}",
            "type": "number",
            "value": measured[name][end],
            "notes": f"{words} over {measured['questions']} questions",
        }
        for name in ("score", "talk_score", "exact")
        for end, words in ENDS.items()
    ]
    return {
        "name": label(arm)[:63],
        "datasets": _texts([report["dataset"].get("prefix") or report["lineage"]["dataset"]]),
        "metric_groups": [{"name": "held-out documents", "metric_data": metrics}],
    }


def _details(report: Report) -> dict[str, str]:
    line = report["lineage"]
    facts = {"run": report["run"], "teacher": line["teacher"], "dataset": line["dataset"], "tools": line["registry"]}
    return {re.sub(r"\W", "_", name): _cut(value) for name, value in {**facts, **line["digests"]}.items() if value}


def _texts(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(_cut(value) for value in values if value))[:MOST_DATASETS]


def _cut(value: Any, most: int = MOST_TEXT) -> str:
    text = str(value)
    return text if len(text) <= most else text[: most - 4] + " ..."
