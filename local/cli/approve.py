"""`toolsmith approve` and `toolsmith reject`: the answer to a run that waits for one before it costs anything."""

import json
import sys

from botocore.exceptions import ClientError

from local.cli.failures import Failed, Misused
from local.cli.place import place_of
from local.cli.status import Watcher

GONE = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


def run(arguments) -> int:
    place = place_of(arguments)
    row = next((row for row in Watcher(place).rows("RUN") if row["id"] == arguments.run), None)
    if row is None:
        raise Misused(f"no run is named {arguments.run}; `toolsmith watch` shows the names")
    if "approval" not in row:
        raise Misused(f"{arguments.run} did not ask for approval; only stacks with RequireApproval=true ask")
    machines, token = place.client("stepfunctions"), row["approval"]["token"]
    try:
        if arguments.command == "approve":
            machines.send_task_success(taskToken=token, output=json.dumps({"approved": True}))
        else:
            machines.send_task_failure(taskToken=token, error="RunRejected", cause=arguments.because)
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
        raise Failed(
            f"{arguments.run} waits for no answer any more: it was answered, or nobody answered in time; "
            f"`toolsmith redrive {arguments.run}` makes a run that ended ask again"
        ) from error
    if arguments.json:
        print(json.dumps({"run": arguments.run, "approved": arguments.command == "approve"}))
    said = "goes on" if arguments.command == "approve" else "ends, and nothing is spent"
    print(f"{arguments.run} {said}; follow it with `toolsmith watch {arguments.run}`", file=sys.stderr)
    return 0
