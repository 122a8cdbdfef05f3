"""`toolsmith report`: the files of a run's report, fetched to where a browser can open them."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.cli.failures import Failed, Misused
from local.cli.place import Place, place_of
from local.cli.status import Watcher

FILES = ("report.html", "report.json", "model_card.md")


def fetch(place: Place, run: str, folder: Path) -> dict[str, Path]:
    """Download the report of a run. Raises Failed where it has none yet."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in FILES:
        try:
            place.client("s3").download_file(place.outputs["WorkBucket"], f"runs/{run}/{name}", str(folder / name))
        except ClientError as error:
            raise Failed(f"{run} has no {name} yet; see how far it is with `toolsmith watch {run}`") from error
        found[name] = folder / name
    return found


def fetch_index(place: Place, folder: Path) -> Path:
    """Download the page that compares the runs; it links to the reports of runs that were fetched beside it."""
    place.client("s3").download_file(place.outputs["WorkBucket"], "runs/index.html", str(folder / "index.html"))
    return folder / "index.html"


def told(report: Mapping[str, Any]) -> list[str]:
    """The verdict of a report, or of the demo's summary, and what the run does not reach: a line each."""
    return [report.get("verdict", ""), *(f"- {entry['what']}" for entry in report.get("shortfalls", ()))]


def run(arguments) -> int:
    place = place_of(arguments)
    rows = Watcher(place).rows("RUN")
    reported = [row for row in rows if row.get("status") == "reported"]
    name = arguments.run or (
        max(reported, key=lambda row: row.get("reported_at", row["id"]))["id"] if reported else None
    )
    if name is None:
        raise Failed("no run has a report yet; start one by dropping documents")
    if name not in {row["id"] for row in rows}:
        raise Misused(f"no run is named {name}; `toolsmith watch` shows the names")
    files = fetch(place, name, arguments.out or arguments.home / "reports" / name)
    if not arguments.out:
        files["index.html"] = fetch_index(place, arguments.home / "reports")
    if arguments.json:
        print(json.dumps({"run": name, **{file: str(path) for file, path in files.items()}}))
    else:
        print(files["report.html"].absolute())
        for line in told(json.loads(files["report.json"].read_text(encoding="utf-8"))):
            print(line, file=sys.stderr)
        if "index.html" in files:
            print(f"all runs compared: {files['index.html'].absolute()}", file=sys.stderr)
    return 0
