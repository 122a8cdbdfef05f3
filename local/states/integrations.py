"""What a call to a service looks like on the wire, and what comes back: requests, results, error names, jobs."""

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions

from local.states import resources
from local.states.errors import RUNTIME, TASK_FAILED, StateError
from local.states.journal import dumps
from local.states.resources import Resource

JOBS = {  # service -> describe method, key in request and reply, states that go on, states that succeed, stop method
    "sagemaker": ("describe_training_job", "TrainingJobName", "TrainingJobStatus",
                  {"InProgress", "Stopping", "Pending"}, {"Completed"}, "stop_training_job"),
    "states": ("describe_execution", "executionArn", "status", {"RUNNING", "PENDING_REDRIVE"}, {"SUCCEEDED"},
               "stop_execution"),
    "bedrock": ("get_model_customization_job", "jobIdentifier", "status", {"InProgress", "Stopping"}, {"Completed"},
                "stop_model_customization_job"),
}
NAMED = {  # services whose jobs are named by who creates them: member of the request, of the reply, of the description
    "sagemaker": ("TrainingJobName", "TrainingJobArn", "TrainingJobArn"),
    "bedrock": ("JobName", "JobArn", "jobArn"),
}

GENERAL = {"AccessDenied"}  # S3 models it for one rare operation only; elsewhere it comes as S3.S3Exception


def call(client: Any, resource: Resource, arguments: Any, source: tuple[str, str]) -> Any:
    """Call the service and return the task's result as JSON.

    `source` is the execution's and the machine's ARN, which putEvents adds to the entries. Raises StateError with
    AWS's error name.
    """
    request = _request(resource, arguments, source)
    response = guarded(resource, lambda: getattr(client, resources.method(resource))(**request))
    if resource.boto == "lambda" and not resource.sdk:
        return _function_result(resource, response)
    if resource.boto == "events" and not resource.sdk and response.get("FailedEntryCount"):
        raise StateError("EventBridge.FailedEntry", dumps(_json(resource, response)))
    return _json(resource, response)


def _request(resource: Resource, arguments: Any, source: tuple[str, str]) -> dict:
    if resource.function:
        return {"FunctionName": resource.arn, "Payload": dumps(arguments).encode()}
    arguments = dict(arguments) if isinstance(arguments, dict) else arguments
    if resource.boto == "lambda" and not resource.sdk and "Payload" in arguments:
        arguments["Payload"] = dumps(arguments["Payload"])
    if resource.boto == "stepfunctions" and not resource.sdk:
        arguments.setdefault("Input", {})
    if resource.boto == "events" and not resource.sdk:
        arguments["Entries"] = [{**entry, "Resources": [*entry.get("Resources", []), *source]}
                                for entry in arguments.get("Entries", [])]
    try:
        return resources.to_request(arguments, resource.operation.input_shape)
    except ValueError as error:
        said = f"The Arguments '{dumps(arguments)}' could not be used to start the Task: [{error}]"
        raise StateError(RUNTIME, said) from None


def _function_result(resource: Resource, response: dict) -> Any:
    body = response.get("Payload")
    text = body.read() if hasattr(body, "read") else body or b""
    text = text.decode() if isinstance(text, bytes) else text
    payload = json.loads(text) if text else None
    if response.get("FunctionError"):
        name = payload.get("errorType") if isinstance(payload, dict) else None
        raise StateError(name or "Lambda.Unknown", text)
    if resource.function:
        return payload
    meta = response.get("ResponseMetadata", {})
    return {"ExecutedVersion": response.get("ExecutedVersion", "$LATEST"), "Payload": payload,
            "SdkHttpMetadata": _http(meta), "SdkResponseMetadata": {"RequestId": meta.get("RequestId", "")},
            "StatusCode": response.get("StatusCode", 200)}


def _http(meta: dict) -> dict:
    return {"AllHttpHeaders": {}, "HttpHeaders": meta.get("HTTPHeaders", {}),
            "HttpStatusCode": meta.get("HTTPStatusCode", 200)}


def _json(resource: Resource, response: dict, millis: bool = False) -> dict:
    found = resources.from_response({k: v for k, v in response.items() if k != "ResponseMetadata"},
                                    resource.operation.output_shape, millis)
    if resource.sdk:
        return found
    meta = response.get("ResponseMetadata", {})
    return {**found, "SdkHttpMetadata": _http(meta), "SdkResponseMetadata": {"RequestId": meta.get("RequestId", "")}}


def guarded(resource: Resource, action: Callable[[], Any]) -> Any:
    """Run `action`; what botocore raises becomes a StateError with the name AWS would give it."""
    try:
        return action()
    except botocore.exceptions.ClientError as error:
        raise StateError(error_name(resource, error), f"{error} (Service: {resource.prefix})") from error
    except botocore.exceptions.ParamValidationError as error:
        raise StateError(RUNTIME, f"The Arguments could not be used to start the Task: [{error}]") from error
    except botocore.exceptions.BotoCoreError as error:
        raise StateError(f"{resource.prefix}.SdkClientException", str(error)) from error


def error_name(resource: Resource, error: botocore.exceptions.ClientError) -> str:
    """Prefix.NameException for an error in the service's model, the service's general name for any other."""
    code = error.response.get("Error", {}).get("Code", "")
    for shape in resources.model(resource.boto).error_shapes:
        if code in (shape.name, shape.error_code) and code not in GENERAL:
            return f"{resource.prefix}.{shape.name.removesuffix('Exception')}Exception"
    return f"{resource.prefix}.{resource.general}"


def describable(resource: Resource, arguments: Any) -> bool:
    """Whether the arguments name the job, so that it can be looked for after a restart."""
    return resource.service in NAMED and NAMED[resource.service][0] in arguments


def find_job(client: Any, resource: Resource, arguments: Any) -> Any:
    """The job an earlier life of this process may have created, as the reply to its creation; None for none."""
    describe, key, *_ = JOBS[resource.service]
    name, reply, member = NAMED[resource.service]
    try:
        found = getattr(client, describe)(**{key: arguments[name]})
    except botocore.exceptions.ClientError:
        return None
    return {reply: found.get(member)}


def identity(resource: Resource, arguments: Any, job: dict) -> str:
    """What the job is called when it is described or stopped."""
    return job["ExecutionArn"] if resource.service == "states" else arguments[NAMED[resource.service][0]]


def poll(client: Any, resource: Resource, job: str) -> tuple[bool, Any]:
    """(True, result) once the job succeeded, (False, None) while it goes on.

    StateError States.TaskFailed with the job's description as its cause if it failed or was stopped.
    """
    describe, key, status, going, good, _ = JOBS[resource.service]
    described = guarded(resource, lambda: getattr(client, describe)(**{key: job}))
    described.pop("ResponseMetadata", None)
    if described[status] in going:
        return False, None
    shape = resources.operation(resource.boto, describe.replace("_", "")).output_shape
    result = resources.from_response(described, shape, millis=True)
    if resource.pattern == "sync:2" and described[status] in good:
        result = {k: json.loads(v) if k in ("Input", "Output") else v for k, v in result.items()}
    if described[status] in good:
        return True, result
    raise StateError(TASK_FAILED, dumps(result))


def stop_job(client: Any, resource: Resource, job: str) -> None:
    """Try to stop a job nobody waits for; a job that cannot be stopped any more is left alone."""
    _, key, _, _, _, stop = JOBS[resource.service]
    try:
        getattr(client, stop)(**{key: job})
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
        return

