"""One execution from start to end: its status, its thread, its deadline."""

import threading
from collections.abc import Callable
from typing import Any

from local.states import history
from local.states.asl import Program
from local.states.clock import Cancel
from local.states.errors import RUNTIME, TIMEOUT, Cancelled, StateError
from local.states.interpreter import Flow, Services

ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
EVENTS = {"SUCCEEDED": "ExecutionSucceeded", "FAILED": "ExecutionFailed", "TIMED_OUT": "ExecutionTimedOut",
          "ABORTED": "ExecutionAborted"}


class Run:
    """A running execution. `row` is its record in the journal: arn, machine, name, status, input, output ..."""

    def __init__(self, services: Services, row: dict, program: Program, parent: Cancel | None = None,
                 ended: Callable[["Run"], None] = lambda run: None):
        self.services = services
        self.row = row
        self.program = program
        self.cancel = Cancel(parent)
        self.flow = Flow(services, row, program, self.cancel)
        self._ended = ended
        self._thread: threading.Thread | None = None
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """Write the execution as RUNNING with its first event."""
        journal = self.services.journal
        with journal.transaction():
            self.row.update(status="RUNNING", started=self.services.clock.now())
            journal.put_execution(self.row)
            detail = {**history.text("input", self.row["input"]), "roleArn": self.row["role"]}
            journal.put_event(self.row["arn"], 1, 0, self.row["started"], "ExecutionStarted", detail)
            self.flow.body["event"] = 1

    def start(self) -> None:
        """Run on a thread of its own, against the deadline of the machine's TimeoutSeconds."""
        limit = self.program.fields.get("TimeoutSeconds")
        if limit:
            begun = self.row.get("redriven") or self.row["started"]
            left = max(0.0, begun + limit - self.services.clock.now())
            self._timer = threading.Timer(left, self.stop, ("TIMED_OUT", TIMEOUT))
            self._timer.daemon = True
            self._timer.start()
        self._thread = threading.Thread(target=self.work, daemon=True, name=f"states-{self.row['name']}")
        self._thread.start()

    def join(self, seconds: float) -> None:
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def work(self) -> None:
        """Run to the end and record it. A child of a Map Run calls this on the map's thread."""
        try:
            self._end("SUCCEEDED", output=self.flow.execute(self.row["input"]))
        except StateError as error:
            self._end("FAILED", error=error.error, cause=error.cause)
        except Cancelled:
            pass
        except Exception as error:  # a defect must not leave the execution RUNNING for ever
            self._end("FAILED", error=RUNTIME, cause=f"{type(error).__name__}: {error}")
            raise
        finally:
            self.cancel.close()

    def _end(self, status: str, **said: Any) -> None:
        """The flow came to its own end: its last events and its row are written with the status."""
        with self.services.journal.transaction():
            if self.cancel.reason:
                return
            self._record(status, said)
            self.flow.emit(EVENTS[status], **_detail(said))
            self.flow.write()
            if status == "SUCCEEDED":
                self.services.journal.drop_flows(self.row["arn"])
        self._report()

    def stop(self, status: str, error: str | None = None, cause: str | None = None) -> bool:
        """End the execution from outside as ABORTED or TIMED_OUT; False if it had ended already."""
        journal, arn = self.services.journal, self.row["arn"]
        with journal.transaction():
            if self.row["status"] in ENDED or self.cancel.reason:
                return False
            said = {"error": error, "cause": cause}
            self._record(status, said)
            last = journal.last_event(arn)
            journal.put_event(arn, last + 1, last, self.services.clock.now(), EVENTS[status], _detail(said))
            self.cancel.set(status)
        self._report()
        return True

    def _record(self, status: str, said: dict) -> None:
        said = {k: v for k, v in said.items() if k == "output" or v is not None}
        self.row.update(status=status, stopped=self.services.clock.now(), **said)
        self.services.journal.put_execution(self.row)

    def _report(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._ended(self)


def abort(services: Services, row: dict) -> None:
    """Record a child nobody will run on as ABORTED."""
    journal, now = services.journal, services.clock.now()
    last = journal.last_event(row["arn"])
    journal.put_event(row["arn"], last + 1, last, now, EVENTS["ABORTED"], {})
    journal.put_execution({**row, "status": "ABORTED", "stopped": now})


def _detail(said: dict) -> dict:
    if "output" in said:
        return history.text("output", said["output"])
    return {k: v for k, v in said.items() if v is not None}
