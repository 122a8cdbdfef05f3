"""The whole stack in one process: the real state machines on the real interpreter, calling the real handlers.

What the template declares is read from template.yaml; S3, DynamoDB, SageMaker, Bedrock and the bus are in memory.
Waits and retry delays take no time. `bench.drop` delivers a file as S3 and EventBridge would.
"""

import inspect
import json
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.endpoint
import pytest
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from jsonschema import Draft202012Validator

from local.states import ApiError, Clock, Engine, StateError
from tests.local.states_bench import Cloud, fault
from tests.workflows import functions, memory_aws, stack, wire
from tests.workflows.batches import Batches
from tests.workflows.customization import Customization
from tests.workflows.functions import Functions
from tests.workflows.memory_aws import Objects, Table
from tests.workflows.models import Models, Speech
from tests.workflows.training import Training
from toolsmith.aws import bus, wiring
from toolsmith.aws.ledger import Ledger
from toolsmith.events import PUBLISHED, schema
from toolsmith.pipeline import ingest

INTAKE, WORK = stack.NAMES["IntakeBucket"], stack.NAMES["WorkBucket"]
SAMPLES = stack.ROOT / "samples"
_VALIDATORS = {name: Draft202012Validator(schema(event)) for name, event in PUBLISHED.items()}
_SDK = wire.Sdk()
_COUNTING = threading.RLock()


def _alone(count: Callable[..., Any]) -> Callable[..., Any]:
    """On AWS every sandbox has its counters for itself; here all share them, and one flushes while another counts."""

    def counting(provider: AmazonCloudWatchEMFProvider, *args: Any, **kwargs: Any) -> Any:
        with _COUNTING:
            return count(provider, *args, **kwargs)

    return counting


class Nap:
    """Stands in for botocore's clock; remembers how long its retries would have slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Bench:
    """One deployed stack. Close it; `parameters` are the template's."""

    def __init__(self, folder: Path | None = None, **parameters: Any) -> None:
        self.stack = stack.Stack(**parameters)
        self.folder = folder or Path(tempfile.mkdtemp(prefix="workflow-"))
        self.objects, self.table = Objects(INTAKE, WORK), Table()
        self.functions, self.training, self.models = Functions(self.stack), Training(self.objects), Models()
        self.speech = Speech(self.stack.parameters["Teacher"])
        self.customization = Customization(self.objects, self.training, self.models)
        self.speech.students = self.customization.answer
        self.batches = Batches(self.objects, self.speech.converse)
        self.events: list[dict[str, Any]] = []
        self.mails: list[dict[str, str]] = []
        self.parameters_put: dict[str, str] = {}
        self.refused_entries = 0
        self.buried: list[tuple[str, dict[str, Any], BaseException]] = []
        self.statuses: list[dict[str, Any]] = []
        self.cloud = Cloud(**self._services())
        self._faults: list[Callable[[Any], None]] = []
        self._patch = pytest.MonkeyPatch()
        self._lock = threading.Lock()
        self.nap = Nap()
        self.engine = self._engine()
        for name, text in self.stack.definitions().items():
            self.engine.machines.create(name, text, f"arn:aws:iam::{stack.ACCOUNT}:role/{name}")
        self._wire()

    # -- the places things lie -----------------------------------------------------------------------------------
    def drop(self, key: str, data: bytes | str | dict, times: int = 1) -> str:
        """Put a file into the intake bucket and deliver its event; the name of the execution that it started."""
        body = json.dumps(data).encode() if isinstance(data, dict) else data
        before = set(self.names())
        made = self.objects.put_object(INTAKE, key, body)
        self.deliver(self.arrival(key, made["VersionId"], len(body)), times)
        started = [name for name in self.names() if name not in before]
        return started[0] if started else ""

    def drop_samples(self, *names: str) -> list[str]:
        """Drop sample documents by their path below samples/; names of the executions."""
        return [self.drop(f"incoming/{name}", (SAMPLES / name).read_bytes()) for name in names]

    @staticmethod
    def arrival(key: str, version: str, size: int = 1, sequencer: str = "00A") -> dict[str, Any]:
        """The EventBridge event of an object that was created."""
        made = {"key": key, "version-id": version, "size": size, "etag": "e", "sequencer": sequencer}
        return {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": INTAKE}, "object": made},
        }

    def deliver(self, event: dict[str, Any], times: int = 1) -> Any:
        """Hand an event to the start function, as one SQS batch for each delivery; the answer to the last."""
        for number in range(times):
            record = {"messageId": f"m{number}", "body": json.dumps(event)}
            said = self.functions.call("StartFunction", {"Records": [record]})
        return said

    def settle(self) -> Any:
        """Deliver what the rule Settlements would have put into the settle queue."""
        wanted = self.stack.wanted("Settlements")
        found = next(event for event in reversed(self.events) if event["detail-type"] in wanted)
        return self.deliver(found)

    def lines(self, key: str) -> list[Any]:
        return [json.loads(line) for line in self.objects.data(WORK, key).splitlines()]

    def json(self, key: str, bucket: str = WORK) -> Any:
        return json.loads(self.objects.data(bucket, key))

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """The ledger's rows of a kind, as the adapter reads them."""
        return Ledger(_SDK.resource("dynamodb").Table(stack.NAMES["Ledger"])).all(kind)

    # -- executions ----------------------------------------------------------------------------------------------
    def names(self, machine: str | None = None) -> list[str]:
        """Executions, oldest first."""
        machines = [machine] if machine else ["crawl", "ingest", "customize"]
        return [
            row["name"] for m in machines for row in reversed(self.engine.list_executions(self.stack.arn(_logical(m))))
        ]

    def arn(self, name: str) -> str:
        machine = {"run": "customize"}.get(name.partition("-")[0], name.partition("-")[0])
        return f"arn:aws:states:{stack.REGION}:{stack.ACCOUNT}:execution:{machine}:{name}"

    def ended(self, name: str, seconds: float = 120) -> dict[str, Any]:
        """The description of an execution once it ended; output parsed."""
        found = self.engine.wait(self.arn(name), seconds)
        assert found["status"] != "RUNNING", f"{name} is still running: {self.visited(name)[-5:]}"
        return {**found, "output": json.loads(found["output"])} if "output" in found else found

    def succeeded(self, name: str, seconds: float = 120) -> dict[str, Any]:
        found = self.ended(name, seconds)
        assert found["status"] == "SUCCEEDED", (found.get("error"), found.get("cause"), self.visited(name)[-5:])
        return found

    def redrive(self, name: str) -> dict[str, Any]:
        """Redrive a failed execution and wait for its end."""
        self.engine.redrive_execution(self.arn(name))
        return self.ended(name)

    def history(self, name: str) -> list[dict[str, Any]]:
        return self.engine.get_execution_history(self.arn(name), limit=30000)

    def visited(self, name: str) -> list[str]:
        """The states that were entered, in order."""
        return [e["stateEnteredEventDetails"]["name"] for e in self.history(name) if e["type"].endswith("StateEntered")]

    def children(self, name: str) -> list[dict[str, Any]]:
        """The child executions of all Map Runs of an execution."""
        runs = self.engine.list_map_runs(self.arn(name))
        return [child for run in runs for child in self.engine.list_executions(mapRunArn=run["mapRunArn"])]

    def transitions(self, name: str) -> int:
        """State transitions, as they are billed: entered states of the execution and of its children."""
        arns = [self.arn(name), *(child["executionArn"] for child in self.children(name))]
        return sum(e["type"].endswith("StateEntered") for arn in arns
                   for e in self.engine.get_execution_history(arn, limit=30000))  # fmt: skip

    def largest_payload(self, name: str) -> int:
        """Bytes of the largest input or output that any event of an execution and its children holds."""
        arns = [self.arn(name), *(child["executionArn"] for child in self.children(name))]
        return max(len(text.encode()) for arn in arns for event in self.engine.get_execution_history(arn, limit=30000)
                   for detail in event.values() if isinstance(detail, dict)
                   for text in (detail.get("input", ""), detail.get("output", "")))  # fmt: skip

    # -- events --------------------------------------------------------------------------------------------------
    def told(self, detail_type: str | None = None) -> list[Any]:
        """Details of the events of one type; or the types of all, in order."""
        if detail_type is None:
            return [event["detail-type"] for event in self.events]
        return [event["detail"] for event in self.events if event["detail-type"] == detail_type]

    def failing(self, hook: Callable[[Any], None]) -> None:
        """Have `hook(call)` run before every call of a state machine's task; it may raise."""
        self._faults.append(hook)

    def break_each(self, answer_lost: bool = False) -> list[str]:
        """Every Task state fails once, the first time it makes its call, with an error that nothing handles; if the
        answer is lost, the call took effect before. The list names the states that failed so far."""
        broken: list[str] = []
        here, answer = threading.local(), self.cloud.answer

        def note(call: Any) -> None:
            with self._lock:
                here.lost = call.state not in broken
                broken.extend([call.state] * here.lost)
            if here.lost and not answer_lost:
                raise StateError("States.Runtime", f"{call.state} was broken by the bench")

        def lose(service: str, method: str, request: dict[str, Any]) -> Any:
            made, lost, here.lost = answer(service, method, request), getattr(here, "lost", False), False
            if lost and answer_lost:
                raise StateError("States.Runtime", f"the answer of {service}.{method} was lost by the bench")
            return made

        self._faults.append(note)
        self.set(self.cloud, "answer", lose)
        return broken

    def side_by_side(self, first: str, second: str, stands: str) -> None:
        """The job `first` gives its run up while the job `second` stands in the state `stands` and another one is done.

        Jobs are told by the ends of their names. In RunJob the second one was looked at, elsewhere it is about to call.
        """
        standing, done = threading.Event(), threading.Event()
        describe = self.training.describe

        def hold(call: Any) -> None:
            said = json.dumps(call.arguments)
            if call.state == "AnnounceEvaluated":
                done.set()
            elif call.state == "GiveUp" and first in said:
                assert standing.wait(60) and done.wait(60)
            elif call.state == stands != "RunJob" and second in said and not standing.is_set():
                standing.set()
                self.engine.wait(call.execution, 60)
                raise fault("Aborted", "the run ended before this call was made")

        def look(TrainingJobName: str) -> dict[str, Any]:
            if stands == "RunJob" and TrainingJobName.endswith(second):
                standing.set()
            return describe(TrainingJobName)

        self.failing(hold)
        self.cloud.on("sagemaker.describe_training_job", look)

    def through(self, name: str, most: int = 60) -> dict[str, Any]:
        """Redrive an execution for as long as the bench breaks it; its last description."""
        found = self.ended(name)
        while found.get("error") in ("States.Runtime", "States.ExceedToleratedFailureThreshold") and most:
            found, most = self.redrive(name), most - 1
        return found

    def set(self, place: Any, name: str, value: Any) -> None:
        """Change an attribute for as long as this stack is open."""
        self._patch.setattr(place, name, value)

    # -- life ----------------------------------------------------------------------------------------------------
    def restart(self) -> None:
        """The interpreter dies and comes back on its journal."""
        self.engine.close()
        self.engine = self._engine()
        self.engine.resume()

    def close(self) -> None:
        self.engine.close()
        self.functions.close()
        self._patch.undo()
        _forget()

    def _engine(self) -> Engine:
        return Engine(self.folder / "journal.sqlite", self.cloud.client, self._status, clock=Clock(0.0),
                      poll_seconds=0.005, account=stack.ACCOUNT, region=stack.REGION, fault=self._fault)  # fmt: skip

    def _fault(self, call: Any) -> None:
        for hook in self._faults:
            hook(call)

    def _wire(self) -> None:
        _forget()
        _SDK.wire.calls = dict(self.cloud.handlers)
        _SDK.wire.disturb = lambda service, operation, answer: answer()
        patch = self._patch.setattr
        patch(wiring, "setting", functions.setting)
        patch("boto3.client", _SDK.client)
        patch("boto3.resource", _SDK.resource)
        patch(botocore.endpoint, "time", self.nap)
        patch(bus, "time", self.nap)
        for name in ("add_metric", "flush_metrics"):
            patch(AmazonCloudWatchEMFProvider, name, _alone(getattr(AmazonCloudWatchEMFProvider, name)))

    @property
    def wire(self) -> wire.Wire:
        """Where a test disturbs what the handlers send: `bench.wire.disturb = ...`."""
        return _SDK.wire

    def _services(self) -> dict[str, Callable[..., Any]]:
        """Every service by `service.method`; state machines call them directly, handlers through botocore."""
        s3 = {f"s3.{name}": getattr(self.objects, name) for name in memory_aws.OBJECT_CALLS}
        table = {f"dynamodb.{name}": getattr(self.table, name) for name in memory_aws.TABLE_CALLS}
        states = {f"stepfunctions.{method}": self._api(action) for method, action in
                  (("start_execution", "StartExecution"), ("list_executions", "ListExecutions"),
                   ("list_map_runs", "ListMapRuns"), ("describe_execution", "DescribeExecution"))}  # fmt: skip
        models, training = self.models, self.training
        return {
            **s3, **table, **states,
            "lambda.invoke": self.functions.invoke,
            "events.put_events": self._put_events,
            "sns.publish": self._publish,
            "ssm.put_parameter": self._put_parameter,
            "bedrock-runtime.converse": self.speech.converse,
            "sagemaker.create_training_job": training.create,
            "sagemaker.describe_training_job": training.describe,
            "sagemaker.stop_training_job": training.stop,
            "bedrock.create_custom_model": models.create_custom_model,
            "bedrock.get_custom_model": models.get_custom_model,
            "bedrock.create_custom_model_deployment": models.create_deployment,
            "bedrock.get_custom_model_deployment": models.get_deployment,
            "bedrock.update_custom_model_deployment": models.update_deployment,
            "bedrock.delete_custom_model_deployment": models.delete_deployment,
            "bedrock.create_model_customization_job": self.customization.create,
            "bedrock.get_model_customization_job": self.customization.describe,
            "bedrock.stop_model_customization_job": self.customization.stop,
            "bedrock.create_model_invocation_job": self.batches.create,
            "bedrock.get_model_invocation_job": self.batches.describe,
        }  # fmt: skip

    def _api(self, action: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            try:
                return self.engine.handle(action, request)
            except ApiError as error:
                raise fault(error.code, error.message, error.status) from error

        return call

    def _put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        """EventBridge: refuses what is no object, keeps what the documented schema allows, tells those who asked."""
        with self._lock:
            if self.refused_entries:
                self.refused_entries -= 1
                failed = {"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}
                return {"FailedEntryCount": 1, "Entries": [failed]}
        for entry in Entries:
            detail = json.loads(entry["Detail"])
            assert entry["EventBusName"] == stack.NAME and entry["Source"] == "toolsmith", entry
            _VALIDATORS[entry["DetailType"]].validate(detail)
            event = {
                "source": "toolsmith",
                "detail-type": entry["DetailType"],
                "detail": detail,
                "region": stack.REGION,
            }
            with self._lock:
                self.events.append(event)
            if entry["DetailType"] in self.stack.wanted("Everything"):
                self._asynchronously("NotifyFunction", event)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": str(len(self.events))} for _ in Entries]}

    def _publish(self, **mail: str) -> dict[str, str]:
        self.mails.append(mail)
        return {"MessageId": f"mail-{len(self.mails)}"}

    def _put_parameter(self, Name: str, Value: str, **_: Any) -> dict[str, Any]:
        self.parameters_put[Name] = Value
        return {"Version": len(self.parameters_put)}

    def _status(self, execution: dict[str, Any]) -> None:
        """Step Functions tells EventBridge every change of status; the rule Failures picks some."""
        self.statuses.append(execution)
        wanted = self.stack.resources["Failures"]["Properties"]["EventPattern"]["detail"]["status"]
        if execution["status"] in wanted and "mapRunArn" not in execution:
            self._asynchronously("AnnounceFailureFunction", {"detail": execution})

    def _asynchronously(self, function: str, event: dict[str, Any]) -> None:
        """As EventBridge and Lambda do it: three tries, then the dead letters; the caller hears of nothing."""
        for _ in range(3):
            try:
                self.functions.call(function, event)
                return
            except (Exception, functions.Killed) as error:
                failed = error
        self.buried.append((function, event, failed))


def _logical(machine: str) -> str:
    return f"{machine.capitalize()}Machine"


def _forget() -> None:
    """Clear what functions cached of their wiring, also in their own modules."""
    entries = [functions.entry(f.folder, f.handler) for f in stack.Stack().functions.values()]
    for names in [vars(wiring), vars(ingest), *(inspect.unwrap(one).__globals__ for one in entries)]:
        for cached in [value for value in names.values() if hasattr(value, "cache_clear")]:
            cached.cache_clear()
