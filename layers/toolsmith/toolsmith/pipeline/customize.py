"""The use cases of the customize machine up to the first paid job: admit, assemble, preflight."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from toolsmith import datasets, grading, teaching, tools
from toolsmith.catalog import Catalog
from toolsmith.customization import Profile, cost, gates
from toolsmith.datasets.split import FRACTIONS
from toolsmith.errors import DatasetTooSmall, InvalidInput, PreflightFailed
from toolsmith.grading.attacks import ATTACKS, Attack, honest_answer
from toolsmith.pipeline import spending, thorough
from toolsmith.pipeline.defaults import RunDefaults
from toolsmith.pipeline.places import BEDROCK, TrainingPlace
from toolsmith.pipeline.ports import Ledger, Store
from toolsmith.pipeline.requests import RunRequest, read_run_request
from toolsmith.pipeline.training import prepare

ATTACK_CEILING = 0.5
JOB_FILES = frozenset(
    {"sft/train.jsonl", "sft/validation.jsonl", "rft/train.jsonl", "eval/gen_qa.jsonl", "eval_tools/gen_qa.jsonl"}
)


def admit(
    intake: Store,
    work: Store,
    ledger: Ledger,
    profile: Profile,
    defaults: RunDefaults,
    budget_usd: float,
    run: str,
    event: Mapping[str, Any],
    asks_approval: bool = False,
) -> dict[str, Any]:
    """Pin what the run is made of and estimate its cost; a request without a budget has `budget_usd`.

    asks_approval: a person is asked before the first paid job. Returns {"run", "student", "seed", "documents",
    "examples", "estimated_usd" (of what has a price), "unpriced_jobs", "budget_usd", "control", "thorough", "dry_run"}.
    Raises InvalidInput for a bad request, DatasetTooSmall without settled documents, BudgetExceeded, PriceUnknown.
    """
    name = event.get("key") or "automatic run"
    asked = read_run_request(intake.read(event["key"], event.get("version")), name) if event.get("key") else None
    rows = [row for row in ledger.all("DOCUMENT") if row.get("status") == "settled"]
    if asked and asked.groups:
        rows = [row for row in rows if row["group"] in asked.groups]
    if not rows:
        raise DatasetTooSmall(f"{name}: no settled document to learn from; drop filings under incoming/ first")
    control = defaults.control if asked is None or asked.control is None else asked.control
    seed = defaults.seed if asked is None or asked.seed is None else asked.seed
    more = bool(asked and asked.thorough)
    if more and defaults.on == BEDROCK:
        raise InvalidInput(f"{name}: Bedrock's own jobs have no thorough run; leave the key out or set it to false")
    examples = sum(row["examples"] for row in rows)
    lines = spending.estimate(profile, defaults.on, _jobs(control, more, examples), cost.prices())
    usd = asked.budget_usd if asked and asked.budget_usd else budget_usd
    budget = spending.Budget(usd, bool(asked and asked.unpriced)).changed(ledger, run)
    spending.check(lines, budget, run, name, asks_approval)
    plan = {
        "run": run,
        "request": event.get("key"),
        "student": profile.name,
        "teacher": defaults.teacher,
        "on": defaults.on,
        "seed": seed,
        "control": control,
        "thorough": more,
        "dry_run": bool(asked and asked.dry_run),
        "unlabelled": profile.unlabelled,
        "aims": profile.aims,
        "documents": [row["id"] for row in rows],
        "examples": examples,
        "estimate": lines,
        "estimated_usd": spending.total(lines),
        "unpriced": spending.unpriced(lines),
        "unpriced_jobs": sum("missing" in line for line in lines),
        "budget_usd": budget.usd,
        "settings": _settings(replace(defaults, seed=seed, control=control), asked),
    }
    work.write_json(f"runs/{run}/plan.json", plan)
    ledger.register(
        "RUN",
        run,
        {
            "status": "admitted",
            "examples": plan["examples"],
            "settings": plan["settings"],
            "estimated_usd": plan["estimated_usd"],
        },
    )
    brief = ("run", "student", "seed", "examples", "control", "thorough", "dry_run")
    brief += ("estimated_usd", "unpriced_jobs", "budget_usd")
    return {**{name: plan[name] for name in brief}, "documents": len(plan["documents"])}


def _jobs(control: bool, more: bool, examples: int) -> list[tuple[str, str, int]]:
    """(stage, arm, rows) of the jobs of a run that gets to its end, before its dataset tells how many rows they are."""
    learned, asked = (math.ceil(examples * FRACTIONS[split]) for split in ("train", "test"))
    found = [("sft", "sft", learned), ("evaluate", "base", asked), ("evaluate", "base_tools", asked)]
    found += [("evaluate", "sft", asked), ("rft", "rft", learned), ("evaluate", "rft", asked)]
    found += [("more_sft", "more_sft", learned), ("evaluate", "more_sft", asked)] * control
    few_shot = [("evaluate", arm, asked) for arm in thorough.FEW_SHOT]
    probe = ("evaluate", thorough.PROBE, thorough.PROBE_PROMPTS * thorough.PROBE_ROLLOUTS)
    return found + [*few_shot, probe] * more


def _settings(made_with: RunDefaults, asked: RunRequest | None) -> dict[str, Any]:
    """Those of a request that leaves out documents or jobs equal no automatic run's, so that it stands for none."""
    less = {"groups": asked.groups, "dry_run": asked.dry_run} if asked else {}
    return made_with.settings() | {name: value for name, value in less.items() if value}


def assemble(work: Store, catalog: Catalog, run: str) -> dict[str, Any]:
    """Make the run's dataset from the verified examples of its documents.

    Returns {"dataset", "prefix", "rows": {file: count}}. Raises DatasetTooSmall, DatasetLeaks, InvalidInput.
    """
    plan = work.read_json(f"runs/{run}/plan.json")
    chunks: list[dict[str, Any]] = []
    examples: list[dict[str, Any]] = []
    rejections: Counter[str] = Counter()
    for digest in plan["documents"]:
        chunks += work.read_lines(f"documents/{digest}/chunks.jsonl")
        for outcome in _outcomes(work, digest):
            examples += outcome["examples"]
            rejections.update(rejection["reason"] for rejection in outcome["rejections"])
    canon = teaching.load_canon(catalog)
    index = tools.CorpusIndex.build(chunks, canon)
    dataset = datasets.assemble(
        examples,
        teaching.execution_check(index, catalog),
        datasets.DatasetConfig(seed=plan["seed"], unlabelled=tuple(plan.get("unlabelled", ()))),
        catalog=catalog,
        canonical_citation=canon.canonical,
        facts=teaching.question_facts(index),
        rejections=rejections,
    )
    prefix = f"datasets/{dataset.digest}"
    if not work.exists(f"{prefix}/manifest.json"):
        for path in sorted(dataset.files, key=lambda path: (path == "manifest.json", path)):
            work.write(f"{prefix}/{path}", dataset.files[path])
    rows = {path: entry["rows"] for path, entry in dataset.manifest["files"].items()}
    brief = {"dataset": dataset.digest, "prefix": prefix, "rows": rows}
    work.write_json(f"runs/{run}/dataset.json", brief)
    return brief


def _outcomes(work: Store, digest: str):
    for key in work.keys(f"teaching/{digest}/"):
        if key.endswith(".jsonl"):
            yield from work.read_lines(key)


def preflight(work: Store, profile: Profile, place: TrainingPlace, run: str) -> dict[str, Any]:
    """Everything that can be known to be wrong before the first paid job.

    Checks the exported rows by the target's rules, every recipe of the run with its gates, and the reward by the attack
    suite on this run's own questions. Returns {"rows_checked", "attacks", "worst_attack"}. Raises PreflightFailed,
    RecipeInvalid.
    """
    plan, dataset = work.read_json(f"runs/{run}/plan.json"), work.read_json(f"runs/{run}/dataset.json")
    files = {path: work.read(f"{dataset['prefix']}/{path}") for path in dataset["rows"] if path in JOB_FILES}
    problems = datasets.check_all(files)
    if problems:
        raise PreflightFailed("; ".join(map(str, problems[:5])))
    for stage in ["sft", "evaluate", "rft"] + ["more_sft"] * plan["control"]:
        prepare(work, profile, place, run, stage, stage, 0, checkpoint="s3://checkpoint/to-come")
    gates.load()
    references = work.read_lines(f"{dataset['prefix']}/eval/references.jsonl")
    attacks = attack_scores(references)
    baseless = [attack for attack in attacks if attack["imitates"] == "nothing"]
    worst = max(baseless, key=lambda attack: attack["score"])
    if worst["score"] >= ATTACK_CEILING:
        raise PreflightFailed(f"the reward can be cheated: {worst['name']} earns {worst['score']} with nothing right")
    work.write_json(f"runs/{run}/attacks.json", attacks)
    return {
        "rows_checked": sum(dataset["rows"][path] for path in files),
        "attacks": len(attacks),
        "worst_attack": {"name": worst["name"], "score": worst["score"]},
    }


def attack_scores(references: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean score, talk score and honest score of every attack of the suite over at most 100 of the run's questions.

    Only questions that want calls: where nothing is to be called, saying so is no attack.
    """
    wanting = [row for row in references if row["reference"]["calls"]]
    sample = [(row["question"], row["reference"]) for row in wanting[:100]]
    return [
        {
            "name": attack.name,
            "description": attack.description,
            "imitates": attack.imitates,
            **_attack_means(attack, sample),
        }
        for attack in ATTACKS
    ]


def _attack_means(attack: Attack, sample: list[tuple[str, dict[str, Any]]]) -> dict[str, float]:
    scores = {"score": 0.0, "talk_score": 0.0, "honest": 0.0}
    for question, reference in sample:
        answer = attack.make_answer(question, reference)
        scores["score"] += grading.reward(answer, reference, question).score
        scores["talk_score"] += grading.talk_score(answer, reference)
        honest = honest_answer(attack.imitates, question, reference)
        scores["honest"] += grading.reward(honest, reference, question).score
    return {name: round(total / max(1, len(sample)), 4) for name, total in scores.items()}
