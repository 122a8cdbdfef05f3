"""The state of documents and of a run as facts, from the ledger, the machines and the jobs."""

import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from local.cli import outlook
from local.cli.jobs import Jobs, JobState
from local.cli.place import Place
from toolsmith.aws.machines import failed_item
from toolsmith.customization import cost
from toolsmith.events import failure_of
from toolsmith.pipeline import spending

_NUMBER = re.compile(r"\d[\d.e+-]*")
PACE = 10.0
APPROVAL = "AskApproval"  # the state of the customize machine that waits for a person


@dataclass
class State:
    """Documents through the funnel, and the run that is looked at.

    usd: what teacher and jobs have cost so far, by list price; unpriced: something without a known price is not in it.
    eta_seconds: None where nothing tells.
    """

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
    unpriced: bool = False
    eta_seconds: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Watcher:
    """Reads the state of one place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._out = place.outputs
        names = ("dynamodb", "stepfunctions", "s3")
        self._clients = {name: place.client(name) for name in names}
        self._plain = TypeDeserializer().deserialize
        self._jobs = Jobs(place)
        self._plans: dict[str, dict[str, Any]] = {}
        self._prices = cost.prices()

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that the stack was deployed with."""
        return self._place.parameters

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

    def runs(self) -> list[dict[str, Any]]:
        """Executions of the customize machine, newest first, without those of requests that were set aside."""
        admitted = {row["id"] for row in self.rows("RUN")}
        found = self.executions("CustomizeMachine")
        return [each for each in found if each["status"] != "SUCCEEDED" or each["name"] in admitted]

    def redrive(self, arn: str) -> None:
        """Go on with a failed execution from the state that failed; finished states are not run again."""
        self._clients["stepfunctions"].redrive_execution(executionArn=arn)

    def error(self, arn: str) -> str:
        """The error that ended an execution; empty where none did."""
        return self._clients["stepfunctions"].describe_execution(executionArn=arn).get("error", "")

    def failure(self, arn: str) -> dict[str, str]:
        """What the event "Run Failed" says of an execution that did not succeed: "error", "cause" and "remedy"."""
        states = self._clients["stepfunctions"]
        found = states.describe_execution(executionArn=arn)
        return failure_of(found, failed_item(states, found))

    def why(self, arn: str) -> str:
        """Error and message of an execution that did not succeed."""
        told = self.failure(arn)
        return f"{told['error']}: {told['cause']}"[:1000]

    def state(self, run: str | None = None) -> State:
        """The state now; of the newest run that goes on, else of the newest, where none is named.

        `run` stays None where no such run exists.
        """
        found = State()
        rows = self.rows("DOCUMENT")
        ingests = self.executions("IngestMachine")
        self._documents(found, rows, ingests)
        teacher = self.parameters.get("Teacher", "")
        taught = outlook.teacher_usd(teacher, rows, self._prices)
        found.usd, found.unpriced = taught or 0.0, taught is None
        runs = self.runs()
        named = [e for e in runs if run is None or e["name"] == run]
        execution = next((e for e in named if e["status"] == "RUNNING"), named[0] if named else None)
        if execution:
            found.run, found.run_status = execution["name"], execution["status"]
            found.phase = self._phase(execution["executionArn"])
            found.jobs = self._jobs.of(execution["name"])
            self._spent(found)
        found.usd = round(found.usd, 2)
        found.eta_seconds = self._eta(found, ingests)
        return found

    def _spent(self, found: State) -> None:
        """What the jobs have cost: those that ended as the ledger has it, others by the time they have run."""
        kept = {row["id"]: row for row in self.rows(spending.kind_of(found.run or ""))}
        for job, timed in zip(found.jobs, _timed(found), strict=True):
            usd = outlook.job_usd(timed, kept.get(f"{found.run}-{job.job}", {}), self._prices)
            found.unpriced |= usd is None
            found.usd += usd or 0.0

    def _eta(self, found: State, ingests: list[dict[str, Any]]) -> int | None:
        if found.run_status == "RUNNING" and found.run:
            plan = self._plan(found.run)
            timed = _timed(found)
            left = outlook.run_seconds(plan, timed) if plan else None
        else:
            left = outlook.ingest_seconds(ingests, datetime.now(UTC)) if found.running_ingests else None
        return None if left is None else round(left)

    def _plan(self, run: str) -> dict[str, Any]:
        """The run's plan; empty until it was admitted."""
        if run not in self._plans:
            try:
                kept = self._clients["s3"].get_object(Bucket=self._out["WorkBucket"], Key=f"runs/{run}/plan.json")
            except ClientError:
                return {}
            self._plans[run] = json.loads(kept["Body"].read())
        return self._plans[run]

    def _documents(self, found: State, rows: list[dict[str, Any]], ingests: list[dict[str, Any]]) -> None:
        found.documents, found.rejected = len(rows), len(self.rows("REJECTED"))
        found.running_ingests = sum(1 for execution in ingests if execution["status"] == "RUNNING")
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


def _timed(state: State) -> list[outlook.Timed]:
    """The jobs of a state by stage and arm, as their names tell: evaluate-base-tools-1 is the arm base_tools."""
    found = []
    for job in state.jobs:
        what = job.job.rpartition("-")[0].replace("-", "_")
        stage, arm = ("evaluate", what.removeprefix("evaluate_")) if what.startswith("evaluate_") else (what, what)
        share = [int(part) for part in job.evaluated.split("/")] if job.evaluated else []
        done = share[0] / share[1] if share and share[1] else None
        timed = outlook.Timed(stage, arm, job.status, job.seconds, job.instance_type, job.instance_count, done)
        found.append(timed)
    return found


def foresee(state: State) -> str:
    """Cost so far and time left, for people; empty where neither is known."""
    parts = [f"{state.usd:,.2f} USD so far"] if state.usd else []
    if state.unpriced:
        parts.append("not all of the cost is known" if state.usd else "cost not known")
    if state.eta_seconds is not None:
        parts.append(outlook.spoken(state.eta_seconds))
    return "".join(f" · {part}" for part in parts)


def funnel(state: State) -> str:
    """What became of the documents, for people."""
    parts = [f"documents {state.settled}/{state.documents} settled"]
    if state.rejected:
        parts.append(f"{state.rejected} set aside")
    return " · ".join([*parts, f"chunks {state.chunks_done}/{state.chunks}", f"examples {state.examples}"])


def progress(state: State) -> str:
    """How far the run is, for people: its jobs while some run, else the state of its machine; empty without a run."""
    if not state.run:
        return ""
    if state.run_status != "RUNNING":
        return f"{state.run}: {state.run_status}"
    jobs = [_describe_job(job) for job in state.jobs if job.status == "InProgress"]
    if not jobs and state.phase == APPROVAL:
        return f"{state.run} waits for `toolsmith approve {state.run}` or `toolsmith reject {state.run}`"
    # only jobs that cannot be followed tell their numbers at the end
    ended = [f"{_describe_job(job)} at its end" for job in state.jobs if job.status == "Completed" and job.numbers]
    return f"{state.run}: {' · '.join([*(jobs or [state.phase or 'starting']), *ended[-1:]])}"


class Teller:
    """Puts a state on one line, without what it said before: the documents, the run, or both.

    Where nothing but numbers changed, it speaks at most every `pace` seconds.
    """

    def __init__(self, pace: float = PACE, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace, self._clock = pace, clock
        self._said: dict[str, str] = {}
        self._spoke = -math.inf

    def line(self, state: State) -> str | None:
        """What is new, with cost and time left; None where only time has passed."""
        now = {part: text for part, text in (("documents", funnel(state)), ("run", progress(state))) if text}
        new = {part: text for part, text in now.items() if self._said.get(part) != text}
        counting = all(_wordings(self._said.get(part, "")) == _wordings(text) for part, text in new.items())
        if not new or (counting and self._clock() - self._spoke < self._pace):
            return None
        self._said, self._spoke = now, self._clock()
        return " · ".join(new.values()) + foresee(state)


def _wordings(text: str) -> str:
    return _NUMBER.sub("", text)


def _describe_job(job: JobState) -> str:
    words = [job.job]
    if job.doing:
        words.append(f"{job.doing}, {outlook.spent(job.seconds)}" if job.seconds >= 1 else job.doing)
    if job.step is not None:
        words.append(f"step {job.step}")
    if job.evaluated:
        words.append(f"{job.evaluated} questions")
    words += [f"{name} {value:.3g}" for name, value in job.numbers.items()]
    return " ".join(words)
