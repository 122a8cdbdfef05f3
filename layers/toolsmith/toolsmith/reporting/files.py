"""The files of a report: report.json for machines, report.html and model_card.md for people."""

import json
import math
from collections.abc import Mapping
from typing import Any

from toolsmith.catalog import load_catalog
from toolsmith.customization import aims, cost
from toolsmith.customization.calibration import calibration
from toolsmith.reporting import breakdown, examples, shortfalls
from toolsmith.reporting.card import model_card
from toolsmith.reporting.facts import RunFacts, verdict
from toolsmith.reporting.page import page


def build(facts: RunFacts) -> dict[str, bytes]:
    """File name -> content. The page is written from report.json alone: what people read, machines can read too."""
    data = json.dumps(to_json(facts), ensure_ascii=False, default=float)
    report = json.loads(data)
    return {
        "report.json": data.encode("utf-8", "backslashreplace"),
        "report.html": page(report).encode("utf-8"),
        "model_card.md": model_card(report).encode("utf-8", "backslashreplace"),
    }


def to_json(facts: RunFacts) -> dict[str, Any]:
    """The report as data; scores are fractions, keys are only ever added."""
    tools_of = {category.name: category.tools for category in load_catalog().categories.values()}
    compared = {
        "outcome": dict(facts.outcome),
        "arms": {arm: _arm(measure) for arm, measure in sorted(facts.measures.items())},
        "paired": breakdown.differences(facts.measures),
        "wordings": breakdown.by_wording(facts.measures),
    }
    wanted = facts.plan.get("aims", [])
    missed = shortfalls.find(compared, aims.read(wanted, f"plan.json of {facts.run}"))
    return {
        "run": facts.run,
        "finished_at": facts.finished_at,
        "verdict": verdict(facts, len(missed)),
        "shortfalls": missed,
        "aims": wanted,
        **compared,
        "gates": dict(facts.gates),
        "categories": breakdown.by_category(facts.measures),
        "tools": breakdown.by_tool(facts.measures, tools_of),
        "abstention": breakdown.abstention(facts.measures, tools_of),
        "reasons": breakdown.reasons(facts.measures),
        "curves": {arm: [_finite(row) for row in job["metrics"]] for arm, job in sorted(facts.jobs.items())},
        "attacks": list(facts.attacks),
        "calibration": calibration(facts.measures, facts.jobs.get("rft", {}).get("metrics", ()), facts.probe),
        "examples": examples.choose(facts.measures, facts.references),
        "dataset": dict(facts.dataset),
        "documents": [_document(row) for row in facts.documents],
        "rejected": [{name: row.get(name, "") for name in ("key", "reason", "detail")} for row in facts.rejected],
        "cost": _cost(facts),
        "lineage": _lineage(facts),
    }


def _arm(measure: Mapping[str, Any]) -> dict[str, Any]:
    brief = {name: measure[name] for name in ("score", "talk_score", "exact")}
    rows = measure.get("rows", [])
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["category"], []).append(row["score"])
    brief["categories"] = {name: sum(values) / len(values) for name, values in sorted(found.items())}
    # arms that need no model keep their counts only
    brief["questions"] = len(rows) or measure.get("questions", 0)
    brief["documents"] = len({row["document"] for row in rows}) or measure.get("documents", 0)
    return brief


def _finite(row: Mapping[str, float]) -> dict[str, float | None]:
    """JSON knows no infinity: such a value is null."""
    return {name: value if math.isfinite(value) else None for name, value in row.items()}


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    counts = ("chunks", "kept", "repaired", "rejected", "failed", "empty", "examples")
    return {"digest": row["id"]} | {n: row.get(n, "") for n in ("key", "source", "group")} | {
        name: int(row[name]) for name in counts if name in row
    }  # fmt: skip


def _cost(facts: RunFacts) -> dict[str, Any]:
    tokens = {
        name: sum(int(row.get(name, 0)) for row in facts.documents)
        for name in ("teacher_calls", "input_tokens", "output_tokens")
    }
    usd = cost.tokens_usd(str(facts.plan["teacher"]), tokens["input_tokens"], tokens["output_tokens"], cost.prices())
    measured = {**facts.measures, **({str(facts.probe["arm"]): facts.probe} if "arm" in facts.probe else {})}
    told = {each.get("job") for each in (*facts.jobs.values(), *measured.values())}
    return {
        "estimated_usd": facts.plan["estimated_usd"],
        "unpriced": list(facts.plan.get("unpriced", ())),
        "budget_usd": facts.plan.get("budget_usd"),
        "estimate": list(facts.plan.get("estimate", ())),
        "jobs": {arm: _spent(job) for arm, job in sorted(facts.jobs.items())},
        "evaluations": {arm: _spent(measure) for arm, measure in sorted(measured.items()) if "usd" in measure},
        # a failed attempt; one that did not tell what it has used counts as it was estimated
        "failed": {
            row["id"]: _spent({"usd": row.get("estimated_usd"), "seconds": 0.0, "estimated": "usd" not in row, **row})
            for row in facts.spending
            if row["id"] not in told and row.get("usd", row.get("estimated_usd")) != 0
        },
        "teacher": {**tokens, "usd": usd if usd is None else round(usd, 2)},
    }


def _spent(job: Mapping[str, Any]) -> dict[str, Any]:
    return {name: job[name] for name in ("seconds", "usd", "tokens", "estimated") if name in job}


def _lineage(facts: RunFacts) -> dict[str, Any]:
    return {
        "documents": [{"digest": row["id"], "key": row["key"]} for row in facts.documents],
        "dataset": facts.dataset.get("dataset", ""),
        "registry": facts.dataset.get("registry", ""),
        "student": facts.plan["student"],
        "teacher": facts.plan["teacher"],
        "seed": facts.plan["seed"],
        "settings": dict(facts.plan.get("settings") or {}),
        "digests": dict(facts.digests),
        "jobs": {arm: {"job": job["job"], "checkpoint": job["checkpoint"]} for arm, job in sorted(facts.jobs.items())},
        "evaluations": {arm: m["job"] for arm, m in sorted(facts.measures.items()) if m.get("job")},
        "model_arn": facts.outcome.get("model_arn"),
        "deployment_arn": facts.outcome.get("deployment_arn"),
    }
