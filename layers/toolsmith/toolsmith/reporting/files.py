"""The files of a report: report.json for machines, report.html and model_card.md for people."""

import json
from collections.abc import Mapping
from typing import Any

from toolsmith.reporting.card import model_card
from toolsmith.reporting.facts import RunFacts, verdict
from toolsmith.reporting.page import page

_EXAMPLE_KEYS = ("id", "document", "category", "question", "answer", "score", "talk_score", "reason")


def build(facts: RunFacts) -> dict[str, bytes]:
    """File name -> content."""
    report = to_json(facts)
    return {
        "report.json": json.dumps(report, ensure_ascii=False, sort_keys=True, default=float).encode(),
        "report.html": page(facts, report).encode(),
        "model_card.md": model_card(facts, report).encode(),
    }


def to_json(facts: RunFacts) -> dict[str, Any]:
    """The report as data: verdict, arms, gates, curves, attacks, dataset, cost, lineage."""
    return {
        "run": facts.run,
        "verdict": verdict(facts),
        "outcome": dict(facts.outcome),
        "arms": {arm: _arm(measure) for arm, measure in sorted(facts.measures.items())},
        "gates": dict(facts.gates),
        "curves": {arm: list(job["metrics"]) for arm, job in sorted(facts.jobs.items())},
        "attacks": list(facts.attacks),
        "dataset": dict(facts.dataset),
        "cost": {
            "estimated_usd": facts.plan["estimated_usd"],
            "jobs": {arm: {"seconds": job["seconds"], "usd": job["usd"]} for arm, job in sorted(facts.jobs.items())},
        },
        "lineage": {
            "documents": [{"digest": row["id"], "key": row["key"]} for row in facts.documents],
            "student": facts.plan["student"],
            "teacher": facts.plan["teacher"],
            "seed": facts.plan["seed"],
            "jobs": {
                arm: {"job": job["job"], "checkpoint": job["checkpoint"]} for arm, job in sorted(facts.jobs.items())
            },
        },
    }


def _arm(measure: Mapping[str, Any]) -> dict[str, Any]:
    brief = {name: measure[name] for name in ("score", "talk_score", "exact")}
    rows = measure.get("rows", [])
    categories: dict[str, list[float]] = {}
    for row in rows:
        categories.setdefault(row["category"], []).append(row["score"])
    brief["categories"] = {name: sum(values) / len(values) for name, values in sorted(categories.items())}
    brief["questions"] = len(rows)
    return brief
