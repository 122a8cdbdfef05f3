"""A model in Bedrock that is asked the questions of an evaluation: what passes is told from what does not."""

from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from toolsmith.errors import ModelUnavailable

_PASSES = {
    "ThrottlingException",
    "ServiceUnavailableException",
    "ModelNotReadyException",
    "ModelTimeoutException",
    "InternalServerException",
}


class AskedModel:
    """A bedrock-runtime client whose Converse raises ModelUnavailable for what a later call may get past."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def converse(self, **body: Any) -> dict[str, Any]:
        """Raises ModelUnavailable, or the client's own error for what no later call gets past."""
        try:
            return self._runtime.converse(**body)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _PASSES:
                raise
            raise ModelUnavailable(f"{body['modelId']}: {error}") from error
        except (NoConnection, HTTPClientError) as error:  # timeouts among them
            raise ModelUnavailable(f"{body['modelId']}: {error}") from error
