"""What a function is wired with: read from its environment on first use, kept for the life of the sandbox.

The modules of teacher and bus are imported where they are used: few functions need them, every function starts here.
"""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from toolsmith.aws.ledger import Ledger
from toolsmith.aws.machines import Machine
from toolsmith.aws.store import Store
from toolsmith.pipeline.defaults import RunDefaults

if TYPE_CHECKING:
    from toolsmith.aws.bus import Bus
    from toolsmith.pipeline.answers import KeptTeacher


def setting(name: str) -> str:
    """An environment variable of the function. Raises KeyError naming it where the template forgot it."""
    return os.environ[name]


def named_stack() -> str:
    """The stack that commands in a mail name; empty on a laptop, whose endpoint is not AWS's and which they find."""
    return "" if os.environ.get("AWS_ENDPOINT_URL") else setting("POWERTOOLS_SERVICE_NAME")


def number(name: str) -> int:
    return int(setting(name))


@cache
def client(service: str) -> Any:
    return boto3.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 4}))


@cache
def intake() -> Store:
    return Store(client("s3"), setting("INTAKE_BUCKET"))


@cache
def work() -> Store:
    return Store(client("s3"), setting("WORK_BUCKET"))


@cache
def ledger() -> Ledger:
    return Ledger(boto3.resource("dynamodb").Table(setting("LEDGER_TABLE")))


@cache
def bus() -> "Bus":
    from toolsmith.aws.bus import Bus

    return Bus(client("events"), setting("BUS_NAME"))


@cache
def machine(name: str) -> Machine:
    """The state machine whose ARN stands in <NAME>_MACHINE."""
    return Machine(client("stepfunctions"), setting(f"{name.upper()}_MACHINE"))


def run_defaults() -> RunDefaults:
    """What the stack gives every run. Raises KeyError naming the variable that the template forgot."""
    control, on = setting("CONTROL_ARM") == "true", setting("CUSTOMIZE_ON")
    return RunDefaults(setting("STUDENT"), setting("TEACHER"), number("SEED"), control, on)


@cache
def bedrock_runtime(read_timeout: int) -> Any:
    retries = {"mode": "standard", "total_max_attempts": 3}
    return boto3.client("bedrock-runtime", config=Config(retries=retries, read_timeout=read_timeout))


@cache
def teacher() -> "KeptTeacher":
    return _speaker(setting("TEACHER"))


@cache
def reviewer() -> "KeptTeacher | None":
    """The second model that reads the teacher's examples, where the stack names one."""
    return _speaker(setting("REVIEWER")) if setting("REVIEWER") else None


def _speaker(name: str) -> "KeptTeacher":
    from toolsmith.aws.teacher import BedrockTeacher
    from toolsmith.aws.teacher_endpoint import PREFIX as ENDPOINT
    from toolsmith.aws.teacher_endpoint import EndpointTeacher
    from toolsmith.pipeline.answers import KeptTeacher

    if name.startswith(ENDPOINT):
        retries = {"mode": "standard", "total_max_attempts": 3}
        runtime = boto3.client("sagemaker-runtime", config=Config(retries=retries, read_timeout=70))
        return KeptTeacher(EndpointTeacher(runtime, name.removeprefix(ENDPOINT)))
    return KeptTeacher(BedrockTeacher(bedrock_runtime(120), name))
