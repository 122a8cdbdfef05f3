"""The state of documents and of a run as facts, from the ledger, the machines and the jobs' logs."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from local.cli.place import Place

_STEP = re.compile(r"global_step[=:]\s*(\d+)")
_NUMBERS = {
    "loss": re.compile(r"reduced_train_loss[=:]\s*(-?[\d.]+(?:[eE][+-]?\d+)?)"),
    "reward": re.compile(r"critic/rewards/mean[=:]\s*(-?[\d.]+(?:[eE][+-]?\d+)?)"),
    "entropy": re.compile(r"actor/entropy[=:]\s*(-?[\d.]+(?:[eE][+-]?\d+)?)"),
}
_EVALUATED = re.compile(r"evaluated=(\d+)/(\d+)")


@dataclass
class JobState:
    """One training or evaluation job; the numbers are those of its newest log line."""

    job: str
    status: str
    seconds: float = 0.0
    step: int | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    evaluated: str | None = None


@dataclass
class State:
    """Documents through the funnel, and the run that is looked at."""

    documents: int = 0
    settled: int = 0
    rejected: int = 0
    running_ingests: int = 0
    chunks: int = 0
    chunks_done: int = 0
    examples: int = 0
    run: str | None = None
    run_status: str | None = None
    phase: str | None = None
    jobs: list[JobState] = field(default_factory=list)
    usd: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Watcher:
    """Reads the state of one place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._out = place.outputs
        names = ("dynamodb", "stepfunctions", "sagemaker", "logs", "s3")
        self._clients = {name: place.client(name) for name in names}
        self._plain = TypeDeserializer().deserialize

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Every ledger row of a kind."""
        pages = self._clients["dynamodb"].get_paginator("query").paginate(
            TableName=self._out["LedgerTable"], KeyConditionExpression="kind = :k",
            ExpressionAttributeValues={":k": {"S": kind}}, ConsistentRead=True,
        )  # fmt: skip
        return [{k: self._plain(v) for k, v in item.items()} for page in pages for item in page["Items"]]

    def executions(self, machine: str, status: str | None = None) -> list[dict[str, Any]]:
        """Executions of "CrawlMachine" | "IngestMachine" | "CustomizeMachine", newest first."""
        wanted = {"statusFilter": status} if status else {}
        pages = self._clients["stepfunctions"].get_paginator("list_executions")
        found = [e for page in pages.paginate(stateMachineArn=self._out[machine], **wanted) for e in page["executions"]]
        return sorted(found, key=lambda execution: execution["startDate"], reverse=True)

    def redrive(self, arn: str) -> None:
        """Go on with a failed execution from the state that failed; finished states are not run again."""
        self._clients["stepfunctions"].redrive_execution(executionArn=arn)

    def state(self, run: str | None = None) -> State:
        found = State()
        self._documents(found)
        runs = self.executions("CustomizeMachine")
        execution = next((e for e in runs if run is None or e["name"] == run), None)
        if execution:
            found.run, found.run_status = execution["name"], execution["status"]
            found.phase = self._phase(execution["executionArn"])
            found.jobs = self._jobs(execution["name"])
        return found

    def _documents(self, found: State) -> None:
        rows = self.rows("DOCUMENT")
        found.documents, found.rejected = len(rows), len(self.rows("REJECTED"))
        found.running_ingests = len(self.executions("IngestMachine", "RUNNING"))
        for row in rows:
            chunks = int(row["chunks"])
            found.chunks += chunks
            if row["status"] == "settled":
                found.settled += 1
                found.chunks_done += chunks
                found.examples += int(row["examples"])

    def _phase(self, arn: str) -> str | None:
        """The newest state that the execution entered itself, outside its maps."""
        try:
            events = self._clients["stepfunctions"].get_execution_history(
                executionArn=arn, reverseOrder=True, maxResults=200
            )["events"]
        except ClientError:
            return None
        entered = (event.get("stateEnteredEventDetails", {}).get("name") for event in events)
        return next((name for name in entered if name), None)

    def _jobs(self, run: str) -> list[JobState]:
        found = self._clients["sagemaker"].list_training_jobs(NameContains=f"{run}-", MaxResults=100, SortBy="CreationTime",
                                                              SortOrder="Ascending")  # fmt: skip
        jobs = []
        for summary in found["TrainingJobSummaries"]:
            job = JobState(summary["TrainingJobName"].removeprefix(f"{run}-"), summary["TrainingJobStatus"])
            if job.status == "InProgress":
                self._read_log(summary["TrainingJobName"], job)
            jobs.append(job)
        return jobs

    def _read_log(self, name: str, job: JobState) -> None:
        logs, group = self._clients["logs"], "/aws/sagemaker/TrainingJobs"
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
            lines = [event["message"] for stream in streams[:1] for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], limit=20, startFromHead=False)["events"]]  # fmt: skip
        except ClientError:
            return
        for line in lines:
            if step := _STEP.search(line):
                job.step = int(step[1])
            if done := _EVALUATED.search(line):
                job.evaluated = f"{done[1]}/{done[2]}"
            job.numbers |= {what: float(hit[1]) for what, pattern in _NUMBERS.items() if (hit := pattern.search(line))}


def describe(state: State) -> str:
    """The state on one line, for people."""
    parts = [f"documents {state.settled}/{state.documents} settled"]
    if state.rejected:
        parts.append(f"{state.rejected} set aside")
    parts += [f"chunks {state.chunks_done}/{state.chunks}", f"examples {state.examples}"]
    if state.run:
        parts.append(f"{state.run}: {state.run_status if state.run_status != 'RUNNING' else state.phase}")
        parts += [_describe_job(job) for job in state.jobs if job.status == "InProgress"]
    return " · ".join(parts)


def _describe_job(job: JobState) -> str:
    words = [job.job]
    if job.step is not None:
        words.append(f"step {job.step}")
    if job.evaluated:
        words.append(f"evaluated {job.evaluated}")
    words += [f"{name} {value:.3g}" for name, value in job.numbers.items()]
    return " ".join(words)
