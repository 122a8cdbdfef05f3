"""Parallel and Map (inline): several flows inside one execution, at most so many at a time."""

from collections.abc import Callable, Iterable
from typing import Any

from local.states import distributed, items
from local.states.asl import State
from local.states.clock import Cancel
from local.states.errors import Cancelled, StateError
from local.states.gang import Gang
from local.states.interpreter import Flow, Outcome

INLINE_LIMIT = 40


class Brood:
    """The flows inside one state of one flow: a branch each, or an item each."""

    def __init__(self, flow: Flow, state: State):
        self.flow = flow
        self.state = state
        self.cancel = Cancel(flow.cancel)
        self.error: Exception | None = None
        self.outputs: dict[int, Any] = {}
        self.place = f"{flow.path}/{state.name}.{flow.body['step']}.{flow.attempt}"

    def run(self, width: int, jobs: Iterable[Callable[[], None]]) -> list[Any]:
        """The outputs in order; the first failure stops the others and is raised."""
        try:
            Gang(width, self.cancel).run(jobs)
        finally:
            self.cancel.close()
        self.flow.cancel.check()
        if self.error:
            raise self.error
        return [self.outputs[n] for n in sorted(self.outputs)]

    def child(self, number: int, program: int = 0, item: dict | None = None) -> Flow:
        flow = self.flow
        return Flow(flow.services, flow.execution, self.state.branches[program], self.cancel,
                    f"{self.place}[{number}]", flow.variables, item or flow.item, flow.body["event"])

    def work(self, number: int, child: Flow, value: Any) -> None:
        try:
            self.outputs[number] = child.execute(value)
        except Cancelled:
            return
        except Exception as error:  # noqa: BLE001 - raised by `run` on the thread that waits
            self.error = self.error or error
            self.cancel.set("sibling failed")
            if not isinstance(error, StateError):
                raise


def parallel_state(flow: Flow, state: State) -> Outcome:
    """All branches get the same input (Arguments if given); the result is the list of their outputs."""
    if "value" not in flow.scratch:
        flow.scratch["value"] = flow.field(state, "Arguments", flow.input)
    value = flow.scratch["value"]
    _begin(flow, "ParallelStateStarted")
    brood = Brood(flow, state)

    def job(number: int) -> Callable[[], None]:
        return lambda: brood.work(number, brood.child(number, number), value)

    try:
        result = brood.run(len(state.branches), (job(n) for n in range(len(state.branches))))
    except StateError:
        flow.emit("ParallelStateFailed")
        raise
    flow.emit("ParallelStateSucceeded")
    return flow.outcome(state, result, result=result)


def map_state(flow: Flow, state: State) -> Outcome:
    """A Map; inline, the items are worked on inside this execution."""
    if state.distributed:
        return distributed.map_run_state(flow, state)
    if "items" not in flow.scratch:
        flow.scratch["items"] = items.select(flow, state, items.given(flow, state))
    work = flow.scratch["items"]
    _begin(flow, "MapStateStarted", length=len(work))
    brood = Brood(flow, state)
    width = min(int(flow.number(state, "MaxConcurrency") or INLINE_LIMIT), INLINE_LIMIT)
    try:
        result = brood.run(width, (_iteration(brood, n, item) for n, item in enumerate(work)))
    except StateError:
        flow.emit("MapStateFailed")
        raise
    flow.emit("MapStateSucceeded")
    return flow.outcome(state, result, result=result)


def _begin(flow: Flow, kind: str, **detail: Any) -> None:
    if not flow.scratch.get("begun"):
        flow.scratch["begun"] = True
        flow.emit(kind, **detail)
        flow.save()


def _iteration(brood: Brood, number: int, item: dict) -> Callable[[], None]:
    name = {"name": brood.state.name, "index": number}
    value = {"Index": number, "Value": item["value"]}
    child = brood.child(number, item=value)

    def job() -> None:
        before = (child.services.journal.flow(child.execution["arn"], child.path) or {}).get("status")
        if before is None:
            child.emit("MapIterationStarted", **name)
        brood.work(number, child, item["input"])
        if child.body.get("status") in ("SUCCEEDED", "FAILED") and child.body["status"] != before:
            with child.services.journal.transaction():
                child.emit(f"MapIteration{child.body['status'].capitalize()}", **name)
                child.write()

    return job
