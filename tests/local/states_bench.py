"""A bench for the state-machine interpreter: fake services with the real API shapes, and an engine to run on them."""

import io
import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from botocore.validate import ParamValidator

from local.states import Clock, Engine

ROLE = "arn:aws:iam::000000000000:role/machine"
INVOKE = "arn:aws:states:::lambda:invoke"
_session = botocore.session.get_session()


def fault(code: str, message: str = "no", status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message},
                        "ResponseMetadata": {"HTTPStatusCode": status}}, "Operation")


class Cloud:
    """Services answered by handlers named `service.operation`, requests checked against the real models."""

    def __init__(self, **handlers: Callable[..., Any]):
        self.handlers = {name.replace("__", "."): handler for name, handler in handlers.items()}
        self.calls: list[tuple[str, dict]] = []
        self.roles: set[str | None] = set()
        self._lock = threading.Lock()
        self.busy = self.busiest = 0

    def client(self, service: str, role_arn: str | None = None) -> "Client":
        self.roles.add(role_arn)
        return Client(self, service)

    def on(self, name: str, handler: Callable[..., Any]) -> None:
        self.handlers[name] = handler

    def answer(self, service: str, method: str, request: dict) -> Any:
        with self._lock:
            self.calls.append((f"{service}.{method}", request))
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        try:
            return self.handlers[f"{service}.{method}"](**request)
        finally:
            with self._lock:
                self.busy -= 1

    def requests(self, name: str) -> list[dict]:
        return [request for called, request in self.calls if called == name]


class Client:
    """Looks like a boto3 client: methods by the model, parameters validated, results from the cloud's handlers."""

    def __init__(self, cloud: Cloud, service: str):
        self._cloud = cloud
        self._service = service
        self._model = _session.get_service_model(service)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        names = {xform_name(name): name for name in self._model.operation_names}
        if method not in names:
            raise AttributeError(method)
        shape = self._model.operation_model(names[method]).input_shape

        def call(**request: Any) -> Any:
            report = ParamValidator().validate(request, shape)
            if report.has_errors():
                raise ParamValidationError(report=report.generate_report())
            return self._cloud.answer(self._service, method, request)

        return call

    def get_paginator(self, method: str) -> Any:
        cloud, service = self._cloud, self._service

        class Pages:
            def paginate(self, **request: Any) -> list[Any]:
                return cloud.answer(service, method, request)

        return Pages()


def function(body: Callable[[Any], Any]) -> Callable[..., dict]:
    """A handler of lambda.invoke around `body`; an exception becomes the function error the runtime would report."""

    def invoke(FunctionName: str, Payload: bytes = b"null", **_: Any) -> dict:
        reply: dict[str, Any] = {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
        try:
            result = body(json.loads(Payload))
        except Exception as error:
            result = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": []}
            reply["FunctionError"] = "Unhandled"
        return {**reply, "Payload": io.BytesIO(json.dumps(result).encode())}

    return invoke


class Store:
    """S3 with just enough of it: get, put, list."""

    def __init__(self, cloud: Cloud, **objects: str):
        self.objects = {name: text.encode() for name, text in objects.items()}
        cloud.on("s3.get_object", self.get)
        cloud.on("s3.put_object", self.put)

    def get(self, Bucket: str, Key: str, **_: Any) -> dict:
        if Key not in self.objects:
            raise fault("NoSuchKey", "The specified key does not exist.", 404)
        return {"Body": io.BytesIO(self.objects[Key]), "ContentLength": len(self.objects[Key])}

    def put(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> dict:
        self.objects[Key] = Body
        return {"ETag": '"e"'}

    def json(self, key: str) -> Any:
        return json.loads(self.objects[key])


class Bench:
    """An engine on fake services; delays of Wait and Retry take no time."""

    def __init__(self, cloud: Cloud | None = None, folder: Path | None = None, scale: float = 0.0, **options: Any):
        self.cloud = cloud or Cloud()
        self.folder = folder or Path(tempfile.mkdtemp(prefix="states-"))
        self.told: list[dict] = []
        self.engine = Engine(self.folder / "journal.sqlite", self.cloud.client, self.told.append, clock=Clock(scale),
                             **{"poll_seconds": 0.01, **options})
        self.cloud.on("stepfunctions.start_execution", self._api("StartExecution"))
        self.cloud.on("stepfunctions.describe_execution", self._api("DescribeExecution"))
        self.cloud.on("stepfunctions.stop_execution", self._api("StopExecution"))
        self._made = 0

    def _api(self, action: str) -> Callable[..., dict]:
        return lambda **request: self.engine.handle(action, request)

    def machine(self, states: dict, start: str | None = None, name: str | None = None, **top: Any) -> str:
        self._made += 1
        definition = {"QueryLanguage": "JSONata", "StartAt": start or next(iter(states)), "States": states, **top}
        made = self.engine.machines.create(name or f"machine-{self._made}", json.dumps(definition), ROLE)
        return made["stateMachineArn"]

    def start(self, states: dict, value: Any = None, **top: Any) -> str:
        arn = self.machine(states, **top)
        text = json.dumps({} if value is None else value)
        return self.engine.start_execution(arn, input=text)["executionArn"]

    def run(self, states: dict, value: Any = None, **top: Any) -> dict:
        """The description of a finished execution; output parsed."""
        return self.ended(self.start(states, value, **top))

    def ended(self, arn: str, seconds: float = 30) -> dict:
        found = self.engine.wait(arn, seconds)
        assert found["status"] != "RUNNING", f"still running: {self.types(arn)}"
        return {**found, "output": json.loads(found["output"])} if "output" in found else found

    def output(self, states: dict, value: Any = None, **top: Any) -> Any:
        found = self.run(states, value, **top)
        assert found["status"] == "SUCCEEDED", found
        return found["output"]

    def error(self, states: dict, value: Any = None, **top: Any) -> str:
        found = self.run(states, value, **top)
        assert found["status"] == "FAILED", found
        return found["error"]

    def events(self, arn: str) -> list[dict]:
        return self.engine.get_execution_history(arn, limit=10000)

    def types(self, arn: str) -> list[str]:
        return [event["type"] for event in self.events(arn)]


def wait_for(condition: Callable[[], Any], seconds: float = 10) -> None:
    limit = time.time() + seconds
    while not condition():
        assert time.time() < limit, "waited in vain"
        time.sleep(0.01)


def end(kind: str, **fields: Any) -> dict:
    """A state that ends its flow."""
    return {"Type": kind, **fields} if kind in ("Succeed", "Fail", "Choice") else {"Type": kind, "End": True, **fields}


def invoke(payload: Any = "{% $states.input %}", **fields: Any) -> dict:
    """A Task that calls a function and hands on what it returned."""
    flow = {} if "Next" in fields else {"End": True}
    return {"Type": "Task", "Resource": INVOKE, "Arguments": {"FunctionName": "f", "Payload": payload},
            "Output": "{% $states.result.Payload %}", **flow, **fields}


def inner(**states: dict) -> dict:
    """A branch, or the processor of an inline Map."""
    return {"StartAt": next(iter(states)), "States": states}


def children(**states: dict) -> dict:
    """The processor of a Distributed Map."""
    return {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **inner(**states)}
