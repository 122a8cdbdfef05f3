"""The teacher behind Bedrock's Converse, with its answers kept so that a repeated prompt is never paid twice."""

import hashlib
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from toolsmith.aws.store import Store
from toolsmith.errors import TeacherThrottled, TeacherTimeout, TeacherUnavailable

_THROTTLED = {
    "ThrottlingException",
    "ServiceUnavailableException",
    "ModelNotReadyException",
    "InternalServerException",
    "TooManyRequestsException",
}
_TIMEOUT = {"ModelTimeoutException"}
_ADVICE = {
    "AccessDeniedException": "grant the function bedrock:InvokeModel on it and request model access in the console",
    "ResourceNotFoundException": "the id is unknown in this region or the model has reached its end of life; choose another",
    "ValidationException": "check the model id; some models are only offered through an inference profile (us.…)",
    "ServiceQuotaExceededException": "raise the tokens-per-day quota of the model or wait until it resets",
}


class BedrockTeacher:
    """Calls one model id or inference profile. `replies` counts only the calls that were paid."""

    def __init__(
        self, client: Any, model_id: str, answers: Store | None, *, max_tokens: int = 4000, temperature: float = 0.5
    ) -> None:
        self._client = client
        self.model_id = model_id
        self._answers = answers
        self._settings = {"maxTokens": max_tokens, "temperature": temperature}

    def ask(self, system: str, user: str) -> dict[str, Any]:
        """The Converse response of one prompt, from the kept answers where there is one.

        Raises TeacherThrottled, TeacherTimeout or TeacherUnavailable (with what to do).
        """
        digest = hashlib.sha256("\0".join([self.model_id, repr(self._settings), system, user]).encode()).hexdigest()
        key = f"teaching/answers/{digest[:2]}/{digest}.json"
        kept = self._kept(key)
        if kept is not None:
            return kept
        response = self._converse(system, user)
        response.pop("ResponseMetadata", None)
        if self._answers is not None and response.get("output"):
            self._answers.write_json(key, response)
        return response

    def _kept(self, key: str) -> dict[str, Any] | None:
        if self._answers is None:
            return None
        try:
            return self._answers.read_json(key)
        except KeyError:
            return None

    def _converse(self, system: str, user: str) -> dict[str, Any]:
        try:
            return self._client.converse(
                modelId=self.model_id,
                system=[{"text": system}],
                messages=[{"role": "user", "content": [{"text": user}]}],
                inferenceConfig=self._settings,
            )
        except (ReadTimeoutError, ConnectTimeoutError) as error:
            raise TeacherTimeout(f"{self.model_id} did not answer in time") from error
        except EndpointConnectionError as error:
            raise TeacherThrottled(f"{self.model_id} could not be reached: {error}") from error
        except ClientError as error:
            raise _translated(self.model_id, error) from error


def _translated(model_id: str, error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    message = error.response["Error"].get("Message", "")
    if code in _THROTTLED:
        return TeacherThrottled(f"{model_id}: {code}: {message}")
    if code in _TIMEOUT:
        return TeacherTimeout(f"{model_id}: {code}: {message}")
    advice = _ADVICE.get(code, "see the message of the service")
    return TeacherUnavailable(f"teacher {model_id} cannot be used ({code}: {message}): {advice}")
