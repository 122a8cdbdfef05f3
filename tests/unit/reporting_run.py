"""A finished run to report on: a real dataset, answers of students that are right more and more often, real grades."""

import copy
import functools
import json
import random
from typing import Any

from tests.unit.memory import MemoryLedger, MemoryStore
from tests.unit.test_datasets import SMALL, corpus, resolves
from toolsmith import reporting
from toolsmith.catalog import load_catalog
from toolsmith.customization import cost, gates
from toolsmith.datasets import assemble
from toolsmith.grading.plans import plan_text
from toolsmith.pipeline import customize, finish, training

RUN = "run-4f2a9c81d07e"
SKILL = {"base": 0.25, "base_tools": 0.35, "sft": 0.75, "more_sft": 0.8, "rft": 0.85}
HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(2)>&amp;\u202e\x07'
OUTCOME = {
    "candidate": "rft",
    "registered": True,
    "model_arn": "arn:aws:bedrock:us-east-1:111122223333:custom-model/imported/abc123def456",
    "deployment_arn": "arn:aws:bedrock:us-east-1:111122223333:custom-model-deployment/0f1e2d3c4b5a",
    "smoke": {"hi": "Hello.", "question": "q", "answer": "a", "category": None},
}


def answer(reference: dict[str, Any], skill: float, rng: random.Random) -> str:
    """What a student of this skill says: the right plan, or one of the usual mistakes."""
    calls = [(call["name"], dict(call["arguments"])) for call in reference["calls"]]
    if rng.random() < skill:
        return plan_text(reference["category"], calls)
    mistake = rng.randrange(6)
    if mistake == 0:
        return f"I would look it up. {HOSTILE}"
    if mistake == 1:
        return plan_text("regulatory_definition", [("statute_retrieval", {"regulation": "17 CFR 240.10b-5"})])
    if mistake == 2:
        return plan_text(reference["category"], calls[:-1])
    if mistake == 3:
        return plan_text(reference["category"], [*calls, ("citation_validator", {"query": HOSTILE})])
    if mistake == 4:
        wrong = [(name, {key: f"other {value}" if value else value for key, value in a.items()}) for name, a in calls]
        return plan_text(reference["category"], wrong)
    return plan_text(reference["category"], calls[::-1]) + " and so on" * 300


@functools.cache
def stage(seed: int = 0) -> tuple[MemoryStore, MemoryLedger]:
    """The work bucket and ledger as a run leaves them before its report is written; not to be changed."""
    rng = random.Random(seed)
    work, ledger = MemoryStore(), MemoryLedger()
    dataset = assemble(corpus(seed), resolves, SMALL, rejections={"no_quote": 31, "form": 9})
    prefix = f"datasets/{dataset.digest}"
    for path, data in dataset.files.items():
        work.write(f"{prefix}/{path}", data)
    work.write_json(f"runs/{RUN}/dataset.json", {"dataset": dataset.digest, "prefix": prefix, "rows": {}})
    references = work.read_lines(f"{prefix}/eval/references.jsonl")
    for arm, skill in SKILL.items():
        rows = [training.score_row(row, answer(row["reference"], skill, rng)) for row in references]
        measure = {"arm": arm, "job": f"{RUN}-evaluate-{arm}-0", **training.summary(rows), "rows": rows}
        work.write_json(f"runs/{RUN}/measures/{arm}.json", measure)
    for gate in gates.load():
        training.judge(work, RUN, gate)
    _jobs(work, rng)
    work.write_json(f"runs/{RUN}/attacks.json", customize.attack_scores(references[:10]))
    _documents(work, ledger, sorted({row["document"] for row in work.read_lines(f"{prefix}/examples.jsonl")}))
    return work, ledger


def _jobs(work: MemoryStore, rng: random.Random) -> None:
    steps = {"sft": 180, "more_sft": 120, "rft": 150}
    for arm, count in steps.items():
        metrics = [_step(arm, step, count, rng) for step in range(1, count + 1)]
        checkpoint = f"s3://customer-escrow-111122223333-smtj-a1b2c3/{RUN}-{arm}-0/step_{count}"
        record = {"job": f"{RUN}-{arm}-0", "checkpoint": checkpoint, "seconds": 3600.0 + count, "usd": 252.5}
        work.write_json(f"runs/{RUN}/jobs/{arm}.json", {**record, "metrics": metrics})


def _step(arm: str, step: int, count: int, rng: random.Random) -> dict[str, float]:
    done, noise = step / count, rng.gauss(0, 1)
    row = {"step_number": float(step), "epoch_number": 0.0, "gradient_norm": 1.5 + 0.2 * noise}
    if arm == "rft":
        reward = 0.55 + 0.35 * done + 0.06 * noise
        return row | {
            "train_reward_mean": reward,
            "policy_entropy": 1.2 - 0.8 * done,
            "train_episode_length_mean": 40.0,
        }
    return row | {"training_loss": (2.2 if arm == "sft" else 0.4) * (1 - done) ** 2 + 0.2 + 0.04 * noise}


def _documents(work: MemoryStore, ledger: MemoryLedger, digests: list[str]) -> None:
    for place, digest in enumerate(digests):
        counts = {"chunks": 20, "kept": 12, "repaired": 3, "rejected": 3, "failed": 0, "empty": 2, "examples": 16}
        tokens = {"teacher_calls": 24, "input_tokens": 48_000, "output_tokens": 9_000}
        row = {"status": "settled", "key": f"incoming/file-{place:03}.htm", "group": f"cik:{place}", "source": "filing"}
        ledger.register("DOCUMENT", digest, {**row, **counts, **tokens})
    ledger.register("REJECTED", "r1", {"key": f"incoming/{HOSTILE}.pdf", "reason": "unreadable", "detail": HOSTILE})
    table, stages = cost.prices(), ("sft", "evaluate", "evaluate", "rft", "evaluate")
    lines = [
        {"stage": s, "instance_type": "ml.p5.48xlarge", "instance_count": 4, "hours": 1.0,
         "usd": cost.job_usd("ml.p5.48xlarge", 4, 3600, table)}
        for s in stages
    ]  # fmt: skip
    plan = {
        "run": RUN, "student": "nova-2-lite", "teacher": "us.amazon.nova-pro-v1:0", "seed": 0, "documents": digests,
        "examples": 16 * len(digests), "estimate": lines, "estimated_usd": sum(line["usd"] for line in lines),
        "budget_usd": 2500.0, "control": True, "settings": {"student": "nova-2-lite", "seed": "0"},
    }  # fmt: skip
    work.write_json(f"runs/{RUN}/plan.json", plan)


def written(seed: int = 0) -> dict[str, bytes]:
    """The report's files as the report function writes them."""
    work, ledger = copy.deepcopy(stage(seed))
    finish.report(work, ledger, load_catalog(), RUN, OUTCOME, "2026-11-01T12:00:00+00:00")
    return {name: work.read(f"runs/{RUN}/{name}") for name in ("report.html", "report.json", "model_card.md")}


def facts(seed: int = 0, questions: int | None = None, **changes: Any) -> reporting.RunFacts:
    """The same as facts, with the references; `questions` repeats the test questions until there are so many."""
    work, ledger = stage(seed)
    prefix = work.read_json(f"runs/{RUN}/dataset.json")["prefix"]
    references = {row["id"]: row["reference"] for row in work.read_lines(f"{prefix}/eval/references.jsonl")}
    measures = {arm: work.read_json(f"runs/{RUN}/measures/{arm}.json") for arm in SKILL}
    if questions:
        copies = range(-(-questions // len(references)))
        references = {f"{key}-{n}": value for key, value in references.items() for n in copies}
        measures = {arm: _repeated(measure, questions) for arm, measure in measures.items()}
    known = {
        "run": RUN,
        "plan": work.read_json(f"runs/{RUN}/plan.json"),
        "dataset": {**work.read_json(f"{prefix}/manifest.json"), "prefix": prefix},
        "measures": measures,
        "jobs": {arm: work.read_json(f"runs/{RUN}/jobs/{arm}.json") for arm in ("sft", "more_sft", "rft")},
        "gates": {gate: work.read_json(f"runs/{RUN}/gates/{gate}.json") for gate in gates.load()},
        "attacks": work.read_json(f"runs/{RUN}/attacks.json"),
        "documents": ledger.all("DOCUMENT"),
        "rejected": ledger.all("REJECTED"),
        "outcome": OUTCOME,
        "references": references,
        "finished_at": "2026-11-23T13:05:00Z",
    }
    return reporting.RunFacts(**{**known, **changes})


def _repeated(measure: dict[str, Any], questions: int) -> dict[str, Any]:
    rows = measure["rows"]
    copies = [
        {**row, "id": f"{row['id']}-{n}", "document": f"{row['document']}-{n % 4}"}
        for n in range(-(-questions // len(rows)))
        for row in rows
    ]
    return {**measure, "rows": copies[:questions]}


def with_score(found: reporting.RunFacts, arm: str, **row: Any) -> reporting.RunFacts:
    """The same facts, every row of one arm changed."""
    measures = json.loads(json.dumps(dict(found.measures)))
    measures[arm]["rows"] = [{**old, **row} for old in measures[arm]["rows"]]
    return reporting.RunFacts(**{**vars(found), "measures": measures})
