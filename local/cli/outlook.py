"""How long a run will still take and what it has cost, from the cloud's own times, so that watching may stop and start.

Nothing is remembered here: the ends of jobs and executions, the plan of the run and the ledger tell everything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from toolsmith.customization import cost
from toolsmith.pipeline import thorough

# The jobs of the customize machine, phase by phase: (stage, arm); of a phase, AT_ONCE run beside each other.
PHASES = (
    (("sft", "sft"), *(("evaluate", arm) for arm in ("base", "base_tools", *thorough.FEW_SHOT))),
    (("evaluate", "sft"), ("evaluate", thorough.PROBE)),
    (("rft", "rft"), ("more_sft", "more_sft")),
    (("evaluate", "rft"), ("evaluate", "more_sft")),
)
AT_ONCE = 3
OVERDUE = 0.05


@dataclass(frozen=True)
class Timed:
    """A job with its running time so far; `done` is its share of an evaluation that is finished, where it is known."""

    stage: str
    arm: str
    status: str
    seconds: float
    instance_type: str
    instance_count: int
    done: float | None = None


def job_usd(job: Timed, row: Mapping[str, Any], table: Mapping[str, Any]) -> float | None:
    """USD of a job so far, by list price; None where no price is known.

    row: what the ledger keeps of its cost. A job that is billed by the token counts once it has ended.
    """
    if "usd" in row:
        return None if row["usd"] is None else float(row["usd"])
    by_time = cost.job_usd(job.instance_type, job.instance_count, job.seconds, table)
    return 0.0 if by_time is None and row.get("estimated_usd") is not None else by_time


def teacher_usd(teacher: str, rows: Iterable[Mapping[str, Any]], table: Mapping[str, Any]) -> float | None:
    """USD of the tokens that the settled documents' rows tell of; None where they tell of some that have no price."""
    used = [(int(row.get("input_tokens", 0)), int(row.get("output_tokens", 0))) for row in rows]
    read, written = sum(i for i, _ in used), sum(o for _, o in used)
    return cost.tokens_usd(teacher, read, written, table) if read or written else 0.0


def run_seconds(plan: Mapping[str, Any], jobs: Iterable[Timed]) -> float:
    """Seconds that the jobs of a run will still take: what was measured in this run, else what its plan expects.

    plan: "estimate" with the hours of each stage, and whether the run is with "control" and "thorough".
    """
    newest = {(job.stage, job.arm): job for job in jobs}
    expected = {line["stage"]: line["hours"] * 3600 for line in plan["estimate"] if "hours" in line}
    for stage in {job.stage for job in newest.values()}:
        measured = [job.seconds for job in newest.values() if job.stage == stage and job.status == "Completed"]
        if measured:
            expected[stage] = sum(measured) / len(measured)
    left_out = () if plan.get("control") else ("more_sft",)
    left_out += () if plan.get("thorough") else thorough.ARMS
    return sum(
        _beside(_left(newest.get(key), expected.get(key[0], 0.0)) for key in phase if key[1] not in left_out)
        for phase in PHASES
    )


def _beside(seconds: Iterable[float]) -> float:
    """How long jobs take that start in this order whenever fewer than AT_ONCE run."""
    lanes = [0.0] * AT_ONCE
    for each in seconds:
        lanes[lanes.index(min(lanes))] += each
    return max(lanes)


def _left(job: Timed | None, expected: float) -> float:
    if job is None:
        return expected
    if job.status != "InProgress":
        return 0.0
    if job.done:
        return job.seconds * (1 - job.done) / job.done
    return max(expected - job.seconds, OVERDUE * expected)


def ingest_seconds(executions: Iterable[Mapping[str, Any]], now: datetime) -> float | None:
    """Seconds until the running ingests end at the pace of those that ended since they started; None without a pace."""
    listed = list(executions)
    running = [e for e in listed if e["status"] == "RUNNING"]
    if not running:
        return 0.0
    since = min(e["startDate"] for e in running)
    ended = sum(1 for e in listed if e.get("stopDate") and e["stopDate"] > since)
    return len(running) * (now - since).total_seconds() / ended if ended else None


def spoken(seconds: float) -> str:
    """ "about 2 h 10 min left" """
    minutes = int(seconds / 60 + 0.5)
    return f"about {_minutes(minutes)} left" if minutes else "less than a minute left"


def spent(seconds: float) -> str:
    """ "for 2 h 10 min", "for 40 s" """
    return f"for {_minutes(int(seconds / 60)) if seconds >= 60 else f'{seconds:.0f} s'}"


def _minutes(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"
