"""The three ways a thing goes wrong here: inside a state, at the API, or because somebody stopped the run."""

RUNTIME = "States.Runtime"
TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
TASK_FAILED = "States.TaskFailed"
QUERY = "States.QueryEvaluationError"
DATA_LIMIT = "States.DataLimitExceeded"
NO_CHOICE = "States.NoChoiceMatched"
EXCEED_TOLERATED = "States.ExceedToleratedFailureThreshold"
ITEM_READER_FAILED = "States.ItemReaderFailed"
RESULT_WRITER_FAILED = "States.ResultWriterFailed"
ALL = "States.ALL"


class StateError(Exception):
    """A state failed with an error name that Retry and Catch can match. `cause` is text, often JSON; `location` is
    the field whose expression failed."""

    def __init__(self, error: str | None, cause: str | None = "", location: str | None = None):
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause
        self.location = location

    def said(self) -> dict:
        """Error and cause as the details of an event: absent parts are left out."""
        return {k: v for k, v in (("error", self.error), ("cause", self.cause)) if v is not None}

    def output(self) -> dict:
        """What Catch sees as $states.errorOutput: absent parts are left out."""
        return {k: v for k, v in (("Error", self.error), ("Cause", self.cause)) if v is not None}


class Cancelled(Exception):
    """The flow was told to stop: its execution ended, a sibling failed, or the process is going down."""


class ApiError(Exception):
    """An answer of the Step Functions API that is not a success; `code` is AWS's exception name."""

    def __init__(self, code: str, message: str, status: int = 400):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def matches(names: list[str], error: str | None) -> bool:
    """Whether ErrorEquals `names` catches `error`.

    States.Runtime is never caught; States.DataLimitExceeded only by its own name. States.TaskFailed stands for
    every error but States.Timeout, and States.Timeout also stands for a missed heartbeat.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    if error == RUNTIME:
        return False
    if error in names:
        return True
    if error == DATA_LIMIT:
        return False
    if error == HEARTBEAT_TIMEOUT and TIMEOUT in names:
        return True
    return ALL in names or (TASK_FAILED in names and error not in (TIMEOUT, HEARTBEAT_TIMEOUT))
