"""The use cases of the customize machine up to the first paid job: admit, assemble, preflight."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolsmith import datasets, grading, tools
from toolsmith.catalog import Catalog
from toolsmith.customization import Profile, cost
from toolsmith.errors import BudgetExceeded, DatasetTooSmall, PreflightFailed
from toolsmith.pipeline.ports import Ledger, Store
from toolsmith.pipeline.requests import read_run_request
from toolsmith.pipeline.training import TrainingPlace, prepare

MIN_TRAIN_EXAMPLES = 100
ATTACK_CEILING = 0.75


@dataclass(frozen=True)
class RunDefaults:
    """What a run takes from the stack where its request is silent."""

    student: str
    teacher: str
    seed: int
    control: bool
    budget_usd: float

    def settings(self) -> dict[str, Any]:
        """What tells two automatic runs on one corpus apart."""
        return {"student": self.student, "teacher": self.teacher, "seed": self.seed}


def admit(
    intake: Store,
    work: Store,
    ledger: Ledger,
    profile: Profile,
    defaults: RunDefaults,
    run: str,
    event: Mapping[str, Any],
) -> dict[str, Any]:
    """Pin what the run is made of and estimate its cost.

    Returns {"run", "student", "seed", "documents", "examples", "estimated_usd", "control", "dry_run"}. Raises InvalidInput
    for a bad request, DatasetTooSmall without settled documents, BudgetExceeded.
    """
    name = event.get("key") or "automatic run"
    asked = read_run_request(intake.read(event["key"], event.get("version")), name) if event.get("key") else None
    rows = [row for row in ledger.all("DOCUMENT") if row.get("status") == "settled"]
    if asked and asked.groups:
        rows = [row for row in rows if row["group"] in asked.groups]
    if not rows:
        raise DatasetTooSmall(f"{name}: no settled document to learn from; drop filings under incoming/ first")
    control = defaults.control if asked is None or asked.control is None else asked.control
    stages = ["sft", "evaluate", "evaluate", "evaluate", "rft", "evaluate"] + ["more_sft", "evaluate"] * control
    lines = cost.estimate(profile.stages, stages, cost.prices())
    plan = {
        "run": run,
        "request": event.get("key"),
        "student": profile.name,
        "teacher": defaults.teacher,
        "seed": asked.seed if asked else defaults.seed,
        "control": control,
        "dry_run": bool(asked and asked.dry_run),
        "documents": [row["id"] for row in rows],
        "examples": sum(row["examples"] for row in rows),
        "estimate": lines,
        "estimated_usd": round(sum(line["usd"] for line in lines), 2),
        "budget_usd": (asked.budget_usd if asked and asked.budget_usd else defaults.budget_usd),
        "settings": defaults.settings(),
    }
    if plan["estimated_usd"] > plan["budget_usd"]:
        raise BudgetExceeded(
            f"{name}: estimated {plan['estimated_usd']} USD is above the budget of {plan['budget_usd']} USD; "
            "raise budget_usd in the request or the stack's BudgetUsd, or drop the control with control: false"
        )
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
    brief = ("run", "student", "seed", "examples", "estimated_usd", "budget_usd", "control", "dry_run")
    return {**{name: plan[name] for name in brief}, "documents": len(plan["documents"])}


def assemble(work: Store, catalog: Catalog, run: str) -> dict[str, Any]:
    """Make the run's dataset from the verified examples of its documents.

    Returns {"dataset", "prefix", "rows": {split or export: count}}. Raises DatasetTooSmall, DatasetLeaks.
    """
    plan = work.read_json(f"runs/{run}/plan.json")
    chunks: list[dict[str, Any]] = []
    examples: list[dict[str, Any]] = []
    rejections: dict[str, int] = {}
    for digest in plan["documents"]:
        chunks += work.read_lines(f"documents/{digest}/chunks.jsonl")
        for outcome in _outcomes(work, digest):
            examples += outcome.get("examples", [])
            for rejection in outcome.get("rejections", []):
                rejections[rejection["reason"]] = rejections.get(rejection["reason"], 0) + 1
    index = tools.CorpusIndex.build(chunks)
    config = datasets.Config(seed=plan["seed"], min_train=MIN_TRAIN_EXAMPLES)
    dataset = datasets.assemble(examples, lambda call: tools.resolves(call, index), config, catalog, rejections)
    prefix = f"datasets/{dataset.digest}"
    if not work.exists(f"{prefix}/manifest.json"):
        for path, data in sorted(dataset.files.items()):
            work.write(f"{prefix}/{path}", data)
        work.write_json(f"{prefix}/manifest.json", dataset.manifest)
    brief = {"dataset": dataset.digest, "prefix": prefix, "rows": dataset.manifest["rows"]}
    work.write_json(f"runs/{run}/dataset.json", brief)
    return brief


def _outcomes(work: Store, digest: str):
    for key in work.keys(f"teaching/{digest}/"):
        if key.endswith(".jsonl"):
            yield from work.read_lines(key)


def preflight(work: Store, profile: Profile, place: TrainingPlace, run: str) -> dict[str, Any]:
    """Everything that can be known to be wrong before the first paid job.

    Checks the exported rows by the target's rules, every recipe of the run, and the reward by the attack suite on this
    run's own questions. Returns {"rows_checked", "attacks", "worst_attack"}. Raises PreflightFailed, RecipeInvalid.
    """
    plan, dataset = work.read_json(f"runs/{run}/plan.json"), work.read_json(f"runs/{run}/dataset.json")
    checked = 0
    for path in (
        "sft/train.jsonl",
        "sft/validation.jsonl",
        "rft/train.jsonl",
        "eval/gen_qa.jsonl",
        "eval_tools/gen_qa.jsonl",
    ):
        data = work.read(f"{dataset['prefix']}/{path}")
        problems = datasets.validate(path, data)
        checked += data.count(b"\n")
        if problems:
            raise PreflightFailed(f"{path}: " + "; ".join(map(str, problems[:5])))
    for stage in ["sft", "evaluate", "rft"] + ["more_sft"] * plan["control"]:
        prepare(work, profile, place, run, stage, stage, 0, checkpoint="s3://checkpoint/to-come", upload=False)
    references = work.read_lines(f"{dataset['prefix']}/eval/references.jsonl")
    attacks = {attack: round(sum(scores) / len(scores), 4) for attack, scores in attack_scores(references).items()}
    worst = max(attacks.items(), key=lambda item: item[1])
    if worst[1] > ATTACK_CEILING:
        raise PreflightFailed(f"the reward can be cheated: attack {worst[0]} scores {worst[1]} on this run's questions")
    work.write_json(f"runs/{run}/attacks.json", attacks)
    return {"rows_checked": checked, "attacks": len(attacks), "worst_attack": {"name": worst[0], "score": worst[1]}}


def attack_scores(references: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Scores of every attack of the suite on at most 100 of the run's questions."""
    sample = references[:100]
    return {
        attack.name: [
            grading.reward(attack.make_answer(row["question"], row["reference"]), row["reference"]).score
            for row in sample
        ]
        for attack in grading.attacks()
    }
