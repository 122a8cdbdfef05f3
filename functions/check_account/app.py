"""Reads quota, model lifecycle and trust of the account before the first paid job."""

from typing import Any

from toolsmith.aws import wiring
from toolsmith.aws.account import Account
from toolsmith.aws.handler import handler
from toolsmith.customization import load_profile
from toolsmith.pipeline import account


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"run"} -> what was checked, or why nothing had to be."""
    asked = account.Question(
        profile=load_profile(wiring.setting("STUDENT")),
        teacher=wiring.setting("TEACHER"),
        roles={
            wiring.setting("TRAINING_ROLE_ARN"): "sagemaker.amazonaws.com",
            wiring.setting("IMPORT_ROLE_ARN"): "bedrock.amazonaws.com",
        },
        region=wiring.setting("AWS_REGION"),
        on=wiring.setting("CUSTOMIZE_ON"),
    )
    return account.check(Account(wiring.client), asked)
