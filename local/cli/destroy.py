"""`toolsmith destroy`: says what will stay and what that costs, then deletes the stack."""

import re
import sys
from collections.abc import Iterator
from itertools import islice

from botocore.exceptions import ClientError, WaiterError

from local.cli.evaluator import CONTENT, VERSION
from local.cli.failures import Failed, Misused
from local.cli.place import Place, place_of

# USD a month, list prices of us-east-1 as of 2026: a gigabyte of S3 Standard and of DynamoDB with its continuous
# backup, and a custom model of Bedrock.
S3_GIGABYTE, TABLE_GIGABYTE, CUSTOM_MODEL = 0.023, 0.25 + 0.20, 1.95
MOST = 200_000
# What the machine deploys for as long as it asks a candidate; it stays where asking failed, so that a redrive goes on.
_CANDIDATE = re.compile(r"run-.+-evaluate-.+-\d+$")
LOOKS, PAUSE = 1200, 3  # an hour


def run(arguments) -> int:
    if not arguments.stack:
        raise Misused(
            "name the stack on AWS with --stack; the local cloud is removed with `make clean-demo`, "
            "or by deleting the folder given as --home"
        )
    place = place_of(arguments)
    print("\n".join(staying(place)), flush=True)
    if arguments.dry_run:
        return 0
    if not arguments.yes and not _confirmed(place.stack):
        raise Failed("nothing was deleted")
    _delete(place)
    print(f"stack {place.stack} is deleted", file=sys.stderr)
    return 0


def _delete(place: Place) -> None:
    """Raises Failed with CloudFormation's reasons where something of the stack cannot be deleted."""
    formation = place.client("cloudformation")
    stack = formation.describe_stacks(StackName=place.stack)["Stacks"][0]["StackId"]
    formation.delete_stack(StackName=stack)
    print(f"deleting stack {place.stack}; on AWS this takes some minutes", file=sys.stderr, flush=True)
    try:
        waiter = formation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=stack, WaiterConfig={"Delay": PAUSE, "MaxAttempts": LOOKS})
    except WaiterError as error:
        events = formation.describe_stack_events(StackName=stack)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"] == "DELETE_FAILED"]
        why = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason')}" for event in failed]
        raise Failed("\n".join([f"stack {place.stack} is not deleted; mend this and run the same command again:",
                                *(why or [str(error)])])) from error  # fmt: skip


def staying(place: Place) -> list[str]:
    """What deleting the stack leaves behind, line by line, with its cost a month and the commands that remove it."""
    lines = [f"These stay when stack {place.stack} is deleted, each with the commands that remove it:"]
    for output in ("IntakeBucket", "WorkBucket"):
        bucket = place.outputs[output]
        count, size, more = _weigh(place, bucket)
        lines.append(f"  bucket {bucket}: {more}{count:,} object versions, {more}{_sized(size)}, "
                     f"{_priced(size / 1e9 * S3_GIGABYTE)}")  # fmt: skip
        emptied = f"import boto3; boto3.resource('s3').Bucket('{bucket}').object_versions.delete()"
        lines.append(f'    .venv/bin/python -c "{emptied}"')
        lines.append(f"    aws s3api delete-bucket --bucket {bucket}")
    table = place.outputs["LedgerTable"]
    described = place.client("dynamodb").describe_table(TableName=table)["Table"]
    usd = described.get("TableSizeBytes", 0) / 1e9 * TABLE_GIGABYTE
    lines.append(f"  table {table}, with its backup: {described.get('ItemCount', 0):,} rows, {_priced(usd)}")
    lines.append(f"    aws dynamodb delete-table --table-name {table}")
    lines += [*_models(place), *_packages(place), *_cards(place), *_hub(place)]
    lines.append("  the code that `sam deploy` uploaded, in the SAM CLI's bucket that all stacks share: under 0.01 USD")
    return lines


def _sized(size: int) -> str:
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _priced(usd: float) -> str:
    return f"{usd:,.2f} USD a month" if usd >= 0.01 else "under 0.01 USD a month"


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
            name, arn = each["customModelDeploymentName"], each["customModelDeploymentArn"]
            remove = f"    aws bedrock delete-custom-model-deployment --custom-model-deployment-identifier {arn}"
            if name == place.stack:
                lines += [f"  deployment {arn}: it goes on answering, at the price of its tokens", remove]
            elif _CANDIDATE.match(name):
                lines += [f"  deployment {name}, of this stack or another: a run failed while it asked this candidate; "
                          "costs nothing while nobody asks it", remove]  # fmt: skip
    for page in bedrock.get_paginator("list_custom_models").paginate():
        for each in page.get("modelSummaries", []):
            if each["modelName"].startswith("run-"):
                lines.append(f"  model {each['modelName']}, of this stack or another: {CUSTOM_MODEL:.2f} USD a month")
                lines.append(f"    aws bedrock delete-custom-model --model-identifier {each['modelArn']}")
    return lines


def _packages(place: Place) -> list[str]:
    """The group of model packages, which serverless runs fill; a group must be empty before it can be deleted."""
    group, sagemaker = place.outputs["ModelPackages"], place.client("sagemaker")
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    packages = [each["ModelPackageArn"] for page in pages for each in page["ModelPackageSummaryList"]]
    name = group.rpartition("/")[2]
    return [
        f"  model package group {name}, packages of serverless runs in it: {len(packages)}; has no price of its own",
        *(f"    aws sagemaker delete-model-package --model-package-name {arn}" for arn in packages),
        f"    aws sagemaker delete-model-package-group --model-package-group-name {name}",
    ]


def _cards(place: Place) -> list[str]:
    """The model cards that runs left where ModelCards is on."""
    lines = []
    for page in place.client("sagemaker").get_paginator("list_model_cards").paginate(NameContains="run"):
        for each in page["ModelCardSummaries"]:
            if (name := each["ModelCardName"]).startswith("run-"):
                lines.append(f"  model card {name}, of this stack or another: costs nothing")
                lines.append(f"    aws sagemaker delete-model-card --model-card-name {name}")
    return lines


def _hub(place: Place) -> list[str]:
    """The hub that `toolsmith evaluator` made for serverless runs."""
    named = f"--hub-name {place.stack}"
    content = {"HubName": place.stack, "HubContentName": CONTENT, "HubContentType": "JsonDoc"}
    try:
        place.client("sagemaker").describe_hub_content(**content, HubContentVersion=VERSION)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFound", "AccessDeniedException"):
            raise
        return []
    one = f"--hub-content-name {CONTENT} --hub-content-type JsonDoc --hub-content-version {VERSION}"
    return [
        f"  hub {place.stack} with the reward function of serverless runs: costs nothing",
        f"    aws sagemaker delete-hub-content {named} {one}",
        f"    aws sagemaker delete-hub {named}",
    ]


def _confirmed(stack: str) -> bool:
    print(f"Type {stack} to delete the stack: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == stack
