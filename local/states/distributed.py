"""The Distributed Map: a Map Run whose items are executions of their own.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from local.states import items, results
from local.states.asl import State
from local.states.clock import Cancel
from local.states.errors import EXCEED_TOLERATED, Cancelled, StateError
from local.states.execution import ENDED, Run, abort
from local.states.gang import Gang
from local.states.interpreter import Flow, Outcome

WIDTH = 64  # children at a time where MaxConcurrency is 0 ("no limit")
BAD = ("FAILED", "TIMED_OUT", "ABORTED")


def map_run_state(flow: Flow, state: State) -> Outcome:
    """Run the children that have not succeeded yet; the result is their outputs, or where they were written."""
    try:
        if "map_run" not in flow.scratch:
            _open(flow, state)
        elif "redriven" in flow.scratch:
            flow.emit("MapRunRedriven", mapRunArn=flow.scratch["map_run"], redriveCount=flow.scratch.pop("redriven"))
        run = MapRun(flow, state)
        run.work()
        result = results.collect(flow, state, run.row)
        run.judge()
    except StateError as error:
        if "map_run" in flow.scratch:
            _close(flow, "FAILED")
            flow.emit("MapRunFailed", **error.said())
        flow.emit("MapStateFailed")
        raise
    except Cancelled:
        if flow.cancel.reason != "shutdown":
            _close(flow, "ABORTED")
        raise
    _close(flow, "SUCCEEDED")
    flow.emit("MapRunSucceeded")
    flow.emit("MapStateSucceeded")
    return flow.outcome(state, result, result=result)


def _open(flow: Flow, state: State) -> None:
    """Read the items once and write the Map Run with all its children, still pending, in one transaction."""
    inputs = items.inputs(flow, state)
    parent = flow.execution
    label = state.fields.get("Label") or str(uuid.uuid5(uuid.NAMESPACE_URL, state.name))
    base = f"{parent['machine'].replace(':stateMachine:', ':{}:')}/{label}"
    journal, now = flow.services.journal, flow.services.clock.now()
    number = {name: flow.number(state, name) for name in
              ("MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount")}
    run = {"arn": f"{base.format('mapRun')}:{uuid.uuid4()}", "execution": parent["arn"], "state": state.name,
           "status": "RUNNING", "started": now, "redrives": 0, "total": sum(weight for _, weight in inputs),
           "numbers": number}
    with journal.transaction():
        journal.put_map_run(run)
        for position, (value, weight) in enumerate(inputs):
            name = str(uuid.uuid4())
            journal.put_execution({
                "arn": f"{base.format('execution')}:{name}", "machine": base.format("stateMachine"), "name": name,
                "status": "PENDING", "started": now, "input": value, "role": parent["role"], "redrives": 0,
                "map_run": run["arn"], "position": position, "weight": weight})
        flow.scratch["map_run"] = run["arn"]
        flow.emit("MapStateStarted", length=len(inputs))
        flow.emit("MapRunStarted", mapRunArn=run["arn"])
        flow.save()


def _close(flow: Flow, status: str) -> None:
    journal = flow.services.journal
    run = journal.map_run(flow.scratch.get("map_run", ""))
    if not run:
        return
    with journal.transaction():
        journal.put_map_run({**run, "status": status, "stopped": flow.services.clock.now()})
        _abort_children(flow, run["arn"])


def _abort_children(flow: Flow, arn: str) -> None:
    with flow.services.journal.transaction():
        for child in flow.services.journal.children(arn):
            if child["status"] == "RUNNING":
                abort(flow.services, child)


class MapRun:
    """The children of one Map Run at work, and the count of those that failed."""

    def __init__(self, flow: Flow, state: State):
        self.flow = flow
        self.state = state
        self.journal = flow.services.journal
        self.row: dict[str, Any] = self.journal.map_run(flow.scratch["map_run"]) or {}
        self.cancel = Cancel(flow.cancel)
        self.failed = sum(self.journal.child(self.row["arn"], position)["weight"] for position, status
                          in self.journal.child_status(self.row["arn"]).items() if status in BAD)

    def work(self) -> None:
        """Run every child that has not ended, until all ended or too many failed."""
        nested = "map_run" in self.flow.execution
        width = int(self.row["numbers"]["MaxConcurrency"] or WIDTH)
        slots = None if nested else self.flow.services.slots
        try:
            if not self.exceeded():
                Gang(width, self.cancel, slots).run(self._jobs())
        finally:
            self.cancel.close()
        self.flow.cancel.check()
        if self.exceeded():
            _abort_children(self.flow, self.row["arn"])

    def _jobs(self) -> Iterator[Callable[[], None]]:
        for position, status in sorted(self.journal.child_status(self.row["arn"]).items()):
            if status not in ENDED:
                yield lambda position=position: self._child(position)

    def _child(self, position: int) -> None:
        row = self.journal.child(self.row["arn"], position)
        program = self.state.branches[0]
        run = Run(self.flow.services, row, program, self.cancel, self._ended)
        if row["status"] == "PENDING":
            run.begin()
        run.work()

    def _ended(self, run: Run) -> None:
        if run.row["status"] in BAD:
            with self.journal.transaction():
                self.failed += run.row["weight"]
                exceeded = self.exceeded()
            if exceeded:
                self.cancel.set("threshold")

    def exceeded(self) -> bool:
        """Whether more failed than tolerated: nothing unless a count or a percentage says otherwise."""
        count = self.row["numbers"]["ToleratedFailureCount"]
        share = self.row["numbers"]["ToleratedFailurePercentage"]
        if count is None and share is None:
            return self.failed > 0
        over_count = count is not None and self.failed > count
        return over_count or (share is not None and self.failed * 100 > share * self.row["total"])

    def judge(self) -> None:
        if self.exceeded():
            raise StateError(EXCEED_TOLERATED, "The specified tolerated failure threshold was exceeded")
