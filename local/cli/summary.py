"""summary.json: one run in numbers that a machine can check, and its dataset as it was given to the jobs."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from local.cli.place import Place
from local.cli.record import Recorder
from local.cli.status import Watcher

OUTCOMES = ("kept", "repaired", "rejected", "failed", "empty")
ARMS = ("constant", "base", "base_tools", "sft", "more_sft", "rft")


def write(place: Place, watcher: Watcher, recorder: Recorder, run: str, folder: Path, files: dict[str, Path],
          seconds: dict[str, float]) -> dict[str, Any]:  # fmt: skip
    """Write summary.json and dataset/ into the folder; returns the summary."""
    report = json.loads(files["report.json"].read_text(encoding="utf-8"))
    documents = [row for row in watcher.rows("DOCUMENT") if row["status"] == "settled"]
    events = recorder.events()
    arms = report["arms"]
    summary = {
        "run": run,
        "verdict": report["verdict"],
        "shortfalls": report.get("shortfalls", []),
        "seconds": seconds,
        "documents": {"settled": len(documents), "set_aside": len(watcher.rows("REJECTED"))},
        "chunks": sum(int(row["chunks"]) for row in documents),
        "teacher_calls": sum(int(row["teacher_calls"]) for row in documents),
        "outcomes": {name: sum(int(row[name]) for row in documents) for name in OUTCOMES},
        "examples": _examples(documents),
        "ledger_balanced": all(int(r["chunks"]) == sum(int(r[name]) for name in OUTCOMES) for r in documents),
        "splits": report["dataset"]["counts"]["split"],
        "abstention": report["dataset"]["counts"].get("abstention", {}),
        "scores": {arm: {name: arms[arm][name] for name in ("score", "talk_score")} for arm in ARMS if arm in arms},
        "gates": report["gates"],
        "curves": report["curves"],
        "events": [event["detail-type"] for event in events],
        "executions": _executions(watcher),
        "model_arn": report["outcome"].get("model_arn"),
        "deployment_arn": report["outcome"].get("deployment_arn"),
        "report": str(files["report.html"].absolute()),
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, default=float), encoding="utf-8")
    _dataset(place, report["dataset"]["prefix"], folder / "dataset")
    return summary


def _examples(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Examples that were verified, and candidates that were rejected, by reason."""
    reasons: Counter[str] = Counter()
    for row in documents:
        reasons.update({reason: int(count) for reason, count in row["reasons"].items()})
    return {
        "verified": sum(int(row["examples"]) for row in documents),
        "rejected_by_reason": dict(reasons.most_common()),
    }


def _executions(watcher: Watcher) -> dict[str, dict[str, int]]:
    machines = ("CrawlMachine", "IngestMachine", "CustomizeMachine")
    return {name: dict(Counter(e["status"] for e in watcher.executions(name))) for name in machines}


def _dataset(place: Place, prefix: str, folder: Path) -> None:
    s3, bucket = place.client("s3"), place.outputs["WorkBucket"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for entry in page.get("Contents", []):
            target = folder / entry["Key"].removeprefix(f"{prefix}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, entry["Key"], str(target))
