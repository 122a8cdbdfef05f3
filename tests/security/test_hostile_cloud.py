"""Hostile files, tricks with keys, secrets and personal numbers through the deployed stack, from the drop to a dataset.

Everything that the stack leaves is read afterwards: dataset, logs of functions and of the cloud, events, histories.
"""

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cli import stack
from local.cli.place import Place, local_place
from local.cli.record import Recorder
from local.cli.status import Watcher
from local.cloud import Cloud
from tests.security.test_hostile_content import ASKED_ABOUT, FOLDERS, SEEDS, seeded
from tests.template.loading import ROOT

# "incoming/" stands before each; a key that is no UTF-8 text or too long never becomes an object
TRICKS = ("../../etc/passwd", "a/../../b.htm", "..%2f..%2fetc%2fpasswd", "con\u202egpj.htm", "runs/x.json")
INJECTED = ("CANARY", "root:x:0", "169.254.169.254")
SAMPLES = {"edgar": 8, "caselaw": 6, "regulations": 6}  # enough for a dataset
LIMIT = 600.0


def until(true: Any, what: str) -> Any:
    limit = time.monotonic() + LIMIT
    while time.monotonic() < limit:
        found = true()
        if found:
            return found
        time.sleep(1)
    raise AssertionError(f"not within {LIMIT:.0f} s: {what}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if not (ROOT / ".venv-sam" / "bin" / "sam").is_file() and shutil.which("sam") is None:
        pytest.skip("no SAM CLI: run `make setup`")
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cloud = Cloud(data=home / "cloud", port=port).start()
    try:
        stack.deploy(cloud, home, 0, {"ChunkSize": "20000", "ChunkOverlap": "0", "MinNewExamples": "0"})
        yield local_place(cloud)
    finally:
        cloud.stop()


@pytest.fixture(scope="module")
def said(place: Place, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Drop everything, make a dataset of it; what is said afterwards, by where it is said."""
    recorder, watcher, s3 = Recorder(place), Watcher(place), place.client("s3")
    nasty = [path for path in (shared / "data/nasty").iterdir() if path.name != "NASTY.tsv"]
    dropped = {f"incoming/nasty/{path.name}": path.read_bytes() for path in nasty}
    dropped |= {f"incoming/{n}.txt": seeded(n, seed) for n, seed in enumerate(SEEDS.values())}
    dropped |= {f"incoming/{trick}": b"" for trick in TRICKS}
    for folder, count in SAMPLES.items():
        samples = sorted((ROOT / "samples" / folder).glob("*"))[:count]
        dropped |= {f"incoming/samples/{path.name}": path.read_bytes() for path in samples}
    for key, data in dropped.items():
        s3.put_object(Bucket=place.outputs["IntakeBucket"], Key=key, Body=data)
    ended = until(lambda: at_rest(watcher, "IngestMachine", len(dropped)), "every file is settled or set aside")
    assert {execution["status"] for execution in ended} == {"SUCCEEDED"}
    s3.put_object(Bucket=place.outputs["IntakeBucket"], Key="runs/dry.json", Body=b'{"dry_run": true}')
    (run,) = until(lambda: at_rest(watcher, "CustomizeMachine", 1), "the dataset is there")
    assert run["status"] == "SUCCEEDED", watcher.error(run["executionArn"])
    home = tmp_path_factory.getbasetemp()
    return {
        "documents": objects(place, "documents/"),
        "dataset": objects(place, "datasets/"),
        "lessons": objects(place, "teaching/"),
        "events": json.dumps(recorder.events()),
        "logs": logged(place) + "".join(path.read_text(errors="replace") for path in home.rglob("cloud/**/*.log")),
        "histories": histories(place, [*ended, run]),
        "rows": json.dumps([watcher.rows(kind) for kind in ("DOCUMENT", "REJECTED")], default=str),
        "keys": "\n".join(keys(place, "WorkBucket", "")),
        "set aside": "\n".join(keys(place, "IntakeBucket", "rejected/")),
    }


def at_rest(watcher: Watcher, machine: str, count: int) -> list[dict[str, Any]]:
    """The machine's executions once there are so many and none runs."""
    found = watcher.executions(machine)
    return found if len(found) >= count and all(e["status"] != "RUNNING" for e in found) else []


def keys(place: Place, bucket: str, prefix: str) -> list[str]:
    pages = place.client("s3").get_paginator("list_objects_v2").paginate(Bucket=place.outputs[bucket], Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def objects(place: Place, prefix: str) -> str:
    """The text of every object below a prefix of the work bucket; kept answers are the teacher's own words."""
    s3, bucket = place.client("s3"), place.outputs["WorkBucket"]
    return "\n".join(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode(errors="replace")
                     for key in keys(place, "WorkBucket", prefix) if "/answers/" not in key)  # fmt: skip


def logged(place: Place) -> str:
    """Every message of every log group."""
    logs, lines = place.client("logs"), []
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            for events in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                lines += [event["message"] for event in events["events"]]
    return "\n".join(lines)


def histories(place: Place, executions: list[dict[str, Any]]) -> str:
    """Every event of every execution: inputs, outputs, errors."""
    read = place.client("stepfunctions").get_paginator("get_execution_history").paginate
    pages = [page["events"] for one in executions for page in read(executionArn=one["executionArn"])]
    return json.dumps(pages, default=str)


def test_the_files_were_read_and_became_a_dataset(said):
    assert all(seed in said["documents"] for seed in SEEDS.values())
    assert all(SEEDS[kind] in said["lessons"] for kind in ASKED_ABOUT)
    assert len(said["dataset"]) > 100_000 and '"message":"done"' in said["logs"]
    assert "Dataset Ready" in said["events"] and said["events"].count("Document Rejected") > 10


def test_secrets_and_personal_numbers_are_nowhere_but_in_the_documents(said):
    found = [(where, kind) for where in ("dataset", "events", "logs", "histories", "rows")
             for kind, seed in SEEDS.items() if seed in said[where]]  # fmt: skip
    assert found == []


def test_injected_orders_and_what_they_ask_for_are_nowhere(said):
    found = [(where, words) for where in ("dataset", "lessons", "events", "logs", "rows")
             for words in INJECTED if words in said[where]]  # fmt: skip
    assert found == []


def test_no_key_leaves_its_folder(said):
    folders = (*FOLDERS, "datasets/", "runs/")
    assert [key for key in said["keys"].splitlines() if not key.startswith(folders) or ".." in key] == []
    kept = said["set aside"].splitlines()
    assert all(key.startswith("rejected/incoming/") for key in kept)
    assert {f"rejected/incoming/{trick}" for trick in TRICKS} <= set(kept)
