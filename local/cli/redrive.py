"""`toolsmith redrive`: go on with a failed execution; what was done, and paid, is not done again."""

import json
import math
import sys
from typing import Any

from botocore.exceptions import ClientError

from local.cli.failures import Failed, Misused
from local.cli.place import place_of
from local.cli.status import Watcher
from toolsmith.events import FINAL
from toolsmith.pipeline import spending

RUNS = "CustomizeMachine"
MACHINES = (RUNS, "IngestMachine", "CrawlMachine")


def run(arguments) -> int:
    place = place_of(arguments)
    watcher = Watcher(place)
    listed = ((machine, e) for machine in MACHINES for e in watcher.executions(machine))
    found = [(machine, e["executionArn"]) for machine, e in listed if e["name"] == arguments.run]
    if not found:
        raise Misused(f"no execution is named {arguments.run}; `toolsmith watch` shows the names")
    machine, arn = found[0]
    changes = _changes(arguments)
    if changes and machine != RUNS:
        raise Misused(f"{arguments.run} is no run and has no budget; leave --budget-usd and --unpriced out")
    why = watcher.error(arn)
    if why in FINAL:
        raise Failed(
            f"{arguments.run} ended with {why}, and a redrive would end so again; mend the cause and ask for a new "
            'run with `toolsmith drop --to runs FILE`, where FILE holds {"seed": 1}, for example'
        )
    if changes:  # before the run looks
        place.ledger.update(spending.kind_of(arguments.run), spending.BUDGET, changes)
    try:
        watcher.redrive(arn)
    except ClientError as error:
        raise Failed(f"{arguments.run} cannot be redriven: {error.response['Error'].get('Message', error)}") from error
    print(json.dumps({"execution": arn}) if arguments.json else arn)
    print(f"{arguments.run} goes on; follow it with `toolsmith watch {arguments.run}`", file=sys.stderr)
    return 0


def _changes(arguments) -> dict[str, Any]:
    """What is changed of the run's budget. Raises Misused."""
    usd = arguments.budget_usd
    if usd is not None and not (math.isfinite(usd) and usd > 0):
        raise Misused(f"--budget-usd {usd:g} is no amount above 0: give the USD that the whole run may cost")
    return ({} if usd is None else {"usd": usd}) | ({"unpriced": True} if arguments.unpriced else {})
