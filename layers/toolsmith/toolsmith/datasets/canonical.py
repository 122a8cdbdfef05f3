"""One JSON text per value, so that digests and files do not depend on who wrote them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

DIGEST_LENGTH = 32


def line(value: Any) -> str:
    """`value` as one line of JSON with its keys in the order they have."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def jsonl(rows: Iterable[Any]) -> bytes:
    """The rows as JSON lines in UTF-8, one newline after each."""
    return "".join(line(row) + "\n" for row in rows).encode()


def document(value: Any) -> bytes:
    """`value` as indented JSON with sorted keys, for files that people open."""
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest(files: Mapping[str, bytes]) -> str:
    """Address of a set of files: their names and contents, in no particular order. 32 hex characters."""
    listing = "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files))
    return sha256(listing.encode())[:DIGEST_LENGTH]
