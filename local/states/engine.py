"""Step Functions on one machine: start, watch, stop, resume and redrive executions of state machines.

Replies have the shapes of the AWS API, times as epoch seconds. Errors are ApiError with AWS's codes.
https://docs.aws.amazon.com/step-functions/latest/apireference/
"""

import json
import logging
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.states import api, history, mapping, redrive, tasks
from local.states.clock import Clock
from local.states.errors import ApiError
from local.states.execution import ENDED, Run
from local.states.gang import Slots
from local.states.interpreter import LIMIT, SIMPLE, Services
from local.states.journal import Journal, dumps
from local.states.machines import NAME, Machines, program

logger = logging.getLogger("local.states")
HANDLERS = {**SIMPLE, "Task": tasks.task_state, "Parallel": mapping.parallel_state, "Map": mapping.map_state}


class Engine:
    """`client(service, role_arn)` gives a boto3 client with the credentials of that role.

    `journal` is the SQLite file; `on_status(execution)` is told every change of an execution's status, as
    DescribeExecution answers it; `fault(call)` runs before every call of a service and may raise. `children` bounds
    how many map items are worked on at a time, over all executions.
    """

    def __init__(self, journal: Path, client: Callable[[str, str], Any],
                 on_status: Callable[[dict], None] = lambda execution: None, *, region: str = "us-east-1",
                 account: str = "000000000000", clock: Clock | None = None,
                 fault: Callable[[tasks.Call], None] | None = None, children: int = 64, poll_seconds: float = 0.3):
        self.clock = clock or Clock()
        self.journal = Journal(Path(journal))
        self.services = Services(self.journal, self.clock, client, HANDLERS, fault, region, account, poll_seconds,
                                 Slots(children))
        self.machines = Machines(self.journal, self.clock, region, account)
        self._on_status = on_status
        self._runs: dict[str, Run] = {}
        self._lock = threading.RLock()

    def handle(self, action: str, payload: dict) -> dict:
        """Answer `AWSStepFunctions.<action>`; ApiError(code, message, status)."""
        return api.handle(self, action, payload)

    # -- life ----------------------------------------------------------------------------------------------------
    def resume(self) -> list[str]:
        """Go on with every execution that was running when the process ended; their ARNs."""
        rows = self.journal.running()
        for row in rows:
            self._run(row).start()
        return [row["arn"] for row in rows]

    def close(self, seconds: float = 5.0) -> None:
        """Stop working, not the executions: `resume` on the same directory goes on with them."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.cancel.set("shutdown")
        for run in runs:
            run.join(seconds)
        self.journal.close()

    def wait(self, arn: str, seconds: float | None = None) -> dict:
        """The description of an execution once it ended, or after so many seconds."""
        with self._lock:
            run = self._runs.get(arn)
        if run:
            run.join(seconds)
        return self.describe_execution(arn)

    def _run(self, row: dict) -> Run:
        run = Run(self.services, row, program(self.journal.definition(row["definition"])), ended=self._ended)
        with self._lock:
            self._runs[row["arn"]] = run
        return run

    def _ended(self, run: Run) -> None:
        with self._lock:
            if self._runs.get(run.row["arn"]) is run and run.row["status"] == "SUCCEEDED":
                del self._runs[run.row["arn"]]
        self._tell(run.row)

    def _tell(self, row: dict) -> None:
        try:
            self._on_status({**_view(row), "redriveCount": row.get("redrives", 0)})
        except Exception:
            logger.exception("the status of %s could not be announced", row["arn"])

    # -- executions ----------------------------------------------------------------------------------------------
    def start_execution(self, stateMachineArn: str, name: str | None = None, input: str = "{}",
                        traceHeader: str | None = None) -> dict:
        """Idempotent by name while the execution runs with the same input; else ApiError ExecutionAlreadyExists."""
        machine = self.machines.get(stateMachineArn)
        name = name or str(uuid.uuid4())
        if not NAME.match(name):
            raise ApiError("InvalidName", f"Invalid Name: '{name}'")
        value = _parsed(input)
        arn = f"{machine['stateMachineArn'].replace(':stateMachine:', ':execution:')}:{name}"
        row = {"arn": arn, "machine": machine["stateMachineArn"], "name": name, "status": "RUNNING", "input": value,
               "started": self.clock.now(), "role": machine["roleArn"], "redrives": 0,
               "definition": self.journal.put_definition(machine["definition"])}
        with self._lock:
            known = self.journal.execution(arn)
            if known:
                if known["status"] == "RUNNING" and known["input"] == value:
                    return {"executionArn": arn, "startDate": known["started"]}
                raise ApiError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
            run = self._run(row)
            run.begin()
        self._tell(dict(row))
        run.start()
        return {"executionArn": arn, "startDate": row["started"]}

    def describe_execution(self, executionArn: str, includedData: str = "ALL_DATA") -> dict:
        row = self._row(executionArn)
        view = {**_view(row), "redriveCount": row.get("redrives", 0)}
        if row.get("redriven"):
            view["redriveDate"] = row["redriven"]
        reason = redrive.refusal(row, self.clock.now())
        view["redriveStatus"] = "NOT_REDRIVABLE" if reason else "REDRIVABLE"
        if reason:
            view["redriveStatusReason"] = reason
        return view

    def list_executions(self, stateMachineArn: str | None = None, mapRunArn: str | None = None,
                        statusFilter: str | None = None, redriveFilter: str | None = None) -> list[dict]:
        """Newest first; of a Map Run its child executions in item order."""
        if mapRunArn:
            self._map_run(mapRunArn)
            rows = [row for row in self.journal.children(mapRunArn) if row["status"] != "PENDING"]
        else:
            rows = self.journal.executions(self.machines.get(stateMachineArn or "")["stateMachineArn"])
        names = ("executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "mapRunArn")
        found = []
        for row in rows:
            redriven = "REDRIVEN" if row.get("redrives") else "NOT_REDRIVEN"
            if statusFilter in (None, row["status"]) and redriveFilter in (None, redriven):
                view = {k: v for k, v in _view(row).items() if k in names}
                found.append({**view, "redriveCount": row.get("redrives", 0)})
        return found

    def stop_execution(self, executionArn: str, error: str | None = None, cause: str | None = None) -> dict:
        """ABORTED; an execution that ended before stays as it is."""
        row = self._row(executionArn)
        with self._lock:
            run = self._runs.get(executionArn)
        if not run and row["status"] == "RUNNING":
            run = self._run(row)
        if run:
            run.stop("ABORTED", error, cause)
        return {"stopDate": self._row(executionArn).get("stopped", self.clock.now())}

    def get_execution_history(self, executionArn: str, start: int = 0, limit: int = 100, reverseOrder: bool = False,
                              includeExecutionData: bool = True) -> list[dict]:
        self._row(executionArn)
        return history.page(self.journal, executionArn, start, limit, reverseOrder, includeExecutionData)

    def redrive_execution(self, executionArn: str, clientToken: str | None = None) -> dict:
        """Go on from the state that failed; what succeeded is not run again. ApiError ExecutionNotRedrivable."""
        row = self._row(executionArn)
        if clientToken and row.get("redrive_token") == clientToken:
            return {"redriveDate": row["redriven"]}
        with self._lock:
            before = self._runs.get(executionArn)
        if before and row["status"] in ENDED:
            before.join(10)
        with self._lock:
            row = redrive.reopen(self.journal, self._row(executionArn), self.clock.now(), clientToken)
            run = self._run(row)
        self._tell(dict(row))
        run.start()
        return {"redriveDate": row["redriven"]}

    def describe_state_machine_for_execution(self, executionArn: str, includedData: str = "ALL_DATA") -> dict:
        """The definition the execution runs, whatever its machine's is today."""
        row = self._row(executionArn)
        if row.get("map_run"):
            row = self._row(self._map_run(row["map_run"])["execution"])
        return {"stateMachineArn": row["machine"], "name": row["machine"].rsplit(":", 1)[-1], "roleArn": row["role"],
                "definition": self.journal.definition(row["definition"]), "updateDate": row["started"]}

    # -- map runs ------------------------------------------------------------------------------------------------
    def list_map_runs(self, executionArn: str) -> list[dict]:
        machine = self._row(executionArn)["machine"]
        return [{"executionArn": executionArn, "mapRunArn": run["arn"], "stateMachineArn": machine,
                 **_dates(run)} for run in self.journal.map_runs(executionArn)]

    def describe_map_run(self, mapRunArn: str) -> dict:
        run = self._map_run(mapRunArn)
        children = self.journal.children(mapRunArn)
        numbers = run["numbers"]
        return {"mapRunArn": mapRunArn, "executionArn": run["execution"], "status": run["status"], **_dates(run),
                "maxConcurrency": int(numbers["MaxConcurrency"] or 0),
                "toleratedFailurePercentage": float(numbers["ToleratedFailurePercentage"] or 0),
                "toleratedFailureCount": int(numbers["ToleratedFailureCount"] or 0),
                "itemCounts": _counts(children, "weight"), "executionCounts": _counts(children, None),
                "redriveCount": run["redrives"], **({"redriveDate": run["redriven"]} if "redriven" in run else {})}

    def _map_run(self, arn: str) -> dict:
        run = self.journal.map_run(arn)
        if not run:
            raise ApiError("ResourceNotFound", f"Resource not found: '{arn}'")
        return run

    # -- task tokens ---------------------------------------------------------------------------------------------
    def send_task_success(self, taskToken: str, output: str) -> dict:
        """ApiError InvalidOutput, TaskDoesNotExist, TaskTimedOut."""
        try:
            value = json.loads(output)
        except ValueError:
            raise ApiError("InvalidOutput", f"Invalid Output: '{output[:200]}'") from None
        return self._answer(taskToken, {"status": "SUCCEEDED", "output": value})

    def send_task_failure(self, taskToken: str, error: str | None = None, cause: str | None = None) -> dict:
        return self._answer(taskToken, {"status": "FAILED", "error": error, "cause": cause})

    def send_task_heartbeat(self, taskToken: str) -> dict:
        return self._answer(taskToken, {})

    def _answer(self, token: str, answer: dict) -> dict:
        with self.journal.transaction():
            known = self.journal.token(token)
            if not known:
                raise ApiError("TaskDoesNotExist", "Task does not exist")
            if known["status"] != "WAITING" or self._row(known["execution"])["status"] != "RUNNING":
                raise ApiError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
            self.journal.put_token(token, {**known, "beat": self.clock.now(), **answer})
        waiter = self.services.waiters.get(token)
        if waiter:
            waiter.set()
        return {}

    def _row(self, arn: str) -> dict:
        row = self.journal.execution(arn)
        if not row or row["status"] == "PENDING":
            raise ApiError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return row


def _parsed(text: str) -> Any:
    if len(text.encode()) > LIMIT:
        raise ApiError("ValidationException", f"Value at 'input' failed to satisfy constraint: at most {LIMIT} bytes")
    try:
        return json.loads(text)
    except ValueError as error:
        raise ApiError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from None


def _view(row: dict) -> dict:
    """The record of an execution as DescribeExecution shows it."""
    view = {"executionArn": row["arn"], "stateMachineArn": row["machine"], "name": row["name"],
            "status": row["status"], **_dates(row), "input": dumps(row["input"]), "inputDetails": {"included": True}}
    if "output" in row and row["status"] == "SUCCEEDED":
        view.update(output=dumps(row["output"]), outputDetails={"included": True})
    if row.get("map_run"):
        view["mapRunArn"] = row["map_run"]
    return {**view, **{k: row[k] for k in ("error", "cause") if row.get(k) is not None}}


def _dates(row: dict) -> dict:
    dates = {"startDate": row["started"]}
    return {**dates, "stopDate": row["stopped"]} if row.get("stopped") else dates


def _counts(children: list[dict], weight: str | None) -> dict:
    names = {"PENDING": "pending", "RUNNING": "running", "SUCCEEDED": "succeeded", "FAILED": "failed",
             "TIMED_OUT": "timedOut", "ABORTED": "aborted"}
    counts = dict.fromkeys(names.values(), 0)
    for child in children:
        counts[names[child["status"]]] += child[weight] if weight else 1
    return {**counts, "total": sum(counts.values()), "resultsWritten": counts["succeeded"],
            "failuresNotRedrivable": 0, "pendingRedrive": 0}
