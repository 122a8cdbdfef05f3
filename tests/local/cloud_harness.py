"""Starts real clouds for tests, with small stand-ins for the training program, the teacher and the model server."""

import json
import socket
import sys
import time
from functools import cache
from pathlib import Path

import boto3
from botocore.config import Config

from local.cloud import Cloud

ROOT = Path(__file__).resolve().parents[2]
PARTS = str(ROOT / "tests" / "local" / "cloud_parts.py")
RUNTIME = ROOT / ".runtime" / "bin" / "python"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_cloud(data: Path, **settings) -> Cloud:
    """A cloud that is not started yet."""
    parts = {
        "training": [sys.executable, PARTS, "train"],
        "serving": [sys.executable, PARTS, "serve"],
        "teacher": "tests.local.cloud_parts:answer",
        "pace": 0.2,
        "follow": True,
    }
    return Cloud(data, free_port(), **{**parts, **settings})


@cache
def client(cloud: Cloud, service: str, role: str | None = None, attempts: int = 3):
    """An SDK client of the account's root, or of a role it assumes."""
    config = Config(retries={"total_max_attempts": attempts})
    options = {"region_name": "us-east-1", "endpoint_url": cloud.endpoint, "config": config}
    root = cloud.env()
    keys = {"aws_access_key_id": root["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": root["AWS_SECRET_ACCESS_KEY"]}
    if role:
        given = boto3.client("sts", **keys, **options).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
    return boto3.client(service, **keys, **options)


def make_role(cloud: Cloud, name: str, trusted: str, *allowed: tuple[str | list[str], str | list[str]]) -> str:
    """A role that `trusted` (a service or an ARN) may assume, with (actions, resources) allowed; its ARN."""
    kind = "AWS" if trusted.startswith("arn:") else "Service"
    trust = [{"Effect": "Allow", "Principal": {kind: trusted}, "Action": "sts:AssumeRole"}]
    policy = [{"Effect": "Allow", "Action": actions, "Resource": resources} for actions, resources in allowed]
    iam = client(cloud, "iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=_policy(policy))
    return role


def _policy(statements: list[dict]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def until(question, seconds: float = 30):
    """The first true answer of question()."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        found = question()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"still not so after {seconds} s")


def received(cloud: Cloud, queue: str, seconds: float = 60) -> dict:
    """The next message body in a queue, as JSON."""
    sqs, limit = client(cloud, "sqs"), time.monotonic() + seconds
    while time.monotonic() < limit:
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
    raise AssertionError(f"nothing in {queue} after {seconds} s\n{cloud.log.read_text()[-3000:]}")
