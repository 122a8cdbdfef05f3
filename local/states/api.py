"""The AWS JSON 1.0 API `AWSStepFunctions.<Action>` over an Engine: check the payload, call, page the reply."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.validate import ParamValidator

from local.states import machines, resources
from local.states.errors import ApiError

if TYPE_CHECKING:
    from local.states.engine import Engine

PAGE = 100
MOST = 1000


def handle(engine: "Engine", action: str, payload: dict) -> dict:
    """The reply as JSON, times as epoch seconds. Raises ApiError(code, message, status)."""
    answer = _actions(engine).get(action)
    if not answer:
        raise ApiError("UnknownOperationException", f"Operation {action} is not supported")
    _validate(action, payload)
    return answer(payload)


def _actions(engine: "Engine") -> dict[str, Callable[[dict], dict]]:
    e, m = engine, engine.machines
    plain = {
        "CreateStateMachine": m.create, "UpdateStateMachine": m.update, "DescribeStateMachine": m.describe,
        "DeleteStateMachine": m.delete, "ListTagsForResource": m.tags, "TagResource": m.tag,
        "UntagResource": m.untag, "ValidateStateMachineDefinition": machines.validate,
        "StartExecution": e.start_execution, "DescribeExecution": e.describe_execution,
        "StopExecution": e.stop_execution, "RedriveExecution": e.redrive_execution,
        "DescribeMapRun": e.describe_map_run, "SendTaskSuccess": e.send_task_success,
        "SendTaskFailure": e.send_task_failure, "SendTaskHeartbeat": e.send_task_heartbeat,
        "DescribeStateMachineForExecution": e.describe_state_machine_for_execution,
    }
    lists = {"ListStateMachines": ("stateMachines", m.listed), "ListExecutions": ("executions", e.list_executions),
             "ListMapRuns": ("mapRuns", e.list_map_runs)}
    found: dict[str, Callable[[dict], dict]] = {
        name: functools.partial(_plain, call) for name, call in plain.items()}
    found |= {name: functools.partial(_listed, *each) for name, each in lists.items()}
    return {**found, "GetExecutionHistory": functools.partial(_history, engine)}


def _history(engine: "Engine", payload: dict) -> dict:
    start, limit = _page(payload)
    rest = {k: v for k, v in payload.items() if k not in ("nextToken", "maxResults")}
    events = engine.get_execution_history(start=start, limit=limit + 1, **rest)
    return _cut("events", events, start, limit)


def _plain(call: Callable[..., dict], payload: dict) -> dict:
    return call(**payload)


def _listed(name: str, call: Callable[..., list], payload: dict) -> dict:
    start, limit = _page(payload)
    rest = {k: v for k, v in payload.items() if k not in ("nextToken", "maxResults")}
    return _cut(name, call(**rest)[start:start + limit + 1], start, limit)


def _page(payload: dict) -> tuple[int, int]:
    token = payload.get("nextToken", "0")
    if not token.isdigit():
        raise ApiError("InvalidToken", f"Invalid Token: '{token}'")
    return int(token), min(payload.get("maxResults") or PAGE, MOST)


def _cut(name: str, found: list, start: int, limit: int) -> dict:
    reply: dict[str, Any] = {name: found[:limit]}
    return {**reply, "nextToken": str(start + limit)} if len(found) > limit else reply


def _validate(action: str, payload: dict) -> None:
    """Names and types as in the service's model; ApiError ValidationException."""
    shape = resources.operation("stepfunctions", action).input_shape
    report = ParamValidator().validate(payload, shape)
    wrong = [f"Unknown member '{name}'" for name in payload if name not in shape.members]
    if report.has_errors() or wrong:
        raise ApiError("ValidationException", "; ".join([*wrong, report.generate_report()]).strip("; "))
