"""Every error a state machine can catch. The class names are the ErrorEquals of the state machines."""


class ToolsmithError(Exception):
    """Base of all errors of this package; the message tells people what to do."""


class InvalidInput(ToolsmithError):
    """What a person gave is wrong: names the file, the line or key, and the remedy."""


class RecipeNotFound(ToolsmithError):
    """A recipe or data file that should ship with the package is missing."""


class DocumentRejected(ToolsmithError):
    """A dropped file that cannot become a document; it is set aside with its reason.

    reason: short machine-readable code, for example "empty", "truncated", "not_a_document".
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class TeacherThrottled(ToolsmithError):
    """The teacher is out of quota for the moment; worth a retry with backoff."""


class TeacherTimeout(ToolsmithError):
    """The teacher took too long; deterministic for a given chunk, so retried once at most."""


class ModelUnavailable(ToolsmithError):
    """A model that is asked for an evaluation is throttled, not ready, or does not answer in time; that passes."""


class TeacherUnavailable(ToolsmithError):
    """The teacher cannot be used at all (no access, end of life, wrong region): a person must act."""


class LedgerUnbalanced(ToolsmithError):
    """The outcomes of a document's chunks do not sum to its chunks."""


class DatasetTooSmall(ToolsmithError):
    """Not enough verified examples for the run that was asked for."""


class DatasetLeaks(ToolsmithError):
    """An example, or a near copy of one, stands in more than one split."""


class RecipeInvalid(ToolsmithError):
    """A recipe that would waste money or be refused; names the key and the fix."""


class PreflightFailed(ToolsmithError):
    """A check before the first paid job failed."""


class BudgetExceeded(ToolsmithError):
    """What the run has spent and is about to spend is above its budget."""


class PriceUnknown(ToolsmithError):
    """A job of the run has no price, so no budget can hold it, and nobody has accepted that."""


class CapacityUnavailable(ToolsmithError):
    """The training service had no capacity or quota for the job."""


class TrainingDiverged(ToolsmithError):
    """The training job ended with a loss or reward that is not finite."""


class JobFailed(ToolsmithError):
    """A training or evaluation job failed for a reason that a retry would meet again."""


class ArtefactMissing(ToolsmithError):
    """A job that says Completed left no usable manifest or results."""


class SmokeTestFailed(ToolsmithError):
    """The deployed model did not answer the smoke test."""


class NothingDeployed(ToolsmithError):
    """No run has deployed a model yet."""


class EventRefused(ToolsmithError):
    """The bus did not take an event, however often it was sent; the function that sent it is called again."""
