"""The AWS JSON 1.0 API `AWSStepFunctions.<Action>` over an Engine: check the payload, call, page the reply."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from botocore.validate import ParamValidator

from local.states import machines, resources
from local.states.engine import Engine
from local.states.errors import ApiError

PAGE = 100
MOST = 1000


@dataclasses.dataclass(frozen=True)
class Api:
    """`handle` answers one request; mount it where requests with that target arrive."""

    engine: Engine

    def handle(self, action: str, payload: dict) -> dict:
        """The reply as JSON, times as epoch seconds. Raises ApiError(code, message, status)."""
        answer = self._actions().get(action)
        if not answer:
            raise ApiError("UnknownOperationException", f"Operation {action} is not supported")
        _validate(action, payload)
        return answer(payload)

    def _actions(self) -> dict[str, Callable[[dict], dict]]:
        e, m = self.engine, self.engine.machines
        plain = {
            "CreateStateMachine": m.create, "UpdateStateMachine": m.update, "DescribeStateMachine": m.describe,
            "DeleteStateMachine": m.delete, "ListTagsForResource": m.tags, "TagResource": m.tag,
            "UntagResource": m.untag, "ValidateStateMachineDefinition": machines.validate,
            "StartExecution": e.start_execution, "DescribeExecution": e.describe_execution,
            "StopExecution": e.stop_execution, "RedriveExecution": e.redrive_execution,
            "DescribeMapRun": e.describe_map_run, "SendTaskSuccess": e.send_task_success,
            "SendTaskFailure": e.send_task_failure, "SendTaskHeartbeat": e.send_task_heartbeat,
        }
        lists = {
            "ListStateMachines": ("stateMachines", m.listed), "ListExecutions": ("executions", e.list_executions),
            "ListMapRuns": ("mapRuns", e.list_map_runs),
        }
        found: dict[str, Callable[[dict], dict]] = {
            name: functools.partial(_plain, call) for name, call in plain.items()}
        found |= {name: functools.partial(_listed, *each) for name, each in lists.items()}
        return {**found, "GetExecutionHistory": self._history,
                "DescribeStateMachineForExecution": self._machine_of_execution}

    def _history(self, payload: dict) -> dict:
        start, limit = _page(payload)
        rest = {k: v for k, v in payload.items() if k not in ("nextToken", "maxResults")}
        events = self.engine.get_execution_history(start=start, limit=limit + 1, **rest)
        return _cut("events", events, start, limit)

    def _machine_of_execution(self, payload: dict) -> dict:
        row = self.engine.journal.execution(payload["executionArn"])
        if not row:
            raise ApiError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{payload['executionArn']}'")
        definition = self.engine.journal.definition(row["definition"])
        return {"stateMachineArn": row["machine"], "name": row["machine"].rsplit(":", 1)[-1],
                "definition": definition, "roleArn": row["role"], "updateDate": row["started"]}


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
