"""`toolsmith redrive`: go on with a failed execution; what was done, and paid, is not done again."""

import json
import sys

from botocore.exceptions import ClientError

from local.cli.failures import Failed, Misused
from local.cli.place import place_of
from local.cli.status import Watcher
from toolsmith.events import FINAL

MACHINES = ("CustomizeMachine", "IngestMachine", "CrawlMachine")


def run(arguments) -> int:
    watcher = Watcher(place_of(arguments))
    found = [e for machine in MACHINES for e in watcher.executions(machine) if e["name"] == arguments.run]
    if not found:
        raise Misused(f"no execution is named {arguments.run}; `toolsmith watch` shows the names")
    why = watcher.error(found[0]["executionArn"])
    if why in FINAL:
        raise Failed(
            f"{arguments.run} ended with {why}, and a redrive would end so again; mend the cause and ask for a new "
            'run with `toolsmith drop --to runs FILE`, where FILE holds {"seed": 1}, for example'
        )
    try:
        watcher.redrive(found[0]["executionArn"])
    except ClientError as error:
        raise Failed(f"{arguments.run} cannot be redriven: {error.response['Error'].get('Message', error)}") from error
    arn = found[0]["executionArn"]
    print(json.dumps({"execution": arn}) if arguments.json else arn)
    print(f"{arguments.run} goes on; follow it with `toolsmith watch {arguments.run}`", file=sys.stderr)
    return 0
