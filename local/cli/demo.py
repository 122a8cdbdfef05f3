"""`toolsmith demo`: the whole chain on this machine, from dropped documents to a registered model and its report."""

import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.cli import evaluator, stack, teachers
from local.cli.drop import SKIP, Dropped, upload
from local.cli.failures import Failed
from local.cli.place import Place, cloud_of, files_of, local_place
from local.cli.record import Recorder
from local.cli.report import fetch, told
from local.cli.status import State, Teller, Watcher
from local.cli.summary import write
from toolsmith.events import FINAL
from toolsmith.pipeline.defaults import RunDefaults
from toolsmith.pipeline.start import from_object

SAMPLES = stack.ROOT / "samples"
PAUSE = 1.0
GRACE = 45.0
UNFINISHED = ("FAILED", "TIMED_OUT", "ABORTED")


@dataclass
class Stopwatch:
    """Seconds of each phase, in order."""

    seconds: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)

    def lap(self, phase: str) -> None:
        now = time.monotonic()
        self.seconds[phase] = round(now - self._since, 1)
        self._since = now


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(arguments) -> int:
    home = arguments.home.absolute()
    paths = arguments.drop or [SAMPLES]
    count = len([name for file, name in files_of(paths) if file.name not in SKIP])
    teacher = teachers.chosen(arguments)
    chosen = {**teacher.parameters, **stack.placed(arguments.on, arguments.mlflow)}
    cloud = cloud_of(arguments, follow=not arguments.keep, mlflow=arguments.mlflow, **teacher.settings)
    if arguments.fresh:
        cloud.stop()
        shutil.rmtree(home, ignore_errors=True)
    teacher.apply(cloud, arguments.mlflow)
    home.mkdir(parents=True, exist_ok=True)
    clock = Stopwatch()
    cloud.start()
    try:
        _say(f"local cloud on {cloud.endpoint}")
        clock.lap("cloud")
        _say(
            "template.yaml deployed"
            if stack.deploy(cloud, home, arguments.seed, chosen)
            else "template.yaml is deployed already"
        )
        clock.lap("deploy")
        place = local_place(cloud)
        if arguments.on == "serverless":
            evaluator.register(place)
        watcher, teller = Watcher(place), Teller()
        recorder = Recorder(place)
        before = {execution["name"] for execution in watcher.runs()}
        _redrive_ingests(watcher)
        dropped = upload(place, paths)
        _say(f"dropped {count} files")
        _ingest(watcher, teller, ingest_names(place.outputs["IntakeBucket"], dropped))
        clock.lap("ingest")
        name = _customize(watcher, teller, before)
        clock.lap("customize")
        return _finish(arguments, place, watcher, recorder, name, clock)
    finally:
        if not arguments.keep:
            cloud.stop()


def _tell(teller: Teller, state: State) -> None:
    if line := teller.line(state):
        _say(line)


def _redrive_ingests(watcher: Watcher) -> None:
    """Go on with the ingests that failed in an earlier demo."""
    for execution in watcher.executions("IngestMachine"):
        if execution["status"] in UNFINISHED:
            _say(f"{execution['name']} ended {execution['status']} before; redriving it")
            watcher.redrive(execution["executionArn"])


def ingest_names(bucket: str, dropped: list[Dropped]) -> list[set[str]]:
    """The names under which each dropped file may be ingested: of its version, or of its ETag where there is none."""
    names = []
    for file in dropped:
        item = {"key": file.key, "etag": file.etag}
        known = [item, {**item, "version-id": file.version}]
        starts = [from_object({"bucket": {"name": bucket}, "object": each}) for each in known]
        names.append({start.name for start in starts if start})
    return names


def _ingest(watcher: Watcher, teller: Teller, awaited: list[set[str]]) -> None:
    """Wait until every file was ingested, or nothing has moved for GRACE seconds. Raises Failed where one failed."""
    moved = time.monotonic()
    while True:
        state = watcher.state()
        _tell(teller, state)
        ingests = {execution["name"]: execution for execution in watcher.executions("IngestMachine")}
        failed = [execution for execution in ingests.values() if execution["status"] in UNFINISHED]
        if failed:
            why = watcher.why(failed[0]["executionArn"])
            raise Failed(f"{failed[0]['name']} ended {failed[0]['status']}: {why}\n"
                         "Mend it, then run the same command again: it redrives what failed")  # fmt: skip
        if state.running_ingests:
            moved = time.monotonic()
        elif all(names & ingests.keys() for names in awaited) or time.monotonic() - moved > GRACE:
            return
        time.sleep(PAUSE)


def _customize(watcher: Watcher, teller: Teller, before: set[str]) -> str:
    """Wait for the run that starts by itself, or take up the run that this corpus has had already."""
    limit, settings = time.monotonic() + GRACE, settings_of(watcher.parameters)
    while True:
        runs = watcher.runs()
        fresh = [e for e in runs if e["name"] not in before or e["status"] == "RUNNING"]
        if not fresh:
            had = run_of_this_corpus(watcher, settings)
            earlier = [execution for execution in runs if execution["name"] == had]
            if earlier:
                _take_up(watcher, earlier[0])
                before = before - {had}
            elif time.monotonic() > limit:
                raise Failed(
                    f"no run started: too few of the {watcher.state().examples} verified examples are new; one starts "
                    f"by itself from {watcher.parameters['MinNewExamples']} (MinNewExamples). Drop more documents"
                )
        if fresh:
            first = fresh[-1]
            _tell(teller, watcher.state(first["name"]))
            if first["status"] != "RUNNING":
                return first["name"]
        time.sleep(PAUSE)


def settings_of(parameters: Mapping[str, str]) -> dict[str, Any]:
    """What tells runs apart, of a stack with these parameters that was deployed from this checkout."""
    student, teacher, control, on = (parameters[name] for name in ("Student", "Teacher", "ControlArm", "CustomizeOn"))
    return RunDefaults(student, teacher, int(parameters["Seed"]), control == "true", on).settings()


def run_of_this_corpus(watcher: Watcher, settings: Mapping[str, Any]) -> str | None:
    """The run that was made of as many examples as there are now, under the same settings."""
    examples = watcher.state().examples
    rows = [row for row in watcher.rows("RUN") if row["examples"] == examples and row["settings"] == settings]
    return rows[-1]["id"] if rows else None


def _take_up(watcher: Watcher, execution: dict) -> None:
    """Go on with the run that this corpus had before; one that failed is redriven from the state that failed."""
    error = watcher.error(execution["executionArn"])
    if error in FINAL:
        raise Failed(f"these documents had their run, and it ended with {error}; "
                     "try another --seed, a changed recipe, or --fresh")  # fmt: skip
    if execution["status"] in UNFINISHED:
        _say(f"{execution['name']} ended {execution['status']} before; redriving it")
        watcher.redrive(execution["executionArn"])
    else:
        said = "these documents had their run already with these recipes"
        _say(f"{said}: {execution['name']}; --seed N, a changed recipe or --fresh makes another")


def _finish(arguments, place: Place, watcher: Watcher, recorder: Recorder, name: str, clock: Stopwatch) -> int:
    execution = next(e for e in watcher.executions("CustomizeMachine") if e["name"] == name)
    if execution["status"] != "SUCCEEDED":
        why = watcher.why(execution["executionArn"])
        final = watcher.error(execution["executionArn"]) in FINAL
        remedy = "with another --seed, or --fresh" if final else "again: it redrives the run"
        raise Failed(f"{name} ended {execution['status']}: {why}\nMend it, then run the same command {remedy}")
    folder = (arguments.out or arguments.home / "reports" / name).absolute()
    files = fetch(place, name, folder)
    clock.lap("report")
    summary = write(place, watcher, recorder, name, folder, files, clock.seconds)
    for line in told(summary):
        _say(line)
    print(Path(files["report.html"]).absolute())
    return 0
