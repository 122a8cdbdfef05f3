"""What a finished job left behind: manifest, step-wise metrics, evaluation answers; and why one failed."""

import ast
import csv
import io
import json
import math
import posixpath
import re
import tarfile
from dataclasses import dataclass, field
from typing import Any

from toolsmith.errors import ArtefactMissing, TrainingDiverged

MAX_MEMBER_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class JobOutput:
    """checkpoint: S3 URI (a step folder or a prefix) or the ARN of a model, None for evaluations; metrics: rows of the
    step-wise CSV; answers: rows of inference_output.jsonl; results: the results JSON of an evaluation; details: names
    of its parquet files with one row a sample: the layer holds no parquet reader, pyarrow reads them."""

    checkpoint: str | None
    metrics: list[dict[str, float]]
    answers: list[dict[str, Any]]
    results: dict[str, Any]
    details: tuple[str, ...] = field(default=())

    def step(self) -> int | None:
        """The step of the checkpoint, None for the prefix form, which holds the last one."""
        found = re.search(r"/step_(\d+)/?$", self.checkpoint or "")
        return int(found[1]) if found else None

    def scores(self) -> dict[str, dict[str, float]]:
        """Task key -> metric -> number, whatever the evaluation container calls them."""
        tasks = self.results.get("results", {})
        return {
            task: {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
            for task, found in tasks.items()
            if isinstance(found, dict)
        }


def read_output(archive: bytes) -> JobOutput:
    """Read output.tar.gz. Raises ArtefactMissing where it is no archive or holds no manifest, answers or results."""
    return read_files(unpack(archive))


def unpack(archive: bytes) -> dict[str, bytes]:
    """The files of output.tar.gz by name. Raises ArtefactMissing where it is no archive."""
    try:
        return _members(archive)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArtefactMissing(f"output.tar.gz cannot be read: {error}") from error


def read_files(members: dict[str, bytes], model: str | None = None) -> JobOutput:
    """Read the files that a job left. Raises ArtefactMissing where there is no manifest, answers or results.

    The manifest decides where the checkpoint is; both of its forms are taken, `.../job/step_N` and `.../job[/]`.
    model: ARN under which the service keeps what was trained; it then stands for the checkpoint.
    """
    manifest = _json(members, "manifest.json")
    answers = _answers(members)
    checkpoint, results = model or _checkpoint(manifest), _results(members)
    if not checkpoint and not answers and not results:
        raise ArtefactMissing(
            f"the job's output holds neither manifest.json nor inference_output.jsonl but {sorted(members)[:10]}"
        )
    details = tuple(sorted(name for name in members if name.endswith(".parquet")))
    return JobOutput(checkpoint, _metrics(members), answers, results, details)


def _checkpoint(manifest: Any) -> str | None:
    if manifest is None:
        return None
    uri = manifest.get("checkpoint_s3_bucket") if isinstance(manifest, dict) else None
    if not isinstance(uri, str) or not re.fullmatch(r"s3://[^/\s]+/\S+", uri):
        raise ArtefactMissing(f"manifest.json names no checkpoint: checkpoint_s3_bucket is {uri!r}")
    return uri


def _results(members: dict[str, bytes]) -> dict[str, Any]:
    """The newest results file: their names end in a time."""
    names = [name for name in members if re.fullmatch(r"results_.*\.json", posixpath.basename(name))]
    if not names:
        return {}
    newest = max(names, key=posixpath.basename)
    try:
        return json.loads(members[newest])
    except ValueError as error:
        raise ArtefactMissing(f"{newest} is not JSON: {error}") from error


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


# in this order: a text may hold words of several classes, and the earlier ones name the cause
_CLASSES = (
    ("exists", r"resourceinuse|already exists|must be unique within"),
    (
        "quota",
        r"resourcelimitexceeded|account-level service limit|resource limits|servicequotaexceeded|limit exceeded",
    ),
    ("capacity", r"capacityerror|insufficient capacity|insufficientcapacity|unable to provision requested ml compute"),
    ("diverged", r"\bnan\b|\bdiverge|\binf(inity)?\b (loss|reward)|(loss|reward) is inf|non-finite|not finite"),
    ("spot", r"interrupt|maxwaittimeexceeded|\bspot\b"),
    ("stopped", r"maxruntimeexceeded|\bstopped\b|stopped by"),
    (
        "validation",
        r"^clienterror|validation|incompatible model training techniques|does not match model_type"
        r"|model configuration not found|engine core initialization failed|reserved keyword",
    ),
)


def failure_class(reason: str) -> str:
    """The class of a failed or refused job, from its FailureReason, SecondaryStatus or the service's error.

    "exists" (the name is taken: adopt the job), "quota" and "capacity" (wait, then say which quota), "diverged",
    "spot" (interrupted, or not started in time: once more on demand), "stopped" (by a person, or by its time limit: no
    retry), "validation" (the same input fails again), "algorithm" (everything else).
    """
    text = reason.lower()
    return next((name for name, words in _CLASSES if re.search(words, text)), "algorithm")


def classify_failure(reason: str) -> str:
    """failure_class as the state machine tells them apart: it waits for quota as it waits for capacity."""
    found = failure_class(reason)
    return "capacity" if found == "quota" else found


def check_learning(metrics: list[dict[str, float]], window: int = 5) -> None:
    """Raises TrainingDiverged where reinforcement went wrong, judged by the first and last `window` steps.

    The reward fell to a tenth; or the policy's entropy did while the reward did not rise (falling alone is how
    a policy learns); or no group of rollouts ever differed. Short jobs and other techniques pass.
    """
    rewards, entropies = _curve(metrics, "reward"), _curve(metrics, "entropy")
    if len(rewards) >= 2 * window:
        first, last = _ends(rewards, window)
        if first > 0 and last < 0.1 * first:
            raise TrainingDiverged(f"the reward collapsed from {first:.3g} to {last:.3g}")
        if len(entropies) >= 2 * window:
            wide, narrow = _ends(entropies, window)
            if wide > 0 and narrow < 0.1 * wide and last <= first:
                raise TrainingDiverged(
                    f"the entropy collapsed from {wide:.3g} to {narrow:.3g} and the reward did not rise"
                )
    spreads = _curve(metrics, "max_advantage")
    if len(spreads) >= window and not any(spreads):
        raise TrainingDiverged("every group of rollouts got equal rewards: nothing was learnt")


def _curve(metrics: list[dict[str, float]], word: str) -> list[float]:
    """The first column whose name holds the word: containers call the same thing by several names."""
    names = [name for name in (metrics[0] if metrics else {}) if word in name and not name.endswith(("/min", "/max"))]
    return [row[names[0]] for row in metrics if names[0] in row] if names else []


def _ends(curve: list[float], window: int) -> tuple[float, float]:
    return sum(curve[:window]) / window, sum(curve[-window:]) / window


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
