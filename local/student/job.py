"""A training job as the container sees it: channels under $SM_BASE, a technique, outputs, or a reason for failure."""

import csv
import functools
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from local.student import adapters, base, evaluate, records, rft, settings, sft
from toolsmith.errors import InvalidInput, TrainingDiverged

SFT_COLUMNS = ("step_number", "epoch_number", "training_loss")
RFT_COLUMNS = (
    "step_number", "epoch_number", "train_reward_mean", "train_episode_length_mean", "policy_entropy",
    "gradient_norm", "mean_advantage", "min_advantage", "max_advantage",
)  # fmt: skip
Invoke = Callable[[str, Any], Any]  # function ARN, event -> the function's result


@dataclass(frozen=True)
class Job:
    """root: laid out as /opt/ml. checkpoint: the model to start from, None for the base. in_metadata: graders get what
    a prompt is graded against below `metadata`, as Bedrock's own jobs hand it over."""

    root: Path
    technique: str
    checkpoint: Path | None
    invoke: Invoke
    in_metadata: bool = False

    def data(self, channel: str) -> Path:
        return self.root / "input" / "data" / channel

    @property
    def output(self) -> Path:
        return self.root / "output" / "data"


class Metrics:
    """step_wise_training_metrics.csv, written row by row so that a stopped job leaves its curve."""

    def __init__(self, folder: Path, columns: tuple[str, ...]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.handle = (folder / "step_wise_training_metrics.csv").open("w", encoding="utf-8", newline="")
        self.writer = csv.writer(self.handle)
        self.writer.writerow(columns)

    def add(self, *values: float) -> None:
        self.writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])
        self.handle.flush()


def invoke_lambda(environment: Mapping[str, str]) -> Invoke:
    """Calls a Lambda with the job's credentials; the client is made at the first call.

    Raises TrainingDiverged where the function reports an error.
    """

    @functools.cache
    def client() -> Any:
        import boto3
        from botocore.config import Config

        patient = Config(read_timeout=900, retries={"max_attempts": 3, "mode": "standard"})
        region, endpoint = environment.get("AWS_REGION"), environment.get("AWS_ENDPOINT_URL")
        return boto3.client("lambda", region_name=region, endpoint_url=endpoint, config=patient)

    def invoke(arn: str, event: Any) -> Any:
        reply = client().invoke(FunctionName=arn, Payload=json.dumps(event).encode())
        body = reply["Payload"].read()
        if reply.get("FunctionError"):
            raise TrainingDiverged(f"{arn} failed: {body[:500].decode(errors='replace')}")
        return json.loads(body)

    return invoke


def _say(line: str) -> None:
    print(line, flush=True)


def _saver(job: Job, tokenizer: Any) -> Callable[[adapters.Trainable, int], None]:
    def save(model: adapters.Trainable, step: int) -> None:
        folder = job.root / "checkpoints" / f"step_{step}"
        unfinished = folder.with_name(folder.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        adapters.save(model, tokenizer, unfinished)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)

    return save


def run_sft(job: Job, recipe: dict[str, Any]) -> None:
    plan = settings.sft(recipe)
    rows = records.read_labelled(records.data_file(job.data("train"), "train.jsonl"))
    tokenizer, model = base.load(job.checkpoint)
    metrics = Metrics(job.output, SFT_COLUMNS)

    def on_step(step: int, epoch: float, loss: float) -> None:
        metrics.add(step, epoch, loss)
        _say(f"global_step={step} reduced_train_loss={loss:.6g}")

    tuned = sft.train(model, tokenizer, rows, plan, on_step, _saver(job, tokenizer))
    if job.data("validation").is_dir():
        held = records.read_labelled(records.data_file(job.data("validation"), "validation.jsonl"))
        encoded = sft.encode(tokenizer, held, plan.longest)
        _say(f"global_step={plan.steps} val_loss={sft.validation_loss(tuned, encoded):.6g}")


def run_rft(job: Job, recipe: dict[str, Any]) -> None:
    plan = settings.rft(recipe)
    if not plan.reward_arn:
        raise InvalidInput("training_config.rollout.rewards.api_endpoint.lambda_arn is empty: name the reward function")
    prompts = records.read_prompts(records.data_file(job.data("train"), "train.jsonl"))
    tokenizer, model = base.load(job.checkpoint)
    metrics = Metrics(job.output, RFT_COLUMNS)

    def on_step(s: rft.Step) -> None:
        metrics.add(s.step, s.epoch, s.reward, s.length, s.entropy, s.norm, *s.advantages)
        _say(
            f"global_step={s.step} critic/rewards/mean={s.reward:.6g} actor/entropy={s.entropy:.6g} "
            f"actor/grad_norm={s.norm:.6g} response_length/mean={s.length:.4g} flat_groups={s.flat_groups:.3g}"
        )

    rft.train(
        model,
        tokenizer,
        prompts,
        plan,
        lambda event: job.invoke(plan.reward_arn, [_below_metadata(s) for s in event] if job.in_metadata else event),
        on_step,
        _saver(job, tokenizer),
    )


def _below_metadata(sample: dict[str, Any]) -> dict[str, Any]:
    kept = {key: sample[key] for key in ("id", "messages")}
    return {**kept, "metadata": {key: value for key, value in sample.items() if key not in kept}}


def run_evaluate(job: Job, recipe: dict[str, Any]) -> None:
    plan = settings.evaluate(recipe)
    queries = records.read_queries(records.data_file(job.data("train"), "gen_qa.jsonl"))
    tokenizer, model = base.load(job.checkpoint)
    texts = evaluate.answers(model, tokenizer, queries, plan, lambda done, total: _say(f"evaluated={done}/{total}"))
    rows = [evaluate.text_metrics(text, query.gold) for text, query in zip(texts, queries, strict=True)]
    if plan.lambda_arn:
        for row, text, query in zip(rows, texts, queries, strict=True):
            row |= evaluate.processor_metrics(query, text, plan, lambda event: job.invoke(plan.lambda_arn, event))
    evaluate.write_results(job.output, plan, queries, texts, evaluate.aggregate(rows, plan.aggregation))


TECHNIQUES = {"sft": run_sft, "rft": run_rft, "evaluate": run_evaluate}


def run(environment: Mapping[str, str] = os.environ, invoke: Invoke | None = None) -> int:
    """Run the job that `environment` describes; 0, or 1 with the reason in output/failure."""
    root = Path(environment.get("SM_BASE", "/opt/ml"))
    try:
        technique = environment.get("SM_TECHNIQUE", "")
        if technique not in TECHNIQUES:
            raise InvalidInput(f"SM_TECHNIQUE is {technique!r}: it must be one of {sorted(TECHNIQUES)}")
        start = environment.get("SM_BASE_CHECKPOINT")
        torch.set_num_threads(1)
        below = environment.get("GRADER_FORM") == "bedrock"
        job = Job(root, technique, Path(start) if start else None, invoke or invoke_lambda(environment), below)
        TECHNIQUES[technique](job, settings.read(job.data("recipe") / "recipe.yaml"))
    except Exception as error:  # the container's contract: whatever went wrong is written down
        _fail(root, error)
        return 1
    _say("Training is complete")
    return 0


def _fail(root: Path, error: Exception) -> None:
    kind = (
        "ClientError"
        if isinstance(error, InvalidInput) or type(error).__name__ == "RecipeInvalid"
        else type(error).__name__
    )
    reason = f"{kind}: {error}"
    (root / "output").mkdir(parents=True, exist_ok=True)
    (root / "output" / "failure").write_text(reason, encoding="utf-8")
    _say(reason)
