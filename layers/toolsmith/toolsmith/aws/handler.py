"""What every function's entry has in common: one structured log line in, one out, with the run's or document's id."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from toolsmith.aws import meters

_IDENTITIES = ("run", "document", "key", "stage", "arm", "job", "execution")


@cache
def _logger() -> Logger:
    return Logger(service=meters.service())


@cache
def metrics() -> Metrics:
    """Counters written to the log in CloudWatch's embedded metric format; flushed after every event."""
    return Metrics(namespace=meters.NAMESPACE, service=meters.service())


def note(message: str, **identities: str) -> None:
    """One more line in the log, about what only the function itself can name. Never text of a document."""
    _logger().info(message, extra=identities)


def _identities(event: dict[str, Any]) -> dict[str, str]:
    """What an event is about; EventBridge delivers that as its detail, where Step Functions calls an execution's name
    "name"."""
    about = event
    if isinstance(event.get("detail"), dict):
        about = {"execution": event["detail"].get("name"), **event["detail"]}
    return {name: about[name] for name in _IDENTITIES if isinstance(about.get(name), str)}


def handler(use_case: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any], Any], Any]:
    """Make a Lambda entry of a function from event to result. No document text is logged; errors keep their class."""

    @wraps(use_case)
    def entry(event: dict[str, Any], context: Any) -> Any:
        logger = _logger()
        logger.append_keys(**_identities(event))
        try:
            result = use_case(event)
        except Exception as error:
            logger.warning("failed", extra={"error": type(error).__name__})
            meters.failed(metrics(), error)
            raise
        else:
            logger.info("done")
            return result
        finally:
            if metrics().metric_set:
                metrics().flush_metrics()
            logger.remove_keys(_IDENTITIES)

    return entry
