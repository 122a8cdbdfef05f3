"""Ingest and assemble while everything around the handlers breaks: the dataset is that of a quiet run, byte by byte.

    python -m benchmarks.chaos [--documents N] [--rate P] [--kills P] [--kinds KIND,...] [--seed N] [--json FILE]

The real state machines and handlers run in one process. Every call that a handler sends over botocore fails with
probability P: throttled, 5xx, timed out, reset before or after its effect, its body cut. Sandboxes die between two
calls, the interpreter dies twice and goes on from its journal, events come one to five times in any order. An operator
drops nothing again: failed executions are only redriven.
"""

import argparse
import contextlib
import io
import json
import random
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from tests.local.states_bench import fault
from tests.workflows.bench import INTAKE, SAMPLES, WORK, Bench
from tests.workflows.functions import Killed
from tests.workflows.wire import Answer, Reply, refused
from toolsmith.pipeline import customize

CHUNK_SIZE, OVERLAP = 440, 44  # two hundred documents become two thousand chunks
RECEIVES = 5
KINDS = ("throttled", "5xx", "timeout", "reset before", "reset after", "cut")
THROTTLED = {"s3": ("SlowDown", 503), "dynamodb": ("ProvisionedThroughputExceededException", 400)}


class Weather:
    """What goes wrong on the wire; `met` counts it by kind. One generator for all threads, so a seed fixes the number
    of faults, not their places.

    No prompt runs into the timeout twice: that is no weather, but a chunk that the teacher can't answer in time, which
    is given up by design (row 13 of the faults). Its second timeout is a reset instead.
    """

    def __init__(self, rate: float, kills: float, kinds: tuple[str, ...], seed: int) -> None:
        self.rate, self.kills, self.kinds = rate, kills, kinds
        self.met: Counter[str] = Counter()
        self.calls = 0
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._timed_out: set[bytes] = set()

    def __call__(self, service: str, operation: str, answer: Answer) -> Reply:
        with self._lock:
            self.calls += 1
            draw = self._random.random()
            kind = self._random.choice(self.kinds)
            kind = "killed" if draw < self.kills else kind if draw < self.kills + self.rate else ""
            if kind == "timeout" and service == "bedrock-runtime":
                prompt = bytes(answer.request.body)
                kind = "reset after" if prompt in self._timed_out else kind
                self._timed_out.add(prompt)
            if kind:
                self.met[kind] += 1
        return self._broken(kind, service, answer) if kind else answer()

    def _broken(self, kind: str, service: str, answer: Callable[[], Reply]) -> Reply:
        if kind in ("throttled", "5xx"):
            code, status = THROTTLED.get(service, ("ThrottlingException", 429))
            code, status = ("InternalServerError", 500) if kind == "5xx" else (code, status)
            return refused(service, fault(code, kind, status))
        if kind == "reset before":
            raise ConnectionClosedError(endpoint_url=service)
        reply = answer()
        if kind == "cut":
            return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
        raise {"killed": Killed(), "timeout": ReadTimeoutError(endpoint_url=service)}.get(
            kind, ConnectionClosedError(endpoint_url=service)
        )


def documents(count: int) -> Iterator[tuple[str, bytes]]:
    """(key, bytes): the samples over and over, each copy with a mark of its own."""
    files = sorted(path for path in SAMPLES.rglob("*") if path.suffix in (".txt", ".htm", ".json", ".xml"))
    for number in range(count):
        path = files[number % len(files)]
        data = path.read_bytes()
        if number >= len(files):
            data = marked(data, number)
        yield f"incoming/{number:05d}/{path.name}", data


def marked(data: bytes, number: int) -> bytes:
    """The same document for another year: other bytes, other digest, same structure."""
    for year in range(2000, 2026):
        data = data.replace(f", {year}".encode(), f", {2000 + (year + 7 * number) % 26}".encode())
    return data + b"\n" * (number % 97 + 1)


def arrivals(bench: Bench, count: int, chaos: random.Random | None) -> list[dict[str, Any]]:
    """Put the documents; their events as they are delivered."""
    events = []
    for key, data in documents(count):
        made = bench.objects.put_object(INTAKE, key, data)
        times = chaos.randint(1, 5) if chaos else 1
        events += [bench.arrival(key, made["VersionId"], len(data))] * times
    if chaos:
        chaos.shuffle(events)
    return events


def deliver(bench: Bench, events: list[dict[str, Any]], batch: int = 10) -> int:
    """Hand the events to the starter as SQS would; how many ended as dead letters."""
    queue, dead = [(event, 1) for event in events], 0
    while queue:
        now, queue = queue[:batch], queue[batch:]
        records = [{"messageId": str(n), "body": json.dumps(event)} for n, (event, _) in enumerate(now)]
        try:
            failed = {int(f["itemIdentifier"]) for f in started(bench, records)["batchItemFailures"]}
        except (Exception, Killed):
            failed = set(range(len(now)))
        for number in failed:
            event, receives = now[number]
            dead += receives >= RECEIVES
            queue += [(event, receives + 1)] if receives < RECEIVES else []
    return dead


def started(bench: Bench, records: list[dict[str, str]]) -> dict[str, Any]:
    return bench.functions.call("StartFunction", {"Records": records})


def drained(bench: Bench, names: list[str], restarts: list[int]) -> Counter[str]:
    """Wait for every execution, redriving what failed, and restart the interpreter where asked; redrives by error."""
    redrives: Counter[str] = Counter()
    for number, name in enumerate(names):
        if number in restarts:
            bench.restart()
        found = bench.ended(name, 3600)
        while found["status"] != "SUCCEEDED":
            assert sum(redrives.values()) < 50 * len(names), found
            redrives[found.get("error", found["status"])] += 1
            found = bench.redrive(name)
    return redrives


def run(count: int, weather: Weather | None, seed: int) -> dict[str, Any]:
    """Ingest `count` documents and assemble their dataset; what is left and what it took."""
    bench = Bench(ChunkSize=CHUNK_SIZE, ChunkOverlap=OVERLAP, TeacherMode="on-demand", RequireApproval="false")
    chaos = random.Random(seed) if weather else None
    begun, spent = time.perf_counter(), time.process_time()
    try:
        if weather:
            bench.wire.disturb = weather
        dead = deliver(bench, arrivals(bench, count, chaos))
        names = bench.names("ingest")
        redrives = drained(bench, names, [len(names) // 3, 2 * len(names) // 3] if weather else [])
        asked = dict(bench.speech.prompts)
        bench.wire.disturb = lambda service, operation, answer: answer()
        bench.set(customize, "ATTACKS", customize.ATTACKS[:3])  # they try the reward, not the dataset, and take longest
        plan = bench.drop("runs/all.json", {"dry_run": True})
        found = bench.ended(plan, 3600)
        assert found["status"] == "SUCCEEDED", found
        dead += len(bench.buried)
        return {"documents": count, "executions": len(names), "dead_letters": dead, "redrives": dict(redrives),
                "asked": sum(asked.values()), "asked_twice": sum(times > 1 for times in asked.values()),
                "rows": bench.rows("DOCUMENT"), "files": bench.objects.tree(WORK, "datasets/"),
                "ledger": bench.objects.tree(WORK, "ledger/"), "dataset": bench.told("Dataset Ready")[-1]["dataset"],
                "wall_seconds": round(time.perf_counter() - begun, 1),
                "cpu_seconds": round(time.process_time() - spent, 1)}  # fmt: skip
    finally:
        bench.close()


def changed_lines(quiet: dict[str, Any], broken: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(quiet, broken) ledger lines that differ."""
    found = []
    for key in quiet["ledger"].keys() | broken["ledger"].keys():
        was, now = (one["ledger"].get(key, b"").splitlines() for one in (quiet, broken))
        found += [(json.loads(a), json.loads(b)) for a, b in zip(was, now, strict=True) if a != b]
    return found


def verdicts(quiet: dict[str, Any], broken: dict[str, Any]) -> dict[str, bool]:
    """What must hold."""
    kinds = ("kept", "repaired", "rejected", "failed", "empty")
    return {
        "the dataset is byte-identical": quiet["files"] == broken["files"],
        "every ledger line is the same": not changed_lines(quiet, broken),
        "every count balances": all(sum(row[k] for k in kinds) == row["chunks"] for row in broken["rows"]),
        "no execution is doubled": broken["executions"] == broken["documents"],
        "no message is left unseen": broken["dead_letters"] == 0,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--rate", type=float, default=0.1, help="probability that a call fails")
    parser.add_argument("--kills", type=float, default=0.002, help="probability that the sandbox dies at a call")
    parser.add_argument("--kinds", default=",".join(KINDS), help="how a call may fail")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    weather = Weather(args.rate, args.kills, tuple(args.kinds.split(",")), args.seed)
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        quiet, broken = run(args.documents, None, args.seed), run(args.documents, weather, args.seed)
    found = verdicts(quiet, broken)
    report = {
        "met": found,
        "ledger_lines_that_differ": len(changed_lines(quiet, broken)),
        "chunks": sum(row["chunks"] for row in broken["rows"]),
        "calls": weather.calls,
        "faults": dict(sorted(weather.met.items())),
        **{name: {key: one[key] for key in one if key not in ("rows", "files", "ledger")}
           for name, one in (("quiet", quiet), ("broken", broken))},
    }  # fmt: skip
    print(json.dumps(report, indent=2))
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(not all(found.values()))


if __name__ == "__main__":
    sys.exit(main())
