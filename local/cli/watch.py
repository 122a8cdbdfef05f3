"""`toolsmith watch`: what is going on, a line whenever something changed. It may be stopped and started again."""

import json
import sys
import time

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from local.cli.failures import Failed, Misused
from local.cli.place import place_of
from local.cli.status import State, Teller, Watcher

PAUSE, PAUSE_ON_AWS = 2.0, 10.0  # there every look is dozens of calls that count against quotas
REPORTED = "Done"  # the last state of the customize machine where there is a report; a dry run ends in another
PATIENCE = {"ThrottlingException", "Throttling", "RequestLimitExceeded", "ServiceUnavailable", "InternalServerError"}


def run(arguments) -> int:
    watcher = Watcher(place_of(arguments))
    teller, away = Teller(0.0) if arguments.json else Teller(), False
    pause = PAUSE_ON_AWS if arguments.stack else PAUSE
    while True:
        try:
            watcher = watcher or Watcher(place_of(arguments))
            state = watcher.state(arguments.run)
        except (ConnectionError, HTTPClientError, ClientError, Failed, Misused) as error:
            if arguments.once or not _passes(error):
                raise
            if not away:
                print("the cloud does not answer; watching goes on once it does", file=sys.stderr, flush=True)
            watcher, away = None, True
            time.sleep(pause)
            continue
        away = False
        if arguments.run and state.run is None:
            raise Misused(f"no run is named {arguments.run}; without a name the newest run is shown")
        if line := teller.line(state):
            print(json.dumps(state.to_json()) if arguments.json else line, flush=True)
        if arguments.once or _at_rest(state, arguments.run):
            return _tell_end(watcher, state, arguments.stack)
        time.sleep(pause)


def _tell_end(watcher: Watcher, state: State, stack: str | None) -> int:
    """Say what to do next with a run that ended; the exit code."""
    if state.run_status in (None, "RUNNING"):
        return 0
    there = f" --stack {stack}" if stack else ""
    if state.run_status == "SUCCEEDED":
        if state.phase == REPORTED:
            print(f"Next: toolsmith report {state.run}{there}", file=sys.stderr)
        return 0
    arn = next(each["executionArn"] for each in watcher.runs() if each["name"] == state.run)
    told = watcher.failure(arn)
    print(f"{state.run} ended with {told['error']}: {told['cause']}\nNext: {told['remedy']}{there}", file=sys.stderr)
    return 1


def _passes(error: Exception) -> bool:
    """Is this an error that waiting helps against?"""
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"] in PATIENCE
    return True


def _at_rest(state: State, run: str | None) -> bool:
    """The run ended, and, where none was named, no document is on its way."""
    ended = state.run_status not in (None, "RUNNING")
    return ended and (run is not None or state.running_ingests == 0)
