"""What the dashboard counts, taken from the results of functions. The dimension `service` is the name of the stack."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from aws_lambda_powertools import Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE = "Toolsmith"
TEACHER = {"teacher_calls": "TeacherCalls", "input_tokens": "InputTokens", "output_tokens": "OutputTokens"}


def settled(metrics: Metrics, row: Mapping[str, Any], outcomes: Iterable[str]) -> None:
    """A settled document: its chunks by outcome, its examples, and what its teacher used."""
    counts = {"DocumentsIngested": 1, "Chunks": row["chunks"], "Examples": row["examples"]}
    counts |= {f"Chunks{outcome.capitalize()}": row[outcome] for outcome in outcomes}
    counts |= {name: row[key] for key, name in TEACHER.items() if key in row}
    for name, value in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def set_aside(metrics: Metrics) -> None:
    """A file that cannot be used."""
    metrics.add_metric(name="DocumentsRejected", unit=MetricUnit.Count, value=1)


def failed(metrics: Metrics, error: Exception) -> None:
    """A function ended with an error of this class, for example TeacherThrottled."""
    metrics.add_metric(name=type(error).__name__, unit=MetricUnit.Count, value=1)


def job_read(result: Mapping[str, Any]) -> None:
    """A finished job: its time, and its money where that is known, by stage; for an evaluation the score of its arm."""
    _one("JobSeconds", MetricUnit.Seconds, result["seconds"], "stage", result["stage"])
    if result["usd"] is not None:
        _one("JobUsd", MetricUnit.NoUnit, result["usd"], "stage", result["stage"])
    if "score" in result:
        _one("Score", MetricUnit.NoUnit, result["score"]["mean"], "arm", result["arm"])


def _one(name: str, unit: MetricUnit, value: float, dimension: str, of: str) -> None:
    named = {"service": service()}
    with single_metric(name=name, unit=unit, value=value, namespace=NAMESPACE, default_dimensions=named) as metric:
        metric.add_dimension(name=dimension, value=of)


def service() -> str:
    """The name of the stack, which the template gives every function."""
    return os.environ.get("POWERTOOLS_SERVICE_NAME", "toolsmith")
