"""`toolsmith drop`: documents into incoming/, requests to crawl into requests/, requests for runs into runs/."""

import json
import sys
from pathlib import Path

from local.cli.place import Place, files_of, place_of

SKIP = {"README.md", "LICENSE"}


def upload(place: Place, paths: list[Path], folder: str = "incoming") -> list[str]:
    """Drop files into "incoming", "requests" or "runs"; returns their keys."""
    s3, bucket = place.client("s3"), place.outputs["IntakeBucket"]
    keys = []
    for file, name in files_of(paths):
        if file.name in SKIP:
            continue
        key = f"{folder}/{name}"
        s3.upload_file(str(file), bucket, key)
        keys.append(key)
    return keys


def run(arguments) -> int:
    place = place_of(arguments)
    keys = upload(place, arguments.paths, arguments.to)
    print(json.dumps({"bucket": place.outputs["IntakeBucket"], "keys": keys}))
    files = f"{len(keys)} {'file' if len(keys) == 1 else 'files'}"
    print(f"dropped {files} into {arguments.to}/; follow with `toolsmith watch`", file=sys.stderr)
    return 0
