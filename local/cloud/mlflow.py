"""What a job with an MlflowConfig logs: a run in the MLflow tracking server that this cloud was started with.

On AWS the ARN names a managed server; here one server of the user's own stands for every ARN. Calls are those of
MLflow's REST API, https://mlflow.org/docs/latest/rest-api.html
"""

import json
import math
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import yaml

from toolsmith.customization.findings import walk
from toolsmith.customization.outputs import JobOutput, read_files
from toolsmith.errors import ArtefactMissing

NEEDED = ("GetExperimentByName", "CreateExperiment", "CreateRun", "LogBatch", "UpdateRun")
_AT_ONCE, _PARAMETERS = 1000, 100  # metrics and parameters that one call takes
_ENDS = {"Completed": "FINISHED", "Failed": "FAILED", "Stopped": "KILLED"}
_PATIENCE = 30  # seconds


class Unreachable(Exception):
    """The tracking server cannot be reached, or refuses; the message says how it answered."""


class Tracking:
    """One server, by its address."""

    def __init__(self, uri: str) -> None:
        self._uri = uri.rstrip("/")

    def begin(self, experiment: str, name: str, tags: dict[str, str]) -> dict[str, str]:
        """Open a run; its ids as DescribeTrainingJob tells them. Raises Unreachable."""
        number = self._experiment(experiment)
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        made = self._call("runs/create", experiment_id=number, run_name=name, start_time=_now(), tags=listed)
        return {"MlflowExperimentId": number, "MlflowRunId": made["run"]["info"]["run_id"]}

    def log(self, run: str, hyperparameters: dict[str, str], base: Path) -> None:
        """Log hyperparameters, the recipe, and the metrics that a job left in its outputs. Raises Unreachable.

        base: the folder that stands for /opt/ml.
        """
        now, metrics = _now(), []
        for number, row in enumerate((left := _left(base / "output" / "data")).metrics, start=1):
            step = int(row.get("step_number", number))
            metrics += [_metric(name, value, now, step) for name, value in row.items() if name != "step_number"]
        for task, scores in left.scores().items():
            metrics += [_metric(f"{task} {name}".replace("|", " "), value, now, 0) for name, value in scores.items()]
        given = {**hyperparameters, **_recipe(base / "input" / "data" / "recipe" / "recipe.yaml")}
        parameters = [{"key": key, "value": value[:6000]} for key, value in sorted(given.items())]
        sound = [metric for metric in metrics if math.isfinite(metric["value"])]
        self._call("runs/log-batch", run_id=run, params=parameters[:_PARAMETERS])
        for first in range(0, len(sound), _AT_ONCE):
            self._call("runs/log-batch", run_id=run, metrics=sound[first : first + _AT_ONCE])

    def end(self, run: str, status: str) -> None:
        """Close a run whose job has this final status. Raises Unreachable."""
        self._call("runs/update", run_id=run, status=_ENDS[status], end_time=_now())

    def _experiment(self, name: str) -> str:
        try:
            return self._call("experiments/create", name=name)["experiment_id"]
        except Unreachable:  # most often because it exists
            found = self._call("experiments/get-by-name?" + urlencode({"experiment_name": name}))
            return found["experiment"]["experiment_id"]

    def _call(self, path: str, **body) -> dict:
        data = json.dumps(body).encode() if body else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._uri}/api/2.0/mlflow/{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace")[:300]
            raise Unreachable(f"MLflow at {self._uri} refused {path.partition('?')[0]}: {error.code} {said}") from error
        except (OSError, ValueError) as error:
            raise Unreachable(f"MLflow at {self._uri} cannot be reached: {error}") from error


def _recipe(path: Path) -> dict[str, str]:
    """The settings of a recipe by their dotted keys; MLflow takes no brackets in a key."""
    if not path.is_file():
        return {}
    found = walk(yaml.safe_load(path.read_text(encoding="utf-8")))
    return {key.replace("[", ".").replace("]", ""): str(value) for key, value in found}


def _left(folder: Path) -> JobOutput:
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    try:
        return read_files(files, model=str(folder))
    except ArtefactMissing:
        return JobOutput(None, [], [], {})


def _metric(name: str, value: float, at: int, step: int) -> dict:
    return {"key": name, "value": value, "timestamp": at, "step": step}


def _now() -> int:
    return int(time.time() * 1000)
