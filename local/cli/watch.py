"""`toolsmith watch`: what is going on, a line whenever something changed."""

import json
import sys
import time

from local.cli.place import place_of
from local.cli.status import Watcher, describe

PAUSE = 2.0


def run(arguments) -> int:
    watcher = Watcher(place_of(arguments))
    last = None
    while True:
        state = watcher.state(arguments.run)
        line = json.dumps(state.to_json()) if arguments.json else describe(state)
        if line != last:
            print(line, flush=True, file=sys.stdout)
            last = line
        at_rest = state.running_ingests == 0 and state.run_status not in (None, "RUNNING")
        if arguments.once or at_rest:
            return 0 if state.run_status in (None, "SUCCEEDED", "RUNNING") else 1
        time.sleep(PAUSE)
