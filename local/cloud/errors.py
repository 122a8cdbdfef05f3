"""The one exception by which a service of ours answers with an AWS error."""


class ApiError(Exception):
    """An AWS error response.

    code: the error code as SDKs report it, for example "ResourceInUse".
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
