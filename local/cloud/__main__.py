"""`python -m local.cloud --data DIR --port N`: serve until interrupted. One line on stderr when ready."""

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path

from local.cloud.pins import WrongVersions
from local.cloud.server import Refused, run
from local.cloud.settings import Settings


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.cloud", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of everything durable")
    parser.add_argument("--port", type=int, help="port on 127.0.0.1 (default 4566)")
    parser.add_argument("--runtime", type=Path, help="Python of the managed Lambda runtime")
    parser.add_argument("--settings", help="all settings as JSON (see local/cloud/settings.py)")
    given = parser.parse_args(argv)
    if not given.settings and not given.data:
        parser.error("--data is needed: the folder where the cloud keeps its state")
    settings = Settings.load(given.settings) if given.settings else Settings(data=given.data)
    changes = {name: getattr(given, name) for name in ("data", "port", "runtime") if getattr(given, name)}
    settings = replace(settings, **changes)
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("samtranslator").setLevel("ERROR")
    print(f"cloud: starting on {settings.endpoint}, data in {settings.data}", file=sys.stderr, flush=True)
    try:
        run(replace(settings, data=settings.data.absolute(), runtime=settings.runtime.absolute()))
    except (Refused, WrongVersions) as error:
        print(f"cloud: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
