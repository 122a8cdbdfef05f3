"""`toolsmith up`: the local cloud with the stack deployed, until interrupted."""

import json
import sys
import time

from local.cli import stack
from local.cli.place import cloud_of, local_place


def run(arguments) -> int:
    arguments.home.mkdir(parents=True, exist_ok=True)
    cloud = cloud_of(arguments, follow=True)
    mine = not cloud.running
    cloud.start()
    try:
        changed = stack.deploy(cloud, arguments.home.absolute(), arguments.seed)
        place = local_place(cloud)
        print(json.dumps({"endpoint": cloud.endpoint, **place.outputs}, indent=2), flush=True)
        said = "deployed" if changed else "already deployed"
        print(f"{said}; drop files with `toolsmith drop FILE`; stop with Ctrl-C", file=sys.stderr)
        while mine and cloud.running:
            time.sleep(1)
    finally:
        if mine:
            cloud.stop()
    return 0
