"""The use cases around one training or evaluation job: prepare it, read what it left, judge the gate."""

import json
from collections.abc import Mapping
from typing import Any

from toolsmith import grading
from toolsmith.customization import Job, Prepared, Profile, cost, gates, outputs, statistics
from toolsmith.errors import ArtefactMissing, CapacityUnavailable, JobFailed, TrainingDiverged
from toolsmith.pipeline import asking, places, spending, thorough
from toolsmith.pipeline.places import TrainingPlace
from toolsmith.pipeline.ports import Ledger, Store
from toolsmith.pipeline.spending import Budget

TRAINS_ON = {"sft": "sft/train.jsonl", "more_sft": "sft/train.jsonl", "rft": "rft/train.jsonl"}
VALIDATES_ON = {"sft": "sft/validation.jsonl", "more_sft": "sft/validation.jsonl"}
STARTS_FROM = {"rft": "sft", "more_sft": "sft"}


def evaluation_file(arm: str) -> str:
    """The questions of an arm: `base_tools` gets the full tool specifications, every other arm the student's prompt."""
    return f"{'eval_tools' if arm == 'base_tools' else 'eval'}/gen_qa.jsonl"


def _checkpoint(work: Store, run: str, stage: str, arm: str) -> str | None:
    source = STARTS_FROM.get(stage) if stage != "evaluate" else arm
    if source is None or source.startswith("base"):
        return None
    source = "sft" if source == thorough.PROBE else source
    return work.read_json(f"runs/{run}/jobs/{source}.json")["checkpoint"]


def prepare(
    work: Store,
    profile: Profile,
    place: TrainingPlace,
    run: str,
    stage: str,
    arm: str,
    attempt: int,
    *,
    checkpoint: str | None = None,
) -> Prepared:
    """The request of one job of a run; nothing is uploaded. checkpoint: stands for one that is not there yet.

    Raises RecipeInvalid, InvalidInput.
    """
    return _rendered(profile, _job(work, place, run, stage, arm, attempt, checkpoint), place)


def start(
    work: Store, ledger: Ledger, profile: Profile, place: TrainingPlace, run: str, stage: str, arm: str, attempt: int
) -> Prepared:
    """The request of one job of a run that can be paid for, with its recipe uploaded and its estimate in the ledger.

    Raises RecipeInvalid, InvalidInput, PriceUnknown, BudgetExceeded.
    """
    job = _job(work, place, run, stage, arm, attempt)
    prepared = _rendered(profile, job, place)
    plan = work.read_json(f"runs/{run}/plan.json")
    line = spending.estimate_job(profile, place.on, stage, arm, job.rows or 0, cost.prices())
    spending.reserve(ledger, run, prepared.name, line, plan, Budget(plan["budget_usd"]).changed(ledger, run))
    work.write(job.recipe_uri.removeprefix(work.uri("")), prepared.recipe_yaml.encode(), "application/yaml")
    return prepared


def _job(
    work: Store, place: TrainingPlace, run: str, stage: str, arm: str, attempt: int, checkpoint: str | None = None
) -> Job:
    plan, dataset = work.read_json(f"runs/{run}/plan.json"), work.read_json(f"runs/{run}/dataset.json")
    data = work.uri(dataset["prefix"])
    file = evaluation_file(arm) if stage == "evaluate" else TRAINS_ON[stage]
    train_uri, rows = f"{data}/{file}", dataset["rows"].get(file)
    if stage == "evaluate" and arm in thorough.ARMS:
        key, rows = thorough.write_questions(work, run, dataset["prefix"], arm)
        train_uri = work.uri(key)
    validation = f"{data}/{VALIDATES_ON[stage]}" if stage in VALIDATES_ON else None
    trained = stage != "sft" and checkpoint is None
    return Job(
        run=run,
        stage=stage,
        arm=arm,
        attempt=attempt,
        seed=plan["seed"],
        train_uri=train_uri,
        validation_uri=validation,
        output_uri=work.uri(f"runs/{run}/output"),
        recipe_uri=work.uri(f"runs/{run}/jobs/{stage}-{arm}-{attempt}/recipe.yaml"),
        role_arn=place.role_arn,
        region=place.region,
        kms_key=place.kms_key,
        mlflow_arn=place.mlflow_arn,
        checkpoint=_checkpoint(work, run, stage, arm) if trained else (checkpoint if stage in STARTS_FROM else None),
        reward_lambda_arn=place.reward_lambda_arn,
        metrics_lambda_arn=place.metrics_lambda_arn,
        rows=rows,
        tags={"toolsmith:run": run, "toolsmith:stage": stage},
    )


def _rendered(profile: Profile, job: Job, place: TrainingPlace) -> Prepared:
    return places.prepare(profile, job, place, _sampled if job.arm == thorough.PROBE else places.unchanged)


def _sampled(recipe: dict[str, Any]) -> dict[str, Any]:
    """An evaluation recipe that draws its answers as reinforcement does."""
    recipe["inference"]["temperature"] = thorough.PROBE_TEMPERATURE
    return recipe


def _left(work: Store, run: str, job: str) -> dict[str, bytes]:
    """The files that a job left, by name: packed into one archive, or as they are."""
    prefix = f"runs/{run}/output/{job}/"
    key = f"{prefix}output/output.tar.gz"
    try:
        return outputs.unpack(work.read(key))
    except KeyError:
        files = {found.removeprefix(prefix): work.read(found) for found in work.keys(prefix)}
        if not files:
            raise ArtefactMissing(f"job {job} says Completed but left no {key}") from None
        return files


def read(
    work: Store,
    ledger: Ledger,
    profile: Profile,
    run: str,
    stage: str,
    arm: str,
    job: str,
    seconds: float,
    model: str | None = None,
    on: str = places.INSTANCES,
    tokens: int | None = None,
) -> dict[str, Any]:
    """Read a completed job and keep what matters of it, and what it has cost.

    model: ARN of the model package or custom model that the job made, where its place keeps no checkpoint for us.
    tokens: what its service says it bills. Returns {"stage", "arm", "job", "seconds", "usd"} (None where no price is
    known), of a job without instances with "tokens" and "estimated" (nobody has counted them), for training with
    "checkpoint" and "last" (metrics of the last step), for an evaluation with "score", "talk_score" and "exact" (mean,
    low, high). Raises ArtefactMissing, TrainingDiverged.
    """
    found = outputs.read_files(_left(work, run, job), model)
    reported = tokens if tokens is not None else asking.tokens_used(found.answers)
    spent = spending.settle(ledger, profile, on, run, stage, arm, job, seconds, reported)
    brief = {"stage": stage, "arm": arm, "job": job, "seconds": round(seconds, 1), **spent}
    if arm == thorough.PROBE:
        return {**brief, **_probe(work, run, brief, found.answers)}
    if stage == "evaluate":
        return {**brief, **_measure(work, run, brief, found.answers)}
    outputs.check_finite(found.metrics)
    if not found.checkpoint:
        raise ArtefactMissing(f"job {job} left no checkpoint in its manifest")
    record = {**brief, "checkpoint": found.checkpoint, "metrics": found.metrics}
    work.write_json(f"runs/{run}/jobs/{arm}.json", record)
    return {**brief, "checkpoint": found.checkpoint, "last": found.metrics[-1] if found.metrics else {}}


def _measure(work: Store, run: str, brief: Mapping[str, Any], answers: list[dict[str, Any]]) -> dict[str, Any]:
    prefix = work.read_json(f"runs/{run}/dataset.json")["prefix"]
    references = work.read_lines(f"{prefix}/eval/references.jsonl")
    given = {row["metadata"]: outputs.inference_text(row["inference"]) for row in answers}
    missing = [row["id"] for row in references if row["id"] not in given]
    if missing:
        raise ArtefactMissing(
            f"job {brief['job']} left {len(missing)} of {len(references)} questions without an answer: {missing[0]} …"
        )
    rows = [score_row(row, given[row["id"]]) for row in references]
    measure = {**brief, **summary(rows), "rows": rows}
    work.write_json(f"runs/{run}/measures/{brief['arm']}.json", measure)
    return {name: measure[name] for name in ("score", "talk_score", "exact")}


def _probe(work: Store, run: str, brief: Mapping[str, Any], answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Keep what the rollouts before reinforcement say, as runs/<run>/probe.json; the reward stands for a score."""
    train = work.read_lines(f"{work.read_json(f'runs/{run}/dataset.json')['prefix']}/rft/train.jsonl")
    given = {row["metadata"]: outputs.inference_text(row["inference"]) for row in answers}
    found = thorough.read_rollouts(given, train)
    work.write_json(f"runs/{run}/probe.json", {**brief, **found})
    mean = {"mean": found["reward"], "low": found["reward"], "high": found["reward"]}
    return {"score": mean, "talk_score": mean, "exact": mean, "without_variance": found["without_variance"]}


def score_row(row: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """One scored answer, with the parts of its score and the reason code."""
    verdict = grading.reward(answer, row["reference"], row["question"])
    return {
        "id": row["id"],
        "document": row["document"],
        "category": row["reference"]["category"],
        "labelled": row.get("labelled", True),
        "question": row["question"],
        "answer": answer,
        "score": verdict.score,
        "talk_score": grading.talk_score(answer, row["reference"]),
        "exact": float(verdict.score >= 1.0),
        "reason": verdict.reason,
        "parts": verdict.parts,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and 95% interval over documents of score, talk_score and exact."""
    names = ("score", "talk_score", "exact")
    return {name: statistics.bootstrap(statistics.by_document(rows, name)).to_json() for name in names}


def explain(cause: str) -> dict[str, str]:
    """The class and text of a failed job from the cause that Step Functions hands over."""
    described = _described(cause)
    said = ("FailureReason", "FailureMessage", "SecondaryStatus")
    status = described.get("Status")  # Bedrock says no more of a job that somebody stopped
    reason = next((described[key] for key in said if described.get(key)), f"it is {status}" if status else cause)
    return {
        "class": outputs.classify_failure(reason),
        "reason": reason[:1000],
        "job": described.get("TrainingJobName") or described.get("JobName", ""),
    }


def fail(
    ledger: Ledger, profile: Profile, on: str, run: str, stage: str, arm: str, job: str, error: str, cause: str
) -> dict[str, str]:
    """What `explain` says of a failed job, whose cost is kept as far as its description tells it.

    error, cause: as Step Functions hands them over. What its service refused, or no instance ever ran, has cost
    nothing; what tells neither time nor tokens counts as it was estimated.
    """
    failure = explain(cause)
    if failure["class"] == "exists":
        return failure
    described = _described(cause)
    seconds, tokens = described.get("TrainingTimeInSeconds"), described.get("BillableTokenCount")
    if on == places.INSTANCES and "TrainingJobName" in described and "TrainingStartTime" not in described:
        seconds = seconds or 0.0  # time is billed from then on, and a job that found no capacity never started
    if not described and not error.startswith("States."):  # those are of Step Functions, which lost sight of the job
        spending.refused(ledger, run, stage, arm, job)
    elif tokens is not None or (on == places.INSTANCES and seconds is not None):
        spending.settle(ledger, profile, on, run, stage, arm, job, float(seconds or 0.0), tokens)
    return failure


def _described(cause: str) -> dict[str, Any]:
    """The job as its service describes it, where the cause of a failure is that."""
    try:
        found = json.loads(cause)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


FAILURES = {"capacity": CapacityUnavailable, "diverged": TrainingDiverged}


def give_up(failure: Mapping[str, str], redriven: bool) -> dict[str, Any]:
    """Raises CapacityUnavailable, TrainingDiverged or JobFailed; nothing once a person has redriven the execution."""
    if redriven:
        return {}
    raise FAILURES.get(failure["class"], JobFailed)(f"job {failure['job']}: {failure['reason']}")


def judge(work: Store, run: str, gate: str) -> dict[str, Any]:
    """Judge one gate of recipes/gates.json from the measures of its two arms, keep the verdict, and return it.

    Raises RecipeInvalid.
    """
    test = gates.load()[gate]
    arms = (test.candidate, test.rival)
    measures = {arm: work.read_json(f"runs/{run}/measures/{arm}.json")["rows"] for arm in arms}
    verdict = gates.judge(gate, test, measures).to_json()
    work.write_json(f"runs/{run}/gates/{gate}.json", verdict)
    return verdict
