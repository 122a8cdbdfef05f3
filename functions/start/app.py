"""Starts the machine that an arriving object or a settled document calls for. Events come in batches from SQS."""

import json
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler, metrics, note
from toolsmith.pipeline import start


def _start(event: dict[str, Any]) -> None:
    if event["source"] == "aws.s3":
        wanted = start.from_object(event["detail"])
    elif start.is_quiet(wiring.machine("ingest")):
        settings = wiring.run_defaults().settings()
        wanted = start.when_enough(wiring.ledger(), wiring.number("MIN_NEW_EXAMPLES"), settings)
    else:
        wanted = None
    if wanted is None:
        return
    started = wiring.machine(wanted.machine).start(wanted.name, wanted.payload)
    note("started" if started else "had been started", execution=wanted.name)
    metrics().add_metric("ExecutionStarted" if started else "DuplicateSuppressed", MetricUnit.Count, 1)


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """One SQS batch; records that fail are returned to the queue alone."""
    failures = []
    for record in event["Records"]:
        try:
            _start(json.loads(record["body"]))
        except Exception:  # a poison record must not hold back its batch; the queue's redrive policy sets it aside
            failures.append({"itemIdentifier": record["messageId"]})
    if failures and len(failures) == len(event["Records"]):
        raise RuntimeError(f"all {len(failures)} records of the batch failed")
    return {"batchItemFailures": failures}
