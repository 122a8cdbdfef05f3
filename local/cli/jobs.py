"""The jobs of a run as the services tell of them: SageMaker's, Bedrock's own, and models that are asked in Bedrock.

SageMaker's jobs are followed in their log. Bedrock shows no log: of its jobs there is the phase, and the metrics of
every step once they end; of a model that is asked, how many of its answers are kept.
"""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from local.cli.place import Place
from toolsmith.customization.jobs import job_name
from toolsmith.pipeline.places import BEDROCK
from toolsmith.pipeline.training import evaluation_file

_STEP = re.compile(r"global_step[=:]\s*(\d+)")
_NUMBER = r"[=:]\s*(-?[\d.]+(?:[eE][+-]?\d+)?)"
_NUMBERS = {
    "loss": re.compile(f"reduced_train_loss{_NUMBER}"),
    "reward": re.compile(f"critic/rewards/mean{_NUMBER}"),
    "entropy": re.compile(f"actor/entropy{_NUMBER}"),
}
_EVALUATED = re.compile(r"evaluated=(\d+)/(\d+)")
_GROUP = "/aws/sagemaker/TrainingJobs"
# The same numbers by the columns of step_wise_training_metrics.csv.
_COLUMNS = {"loss": "training_loss", "reward": "train_reward_mean", "entropy": "policy_entropy"}
_PHASES = {
    "validationDetails": "checks its data",
    "dataProcessingDetails": "prepares its data",
    "trainingDetails": "trains",
}
_STARTS = {"Starting": "starts", "Pending": "waits for instances", "Downloading": "loads its data",
           "Uploading": "delivers its outputs"}  # fmt: skip
_RECIPE = re.compile(r"/jobs/evaluate-(\w+)-(\d+)/recipe\.yaml$")


@dataclass
class JobState:
    """One training or evaluation job; the numbers are the newest that are known, seconds those it has run.

    doing: what it is at, in words, where the service tells nothing finer.
    """

    job: str
    status: str
    seconds: float = 0.0
    instance_type: str = ""
    instance_count: int = 1
    step: int | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    evaluated: str | None = None
    doing: str | None = None


class Jobs:
    """Reads the jobs of runs in one place; what ended is read once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._clients = {name: place.client(name) for name in ("sagemaker", "logs", "bedrock", "s3")}
        self._ended: dict[str, JobState] = {}

    def of(self, run: str) -> list[JobState]:
        """The jobs of a run, oldest first."""
        found = self._trained(run)
        if self._place.parameters.get("CustomizeOn") == BEDROCK:
            found += [*self._customized(run), *self._asked(run)]
        return found

    def _once(self, name: str, read: Callable[[], JobState]) -> JobState:
        state = self._ended.get(name) or read()
        if state.status not in ("InProgress", "Stopping"):
            self._ended[name] = state
        return state

    # -- SageMaker ----------------------------------------------------------------------------------

    def _trained(self, run: str) -> list[JobState]:
        pages = self._clients["sagemaker"].get_paginator("list_training_jobs").paginate(
            NameContains=f"{run}-", SortBy="CreationTime", SortOrder="Ascending")  # fmt: skip
        names = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
        return [self._once(name, lambda name=name: self._training(name, run)) for name in names]

    def _training(self, name: str, run: str) -> JobState:
        described = self._clients["sagemaker"].describe_training_job(TrainingJobName=name)
        started = described.get("TrainingStartTime")
        seconds = described.get("TrainingTimeInSeconds") or _between(started, described.get("TrainingEndTime"))
        where = described.get("ResourceConfig", {})  # serverless jobs have none
        job = JobState(name.removeprefix(f"{run}-"), described["TrainingJobStatus"], round(float(seconds), 1),
                       where.get("InstanceType", ""), where.get("InstanceCount", 1))  # fmt: skip
        if job.status == "InProgress":
            job.doing = _STARTS.get(described["SecondaryStatus"])
            job.step = _steps_done(described.get("ProgressInfo", {}))  # serverless jobs only
            self.read_log(name, job)
        return job

    def read_log(self, name: str, job: JobState) -> None:
        """Fill in what the newest lines of a training job's log tell."""
        logs = self._clients["logs"]
        try:
            found = logs.describe_log_streams(logGroupName=_GROUP, logStreamNamePrefix=f"{name}/algo-1-")
            # a job that began anew has several
            newest = sorted(found["logStreams"], key=lambda stream: stream["creationTime"])[-1:]
            events = [logs.get_log_events(logGroupName=_GROUP, logStreamName=stream["logStreamName"], limit=20,
                                          startFromHead=False)["events"] for stream in newest]  # fmt: skip
        except ClientError:
            return
        for line in (event["message"] for page in events for event in page):
            if step := _STEP.search(line):
                job.step = int(step[1])
            if done := _EVALUATED.search(line):
                job.evaluated = f"{done[1]}/{done[2]}"
            job.numbers |= {what: float(hit[1]) for what, pattern in _NUMBERS.items() if (hit := pattern.search(line))}

    # -- Bedrock ------------------------------------------------------------------------------------

    def _customized(self, run: str) -> list[JobState]:
        pages = self._clients["bedrock"].get_paginator("list_model_customization_jobs").paginate(
            nameContains=f"{run}-", sortBy="CreationTime", sortOrder="Ascending")  # fmt: skip
        summaries = [each for page in pages for each in page.get("modelCustomizationJobSummaries", [])]
        return [self._once(each["jobName"], lambda each=each: self._customization(each, run)) for each in summaries]

    def _customization(self, summary: dict[str, Any], run: str) -> JobState:
        job = JobState(summary["jobName"].removeprefix(f"{run}-"), summary["status"],
                       round(_between(summary["creationTime"], summary.get("endTime")), 1))  # fmt: skip
        details = summary.get("statusDetails", {})
        at = (words for phase, words in _PHASES.items() if details.get(phase, {}).get("status") == "InProgress")
        if job.status == "InProgress":
            job.doing = next(at, "waits")
        if job.status == "Completed":
            described = self._clients["bedrock"].get_model_customization_job(jobIdentifier=summary["jobArn"])
            self._read_metrics(described, job)
        return job

    def _read_metrics(self, described: dict[str, Any], job: JobState) -> None:
        """The last row of the metrics that the job left, else the loss that the service tells."""
        output = described["outputDataConfig"]["s3Uri"].removeprefix("s3://").rstrip("/")
        bucket, _, prefix = output.partition("/")
        number = described["jobArn"].rpartition("/")[2]
        key = f"{prefix}/model-customization-job-{number}/training_artifacts/step_wise_training_metrics.csv"
        try:
            text = self._clients["s3"].get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        except ClientError:
            loss = described.get("trainingMetrics", {}).get("trainingLoss")
            job.numbers = {} if loss is None else {"loss": loss}
            return
        *_, last = [{}, *csv.DictReader(io.StringIO(text))]
        job.step = int(float(last["step_number"])) if last.get("step_number") else None
        job.numbers = {name: float(last[column]) for name, column in _COLUMNS.items() if last.get(column)}

    def _asked(self, run: str) -> list[JobState]:
        """Evaluations: the model is deployed, asked, and its answers are kept as they come."""
        bucket, prefix = self._place.outputs["WorkBucket"], f"runs/{run}/jobs/evaluate-"
        pages = self._clients["s3"].get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        begun = [(each["LastModified"], each["Key"]) for page in pages for each in page.get("Contents", [])]
        found = []
        for at, key in sorted(begun):
            if named := _RECIPE.search(key):
                arm, name = named[1], job_name(run, "evaluate", named[1], int(named[2]))
                found.append(self._once(name, lambda arm=arm, name=name, at=at: self._asking(run, arm, name, at)))
        return found

    def _asking(self, run: str, arm: str, name: str, begun: datetime) -> JobState:
        measured = json.loads(self._kept(f"runs/{run}/measures/{arm}.json") or b"{}")
        if measured.get("job") == name:
            return JobState(name.removeprefix(f"{run}-"), "Completed", measured["seconds"])
        job = JobState(name.removeprefix(f"{run}-"), "InProgress", round(_between(begun, None), 1))
        answers = self._kept(f"runs/{run}/output/{name}/inference_output.jsonl")
        rows = json.loads(self._kept(f"runs/{run}/dataset.json") or b"{}").get("rows", {}).get(evaluation_file(arm))
        if answers and rows:
            job.evaluated = f"{len(answers.splitlines())}/{rows}"
        else:
            job.doing = "is being deployed" if self._is_coming_up(name) else "is asked its first questions"
        return job

    def _is_coming_up(self, deployment: str) -> bool:
        listed = self._clients["bedrock"].list_custom_model_deployments(nameContains=deployment)
        states = (each["status"] for each in listed.get("modelDeploymentSummaries", []))
        return "Creating" in states

    def _kept(self, key: str) -> bytes | None:
        try:
            return self._clients["s3"].get_object(Bucket=self._place.outputs["WorkBucket"], Key=key)["Body"].read()
        except ClientError:
            return None


def _between(start: datetime | None, end: datetime | None) -> float:
    """Seconds from start to end, or until now; 0 without a start."""
    return ((end or datetime.now(UTC)) - start).total_seconds() if start else 0.0


def _steps_done(progress: dict[str, int]) -> int | None:
    """The step over all epochs, where the service counts them."""
    if "CurrentStep" not in progress:
        return None
    before = max(0, progress.get("CurrentEpoch", 1) - 1)
    return before * progress.get("TotalStepCountPerEpoch", 0) + progress["CurrentStep"]
