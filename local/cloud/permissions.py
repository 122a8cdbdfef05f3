"""IAM actions, resources and denial texts of the services we write ourselves.

Source of actions and resource types: the Service Authorization Reference of each service.
"""

import json
import re
from collections.abc import Callable
from urllib.parse import unquote

from local.cloud.settings import ACCOUNT, REGION

_ACTIONS = {
    "bedrock:Converse": "bedrock:InvokeModel",
    "bedrock:ConverseStream": "bedrock:InvokeModelWithResponseStream",
}
# Services whose denial names the resource.
_NAMES_RESOURCE = {"bedrock", "bedrock-runtime", "sagemaker", "servicequotas", "states"} | {
    "dynamodb",
    "events",
    "lambda",
    "s3",
    "sns",
    "sqs",
}


def action_of(service: str, action: str) -> str:
    """The IAM action of an API action: Converse is authorised as InvokeModel."""
    return _ACTIONS.get(action, action)


def denial_of(service: str, action: str, principal: str, resource: str, explicit: bool) -> str | None:
    """The text of a denial, for the services that name the resource."""
    if service not in _NAMES_RESOURCE:
        return None
    reason = (
        "with an explicit deny in an identity-based policy"
        if explicit
        else f"because no identity-based policy allows the {action} action"
    )
    shown = f'"{resource}"' if service == "s3" else resource
    return f"User: {principal} is not authorized to perform: {action} on resource: {shown} {reason}"


def resource_finder(arn_of_model: Callable[[str], str]) -> Callable:
    """resource_of(service, action, path, body) -> ARN or None.

    arn_of_model turns a model identifier (id, name or ARN) into the ARN that policies name.
    """

    def resource_of(service: str, action: str | None, path: str, body: bytes) -> str | None:
        if service == "sagemaker":
            return _sagemaker(_object(body))
        if service in ("bedrock", "bedrock-runtime"):
            return _bedrock(action or "", unquote(path), _object(body), arn_of_model)
        if service == "states":
            return _states(_object(body))
        return "*" if service == "servicequotas" else None

    return resource_of


def _object(body: bytes) -> dict:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _sagemaker(params: dict) -> str:
    name = params.get("TrainingJobName")
    if name:
        return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
    if params.get("ModelCardName"):
        card = params["ModelCardName"].rpartition("/")[2]
        return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-card/{card}"
    return params.get("ResourceArn", "*")


def _states(params: dict) -> str | None:
    arn = params.get("stateMachineArn") or params.get("executionArn") or params.get("mapRunArn")
    return arn or params.get("resourceArn")


def _bedrock(action: str, path: str, params: dict, arn_of_model: Callable[[str], str]) -> str:
    invoked = re.fullmatch(r"/model/(.+)/[a-z-]+", path)
    if invoked:
        return arn_of_model(invoked[1])
    deployment = re.fullmatch(r"/model-customization/custom-model-deployments/([^/]+)", path)
    if deployment and not deployment[1].startswith("arn:"):
        return f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model-deployment/{deployment[1]}"
    job = re.fullmatch(r"/model-customization-jobs/(.+?)(?:/stop)?", path)
    if job:
        known = job[1].startswith("arn:")
        return job[1] if known else f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-customization-job/{job[1]}"
    members = ("baseModelIdentifier", "modelId", "modelArn", "resourceARN")
    named = next((params[member] for member in members if params.get(member)), None)
    if named:
        return arn_of_model(named)
    if action == "bedrock:CreateCustomModel":
        return f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model/*"
    found = re.fullmatch(r"/(?:custom-models|foundation-models|model-invocation-job)/(.+?)(?:/stop)?", path)
    found = found or re.fullmatch(r"/model-customization/custom-model-deployments/(.+)", path)
    return arn_of_model(found[1]) if found else "*"
