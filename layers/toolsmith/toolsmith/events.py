"""Events that are published on the stack's bus, one class per detail-type; the class is its documentation.

Source is always "toolsmith", `version` grows when a field changes its meaning; fields are only ever added.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

SOURCE = "toolsmith"


@dataclass(frozen=True)
class Event:
    """Base of all events."""

    detail_type: ClassVar[str]
    version: str


@dataclass(frozen=True)
class DocumentIngested(Event):
    """A dropped file was parsed, taught and settled. Counts are of chunks but `examples`, which counts verified examples."""

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
    """A dropped file cannot be used; it lies at `set_aside` with a reason file beside it."""

    detail_type = "Document Rejected"
    key: str
    reason: str
    detail: str
    set_aside: str


@dataclass(frozen=True)
class CostEstimated(Event):
    """A run was admitted; nothing was spent yet."""

    detail_type = "Cost Estimated"
    run: str
    estimated_usd: float
    budget_usd: float
    documents: int
    examples: int


@dataclass(frozen=True)
class DatasetReady(Event):
    """The run's dataset lies below `prefix` in the work bucket; `rows` counts the rows of its files."""

    detail_type = "Dataset Ready"
    run: str
    dataset: str
    prefix: str
    rows: dict


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
    """A training job left a checkpoint."""

    detail_type = "Training Job Completed"
    run: str
    job: str
    stage: str
    seconds: float
    usd: float
    checkpoint: str


@dataclass(frozen=True)
class TrainingJobFailed(Event):
    """A job failed for good; `class` says of which kind the failure is."""

    detail_type = "Training Job Failed"
    run: str
    job: str
    stage: str
    reason: str


@dataclass(frozen=True)
class EvaluationCompleted(Event):
    """An arm answered every test question; scores are {"mean", "low", "high"} as fractions."""

    detail_type = "Evaluation Completed"
    run: str
    job: str
    arm: str
    score: dict
    talk_score: dict


@dataclass(frozen=True)
class GatePassed(Event):
    """The candidate is better than its rival by the paired 95% interval `difference`."""

    detail_type = "Gate Passed"
    run: str
    gate: str
    candidate: str
    rival: str
    difference: dict
    reason: str


@dataclass(frozen=True)
class GateFailed(GatePassed):
    """The candidate is not shown to be better than its rival."""

    detail_type = "Gate Failed"


@dataclass(frozen=True)
class ModelDeployed(Event):
    """The model answers at `deployment_arn` and passed the smoke test."""

    detail_type = "Model Deployed"
    run: str
    model_arn: str
    deployment_arn: str
    smoke: dict


@dataclass(frozen=True)
class ModelRegistered(Event):
    """The run ended with a registered model; its report is at `report`."""

    detail_type = "Model Registered"
    run: str
    candidate: str
    model_arn: str
    deployment_arn: str
    report: str
    verdict: str


@dataclass(frozen=True)
class RunFailed(Event):
    """An execution of `machine` ended without its result; `remedy` is the command to run next."""

    detail_type = "Run Failed"
    machine: str
    execution: str
    error: str
    cause: str
    remedy: str


PUBLISHED: dict[str, type[Event]] = {
    event.detail_type: event
    for event in (DocumentIngested, DocumentRejected, CostEstimated, DatasetReady, TrainingJobStarted, TrainingJobCompleted,
                  TrainingJobFailed, EvaluationCompleted, GatePassed, GateFailed, ModelDeployed, ModelRegistered, RunFailed)
}  # fmt: skip

_JSON_TYPE = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "dict": "object"}


def schema(event: type[Event]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of an event's detail. Unknown fields are allowed: fields may be added."""
    kinds = {f.name: f.type if isinstance(f.type, str) else f.type.__name__ for f in fields(event)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event.detail_type,
        "description": (event.__doc__ or "").strip(),
        "type": "object",
        "properties": {name: {"type": _JSON_TYPE[kind]} for name, kind in kinds.items()},
        "required": list(kinds),
    }


def failure_of(status_change: Mapping[str, Any]) -> dict[str, Any]:
    """The detail of "Run Failed" for the detail of an execution's status change (FAILED, TIMED_OUT or ABORTED)."""
    machine = status_change["stateMachineArn"].rsplit(":", 1)[1]
    return {
        "version": "1",
        "machine": machine,
        "execution": status_change["name"],
        "error": status_change.get("error") or status_change["status"],
        "cause": str(status_change.get("cause") or "")[:2000],
        "remedy": f"toolsmith redrive {status_change['name']}",
    }
