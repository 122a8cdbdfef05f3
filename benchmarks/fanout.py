"""What teaching a document in parallel costs above the teacher itself, on the local cloud with the deployed stack.

    python benchmarks/fanout.py [--chunks N] [--concurrency N] [--ahead] [--out FILE]

The teacher waits 200 ms and has nothing to ask, so the rest is the machinery: the distributed map, the sandboxes,
reading chunks, writing prompts, signing and answering the call, keeping answers and outcomes. A first document warms
the sandboxes. Overhead is how much longer the map takes than its rounds of batches at 200 ms a chunk. Sandboxes and
cloud share the cores of this machine, where Lambda would give each sandbox its own: so the CPU time of a chunk is told
beside it, that of the functions and that of the cloud that stands in for AWS. Where others use the machine too,
`--ahead` (as root) keeps their programs waiting while the measured document is taught; what they cost in caches and
clock stays in the figures.
"""

import argparse
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "toolsmith")]

from local.cli import stack  # noqa: E402
from local.cli.place import Place, local_place  # noqa: E402
from local.cloud import Cloud  # noqa: E402
from local.teacher import Reply  # noqa: E402

LATENCY, PER_BATCH, LIMIT = 0.2, 10, 900
MOST_OVERHEAD, MOST_TRANSITIONS, MOST_EVENTS, MOST_PAYLOAD = 0.10, 1.1, 2000, 32 * 1024


def sleeps(system: str, user: str) -> Reply:
    """The teacher: 200 ms for anything, and nothing to ask."""
    time.sleep(LATENCY)
    return Reply('{"examples":[]}', 10, 5)


def document(chunks: int, part: int) -> bytes:
    """A typed regulation of about so many chunks, one section each."""
    line = "An issuer must furnish audited statements to each purchaser of securities before the sale number {n}. "
    numbers = range(1, chunks)  # the heading is a chunk too
    sections = [f"§ {part}.{n} Conditions of sale {n}.\n{line.format(n=n) * 4}\n" for n in numbers]
    return (f"TITLE 17 PART {part}\n" + "\n".join(sections)).encode()


def taught(place: Place, name: str, data: bytes) -> str:
    """Drop a document and wait until its ingest ended; the execution's ARN."""
    states, machine = place.client("stepfunctions"), place.outputs["IngestMachine"]
    place.client("s3").put_object(Bucket=place.outputs["IntakeBucket"], Key=f"incoming/{name}.txt", Body=data)
    limit = time.monotonic() + LIMIT
    while time.monotonic() < limit:
        for execution in states.list_executions(stateMachineArn=machine)["executions"]:
            found = states.describe_execution(executionArn=execution["executionArn"])
            if name in found["input"] and found["status"] != "RUNNING":
                if found["status"] != "SUCCEEDED":
                    raise SystemExit(f"{name} ended {found['status']}: {found.get('cause')}")
                return execution["executionArn"]
        time.sleep(0.5)
    raise SystemExit(f"{name} is not taught after {LIMIT} s")


def events(place: Place, arn: str) -> Iterator[dict[str, Any]]:
    for page in place.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn):
        yield from page["events"]


def children(place: Place, arn: str) -> list[str]:
    states = place.client("stepfunctions")
    runs = [run["mapRunArn"] for run in states.list_map_runs(executionArn=arn)["mapRuns"]]
    pages = [page for run in runs for page in states.get_paginator("list_executions").paginate(mapRunArn=run)]
    return [child["executionArn"] for page in pages for child in page["executions"]]


def largest(history: list[dict[str, Any]]) -> int:
    details = [detail for event in history for detail in event.values() if isinstance(detail, dict)]
    return max(len(str(detail.get(key, "")).encode()) for detail in details for key in ("input", "output"))


def cpu_seconds(pid: int) -> tuple[float, float]:
    """CPU time of a process, and of all its living descendants (Linux)."""
    ticks: dict[int, int] = {}
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(stat.parent.name)
        parents[number], ticks[number] = int(fields[1]), int(fields[11]) + int(fields[12])
    below = sum(spent for number, spent in ticks.items() if number != pid and _descends(number, pid, parents))
    clock = os.sysconf("SC_CLK_TCK")
    return ticks[pid] / clock, below / clock


def _descends(number: int, pid: int, parents: dict[int, int]) -> bool:
    while number in parents and number != pid:
        number = parents[number]
    return number == pid


def go_ahead(pid: int) -> None:
    """Schedule a process, its children and this program before every ordinary one; new threads inherit it (Linux)."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    family = [pid, os.getpid(), *(int(child) for listed in children for child in listed.read_text().split())]
    for thread in [int(task.name) for one in family for task in Path(f"/proc/{one}/task").iterdir()]:
        os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(1))


def measure(cloud: Cloud, home: Path, chunks: int, concurrency: int, ahead: bool) -> dict[str, Any]:
    changes = {"TeacherConcurrency": str(concurrency), "ChunksPerBatch": str(PER_BATCH), "MinNewExamples": "0",
               "TeacherMode": "on-demand"}  # fmt: skip
    stack.deploy(cloud, home, 0, changes)
    place = local_place(cloud)
    taught(place, "warm", document(2 * concurrency * PER_BATCH, 227))
    if ahead:
        go_ahead(cloud.pid)
    before = cpu_seconds(cloud.pid)
    arn = taught(place, "measured", document(chunks, 230))
    cloud_cpu, functions_cpu = (now - then for now, then in zip(cpu_seconds(cloud.pid), before, strict=True))
    history = list(events(place, arn))
    at = {event["type"]: event["timestamp"] for event in history}
    settled = json.loads(next(e for e in history if e["type"] == "ExecutionSucceeded")
                         ["executionSucceededEventDetails"]["output"])  # fmt: skip
    below = [list(events(place, child)) for child in children(place, arn)]
    number, seconds = settled["chunks"], (at["MapRunSucceeded"] - at["MapRunStarted"]).total_seconds()
    entered = sum(e["type"].endswith("StateEntered") for each in [history, *below] for e in each)
    batches = -(-number // PER_BATCH)
    ideal = -(-batches // concurrency) * PER_BATCH * LATENCY
    return {
        "chunks": number,
        "batches": batches,
        "concurrency": concurrency,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "ahead": ahead,
        "map_seconds": round(seconds, 2),
        "teacher_seconds": round(ideal, 2),
        "cpu_seconds_by_cores": round((cloud_cpu + functions_cpu) / len(os.sched_getaffinity(0)), 2),
        "overhead": round(seconds / ideal - 1, 3),
        "functions_cpu_ms_per_chunk": round(1000 * functions_cpu / number, 1),
        "cloud_cpu_ms_per_chunk": round(1000 * cloud_cpu / number, 1),
        "transitions_per_chunk": round(entered / number, 3),
        "parent_events": len(history),
        "largest_payload": max(largest(each) for each in [history, *below]),
        "outcomes": {name: settled[name] for name in ("kept", "repaired", "rejected", "failed", "empty")},
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=1600)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--ahead", action="store_true", help="before all other programs of this machine (as root)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "fanout.json")
    options = parser.parse_args(arguments)
    home = Path(tempfile.mkdtemp(prefix="fanout-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cloud = Cloud(home / "cloud", port, teacher="benchmarks.fanout:sleeps", sandboxes=options.concurrency, idle=900.0,
                  follow=True)  # fmt: skip
    try:
        result = measure(cloud.start(), home, options.chunks, options.concurrency, options.ahead)
    finally:
        cloud.stop()
        shutil.rmtree(home, ignore_errors=True)
    result["met"] = {
        f"overhead at most {MOST_OVERHEAD:.0%}": result["overhead"] <= MOST_OVERHEAD,
        f"at most {MOST_TRANSITIONS} transitions a chunk": result["transitions_per_chunk"] <= MOST_TRANSITIONS,
        f"under {MOST_EVENTS} events in the parent's history": result["parent_events"] < MOST_EVENTS,
        f"payloads under {MOST_PAYLOAD} bytes": result["largest_payload"] < MOST_PAYLOAD,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return 0 if all(result["met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
