"""The Task state: one call to another service, with its deadline, its token or the job it waits for."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.states import history, integrations, resources
from local.states.asl import State
from local.states.clock import sleep_until
from local.states.errors import HEARTBEAT_TIMEOUT, TIMEOUT, Cancelled, StateError
from local.states.gang import Attempt
from local.states.interpreter import Flow, Outcome
from local.states.resources import CALL, TOKEN, Resource

MISSES = 20  # polls of a job in a row that may fail to reach the service


@dataclass(frozen=True)
class Call:
    """What the fault hook sees before every call of a service; it may raise StateError or a botocore error."""

    execution: str
    state: str
    resource: str
    service: str
    action: str
    arguments: Any
    attempt: int


def task_state(flow: Flow, state: State) -> Outcome:
    """Run the task, from where it stood if the process was killed meanwhile."""
    task = Task(flow, state, resources.parse(state.fields["Resource"]))
    try:
        result = task.run()
        flow.limit(result, f"The task '{state.name}' returned a result")
    except StateError as error:
        task.event(task.failure(error), **error.said())
        raise
    task.event("Succeeded", **history.text("output", result))
    return flow.outcome(state, result, result=result)


class Task:
    """One attempt of a Task state. `memory` is the part of the scratch that lets a restart take it up again."""

    def __init__(self, flow: Flow, state: State, resource: Resource):
        self.flow = flow
        self.state = state
        self.resource = resource
        self.memory = flow.scratch.setdefault("task", {})
        self._missed = 0

    def run(self) -> Any:
        if self.resource.pattern == TOKEN:
            self.memory.setdefault("token", uuid.uuid4().hex)
        arguments = self._arguments()
        seconds = self.flow.number(self.state, "TimeoutSeconds", 1)
        heartbeat = self.flow.number(self.state, "HeartbeatSeconds", 1)
        if not self.memory.get("submitted"):
            self._submit(arguments, seconds, heartbeat)
        if self.resource.pattern == CALL:
            return self.memory.pop("result")
        if self.resource.pattern == TOKEN:
            return self._await_token(heartbeat)
        return self._await_job()

    def _arguments(self) -> Any:
        if "arguments" not in self.memory:
            self.memory["arguments"] = self.flow.field(self.state, "Arguments", self.flow.input)
            self.flow.limit(self.memory["arguments"], f"The task '{self.state.name}' was given arguments")
        return self.memory["arguments"]

    def _submit(self, arguments: Any, seconds: float | None, heartbeat: float | None) -> None:
        """Make the call. A job that an earlier life of this process created is taken over, not created again."""
        job = self._job(arguments) if self.memory.get("called") else None
        if job is None:
            job = self._start(arguments, seconds, heartbeat)
        self.memory["submitted"] = True
        if self.resource.pattern == CALL:
            self.memory["result"] = job
            return
        if self.resource.pattern != TOKEN:
            self.memory["job"] = integrations.identity(self.resource, arguments, job)
        self.event("Submitted", **history.text("output", job))
        self.flow.save()

    def _job(self, arguments: Any) -> Any:
        if self.resource.pattern in (CALL, TOKEN) or not integrations.describable(self.resource, arguments):
            return None
        return integrations.find_job(self._client(), self.resource, arguments)

    def _start(self, arguments: Any, seconds: float | None, heartbeat: float | None) -> Any:
        now = self.flow.services.clock.now
        if seconds and (self.resource.pattern == CALL or "deadline" not in self.memory):
            self.memory["deadline"] = now() + seconds
        limits = {"timeoutInSeconds": int(seconds)} if seconds else {}
        if heartbeat:
            limits["heartbeatInSeconds"] = int(heartbeat)
        self._scheduled(arguments, limits)
        if self.resource.pattern == TOKEN:
            self._register(now())
        self.memory["called"] = True
        self.event("Started")
        self.flow.save()
        return self._within(lambda: self._call(arguments))

    def _scheduled(self, arguments: Any, limits: dict) -> None:
        if self.resource.function:
            arn = self.resource.arn
            self.flow.emit("LambdaFunctionScheduled", resource=arn, **history.text("input", arguments), **limits)
            return
        self.event("Scheduled", region=self.flow.services.region, parameters=json.dumps(arguments), **limits)

    def _client(self) -> Any:
        return self.flow.services.client(self.resource.boto, self.flow.execution["role"])

    def _call(self, arguments: Any) -> Any:
        flow = self.flow
        if flow.services.fault:
            call = Call(flow.execution["arn"], self.state.name, self.resource.arn, self.resource.service,
                        self.resource.action, arguments, flow.attempt)
            integrations.guarded(self.resource, lambda: flow.services.fault(call))
        source = (flow.execution["arn"], flow.execution["machine"])
        return integrations.call(self._client(), self.resource, arguments, source)

    def _within(self, call: Callable[[], Any]) -> Any:
        """The result of `call`; States.Timeout once TimeoutSeconds are over."""
        try:
            return Attempt(call).result(self.flow.services.clock, self.memory.get("deadline"), self.flow.cancel)
        except TimeoutError:
            raise StateError(TIMEOUT, None) from None

    def _overdue(self) -> bool:
        deadline = self.memory.get("deadline")
        return deadline is not None and self.flow.services.clock.now() >= deadline

    def _await_job(self) -> Any:
        """Poll the job until it ends. A job that nobody waits for any more is stopped, as AWS tries to."""
        job, client = self.memory["job"], self._client()
        try:
            while True:
                done, result = self._poll(client, job)
                if done:
                    return result
                if self._overdue():
                    raise StateError(TIMEOUT, None)
                sleep_until(self.flow.services.clock, time.time() + self.flow.services.poll_seconds, self.flow.cancel)
        except StateError as error:
            if error.error == TIMEOUT:
                integrations.stop_job(client, self.resource, job)
            raise
        except Cancelled:
            if self.flow.cancel.reason != "shutdown":
                integrations.stop_job(client, self.resource, job)
            raise

    def _poll(self, client: Any, job: str) -> tuple[bool, Any]:
        """Look once; a service that cannot be reached for a while is no reason to give the job up."""
        try:
            found = integrations.poll(client, self.resource, job)
        except StateError as error:
            self._missed += 1
            if self._missed > MISSES or not str(error.error).endswith(".SdkClientException"):
                raise
            return False, None
        self._missed = 0
        return found

    def _register(self, now: float) -> None:
        token, services = self.memory["token"], self.flow.services
        services.waiters.setdefault(token, threading.Event())
        if not services.journal.token(token):
            services.journal.put_token(token, {"status": "WAITING", "beat": now,
                                                "execution": self.flow.execution["arn"]})

    def _await_token(self, heartbeat: float | None) -> Any:
        token, services = self.memory["token"], self.flow.services
        event = services.waiters.setdefault(token, threading.Event())
        self.flow.cancel.attach(event)
        try:
            while True:
                event.clear()
                answer = services.journal.token(token) or {"status": "WAITING", "beat": services.clock.now()}
                if answer["status"] == "SUCCEEDED":
                    return answer["output"]
                if answer["status"] == "FAILED":
                    raise StateError(answer.get("error"), answer.get("cause"))
                self.flow.cancel.check()
                self._expire(token, answer["beat"], heartbeat)
                ends = [answer["beat"] + heartbeat] if heartbeat else []
                ends += [self.memory["deadline"]] if self.memory.get("deadline") else []
                services.clock.wait(event, min(ends, default=None))
        finally:
            self.flow.cancel.detach(event)
            services.waiters.pop(token, None)

    def _expire(self, token: str, beat: float, heartbeat: float | None) -> None:
        late = heartbeat is not None and self.flow.services.clock.now() >= beat + heartbeat
        if late or self._overdue():
            self.flow.services.journal.put_token(token, {"status": "TIMED_OUT", "beat": beat})
            raise StateError(HEARTBEAT_TIMEOUT if late else TIMEOUT, None)

    def failure(self, error: StateError) -> str:
        return "TimedOut" if error.error in (TIMEOUT, HEARTBEAT_TIMEOUT) else "Failed"

    def event(self, what: str, **detail: Any) -> None:
        """Task events name the resource; those of a plain function ARN are called LambdaFunction..."""
        if not self.resource.function:
            detail = {"resourceType": self.resource.kind, "resource": self.resource.called, **detail}
        self.flow.emit(f"{'LambdaFunction' if self.resource.function else 'Task'}{what}", **detail)
