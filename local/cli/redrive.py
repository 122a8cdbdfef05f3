"""`toolsmith redrive`: go on with a failed execution; what was done, and paid, is not done again."""

import json
import sys

from botocore.exceptions import ClientError

from local.cli.failures import Failed, Misused
from local.cli.place import Place, place_of
from local.cli.status import Watcher
from toolsmith.events import FINAL
from toolsmith.pipeline import spending

MACHINES = ("CustomizeMachine", "IngestMachine", "CrawlMachine")


def run(arguments) -> int:
    place = place_of(arguments)
    watcher = Watcher(place)
    found = [e for machine in MACHINES for e in watcher.executions(machine) if e["name"] == arguments.run]
    if not found:
        raise Misused(f"no execution is named {arguments.run}; `toolsmith watch` shows the names")
    why = watcher.error(found[0]["executionArn"])
    if why in FINAL:
        raise Failed(
            f"{arguments.run} ended with {why}, and a redrive would end so again; mend the cause and ask for a new "
            'run with `toolsmith drop --to runs FILE`, where FILE holds {"seed": 1}, for example'
        )
    _allow(place, arguments)
    try:
        watcher.redrive(found[0]["executionArn"])
    except ClientError as error:
        raise Failed(f"{arguments.run} cannot be redriven: {error.response['Error'].get('Message', error)}") from error
    arn = found[0]["executionArn"]
    print(json.dumps({"execution": arn}) if arguments.json else arn)
    print(f"{arguments.run} goes on; follow it with `toolsmith watch {arguments.run}`", file=sys.stderr)
    return 0


def _allow(place: Place, arguments) -> None:
    """Keep what the run may cost from now on, where the run looks before it pays. Raises Misused."""
    usd = arguments.budget_usd
    if usd is not None and not usd > 0:
        raise Misused(f"--budget-usd {usd:g} is not above 0: give the USD that the whole run may cost")
    changes = ({} if usd is None else {"usd": usd}) | ({"unpriced": True} if arguments.unpriced else {})
    if changes:
        place.ledger.update(spending.kind_of(arguments.run), spending.BUDGET, changes)
