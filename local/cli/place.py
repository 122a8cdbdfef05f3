"""Where a command acts: the local cloud below --home, or a stack on AWS."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cli.failures import Failed, Misused
from local.cloud import Cloud
from toolsmith.aws.ledger import Ledger

STACK = "toolsmith"


@dataclass(frozen=True)
class Place:
    """One deployed stack. `credentials` is empty on AWS, where boto3 finds them by itself."""

    stack: str
    endpoint: str | None
    credentials: tuple[tuple[str, str], ...]

    def client(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 5, "mode": "standard"}, max_pool_connections=16)
        return boto3.client(service, endpoint_url=self.endpoint, config=config, **dict(self.credentials))

    @cached_property
    def ledger(self) -> Ledger:
        """The stack's ledger, to read and to write."""
        table = self.outputs["LedgerTable"]
        return Ledger(boto3.resource("dynamodb", endpoint_url=self.endpoint, **dict(self.credentials)).Table(table))

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs. Raises Failed where there is no such stack."""
        return {output["OutputKey"]: output["OutputValue"] for output in self._described.get("Outputs", [])}

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The parameters that the stack was deployed with."""
        return {each["ParameterKey"]: each.get("ParameterValue", "") for each in self._described.get("Parameters", [])}

    @cached_property
    def _described(self) -> dict[str, Any]:
        try:
            return self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise Failed(f"there is no stack {self.stack} here; deploy it, or name another with --stack") from error


def cloud_of(arguments, follow: bool = False, **settings: str) -> Cloud:
    """The handle of the local cloud below --home; it may run or not. follow: it ends with this command."""
    home = arguments.home.absolute()
    running = home / "cloud" / "cloud.json"
    port = json.loads(running.read_text()).get("port", arguments.port) if running.is_file() else arguments.port
    return Cloud(data=home / "cloud", port=port, follow=follow, **settings)


def local_place(cloud: Cloud) -> Place:
    env = cloud.env()
    keys = (("aws_access_key_id", env["AWS_ACCESS_KEY_ID"]), ("aws_secret_access_key", env["AWS_SECRET_ACCESS_KEY"]),
            ("region_name", env["AWS_REGION"]))  # fmt: skip
    return Place(STACK, cloud.endpoint, keys)


def place_of(arguments) -> Place:
    """The place a command was pointed at. Raises Misused where no local cloud runs."""
    if arguments.stack:
        return Place(arguments.stack, None, ())
    cloud = cloud_of(arguments)
    if not cloud.running:
        raise Misused(f"no local cloud runs below {arguments.home}; start one with `toolsmith up`, or name --stack")
    return local_place(cloud)


def files_of(paths: list[Path]) -> list[tuple[Path, str]]:
    """(file, name below incoming/) of files and folders. Raises Misused for a path that does not exist."""
    found = []
    for path in paths:
        if path.is_file():
            found.append((path, path.name))
        elif path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
            found += [(p, f"{path.resolve().name}/{p.relative_to(path).as_posix()}") for p in inside]
        else:
            raise Misused(f"{path} does not exist")
    return found
