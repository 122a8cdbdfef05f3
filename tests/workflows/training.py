"""A SageMaker whose jobs end at once: a student that knows as much as the script says answers the questions."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.local.states_bench import fault
from tests.workflows.memory_aws import Objects
from tests.workflows.stack import ACCOUNT, NAME, REGION

ESCROW = f"customer-escrow-{ACCOUNT}-smtj-abc"
PACKAGE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/{NAME}"
NONSENSE = "I would rather talk about the weather."


@dataclass
class Outcome:
    """How a job ends. status: as SageMaker says it; reason: its FailureReason; describes: how often it is still
    InProgress when looked at; artefact: False leaves nothing behind; losses: the column of the metrics file; seconds:
    how long it has run; tokens: how many a job without instances says it is billed for."""

    status: str = "Completed"
    reason: str | None = None
    describes: int = 0
    artefact: bool | bytes = True
    losses: tuple[float, ...] = (1.5, 0.7, 0.4)
    seconds: int = 60
    tokens: int | None = None


@dataclass
class Training:
    """skills: arm -> share of the questions answered rightly; script: arm or job name -> outcomes of its next jobs;
    refusals: what the next CreateTrainingJob calls raise; paid: requests that started a job."""

    objects: Objects
    skills: dict[str, float] = field(
        default_factory=lambda: {
            "base": 0.0, "base_tools": 0.1, "base_few_shot": 0.1, "base_nearest": 0.1, "sft": 0.6, "more_sft": 0.6,
            "rft": 1.0,
        }  # fmt: skip
    )
    script: dict[str, list[Outcome]] = field(default_factory=dict)
    refusals: list[Exception] = field(default_factory=list)
    paid: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.objects.buckets.setdefault(ESCROW, {})

    def create(self, **request: Any) -> dict[str, str]:
        name = request["TrainingJobName"]
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
        with self._lock:
            if self.refusals:
                raise self.refusals.pop(0)
            if name in self.jobs:
                raise fault(
                    "ResourceInUse", f"Training job names must be unique within an AWS account and region ({arn})"
                )
            self.paid.append(request)
            outcome = self._outcome(request)
            ended = outcome.status == "Completed"
            self.jobs[name] = {"TrainingJobName": name, "TrainingJobArn": arn, "TrainingJobStatus": outcome.status,
                               "SecondaryStatus": outcome.status, "left": outcome.describes,
                               "TrainingTimeInSeconds": outcome.seconds,
                               **({"BillableTokenCount": outcome.tokens} if outcome.tokens else {}),
                               **({"FailureReason": outcome.reason} if outcome.reason else {})}  # fmt: skip
        if ended and outcome.artefact:
            bucket, key = place(request["OutputDataConfig"]["S3OutputPath"])
            files = {} if isinstance(outcome.artefact, bytes) else self._work(request, outcome)
            if request["OutputDataConfig"].get("CompressionType") == "NONE":
                for path, text in files.items():
                    self.objects.put_object(bucket, f"{key}/{name}/output/output/{path}", text)
            else:
                data = outcome.artefact if isinstance(outcome.artefact, bytes) else archive(files)
                self.objects.put_object(bucket, f"{key}/{name}/output/output.tar.gz", data)
        return {"TrainingJobArn": arn}

    def describe(self, TrainingJobName: str) -> dict[str, Any]:
        with self._lock:
            if TrainingJobName not in self.jobs:
                raise fault("ValidationException", "Requested resource not found.")
            job = self.jobs[TrainingJobName]
            job["left"] -= 1
            going = {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training"} if job["left"] >= 0 else {}
            return {name: value for name, value in {**job, **going}.items() if name != "left"}

    def stop(self, TrainingJobName: str) -> dict[str, Any]:
        self.jobs[TrainingJobName].update(TrainingJobStatus="Stopped", SecondaryStatus="Stopped", left=0)
        return {}

    def end(self, TrainingJobName: str) -> dict[str, Any]:
        """The job ends by itself as it was going to, before it can be stopped."""
        self.jobs[TrainingJobName]["left"] = 0
        return {}

    def arms(self) -> list[str]:
        """What was paid for, as stage:arm, sorted."""
        return sorted(named(request) for request in self.paid)

    def _outcome(self, request: dict[str, Any]) -> Outcome:
        for key in (request["TrainingJobName"], named(request)):
            if self.script.get(key):
                return self.script[key].pop(0)
        return Outcome()

    def _work(self, request: dict[str, Any], outcome: Outcome) -> dict[str, str]:
        if named(request).startswith("evaluate:"):
            return self._answers(request)
        arm, name = named(request).partition(":")[2], request["TrainingJobName"]
        checkpoint = f"s3://{ESCROW}/{name}/step_30"
        self.objects.put_object(ESCROW, f"{name}/step_30/weights.json", json.dumps({"arm": arm}))
        rows = ["step_number,reduced_train_loss", *(f"{10 * n},{loss}" for n, loss in enumerate(outcome.losses, 1))]
        manifest = json.dumps({"checkpoint_s3_bucket": checkpoint})
        if "ServerlessJobConfig" in request:
            self.jobs[name]["OutputModelPackageArn"] = f"{PACKAGE}/{name}"
        return {"manifest.json": manifest, "step_wise_training_metrics.csv": "\n".join(rows) + "\n"}

    def _answers(self, request: dict[str, Any]) -> dict[str, str]:
        """The student knows its arm from the weights it starts from, and the questions from its channel."""
        arm = named(request).partition(":")[2]
        package = request.get("ModelPackageConfig", {}).get("SourceModelPackageArn", "")
        packed = f"s3://{ESCROW}/{package.rpartition('/')[2]}/step_30" if package else None
        location = request["HyperParameters"].get("base_model_location") or packed
        known = json.loads(self.objects.data(*place(f"{location}/weights.json")))["arm"] if location else arm
        skill = self.skills[known]
        rows = [json.loads(line) for line in self.objects.data(*place(channel(request, "train"))).splitlines()]
        said = [(row, row["response"] if share(row["metadata"]) < skill else NONSENSE) for row in rows]
        lines = [json.dumps({"prompt": row["query"], "inference": str([text]), "gold": row["response"],
                             "metadata": row["metadata"]}) for row, text in said]  # fmt: skip
        return {"run/eval_results/inference_output.jsonl": "\n".join(lines) + "\n",
                "run/eval_results/results_2026.json": json.dumps({"results": {"all": {}}})}  # fmt: skip


def named(request: dict[str, Any]) -> str:
    """stage:arm of a request, read from its tags and its name."""
    stage = next(tag["Value"] for tag in request["Tags"] if tag["Key"] == "toolsmith:stage")
    words = (
        request["TrainingJobName"]
        .rpartition("-")[0]
        .replace("more-sft", "more_sft")
        .replace("base-tools", "base_tools")
        .replace("base-few-shot", "base_few_shot")
        .replace("base-nearest", "base_nearest")
    )
    return f"{stage}:{words.rpartition('-')[2]}"


def place(uri: str) -> tuple[str, str]:
    """(bucket, key) of an s3:// URI."""
    found = urlsplit(uri)
    return found.netloc, found.path.strip("/")


def channel(request: dict[str, Any], name: str) -> str:
    return next(
        c["DataSource"]["S3DataSource"]["S3Uri"] for c in request["InputDataConfig"] if c["ChannelName"] == name
    )


def recipe(objects: Objects, request: dict[str, Any]) -> dict[str, Any]:
    """The recipe that a job was started with."""
    return yaml.safe_load(objects.data(*place(channel(request, "recipe"))))


def archive(files: dict[str, str]) -> bytes:
    """A .tar.gz of text files, the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), 1, mtime=0)


def share(text: str) -> float:
    """A number in [0, 1) that the text alone decides."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32
