"""`toolsmith drop`: documents into incoming/, requests to crawl into requests/, requests for runs into runs/."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from local.cli.place import Place, files_of, place_of

SKIP = {"README.md", "LICENSE"}


@dataclass(frozen=True)
class Dropped:
    """An object as S3 took it; what is refused is gone from its key soon after, so it cannot be asked for later."""

    key: str
    etag: str
    version: str


def upload(place: Place, paths: list[Path], folder: str = "incoming") -> list[Dropped]:
    """Drop files into "incoming", "requests" or "runs"."""
    s3, bucket = place.client("s3"), place.outputs["IntakeBucket"]
    dropped = []
    for file, name in files_of(paths):
        if file.name in SKIP:
            continue
        key = f"{folder}/{name}"
        with file.open("rb") as body:
            put = s3.put_object(Bucket=bucket, Key=key, Body=body)
        dropped.append(Dropped(key, put["ETag"].strip('"'), put.get("VersionId", "")))
    return dropped


def run(arguments) -> int:
    place = place_of(arguments)
    keys = [dropped.key for dropped in upload(place, arguments.paths, arguments.to)]
    print(json.dumps({"bucket": place.outputs["IntakeBucket"], "keys": keys}))
    files = f"{len(keys)} {'file' if len(keys) == 1 else 'files'}"
    print(f"dropped {files} into {arguments.to}/; follow with `toolsmith watch`", file=sys.stderr)
    return 0
