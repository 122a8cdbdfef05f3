"""`toolsmith drop`: files into incoming/, requests/ or runs/."""

import json
import sys
from pathlib import Path

from local.cli.place import Place, files_of, place_of

SKIP = {"README.md", "LICENSE"}


def upload(place: Place, paths: list[Path]) -> list[str]:
    """Drop files; returns their keys."""
    s3, bucket = place.client("s3"), place.outputs["IntakeBucket"]
    keys = []
    for file, name in files_of(paths):
        if file.name in SKIP:
            continue
        key = f"incoming/{name}"
        s3.upload_file(str(file), bucket, key)
        keys.append(key)
    return keys


def run(arguments) -> int:
    place = place_of(arguments)
    keys = upload(place, arguments.paths)
    print(json.dumps({"bucket": place.outputs["IntakeBucket"], "keys": keys}))
    print(f"dropped {len(keys)} files; follow them with `toolsmith watch`", file=sys.stderr)
    return 0
