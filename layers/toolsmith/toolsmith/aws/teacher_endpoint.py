"""A teacher on a SageMaker endpoint whose container speaks the chat format (vLLM, DJL, TGI, NIM do).

Errors: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html#API_runtime_InvokeEndpoint_Errors
"""

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from toolsmith.aws.teacher import of_connection
from toolsmith.errors import TeacherThrottled, TeacherTimeout, TeacherUnavailable
from toolsmith.teaching.chat import chat_request, converse_response

PREFIX = "sagemaker:"
_THROTTLED = {"ThrottlingException", "ServiceUnavailable", "InternalFailure", "InternalDependencyException",
              "ModelNotReadyException"}  # fmt: skip
# What the container itself answered, when the service reports a ModelError.
_TOO_SLOW, _BUSY = {408, 504}, {429, 500, 502, 503}


class EndpointTeacher:
    """Fits toolsmith.pipeline.ports.Voice; `model_id` is "sagemaker:" and the endpoint's name."""

    def __init__(self, client: Any, endpoint: str) -> None:
        self._client, self._endpoint = client, endpoint
        self.model_id = PREFIX + endpoint

    def converse(self, body: dict[str, Any]) -> dict[str, Any]:
        """The response to a Converse body. Raises TeacherThrottled, TeacherTimeout or TeacherUnavailable."""
        try:
            found = self._client.invoke_endpoint(
                EndpointName=self._endpoint,
                ContentType="application/json",
                Accept="application/json",
                Body=json.dumps(chat_request(body)).encode(),
            )
            said = found["Body"].read()
        except ClientError as error:
            raise _translated(self.model_id, error) from error
        except BotoCoreError as error:
            raise of_connection(self.model_id, error) from error
        try:
            return converse_response(json.loads(said))
        except ValueError:
            return {}


def _translated(model_id: str, error: ClientError) -> Exception:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    status = error.response.get("OriginalStatusCode", 0)
    if code == "ModelError" and (status in _TOO_SLOW or "timed out" in message):
        return TeacherTimeout(f"{model_id}: {message}")
    if code in _THROTTLED or (code == "ModelError" and status in _BUSY):
        return TeacherThrottled(f"{model_id}: {code}: {message}")
    advice = {
        "ModelError": "its container refuses chat requests; it has to speak the OpenAI chat format",
        "AccessDeniedException": "add the endpoint's ARN to TeacherModelArns",
    }.get(code, "check that an endpoint of this name is in service in this account and region")
    return TeacherUnavailable(f"teacher {model_id} cannot be used: {advice} ({code}: {message})")
