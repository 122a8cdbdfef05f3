"""The teacher behind Bedrock's Converse: any model id or inference profile.

Errors: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
"""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as NoConnection

from toolsmith.errors import TeacherThrottled, TeacherTimeout, TeacherUnavailable

_THROTTLED = {
    "ThrottlingException",
    "ServiceUnavailableException",
    "ModelNotReadyException",
    "InternalServerException",
    "TooManyRequestsException",
}
_TIMEOUT = {"ModelTimeoutException"}
# Words of the service's message, in lower case, and what they ask for; the first that stand there are told.
_ADVICE = (
    ("end of its life", "the model has reached its end of life: choose another as Teacher"),
    ("on-demand throughput", "name its inference profile as Teacher (us.…), and its ARN in TeacherModelArns"),
    ("access to the model", "request access to the model in the Bedrock console of this region"),
    ("not authorized to perform", "add the model's ARN to TeacherModelArns"),
    ("identifier is invalid", "no such model in this region: check the id, or deploy where the model is offered"),
    ("AccessDeniedException", "add the model's ARN to TeacherModelArns and request access to it in the console"),
    ("ResourceNotFoundException", "no such model in this region, or no longer: choose another as Teacher"),
    ("ServiceQuotaExceededException", "raise the tokens-per-day quota of the model, or wait until it resets"),
    ("ValidationException", "the model takes no Converse request of this form: choose another as Teacher"),
)


class BedrockTeacher:
    """Fits toolsmith.pipeline.ports.Voice."""

    def __init__(self, client: Any, model_id: str) -> None:
        self._client = client
        self.model_id = model_id
        name = "needs-retry.bedrock-runtime.Converse"
        client.meta.events.register_first(name, _no_second_wait, unique_id="toolsmith-no-second-wait")

    def converse(self, body: dict[str, Any]) -> dict[str, Any]:
        """The response to a Converse body. Raises TeacherThrottled, TeacherTimeout or TeacherUnavailable."""
        try:
            response = self._client.converse(modelId=self.model_id, **body)
        except ClientError as error:
            raise _translated(self.model_id, self._client.meta.region_name, error) from error
        except BotoCoreError as error:
            raise of_connection(self.model_id, error) from error
        response.pop("ResponseMetadata", None)
        return response


def of_connection(model_id: str, error: BotoCoreError) -> Exception:
    """What a call that brought no response means for the state machine; a defect of ours stays what it is."""
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError):
        return TeacherTimeout(f"{model_id} did not answer in time")
    if isinstance(error, NoConnection | HTTPClientError):
        return TeacherThrottled(f"{model_id} could not be reached ({error}); is it offered in this region?")
    return error


def _no_second_wait(caught_exception: Exception | None = None, **_: Any) -> None:
    """Ends the SDK's retries after a read timeout: the next wait would last as long; a sandbox's time is bounded."""
    if isinstance(caught_exception, ReadTimeoutError):
        raise caught_exception


def _translated(model_id: str, region: str, error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    message = error.response["Error"].get("Message", "")
    if code in _THROTTLED:
        return TeacherThrottled(f"{model_id}: {code}: {message}")
    if code in _TIMEOUT:
        return TeacherTimeout(f"{model_id}: {code}: {message}")
    told = f"{message.lower()} {code}"
    advice = next((advice for words, advice in _ADVICE if words in told), "see the message of the service")
    return TeacherUnavailable(f"teacher {model_id} cannot be used in {region}: {advice} ({code}: {message})")
