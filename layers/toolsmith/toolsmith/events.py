"""Events that are published on the stack's bus, one class per detail-type; the class is its documentation.

Source is always "toolsmith"; `version` grows when a field changes its meaning, fields are only ever added. A field with
a default may be absent. A trailing underscore is no part of a field's name in the event ("class_" is sent as "class").
"""

import json
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

SOURCE = "toolsmith"


class Interval(TypedDict):
    """A mean with its 95% interval over documents, as fractions."""

    mean: float
    low: float
    high: float


class Smoke(TypedDict):
    """What the deployed model answered to "hi" and to one question of the validation split."""

    hi: str
    question: str
    answer: str
    category: str | None


@dataclass(frozen=True)
class Event:
    """Base of all events."""

    detail_type: ClassVar[str]
    version: str


@dataclass(frozen=True)
class DocumentIngested(Event):
    """A dropped file was parsed, taught and settled. Counts are of chunks; `examples` counts verified examples."""

    detail_type = "Document Ingested"
    document: str
    key: str
    already_held: bool
    chunks: int
    kept: int
    repaired: int
    rejected: int
    failed: int
    empty: int
    examples: int


@dataclass(frozen=True)
class DocumentRejected(Event):
    """A dropped file cannot be used; it lies at `set_aside` in the intake bucket with a reason file beside it."""

    detail_type = "Document Rejected"
    key: str
    reason: str
    detail: str
    set_aside: str


@dataclass(frozen=True)
class CostEstimated(Event):
    """A run was admitted; nothing was spent yet. `unpriced_jobs` of its jobs have no price and are not estimated."""

    detail_type = "Cost Estimated"
    run: str
    estimated_usd: float
    budget_usd: float
    documents: int
    examples: int
    unpriced_jobs: int = 0


@dataclass(frozen=True)
class DatasetReady(Event):
    """The run's dataset lies below `prefix` in the work bucket; `rows` counts the rows of its files."""

    detail_type = "Dataset Ready"
    run: str
    dataset: str
    prefix: str
    rows: dict[str, int]


@dataclass(frozen=True)
class ApprovalRequested(Event):
    """A run waits for a person before it costs anything; `approve` and `reject` are the commands that answer."""

    detail_type = "Approval Requested"
    run: str
    candidate: str
    verdict: str
    report: str
    approve: str
    expires_at: str
    reject: str = ""


@dataclass(frozen=True)
class TrainingJobStarted(Event):
    """A training or evaluation job is about to be created."""

    detail_type = "Training Job Started"
    run: str
    job: str
    stage: str
    arm: str
    attempt: int


@dataclass(frozen=True)
class TrainingJobCompleted(Event):
    """A training job left a checkpoint. `usd` is 0 where `priced` is false; `tokens` are what it is billed for."""

    detail_type = "Training Job Completed"
    run: str
    job: str
    stage: str
    seconds: float
    usd: float
    checkpoint: str
    priced: bool = True
    tokens: int = 0


@dataclass(frozen=True)
class TrainingJobFailed(Event):
    """A job failed for good; `class` is the kind of failure: capacity, diverged, validation, algorithm and others."""

    detail_type = "Training Job Failed"
    run: str
    job: str
    stage: str
    class_: str
    reason: str


@dataclass(frozen=True)
class EvaluationCompleted(Event):
    """An arm answered every test question; `talk_score` counts as the published talk did."""

    detail_type = "Evaluation Completed"
    run: str
    job: str
    arm: str
    score: Interval
    talk_score: Interval


@dataclass(frozen=True)
class GatePassed(Event):
    """The candidate is better than its rival by the paired 95% interval `difference`."""

    detail_type = "Gate Passed"
    run: str
    gate: str
    candidate: str
    rival: str
    difference: Interval
    reason: str


@dataclass(frozen=True)
class GateFailed(GatePassed):
    """The candidate is not shown to be better than its rival; `difference` is the paired 95% interval."""

    detail_type = "Gate Failed"


@dataclass(frozen=True)
class ModelDeployed(Event):
    """The model answers at `deployment_arn` and passed the smoke test."""

    detail_type = "Model Deployed"
    run: str
    model_arn: str
    deployment_arn: str
    smoke: Smoke


@dataclass(frozen=True)
class ModelRegistered(Event):
    """The run ended with a registered model; its report is at `report` (an S3 URI)."""

    detail_type = "Model Registered"
    run: str
    candidate: str
    model_arn: str
    deployment_arn: str
    report: str
    verdict: str


@dataclass(frozen=True)
class RunFailed(Event):
    """An execution of `machine` ended without its result; `remedy` says what to run or to read next."""

    detail_type = "Run Failed"
    machine: str
    execution: str
    error: str
    cause: str
    remedy: str
    execution_arn: str = ""


PUBLISHED: dict[str, type[Event]] = {
    event.detail_type: event
    for event in (
        DocumentIngested, DocumentRejected, CostEstimated, DatasetReady, ApprovalRequested, TrainingJobStarted,
        TrainingJobCompleted, TrainingJobFailed, EvaluationCompleted, GatePassed, GateFailed, ModelDeployed,
        ModelRegistered, RunFailed,
    )
}  # fmt: skip

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def schema(event: type[Event]) -> dict[str, Any]:
    """JSON Schema (draft-04, which the EventBridge schema registry reads) of an event's detail.

    Unknown fields are allowed: fields may be added.
    """
    hints = get_type_hints(event)
    listed = fields(event)
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": event.detail_type,
        "description": (event.__doc__ or "").strip(),
        "type": "object",
        "properties": {wire_name(f.name): _schema_of(hints[f.name]) for f in listed},
        "required": [wire_name(f.name) for f in listed if f.default is MISSING],
    }


def wire_name(field: str) -> str:
    """The name of a field in the event."""
    return field.rstrip("_")


def _schema_of(kind: Any) -> dict[str, Any]:
    if kind in _JSON_TYPES:
        return {"type": _JSON_TYPES[kind]}
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        return {
            "type": "object",
            "description": (kind.__doc__ or "").strip(),
            "properties": {name: _schema_of(hint) for name, hint in hints.items()},
            "required": sorted(kind.__required_keys__),
        }
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _schema_of(get_args(kind)[1])}
    if get_origin(kind) is types.UnionType:
        return {"type": [_JSON_TYPES[one] for one in get_args(kind)]}
    raise TypeError(f"an event cannot have a field of type {kind}")


def breaks(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """What a consumer of `old` would stumble over in `new`: removed fields, changed types, new required fields.

    Both are JSON Schemas made by `schema`. A required field that becomes optional breaks too: consumers rely on it.
    """
    if old.get("type") != new.get("type"):
        return [f"{path or 'the event'} changed its type from {old.get('type')} to {new.get('type')}"]
    found = []
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before:
        field = f"{path}.{name}" if path else name
        found += breaks(before[name], after[name], field) if name in after else [f"{field} was removed"]
    was, now = set(old.get("required", ())), set(new.get("required", ()))
    found += [f"{path}{'.' * bool(path)}{name} is no longer always there" for name in sorted((was - now) & set(after))]
    found += [f"{path}{'.' * bool(path)}{name} became required" for name in sorted(now - was)]
    if isinstance(old.get("additionalProperties"), Mapping):
        found += breaks(old["additionalProperties"], new.get("additionalProperties") or {}, f"{path}.*")
    return found


# Errors that a Fail state of the machine raises after it put things back: a redrive would only enter that state again.
FINAL = frozenset({"SmokeTestFailed", "DeploymentFailed", "ModelImportFailed"})
ANEW = "toolsmith drop --to runs REQUEST.json"


def failure_of(status_change: Mapping[str, Any], item: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The detail of "Run Failed" for the detail of an execution's status change (FAILED, TIMED_OUT or ABORTED).

    item: {"error", "cause", "map"} of the item that failed, where a Distributed Map failed because of its items.
    """
    failed, error = item or status_change, status_change.get("error", "")
    cause = _words(str(failed.get("cause") or ""))
    if item:
        cause = f"{cause} (an item of the map {item['map']} failed so; its map run lists the others)"
    return {
        "version": "1",
        "machine": status_change["stateMachineArn"].rsplit(":", 1)[1],
        "execution": status_change["name"],
        "execution_arn": status_change.get("executionArn", ""),
        "error": failed.get("error") or status_change["status"],
        "cause": cause,
        "remedy": _remedy(error, status_change["name"], cause),
    }


def _remedy(error: str, name: str, cause: str) -> str:
    if error in FINAL:
        return ANEW
    if error == "BudgetExceeded":
        enough = re.search(r" --budget-usd \d+", cause)  # what it says, that it may be copied as it stands
        return f"toolsmith redrive {name}{enough[0] if enough else ' --budget-usd USD'}"
    return f"toolsmith redrive {name}"


def _words(cause: str) -> str:
    """What a function said when it failed, out of the runtime's JSON; any other cause as it is. 2,000 characters."""
    try:
        said = json.loads(cause)
    except ValueError:
        said = None
    text = said.get("errorMessage") if isinstance(said, dict) else None
    return (text if isinstance(text, str) else cause)[:2000]
