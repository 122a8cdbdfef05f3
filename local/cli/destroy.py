"""`toolsmith destroy`: says what will stay and what that costs, then has `sam delete` remove a stack."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice

from local.cli.failures import Failed, Misused
from local.cli.place import Place, place_of
from local.cli.stack import sam

# USD a month, list prices of us-east-1 as of 2026: S3 Standard and DynamoDB a gigabyte, Bedrock a custom model.
S3_GIGABYTE, TABLE_GIGABYTE, CUSTOM_MODEL = 0.023, 0.25, 1.95
MOST = 200_000


def run(arguments) -> int:
    if not arguments.stack:
        raise Misused(
            "name the stack on AWS with --stack; the local cloud is removed with `make clean-demo`, "
            "or by deleting the folder given as --home"
        )
    place = place_of(arguments)
    print("\n".join(staying(place)))
    if arguments.dry_run:
        return 0
    if not arguments.yes and not _confirmed(place.stack):
        raise Failed("nothing was deleted")
    command = [sam(), "delete", "--stack-name", place.stack, "--no-prompts", "--region", _region(place)]
    code = subprocess.run(command, env={**os.environ, "SAM_CLI_TELEMETRY": "0"}, check=False).returncode
    if code:
        raise Failed(f"`sam delete` ended with {code}; what it says above tells what is in its way")
    return 0


def staying(place: Place) -> list[str]:
    """What `sam delete` leaves behind, line by line, with its cost a month and the command that removes it."""
    lines = [f"These stay when stack {place.stack} is deleted:"]
    for output in ("IntakeBucket", "WorkBucket"):
        bucket = place.outputs[output]
        count, size, more = _weigh(place, bucket)
        usd = size / 1e9 * S3_GIGABYTE
        lines.append(
            f"  bucket {bucket}: {more}{count:,} object versions, {more}{size / 1e9:,.2f} GB, {usd:,.2f} USD a month\n"
            f"    once empty of all versions: aws s3api delete-bucket --bucket {bucket}"
        )
    table = place.outputs["LedgerTable"]
    described = place.client("dynamodb").describe_table(TableName=table)["Table"]
    usd = described.get("TableSizeBytes", 0) / 1e9 * TABLE_GIGABYTE
    lines.append(f"  table {table}: {described.get('ItemCount', 0):,} rows, {usd:,.2f} USD a month")
    lines.append(f"    aws dynamodb delete-table --table-name {table}")
    lines += _models(place)
    return lines


def _weigh(place: Place, bucket: str) -> tuple[int, int, str]:
    """(object versions, bytes, "at least " where counting was cut short)"""
    pages = place.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket)
    sizes: Iterator[int] = (version["Size"] for page in pages for version in page.get("Versions", []))
    counted = list(islice(sizes, MOST))
    return len(counted), sum(counted), "at least " if len(counted) == MOST else ""


def _models(place: Place) -> list[str]:
    """The deployment of the stack, and the custom models that runs registered: runs make them, not the stack."""
    bedrock, lines = place.client("bedrock"), []
    for page in bedrock.get_paginator("list_custom_model_deployments").paginate():
        for each in page.get("modelDeploymentSummaries", []):
            if each["customModelDeploymentName"] == place.stack:
                arn = each["customModelDeploymentArn"]
                lines.append(f"  deployment {arn}: it goes on answering, at the price of its tokens")
                command = "delete-custom-model-deployment --custom-model-deployment-identifier"
                lines.append(f"    aws bedrock {command} {arn}")
    for page in bedrock.get_paginator("list_custom_models").paginate():
        for each in page.get("modelSummaries", []):
            if each["modelName"].startswith("run-"):
                lines.append(f"  model {each['modelName']}, of this stack or another: {CUSTOM_MODEL:.2f} USD a month")
                lines.append(f"    aws bedrock delete-custom-model --model-identifier {each['modelArn']}")
    return lines


def _region(place: Place) -> str:
    return place.client("cloudformation").meta.region_name


def _confirmed(stack: str) -> bool:
    print(f"Type {stack} to delete the stack: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == stack
