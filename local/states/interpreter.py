"""How a States block runs: one state after the other, each step written to the journal before the next.

A `Flow` is one run of a States block: the machine itself, a branch of a Parallel, an item of a Map. Its row in the
journal says where it stands, so a flow that was interrupted goes on with the state it was in.
"""

import datetime
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.states import history, jsonata
from local.states.asl import Program, State
from local.states.clock import Cancel, Clock, sleep_until
from local.states.errors import DATA_LIMIT, NO_CHOICE, QUERY, RUNTIME, StateError, matches
from local.states.gang import Slots
from local.states.journal import Journal, dumps

LIMIT = 256 * 1024
HISTORY = 25000


@dataclass(frozen=True)
class Outcome:
    """What a state hands on: its output, the variables it assigns, the next state (None: the flow ends)."""

    output: Any
    assign: Mapping[str, Any]
    next: str | None


@dataclass
class Services:
    """What a flow needs from outside. `client(service, role_arn)` returns a boto3 client."""

    journal: Journal
    clock: Clock
    client: Callable[[str, str], Any]
    handlers: Mapping[str, Callable[["Flow", State], Outcome]]
    fault: Callable[[Any], None] | None = None
    region: str = "us-east-1"
    account: str = "000000000000"
    poll_seconds: float = 0.3
    slots: Slots = field(default_factory=lambda: Slots(64))
    waiters: dict[str, threading.Event] = field(default_factory=dict)


class Flow:
    """One run of a States block inside an execution; see the module's docstring for `path` and `body`."""

    def __init__(self, services: Services, execution: dict, program: Program, cancel: Cancel, path: str = "",
                 outer: Mapping[str, Any] | None = None, item: dict | None = None, event: int = 0):
        self.services = services
        self.execution = execution
        self.program = program
        self.cancel = cancel
        self.path = path
        self.outer = outer or {}
        self.item = item
        self.body: dict[str, Any] = {"event": event}
        self._events: list[tuple] = []

    # -- running -------------------------------------------------------------------------------------------------
    def execute(self, value: Any) -> Any:
        """Run to the end and return the output; StateError if a state fails, Cancelled if told to stop."""
        self.body = self.services.journal.flow(self.execution["arn"], self.path) or self._fresh(value)
        if self.body["status"] == "FAILED":
            raise StateError(self.body.get("error"), self.body.get("cause"))
        if self.body["status"] == "SUCCEEDED":
            return self.body["output"]
        try:
            while self.body["status"] == "RUNNING":
                self._visit(self.program.states[self.body["state"]])
        except StateError as error:
            self.body.update(status="FAILED", error=error.error, cause=error.cause)
            self._settle()
            raise
        self._settle()
        return self.body["output"]

    def _fresh(self, value: Any) -> dict:
        return {"status": "RUNNING", "state": self.program.start_at, "step": 0, "input": value, "variables": {},
                "scratch": {}, "event": self.body["event"]}

    def _settle(self) -> None:
        """Write the end of a branch or item. The end of an execution is written together with its status."""
        if self.path:
            self.save()

    def _visit(self, state: State) -> None:
        if self.body["event"] >= HISTORY - 10:
            raise StateError(RUNTIME, f"The execution reached the maximum number of history events ({HISTORY}).")
        if "entered" not in self.scratch:
            self.scratch["entered"] = self.services.clock.now()
            self.emit(f"{state.type}StateEntered", name=state.name, **history.text("input", self.input))
        self._leave(state, self._attempts(state))

    def _attempts(self, state: State) -> Outcome:
        while True:
            try:
                if "wake" in self.scratch:
                    sleep_until(self.services.clock, self.scratch["wake"], self.cancel)
                return self.services.handlers[state.type](self, state)
            except StateError as error:
                if error.error == QUERY:
                    where = {"location": error.location} if error.location else {}
                    self.emit("EvaluationFailed", state=state.name, **error.said(), **where)
                if not self._retry(state, error):
                    return self._catch(state, error)

    def _retry(self, state: State, error: StateError) -> bool:
        """Whether a retrier takes the error; then the delay and the counters are in the journal."""
        found = next(((n, r) for n, r in enumerate(state.fields.get("Retry", []))
                      if matches(r["ErrorEquals"], error.error)), None)
        if not found:
            return False
        number, retrier = found
        counts = self.scratch.setdefault("retries", {})
        done = counts.get(str(number), 0)
        if done >= retrier.get("MaxAttempts", 3):
            return False
        counts[str(number)] = done + 1
        kept = {k: self.scratch[k] for k in ("entered", "retries")}
        wake = self.services.clock.after(retry_delay(retrier, done))
        self.body["scratch"] = {**kept, "attempt": self.attempt + 1, "wake": wake}
        self.save()
        return True

    def _catch(self, state: State, error: StateError) -> Outcome:
        for catcher in state.fields.get("Catch", []):
            if matches(catcher["ErrorEquals"], error.error):
                return self.outcome(state, error.output(), clause=catcher, errorOutput=error.output())
        raise error

    def _leave(self, state: State, outcome: Outcome) -> None:
        assigned = {"assignedVariables": {k: dumps(v) for k, v in outcome.assign.items()},
                    "assignedVariablesDetails": history.COMPLETE} if outcome.assign else {}
        self.emit(f"{state.type}StateExited", name=state.name, **history.text("output", outcome.output), **assigned)
        self.body["variables"].update(outcome.assign)
        place = f"{self.path}/{state.name}.{self.body['step']}."
        self.body["scratch"] = {}
        if outcome.next is None:
            self.body.update(status="SUCCEEDED", output=outcome.output)
            return
        self.body.update(state=outcome.next, input=outcome.output, step=self.body["step"] + 1)
        with self.services.journal.transaction():
            self.save()
            if state.branches:
                self.services.journal.drop_flows(self.execution["arn"], place)

    # -- what handlers use ---------------------------------------------------------------------------------------
    @property
    def scratch(self) -> dict:
        """What the current state remembers across a restart; empty when the state is entered."""
        return self.body["scratch"]

    @property
    def input(self) -> Any:
        return self.body["input"]

    @property
    def attempt(self) -> int:
        """The number of the current state's attempt; unlike the retry counters a redrive keeps it."""
        return self.scratch.get("attempt", 0)

    @property
    def variables(self) -> dict:
        """Variables in sight: the flow's own and those of the flows around it."""
        return {**self.outer, **self.body["variables"]}

    def evaluate(self, template: Any, place: str, **states: Any) -> Any:
        """The value of a JSONata template; `states` adds to $states (result, errorOutput, context)."""
        if template is None or isinstance(template, bool | int | float):
            return template
        seen = {"input": self.input, "context": self.context(), **states}
        return jsonata.evaluate(template, {**self.variables, "states": seen}, place)

    def field(self, state: State, name: str, default: Any = None, **states: Any) -> Any:
        """The evaluated field of the state, or `default` where it is absent."""
        if name not in state.fields:
            return default
        return self.evaluate(state.fields[name], f"{state.name}/{name}", **states)

    def number(self, state: State, name: str, least: int = 0) -> float | None:
        """A numeric field; StateError States.QueryEvaluationError where an expression yields something else."""
        value = self.field(state, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < least):
            raise StateError(QUERY, f"The field '{name}' of the state '{state.name}' must be a number of at least "
                                    f"{least}, not {value!r}.")
        return value

    def outcome(self, state: State, default: Any, clause: Mapping | None = None, **states: Any) -> Outcome:
        """Output and Assign of a state or of one of its clauses; both see the variables as they were before."""
        fields = state.fields if clause is None else clause
        place = f"{state.name}/Output"
        output = self.evaluate(fields["Output"], place, **states) if "Output" in fields else default
        self.limit(output, f"The state '{state.name}' returned a result")
        assign = {name: self.evaluate(value, f"{state.name}/Assign/{name}", **states)
                  for name, value in fields.get("Assign", {}).items()}
        for name, value in assign.items():
            self.limit(value, f"The variable '{name}' assigned by the state '{state.name}'")
        return Outcome(output, assign, fields.get("Next"))

    def context(self) -> dict:
        """The context object: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html"""
        run = self.execution
        execution = {"Id": run["arn"], "Input": run["input"], "Name": run["name"], "RoleArn": run["role"],
                     "StartTime": history.iso(run["started"]), "RedriveCount": run.get("redrives", 0)}
        if run.get("redriven"):
            execution["RedriveTime"] = history.iso(run["redriven"])
        state = {"Name": self.body["state"], "RetryCount": sum(self.scratch.get("retries", {}).values()),
                 "EnteredTime": history.iso(self.scratch.get("entered", run["started"]))}
        machine = {"Id": run["machine"], "Name": run["machine"].rsplit(":", 1)[-1]}
        found = {"Execution": execution, "State": state, "StateMachine": machine}
        if self.item:
            found["Map"] = {"Item": self.item}
        token = self.scratch.get("task", {}).get("token")
        return {**found, "Task": {"Token": token}} if token else found

    def limit(self, value: Any, what: str) -> None:
        """StateError States.DataLimitExceeded for a value of more than 256 KiB as UTF-8 JSON."""
        if len(dumps(value).encode()) > LIMIT:
            raise StateError(DATA_LIMIT, f"{what} with a size exceeding the maximum number of bytes service limit.")

    def emit(self, kind: str, **detail: Any) -> None:
        """Note an event; it is written with the next save."""
        self._events.append((self.services.clock.now(), kind, detail))

    def save(self) -> None:
        """Write the flow and its events; Cancelled if the flow was told to stop meanwhile."""
        with self.services.journal.transaction():
            self.cancel.check()
            self.write()

    def write(self) -> None:
        journal, arn = self.services.journal, self.execution["arn"]
        number = journal.last_event(arn) if self._events else 0
        for time, kind, detail in self._events:
            number += 1
            journal.put_event(arn, number, self.body["event"], time, kind, detail)
            self.body["event"] = number
        self._events.clear()
        journal.put_flow(arn, self.path, self.body)


def retry_delay(retrier: Mapping[str, Any], done: int) -> float:
    """Seconds before the next attempt after `done` retries: interval x rate^done, capped, with full jitter if asked."""
    delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** min(done, 64)
    delay = min(delay, retrier.get("MaxDelaySeconds", delay))
    return random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay


def pass_state(flow: Flow, state: State) -> Outcome:
    return flow.outcome(state, flow.input)


def succeed_state(flow: Flow, state: State) -> Outcome:
    return flow.outcome(state, flow.input)


def fail_state(flow: Flow, state: State) -> Outcome:
    raise StateError(flow.field(state, "Error"), flow.field(state, "Cause"))


def choice_state(flow: Flow, state: State) -> Outcome:
    for number, rule in enumerate(state.fields["Choices"]):
        met = flow.evaluate(rule["Condition"], f"{state.name}/Choices[{number}]/Condition")
        if not isinstance(met, bool):
            raise StateError(QUERY, f"The Condition of choice {number} of the state '{state.name}' must be a "
                                    f"boolean, not {met!r}.")
        if met:
            return flow.outcome(state, flow.input, clause=rule)
    if "Default" not in state.fields:
        raise StateError(NO_CHOICE, f"Failed to transition out of the state '{state.name}': no choice matched.")
    found = flow.outcome(state, flow.input)
    return Outcome(found.output, found.assign, state.fields["Default"])


def wait_state(flow: Flow, state: State) -> Outcome:
    if "until" not in flow.scratch:
        flow.scratch["until"] = _until(flow, state)
        flow.save()
    sleep_until(flow.services.clock, flow.scratch["until"], flow.cancel)
    return flow.outcome(state, flow.input)


def _until(flow: Flow, state: State) -> float:
    clock = flow.services.clock
    if "Seconds" in state.fields:
        return clock.after(flow.number(state, "Seconds"))
    text = flow.field(state, "Timestamp")
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("it has no time zone")
    except (TypeError, ValueError) as error:
        raise StateError(RUNTIME, f"The Timestamp of the state '{state.name}' is not RFC 3339: {text!r}, {error}"
                         ) from None
    return clock.after(moment.timestamp() - clock.now())


SIMPLE = {"Pass": pass_state, "Succeed": succeed_state, "Fail": fail_state, "Choice": choice_state,
          "Wait": wait_state}
