"""template.yaml, deployed by the real sam to the local cloud: documents in, two kill -9 on the way, a dataset out.

Training is left to `make demo`; this stops at the end of a dry run, which does everything that costs nothing.
"""

import json
import shutil
import socket
import time
from pathlib import Path

import pytest

from local.cli import stack
from local.cli.demo import ingest_names
from local.cli.drop import upload
from local.cli.place import local_place
from local.cli.record import Recorder
from local.cli.status import Watcher
from local.cloud import Cloud

ROOT = Path(__file__).resolve().parents[2]
OUTCOMES = ("kept", "repaired", "rejected", "failed", "empty")
LIMIT = 300.0


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if not (ROOT / ".venv-sam" / "bin" / "sam").is_file() and shutil.which("sam") is None:
        pytest.skip("no SAM CLI: run `make setup`")
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cloud = Cloud(data=home / "cloud", port=port).start()
    try:
        stack.deploy(cloud, home, seed=0)
        yield cloud, local_place(cloud), home
    finally:
        cloud.stop()


def until(true, what: str):
    limit = time.monotonic() + LIMIT
    while time.monotonic() < limit:
        found = true()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {LIMIT:.0f} s: {what}")


def documents(watcher: Watcher, status: str) -> list[dict]:
    return [row for row in watcher.rows("DOCUMENT") if row["status"] == status]


@pytest.fixture(scope="module")
def ingested(world):
    """Samples and bad files dropped, the cloud killed twice while documents are on their way, and started again."""
    cloud, place, home = world
    bad = home / "bad"
    bad.mkdir()
    (bad / "empty.txt").write_bytes(b"")
    (bad / "noise.bin").write_bytes(bytes(range(256)) * 8)
    samples = sorted((ROOT / "samples" / "edgar").glob("*"))[:8] + sorted((ROOT / "samples" / "caselaw").glob("*"))[:4]
    samples += sorted((ROOT / "samples" / "regulations").glob("*"))[:4]
    recorder, watcher = Recorder(place), Watcher(place)
    dropped = upload(place, [*samples, bad])
    until(lambda: documents(watcher, "settled"), "a first document is settled")
    for _ in range(2):
        cloud.kill()
        cloud.start()
        place = local_place(cloud)
        watcher = Watcher(place)
        wanted = min(len(samples), len(documents(watcher, "settled")) + 1)
        until(lambda w=watcher, n=wanted: len(documents(w, "settled")) >= n, "one more is settled")
    until(lambda: len(documents(watcher, "settled")) == len(samples), "every sample is settled")
    until(lambda: len(watcher.rows("REJECTED")) == 2, "both bad files are set aside")
    return place, watcher, recorder, dropped


def test_every_chunk_is_accounted_for_and_the_machines_are_at_rest(ingested):
    place, watcher, _, dropped = ingested
    rows = documents(watcher, "settled")
    assert all(int(row["chunks"]) == sum(int(row[name]) for name in OUTCOMES) for row in rows)
    assert sum(int(row["examples"]) for row in rows) > 100
    executions = until(
        lambda: (lambda found: found if all(e["status"] == "SUCCEEDED" for e in found) else None)(
            watcher.executions("IngestMachine")
        ),
        "no ingest runs",
    )
    assert len(executions) == len(dropped)
    ran = {execution["name"] for execution in executions}
    assert all(names & ran for names in ingest_names(place.outputs["IntakeBucket"], dropped)), "refused files too"


def test_nothing_that_was_finished_was_done_again(ingested):
    place, _, _, _ = ingested
    s3, bucket = place.client("s3"), place.outputs["WorkBucket"]
    versions: dict[str, int] = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix="teaching/"):
        for version in page.get("Versions", []):
            versions[version["Key"]] = versions.get(version["Key"], 0) + 1
    outcomes = {key: count for key, count in versions.items() if key.endswith(".jsonl")}
    assert outcomes and set(outcomes.values()) == {1}


def test_bad_files_are_set_aside_with_a_reason_and_an_event(ingested):
    place, watcher, recorder, _ = ingested
    assert {row["reason"] for row in watcher.rows("REJECTED")} >= {"empty"}
    note = place.client("s3").get_object(
        Bucket=place.outputs["IntakeBucket"], Key="rejected/incoming/bad/empty.txt.reason.json"
    )
    assert json.loads(note["Body"].read())["reason"] == "empty"
    told = recorder.events()
    assert {event["detail"]["key"] for event in told if event["detail-type"] == "Document Rejected"} == {
        "incoming/bad/empty.txt",
        "incoming/bad/noise.bin",
    }


def test_a_dry_run_makes_the_dataset_and_spends_nothing(ingested):
    place, watcher, _, _ = ingested
    s3, bucket = place.client("s3"), place.outputs["IntakeBucket"]
    s3.put_object(Bucket=bucket, Key="runs/dry.json", Body=b'{"dry_run": true}')
    s3.put_object(Bucket=bucket, Key="runs/wrong.json", Body=b'{"sed": 1}')

    def dry_run():
        ended = [e for e in watcher.executions("CustomizeMachine") if e["status"] != "RUNNING"]
        sf = place.client("stepfunctions")
        found = [sf.describe_execution(executionArn=e["executionArn"]) for e in ended]
        return next((e for e in found if "runs/dry.json" in e["input"]), None)

    ended = until(dry_run, "the dry run ended")
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    reason = until(
        lambda: next((row for row in watcher.rows("REJECTED") if row["key"] == "runs/wrong.json"), None),
        "the wrong request is set aside",
    )
    assert reason["reason"] == "InvalidInput" and "'sed'" in reason["detail"]
    kept = s3.list_objects_v2(Bucket=place.outputs["WorkBucket"], Prefix="datasets/")["Contents"]
    assert any(entry["Key"].endswith("rft/train.jsonl") for entry in kept)
    jobs = place.client("sagemaker").list_training_jobs(NameContains=ended["name"])["TrainingJobSummaries"]
    assert jobs == []
