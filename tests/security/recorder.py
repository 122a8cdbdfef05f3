"""Notes which role calls what on which resource while the stack of the workflow bench works."""

import contextvars
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.states_bench import Cloud
from tests.security.policies import KEY, NAMED, TEACHER, Call
from tests.workflows.bench import Bench
from tests.workflows.functions import Functions
from tests.workflows.stack import ACCOUNT, NAME, REGION

_running: contextvars.ContextVar[str] = contextvars.ContextVar("running")
_BUCKETS = "arn:aws:s3:::"

_SAGEMAKER, _BEDROCK = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}", f"arn:aws:bedrock:{REGION}:{ACCOUNT}"
_FOLDER_DEPTH = 2  # policies name folders, no deeper


@contextmanager
def recording() -> Iterator[tuple[Callable[[Bench], None], set[Call]]]:
    """(attach, calls): every stack opened inside and attached notes its calls."""
    noted: set[Call] = set()
    with pytest.MonkeyPatch.context() as patch:
        handle, client = Functions._handle, Cloud.client

        def handled(self: Functions, name: str, event: Any) -> Any:
            _running.set(name)
            return handle(self, name, event)

        def clients(self: Cloud, service: str, role_arn: str | None = None) -> Any:
            return _Noting(client(self, service, role_arn), service, _machine(role_arn), noted)

        patch.setattr(Functions, "_handle", handled)
        patch.setattr(Cloud, "client", clients)
        yield lambda bench: _attach(bench, noted), noted


def _attach(bench: Bench, noted: set[Call]) -> None:
    """Note what the handlers send over the wire."""
    for name, call in list(bench.wire.calls.items()):
        bench.wire.calls[name] = _noting(name, call, _running.get, noted)


class _Noting:
    """A state machine's client whose calls are noted under the machine."""

    def __init__(self, client: Any, service: str, role: str, noted: set[Call]) -> None:
        self._client, self._service, self._role, self._noted = client, service, role, noted

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._client, method)
        if method.startswith("get_paginator"):
            return call
        return _noting(f"{self._service}.{method}", call, lambda: self._role, self._noted)


def _noting(name: str, call: Callable[..., Any], role: Callable[[], str], noted: set[Call]) -> Callable[..., Any]:
    def noting(**request: Any) -> Any:
        noted.update(Call(role(), action, _short(where), context=context)
                     for action, where, context in needs(name, request))  # fmt: skip
        try:
            return call(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                # without it S3 answers 403, and "it is not there" would look like "you may not"
                noted.add(Call(role(), "s3:ListBucket", _BUCKETS + request["Bucket"]))
            raise

    return noting


def _machine(role_arn: str | None) -> str:
    return f"{str(role_arn).rpartition('/')[2].capitalize()}Machine"


def _short(resource: str) -> str:
    """The folder of an object, any id as x."""
    if resource.startswith(_BUCKETS) and "/" in resource:
        bucket, *parts = resource.split("/")
        depth = _FOLDER_DEPTH if parts[:2] == ["teaching", "answers"] else 1
        return "/".join([bucket, *parts[:depth], "x"])
    resource = re.sub(r":[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", ":x", resource)
    return re.sub(r"(/(?:run-)?|:(?=ingest-|crawl-))[0-9a-zA-Z-]*[0-9][0-9a-zA-Z-]*$", r"\1x", resource)


def needs(name: str, request: dict[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """(action, resource, condition keys) that a call has to be allowed."""
    service, _, method = name.partition(".")
    find = _FINDERS.get(service)
    found = find(method, request) if find else []
    return [(*one, {}) if len(one) == 2 else one for one in found]


def _s3(method: str, request: dict[str, Any]) -> list[tuple]:
    where = f"{_BUCKETS}{request['Bucket']}"
    if method == "list_objects_v2":
        return [("s3:ListBucket", where)]
    this = f"{where}/{request['Key']}"
    if method == "copy_object":
        source = request["CopySource"]
        return [("s3:GetObject", f"{_BUCKETS}{source['Bucket']}/{source['Key']}"), ("s3:PutObject", this)]
    version = "Version" if request.get("VersionId") else ""
    verb = {"put_object": "PutObject", "delete_object": "DeleteObject"}.get(method, f"GetObject{version}")
    return [(f"s3:{verb}", this)]


def _states(method: str, request: dict[str, Any]) -> list[tuple]:
    where = request.get("mapRunArn") or request.get("stateMachineArn") or request["executionArn"]
    return [(f"states:{_camel(method)}", where)]


def _bedrock(method: str, request: dict[str, Any]) -> list[tuple]:
    kind = "custom-model-deployment" if "deployment" in method else "custom-model"
    if "invocation_job" in method:
        kind = "model-invocation-job"
    needed: list[tuple] = [(f"bedrock:{_camel(method)}", f"{_BEDROCK}:{kind}/x")]
    if method == "create_model_invocation_job":
        needed.append(("bedrock:CreateModelInvocationJob", TEACHER))
    role = request.get("roleArn") or request.get("RoleArn")
    if role:
        needed.append(("iam:PassRole", role, {"iam:PassedToService": "bedrock.amazonaws.com"}))
    if request.get("modelTags") or request.get("tags"):
        needed.append(("bedrock:TagResource", f"{_BEDROCK}:{kind}/x"))
    return needed


def _sagemaker(method: str, request: dict[str, Any]) -> list[tuple]:
    where = f"{_SAGEMAKER}:training-job/{request['TrainingJobName']}"
    needed: list[tuple] = [(f"sagemaker:{_camel(method)}", where)]
    if method == "create_training_job":
        needed.append(("iam:PassRole", request["RoleArn"], {"iam:PassedToService": "sagemaker.amazonaws.com"}))
        needed += [("sagemaker:AddTags", where)] if request.get("Tags") else []
    return needed


def _converse(method: str, request: dict[str, Any]) -> list[tuple]:
    custom = "custom-model-deployment" in request["modelId"]
    return [("bedrock:InvokeModel", f"{_BEDROCK}:custom-model-deployment/x" if custom else TEACHER)]


def _lambda(method: str, request: dict[str, Any]) -> list[tuple]:
    return [("lambda:InvokeFunction", request["FunctionName"])]


def _sns(method: str, request: dict[str, Any]) -> list[tuple]:
    return [("sns:Publish", NAMED["Notices"]), ("kms:Decrypt", KEY), ("kms:GenerateDataKey", KEY)]


def _camel(method: str) -> str:
    return "".join(part.capitalize() for part in method.split("_"))


_FINDERS: dict[str, Callable[[str, dict[str, Any]], list[tuple]]] = {
    "s3": _s3, "stepfunctions": _states, "bedrock": _bedrock, "sagemaker": _sagemaker,
    "bedrock-runtime": _converse, "lambda": _lambda, "sns": _sns,
    "dynamodb": lambda method, request: [(f"dynamodb:{_camel(method)}", NAMED["Ledger"])],
    "events": lambda method, request: [("events:PutEvents", NAMED["Bus"])],
    "ssm": lambda method, request: [
        ("ssm:PutParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{NAME}/model")],
}  # fmt: skip
