"""Which machine an arriving event starts, and under which name, so that a redelivered event starts nothing twice."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolsmith.pipeline.ports import Ledger, Machine

MACHINE_OF = {"incoming": "ingest", "requests": "crawl", "runs": "customize"}


@dataclass(frozen=True)
class Start:
    """An execution to start: machine "ingest" | "crawl" | "customize", its name and its input."""

    machine: str
    name: str
    payload: dict[str, Any]


def from_object(detail: Mapping[str, Any]) -> Start | None:
    """The execution for the `detail` of an S3 "Object Created" event; None for a folder marker or another prefix.

    The name is a digest of bucket, key and version, so that it is the same for every delivery of one event.
    """
    bucket, item = detail["bucket"]["name"], detail["object"]
    key = item["key"]
    machine = MACHINE_OF.get(key.partition("/")[0])
    if machine is None or key.endswith("/"):
        return None
    version = item.get("version-id") or item.get("etag", "")
    identity = json.dumps([bucket, key, version])
    digest = hashlib.sha256(identity.encode()).hexdigest()
    prefix = "run" if machine == "customize" else machine
    payload = {
        "bucket": bucket,
        "key": key,
        "version": item.get("version-id"),
        "size": item.get("size"),
        "sequencer": item.get("sequencer"),
    }
    return Start(machine, f"{prefix}-{digest[: 24 if machine != 'customize' else 12]}", payload)


def when_enough(ledger: Ledger, least_new_examples: int, settings: Mapping[str, Any]) -> Start | None:
    """The run to start by itself once at least `least_new_examples` examples are new since the last run.

    Examples are new to settings that no run had. The name is a digest of the settled documents, their examples and the
    settings, so the same corpus never runs twice under the same ones.
    """
    settled = [row for row in ledger.all("DOCUMENT") if row.get("status") == "settled"]
    examples = sum(row["examples"] for row in settled)
    before = max(
        (row.get("examples", 0) for row in ledger.all("RUN") if row.get("settings") == dict(settings)), default=0
    )
    if least_new_examples <= 0 or examples - before < least_new_examples:
        return None
    identity = json.dumps([sorted((row["id"], row["examples"]) for row in settled), dict(settings)], sort_keys=True)
    name = f"run-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    return Start("customize", name, {"bucket": None, "key": None, "version": None})


def is_quiet(ingest: Machine) -> bool:
    """No document is on its way through ingest."""
    return not ingest.running()
