"""`toolsmith demo`: the whole chain on this machine, from dropped documents to a registered model and its report."""

import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from local.cli import stack, teachers
from local.cli.drop import SKIP, upload
from local.cli.failures import Failed
from local.cli.place import Place, cloud_of, files_of, local_place
from local.cli.record import Recorder
from local.cli.report import fetch
from local.cli.status import State, Watcher, describe
from local.cli.summary import write
from toolsmith.events import FINAL

SAMPLES = stack.ROOT / "samples"
PAUSE = 1.0
GRACE = 45.0


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
    cloud = cloud_of(arguments, follow=not arguments.keep, **teacher.settings)
    if arguments.fresh:
        cloud.stop()
        shutil.rmtree(home, ignore_errors=True)
    teacher.apply(cloud)
    home.mkdir(parents=True, exist_ok=True)
    clock = Stopwatch()
    cloud.start()
    try:
        _say(f"local cloud on {cloud.endpoint}")
        clock.lap("cloud")
        _say(
            "template.yaml deployed"
            if stack.deploy(cloud, home, arguments.seed, teacher.parameters)
            else "template.yaml is deployed already"
        )
        clock.lap("deploy")
        place = local_place(cloud)
        watcher = Watcher(place)
        recorder = Recorder(place)
        before = {execution["name"] for execution in watcher.executions("CustomizeMachine")}
        keys = upload(place, paths)
        _say(f"dropped {count} files")
        _ingest(watcher, keys)
        clock.lap("ingest")
        name = _customize(watcher, before, arguments.seed)
        clock.lap("customize")
        return _finish(arguments, place, watcher, recorder, name, clock)
    finally:
        if not arguments.keep:
            cloud.stop()


class _Progress:
    """Says a state once it changed."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, state: State) -> None:
        line = describe(state)
        if line != self._last:
            _say(line)
            self._last = line


def _ingest(watcher: Watcher, keys: list[str]) -> None:
    """Wait until every dropped file is settled or set aside. Raises Failed where an ingest failed."""
    progress, wanted, quiet = _Progress(), set(keys), 0
    while True:
        state = watcher.state()
        progress.show(state)
        failed = watcher.executions("IngestMachine", "FAILED")
        if failed:
            raise Failed(f"{len(failed)} documents failed in ingest, first {failed[0]['executionArn']}")
        settled = sum(1 for row in watcher.rows("DOCUMENT") if row["status"] == "settled")
        quiet = quiet + 1 if state.running_ingests == 0 and settled + state.rejected else 0
        done = len(watcher.executions("IngestMachine"))
        if quiet >= 2 and done >= len(wanted):
            return
        time.sleep(PAUSE)


def _customize(watcher: Watcher, before: set[str], seed: int) -> str:
    """Wait for the run that starts by itself, or take up the run that this corpus has had already."""
    progress, limit = _Progress(), time.monotonic() + GRACE
    while True:
        runs = watcher.executions("CustomizeMachine")
        fresh = [execution for execution in runs if execution["name"] not in before]
        if not fresh:
            had = _run_of_this_corpus(watcher, seed)
            earlier = [execution for execution in runs if execution["name"] == had]
            if earlier:
                _take_up(watcher, earlier[0])
                before = before - {had}
            elif time.monotonic() > limit:
                raise Failed("no run started: the documents gave fewer verified examples than MinNewExamples")
        if fresh:
            state = watcher.state(fresh[0]["name"])
            progress.show(state)
            if fresh[0]["status"] != "RUNNING":
                return fresh[0]["name"]
        time.sleep(PAUSE)


def _run_of_this_corpus(watcher: Watcher, seed: int) -> str | None:
    """The run that was made of as many examples as there are now, under the same seed."""
    examples = watcher.state().examples
    rows = [row for row in watcher.rows("RUN") if row["examples"] == examples and row["settings"]["seed"] == seed]
    return rows[-1]["id"] if rows else None


def _take_up(watcher: Watcher, execution: dict) -> None:
    """Go on with the run that this corpus had before; one that failed is redriven from the state that failed."""
    error = watcher.error(execution["executionArn"])
    if error in FINAL:
        raise Failed(f"these documents had their run, and it ended with {error}; try another --seed, or --fresh")
    if execution["status"] in ("FAILED", "TIMED_OUT", "ABORTED"):
        _say(f"{execution['name']} ended {execution['status']} before; redriving it")
        watcher.redrive(execution["executionArn"])
    else:
        _say(f"these documents had their run already: {execution['name']}")


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
    _say(summary["verdict"])
    print(Path(files["report.html"]).absolute())
    return 0
