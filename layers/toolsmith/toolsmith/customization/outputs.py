"""What a finished job left behind: manifest, step-wise metrics, evaluation answers; and why one failed."""

import ast
import csv
import io
import json
import math
import posixpath
import tarfile
from dataclasses import dataclass
from typing import Any

from toolsmith.errors import ArtefactMissing, TrainingDiverged

MAX_MEMBER_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class JobOutput:
    """checkpoint: S3 URI (a step folder or a prefix), None for evaluations; metrics: rows of the step-wise CSV;
    answers: rows of inference_output.jsonl; results: the results JSON of an evaluation."""

    checkpoint: str | None
    metrics: list[dict[str, float]]
    answers: list[dict[str, Any]]
    results: dict[str, Any]


def read_output(archive: bytes) -> JobOutput:
    """Read output.tar.gz. Raises ArtefactMissing where it is no archive or holds neither manifest nor answers."""
    try:
        members = _members(archive)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArtefactMissing(f"output.tar.gz cannot be read: {error}") from error
    manifest = _json(members, "manifest.json")
    answers = _answers(members)
    checkpoint = manifest.get("checkpoint_s3_bucket") if manifest else None
    if not checkpoint and not answers:
        raise ArtefactMissing(
            f"output.tar.gz holds neither manifest.json nor inference_output.jsonl but {sorted(members)[:10]}"
        )
    results = next(
        (
            json.loads(data)
            for name, data in members.items()
            if posixpath.basename(name).startswith("results_") and name.endswith(".json")
        ),
        {},
    )
    return JobOutput(checkpoint, _metrics(members), answers, results)


def _members(archive: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            if member.isfile() and member.size <= MAX_MEMBER_BYTES:
                handle = tar.extractfile(member)
                found[member.name.removeprefix("./")] = handle.read() if handle else b""
    return found


def _named(members: dict[str, bytes], name: str) -> bytes | None:
    return next((data for path, data in sorted(members.items()) if posixpath.basename(path) == name), None)


def _json(members: dict[str, bytes], name: str) -> dict[str, Any] | None:
    data = _named(members, name)
    if data is None:
        return None
    try:
        return json.loads(data)
    except ValueError as error:
        raise ArtefactMissing(f"{name} is not JSON: {error}") from error


def _answers(members: dict[str, bytes]) -> list[dict[str, Any]]:
    data = _named(members, "inference_output.jsonl")
    return [json.loads(line) for line in data.splitlines() if line.strip()] if data else []


def _metrics(members: dict[str, bytes]) -> list[dict[str, float]]:
    """Every numeric column, whatever the container calls it."""
    data = _named(members, "step_wise_training_metrics.csv")
    rows = []
    for row in csv.DictReader(io.StringIO(data.decode())) if data else []:
        numbers = {}
        for name, value in row.items():
            try:
                numbers[name] = float(value)
            except (TypeError, ValueError):
                continue
        rows.append(numbers)
    return rows


def check_finite(metrics: list[dict[str, float]]) -> None:
    """Raises TrainingDiverged at the first loss or reward that is not a finite number."""
    for row in metrics:
        for name, value in row.items():
            if not math.isfinite(value):
                raise TrainingDiverged(f"{name} is {value} at step {int(row.get('step_number', -1))}")


_CAPACITY = (
    "capacityerror",
    "insufficient capacity",
    "unable to provision requested ml compute",
    "resourcelimitexceeded",
    "account-level service limit",
    "resource limits",
)


def classify_failure(reason: str) -> str:
    """The class of a failed or refused job.

    "exists" (the name is taken), "capacity", "diverged", "stopped", "spot", "validation" or "algorithm".
    """
    text = reason.lower()
    if "resourceinuse" in text or "already exists" in text or "must be unique within" in text:
        return "exists"
    if any(word in text for word in _CAPACITY):
        return "capacity"
    if "nan" in text.replace(",", " ").replace(":", " ").split() or "diverge" in text:
        return "diverged"
    if "interrupt" in text or "spot" in text:
        return "spot"
    if "maxruntimeexceeded" in text or "stopped" in text:
        return "stopped"
    if text.startswith("clienterror") or "validation" in text:
        return "validation"
    return "algorithm"


def inference_text(value: str) -> str:
    """The answer in an inference_output row, which holds the string form of a list of one text."""
    if value.startswith("[") and value.endswith("]"):
        try:
            found = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return value
        if isinstance(found, list) and len(found) == 1 and isinstance(found[0], str):
            return found[0]
    return value
