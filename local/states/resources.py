"""The `Resource` of a Task: which service and action it names, and how its members are spelled.

https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html
"""

import base64
import datetime
import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.model import OperationModel, ServiceModel

CALL, SYNC, TOKEN = "", "sync", "waitForTaskToken"
# optimised integrations: service -> (boto3 service, error prefix, general error, {action: patterns})
OPTIMISED = {
    "lambda": ("lambda", "Lambda", "AWSLambdaException", {"invoke": {CALL, TOKEN}}),
    "events": ("events", "EventBridge", "AmazonEventBridgeException", {"putEvents": {CALL, TOKEN}}),
    "sqs": ("sqs", "SQS", "AmazonSQSException", {"sendMessage": {CALL, TOKEN}}),
    "sns": ("sns", "SNS", "AmazonSNSException", {"publish": {CALL, TOKEN}}),
    "dynamodb": ("dynamodb", "DynamoDB", "AmazonDynamoDBException", {
        "getItem": {CALL}, "putItem": {CALL}, "updateItem": {CALL}, "deleteItem": {CALL}}),
    "states": ("stepfunctions", "StepFunctions", "AWSStepFunctionsException", {
        "startExecution": {CALL, SYNC, "sync:2", TOKEN}}),
    "sagemaker": ("sagemaker", "SageMaker", "AmazonSageMakerException", {"createTrainingJob": {CALL, SYNC}}),
    "bedrock": ("bedrock", "Bedrock", "AmazonBedrockException", {"createModelCustomizationJob": {CALL, SYNC}}),
}
# AWS SDK integrations: names that differ from boto3's
SDK_SERVICES = {"sfn": "stepfunctions", "eventbridge": "events", "bedrockruntime": "bedrock-runtime",
                "cloudwatchlogs": "logs", "servicequotas": "service-quotas", "bedrockagent": "bedrock-agent",
                "sagemakerruntime": "sagemaker-runtime", "resourcegroupstaggingapi": "resourcegroupstaggingapi"}
SDK_PREFIXES = {"s3": "S3", "dynamodb": "DynamoDb", "sfn": "Sfn", "eventbridge": "EventBridge",
                "sagemaker": "SageMaker", "bedrockruntime": "BedrockRuntime", "cloudwatchlogs": "CloudWatchLogs",
                "cloudwatch": "CloudWatch", "secretsmanager": "SecretsManager", "servicequotas": "ServiceQuotas"}
ARN = re.compile(r"arn:aws[a-z-]*:states:::(aws-sdk:)?([A-Za-z0-9]+):([A-Za-z0-9]+)(?:\.(.+))?$")
FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_$:-]+$")
NOT_KNOWN = ("The resource provided {0} is not recognized. The value is not a valid resource ARN, or the resource "
             "is not available in this region.")


@dataclass(frozen=True)
class Resource:
    """A parsed Resource. `boto` is boto3's name of the service, `pattern` one of CALL, SYNC, sync:2, TOKEN."""

    arn: str
    service: str
    action: str
    pattern: str
    boto: str
    prefix: str
    general: str
    sdk: bool = False
    function: bool = False

    @property
    def kind(self) -> str:
        """resourceType in the history."""
        return f"aws-sdk:{self.service}" if self.sdk else self.service

    @property
    def called(self) -> str:
        """resource in the history."""
        return f"{self.action}.{self.pattern}" if self.pattern else self.action

    @property
    def operation(self) -> OperationModel:
        return operation(self.boto, self.action)


@functools.lru_cache(256)
def parse(arn: Any) -> Resource:
    """The resource an ARN names; ValueError with AWS's sentence where there is none."""
    if isinstance(arn, str) and FUNCTION.match(arn):
        return Resource(arn, "lambda", "invoke", CALL, "lambda", "Lambda", "AWSLambdaException", function=True)
    found = ARN.match(arn) if isinstance(arn, str) else None
    if not found:
        raise ValueError(NOT_KNOWN.format(arn))
    sdk, service, action, pattern = found.group(1), found.group(2), found.group(3), found.group(4) or CALL
    return _sdk(arn, service, action, pattern) if sdk else _optimised(arn, service, action, pattern)


def _optimised(arn: str, service: str, action: str, pattern: str) -> Resource:
    if service not in OPTIMISED or pattern not in OPTIMISED[service][3].get(action, ()):
        raise ValueError(NOT_KNOWN.format(arn))
    boto, prefix, general, _ = OPTIMISED[service]
    return Resource(arn, service, action, pattern, boto, prefix, general)


def _sdk(arn: str, service: str, action: str, pattern: str) -> Resource:
    boto = SDK_SERVICES.get(service, service)
    if pattern not in (CALL, TOKEN) or action[:1].isupper():
        raise ValueError(NOT_KNOWN.format(arn))
    try:
        operation(boto, action)
    except (botocore.exceptions.UnknownServiceError, KeyError):
        raise ValueError(NOT_KNOWN.format(arn)) from None
    prefix = SDK_PREFIXES.get(service, service[:1].upper() + service[1:])
    return Resource(arn, service, action, pattern, boto, prefix, f"{prefix}Exception", sdk=True)


@functools.lru_cache(64)
def model(boto: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(boto)


@functools.lru_cache(256)
def operation(boto: str, action: str) -> OperationModel:
    """The botocore operation of an action such as `putObject`; KeyError where the service has none."""
    names = {name.lower(): name for name in model(boto).operation_names}
    return model(boto).operation_model(names[action.lower()])


def method(resource: Resource) -> str:
    """The boto3 client's method for the action."""
    return botocore.xform_name(resource.operation.name)


def check_arguments(resource: Resource, arguments: Any) -> list[str]:
    """What can be told of a Task's Arguments before they are evaluated: misspelled and missing members."""
    if resource.function or resource.operation.input_shape is None:
        return []
    return list(_wrong(arguments, resource.operation.input_shape, ""))


def _wrong(value: Any, shape: Any, place: str) -> Iterator[str]:
    if isinstance(value, list) and shape.type_name == "list":
        for item in value:
            yield from _wrong(item, shape.member, place)
    if isinstance(value, dict) and shape.type_name == "structure" and not shape.is_document_type:
        names = _members(shape)
        for key, item in value.items():
            if _key(key) in names:
                yield from _wrong(item, shape.members[names[_key(key)]], f"{place}{key}.")
            else:
                yield f"The field '{place}{key}' is not supported by Step Functions"
        given = {names.get(_key(key)) for key in value}
        for name in shape.required_members:
            if name not in given and not shape.members[name].metadata.get("idempotencyToken"):
                yield f"The field '{place}{pascal(name)}' is required but was missing"


def _members(shape: Any) -> dict[str, str]:
    return {_key(pascal(name)): name for name in shape.members}


def _key(name: str) -> str:
    """A member begins with a capital; the case of the rest is the SDK's own affair (SSEKMSKeyId, SsekmsKeyId)."""
    return name.lower() if name[:1].isupper() else f"-{name}"


def pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


def to_request(value: Any, shape: Any) -> Any:
    """A boto3 request from PascalCase arguments. ValueError names a member the API does not have."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        if shape.is_document_type:
            return value
        names = _members(shape)
        request = {}
        for key, item in value.items():
            member = names.get(_key(key))
            if member is None:
                raise ValueError(f"The field '{key}' is not supported by Step Functions")
            request[member] = to_request(item, shape.members[member])
        return request
    if shape.type_name == "list" and isinstance(value, list):
        return [to_request(item, shape.member) for item in value]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: to_request(item, shape.value) for key, item in value.items()}
    if shape.type_name == "blob":
        return (value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))).encode()
    if shape.type_name == "string" and isinstance(value, Mapping | list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return value


def from_response(value: Any, shape: Any, millis: bool = False) -> Any:
    """JSON with PascalCase members from a boto3 response; times as text, or epoch milliseconds if `millis`."""
    if isinstance(value, datetime.datetime):
        return round(value.timestamp() * 1000) if millis else _iso(value)
    if isinstance(value, bytes | bytearray):
        return _text(bytes(value))
    if hasattr(value, "read"):
        return _text(value.read())
    kind = shape.type_name if shape is not None else None
    if isinstance(value, Mapping):
        if kind == "structure" and not shape.is_document_type:
            return {pascal(key): from_response(item, shape.members.get(key), millis) for key, item in value.items()
                    if key != "ResponseMetadata"}
        inner = shape.value if kind == "map" else None
        return {key: from_response(item, inner, millis) for key, item in value.items()}
    if isinstance(value, list | tuple):
        inner = shape.member if kind == "list" else None
        return [from_response(item, inner, millis) for item in value]
    return value


def _iso(moment: datetime.datetime) -> str:
    text = moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return text.replace(".000Z", "Z")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()
