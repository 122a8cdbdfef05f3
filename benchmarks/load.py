"""Many small documents dropped at once: does what they cost grow in proportion, and what do a thousand cost on AWS?

    python -m benchmarks.load [--sizes N,N,...] [--admitted N] [--out FILE]

The real state machines and handlers run in one process, every size in a process of its own; the teacher is the embedded
one. The queue of arrivals is full at the start; it is emptied ten messages at a time as its event source does. Handlers
share this machine's cores and one interpreter lock, so seconds say little; counts are those of AWS. Prices are list
prices of us-east-1; the functions' seconds are their CPU seconds here, on 1,769 MB-vCPUs.

Admission is shown twice. Some documents run through a stack whose TeachersAtOnce is small and whose delays take a
five-hundredth of their time. Then ten thousand wait for their turn in virtual time alone: batches that take as long as
a language model takes, delays drawn by the interpreter from the rule of the state machine.
"""

import argparse
import contextlib
import heapq
import io
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from local.states import Clock
from local.states.interpreter import retry_delay
from tests.template.loading import machines, template
from tests.workflows.bench import INTAKE, Bench
from tests.workflows.functions import Functions
from toolsmith.customization import cost

ROOT = Path(__file__).resolve().parents[1]
SIZES = (250, 500, 1000)
BATCH, SAMPLES = 10, 10
AT_ONCE, DELAYS = 4, 0.002  # TeachersAtOnce of the admitted run, and what its delays are multiplied by
LONGEST_DELAY = 20.0  # seconds; beyond every delay at these scales, below every TimeoutSeconds
BACKLOG, STARTS_PER_SECOND = 10_000, 20.0  # two start functions, ten messages each, one second a batch
WAITING = ((10, 8.0), (20, 8.0), (20, 30.0), (100, 30.0))  # (TeachersAtOnce, seconds that a batch takes)
# USD: https://aws.amazon.com/{s3,dynamodb,lambda,sqs,eventbridge}/pricing, us-east-1, on demand, arm64
PRICES = {"s3 write": 5e-6, "s3 read": 4e-7, "dynamodb write": 6.25e-7, "dynamodb read": 1.25e-7, "lambda call": 2e-7,
          "lambda gb_second": 1.33334e-5, "sqs": 4e-7, "event": 1e-6}  # fmt: skip
WRITES = {"put_object", "copy_object", "put_item", "update_item"}
LINEAR = 0.15  # how far a cost per document may be from that of the smallest size


def patient(bench: Bench, scale: float) -> None:
    bench.engine.clock = bench.engine.services.clock = Patient(scale)


def document(number: int) -> bytes:
    """A typed regulation of one section: one chunk, and no other document has its words."""
    return (
        f"TITLE 17 PART {230 + number % 60}\n§ {230 + number % 60}.{number + 1} Conditions of sale {number}.\n"
        f"An issuer of class {number} must furnish audited statements under section 5 of the Securities Act to each "
        f"purchaser before sale number {number}, and must keep them for {number % 9 + 2} years.\n"
    ).encode()


class Patient(Clock):
    """Retries and waits take `scale` of their time, and no task runs out of time: thousands share one interpreter lock
    here, so a call may take minutes that takes milliseconds in a sandbox of its own."""

    def wait(self, event: threading.Event, until: float | None) -> bool:
        far = until is not None and until - self.now() > LONGEST_DELAY
        return super().wait(event, None if far else until)


class Meter:
    """Counts calls by what they are billed as, and the functions' CPU seconds times their memory."""

    def __init__(self, bench: Bench) -> None:
        self.billed: Counter[str] = Counter()
        self.gb_seconds = 0.0
        shared = template()["Globals"]["Function"]["MemorySize"]
        self._memory = {name: bench.stack.resources[name]["Properties"].get("MemorySize", shared)
                        for name in bench.functions.calls | dict.fromkeys(bench.stack.functions, 0)}  # fmt: skip
        for name, call in list(bench.wire.calls.items()):
            bench.wire.calls[name] = self._counting(name, call)
        bench.set(Functions, "_handle", self._timing(Functions._handle))

    def _counting(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        service, _, method = name.partition(".")
        kind = f"{service} {'write' if method in WRITES else 'read'}" if service in ("s3", "dynamodb") else name

        def counting(**request: Any) -> Any:
            self.billed[kind] += 1
            return call(**request)

        return counting

    def _timing(self, handle: Callable[..., Any]) -> Callable[..., Any]:
        def timing(functions: Functions, name: str, event: Any) -> Any:
            begun = time.thread_time()
            try:
                return handle(functions, name, event)
            finally:
                self.gb_seconds += (time.thread_time() - begun) * self._memory[name] / 1024

        return timing


def one(count: int) -> dict[str, Any]:
    """Drop `count` documents at once; counts, peaks, and the queue at ten moments."""
    bench = Bench(TeacherMode="on-demand", ChunkSize=2000, ChunkOverlap=200)
    try:
        patient(bench, 0.0)
        meter, events = Meter(bench), []
        for number in range(count):
            data, key = document(number), f"incoming/{number:05d}.txt"
            made = bench.objects.put_object(INTAKE, key, data)
            events.append(bench.arrival(key, made["VersionId"], len(data)))
        empty, begun, spent = rss(), time.perf_counter(), time.process_time()
        queue = drained(bench, events)
        names = bench.names("ingest")
        for name in names:
            bench.succeeded(name, 3600)
        wall, cpu = time.perf_counter() - begun, time.process_time() - spent
        told = bench.told("Document Ingested")
        return {
            "documents": count, "executions": len(names), "events": len(told),
            "chunks": sum(event["chunks"] for event in told), "examples": sum(event["examples"] for event in told),
            "transitions": sum(bench.transitions(name) for name in names),
            "history_events": sum(len(bench.history(name)) for name in names[:20]) // 20,
            "busiest": {name: bench.functions.busiest[name] for name in ("ParseFunction", "TeachFunction")},
            "queue_depth": queue, "wall_seconds": round(wall, 1), "cpu_seconds": round(cpu, 1),
            "peak_mb": round(rss()), "mb_over_empty": round(rss() - empty),
            "billed": {**meter.billed, "lambda call": sum(bench.functions.calls.values())},
            "gb_seconds": round(meter.gb_seconds, 1),
        }  # fmt: skip
    finally:
        bench.close()


def admitted(count: int) -> dict[str, Any]:
    """Drop `count` documents on a stack that lets AT_ONCE batches be taught at a time."""
    bench = Bench(TeacherMode="on-demand", ChunkSize=2000, ChunkOverlap=200, TeachersAtOnce=AT_ONCE)
    try:
        patient(bench, DELAYS)
        events = []
        for number in range(count):
            data, key = document(number), f"incoming/{number:05d}.txt"
            events.append(bench.arrival(key, bench.objects.put_object(INTAKE, key, data)["VersionId"], len(data)))
        drained(bench, events)
        ends = [bench.ended(name, 3600)["status"] for name in bench.names("ingest")]
        return {"documents": count, "teachers_at_once": AT_ONCE, "succeeded": ends.count("SUCCEEDED"),
                "busiest": bench.functions.busiest["TeachFunction"],
                "refused_calls": bench.functions.throttled["TeachFunction"]}  # fmt: skip
    finally:
        bench.close()


def waited(at_once: int, seconds: float) -> dict[str, Any]:
    """BACKLOG executions, one batch each, that retry by the rule of the state Teach until they get a turn."""
    teach = machines()["ingest"]["States"]["TeachChunks"]["ItemProcessor"]["States"]["Teach"]
    rule = next(one for one in teach["Retry"] if "Lambda.TooManyRequestsException" in one["ErrorEquals"])
    random.seed(0)
    asking = [(number / STARTS_PER_SECOND, number, 0) for number in range(BACKLOG)]
    running: list[float] = []
    failed = refused = 0
    end = 0.0
    while asking:
        now, number, tries = heapq.heappop(asking)
        while running and running[0] <= now:
            heapq.heappop(running)
        if len(running) < at_once:
            end = now + seconds
            heapq.heappush(running, end)
            continue
        refused += 1
        if tries < rule["MaxAttempts"]:
            heapq.heappush(asking, (now + retry_delay(rule, tries), number, tries + 1))
        else:
            failed += 1
    return {"documents": BACKLOG, "teachers_at_once": at_once, "seconds_a_batch": seconds, "failed": failed,
            "hours": round(end / 3600, 2), "hours_without_gaps": round(BACKLOG * seconds / at_once / 3600, 2),
            "refused_calls_a_document": round(refused / BACKLOG, 1)}  # fmt: skip


def drained(bench: Bench, events: list[dict[str, Any]]) -> list[int]:
    """Hand the queue to the start function, ten messages at a time; its depth at ten moments evenly apart."""
    depth, every = [], max(1, len(events) // BATCH // SAMPLES)
    for turn, first in enumerate(range(0, len(events), BATCH)):
        if turn % every == 0:
            depth.append(len(events) - first)
        batch = events[first : first + BATCH]
        records = [{"messageId": str(n), "body": json.dumps(event)} for n, event in enumerate(batch)]
        assert bench.functions.call("StartFunction", {"Records": records}) == {"batchItemFailures": []}
    return [*depth, 0]


def rss() -> float:
    """Most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cost_of_thousand(found: dict[str, Any]) -> dict[str, float]:
    """USD for 1,000 documents, by what is paid for."""
    scale = 1000 / found["documents"]
    table = json.loads((ROOT / "recipes/prices.json").read_text(encoding="utf-8"))
    billed = found["billed"]
    usd = {
        "state transitions": found["transitions"] * table["state_transition"],
        "S3 requests": billed["s3 write"] * PRICES["s3 write"] + billed["s3 read"] * PRICES["s3 read"],
        "DynamoDB requests": billed["dynamodb write"] * PRICES["dynamodb write"]
        + billed["dynamodb read"] * PRICES["dynamodb read"],
        "Lambda": billed["lambda call"] * PRICES["lambda call"] + found["gb_seconds"] * PRICES["lambda gb_second"],
        "queue and events": found["documents"] * 3 * PRICES["sqs"] + found["events"] * PRICES["event"],
        "teacher's tokens (nova-pro)": cost.estimate_teaching("nova-pro", found["chunks"], table)[0]["usd"],
    }
    return {name: round(value * scale, 4) for name, value in usd.items()}


def verdicts(rows: list[dict[str, Any]], admission: dict[str, Any], backlog: list[dict[str, Any]]) -> dict[str, bool]:
    def linear(key: str) -> bool:
        each = [row[key] / row["documents"] for row in rows]
        return all(abs(one / each[0] - 1) <= LINEAR for one in each)

    return {
        "an execution and an event for every document": all(
            row["executions"] == row["events"] == row["documents"] for row in rows),
        "state transitions are linear": linear("transitions"),
        "CPU seconds are linear": linear("cpu_seconds"),
        "memory grows no faster than documents": all(
            b["mb_over_empty"] / a["mb_over_empty"] <= (1 + LINEAR) * b["documents"] / a["documents"]
            for a, b in zip(rows, rows[1:], strict=False)),
        "the queue drains evenly": all(
            abs((row["queue_depth"][n] - row["queue_depth"][n + 1]) / row["documents"] - 1 / SAMPLES) < 0.03
            for row in rows for n in range(SAMPLES - 1)),
        "no more batches are taught at once than TeachersAtOnce": 0 < admission["busiest"] <= AT_ONCE,
        "who has to wait for a turn gets one": admission["refused_calls"] > 0
        and admission["succeeded"] == admission["documents"],
        "a backlog of ten thousand drains without a failure": all(row["failed"] == 0 for row in backlog),
    }  # fmt: skip


def apart(what: str, count: int) -> dict[str, Any]:
    """What a run in a process of its own found."""
    command = [sys.executable, "-m", "benchmarks.load", "--one", what, str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found), file=sys.stderr)
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--admitted", type=int, default=200, help="documents of the run with a small TeachersAtOnce")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "load.json")
    options = parser.parse_args(arguments)
    if options.one:
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(io.StringIO()):
            found = {"load": one, "admission": admitted}[options.one[0]](int(options.one[1]))
        print(json.dumps(found))
        return 0
    rows = []
    for size in map(int, options.sizes.split(",")):
        rows.append(apart("load", size))
    admission = apart("admission", options.admitted)
    backlog = [waited(*case) for case in WAITING]
    usd = cost_of_thousand(rows[-1])
    report = {"load": round(os.getloadavg()[0], 1), "sizes": rows, "usd_per_1000_documents": usd,
              "usd_per_1000_documents_total": round(sum(usd.values()), 2), "admission": admission, "backlog": backlog,
              "met": verdicts(rows, admission, backlog)}  # fmt: skip
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))
    return 0 if all(report["met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
