"""What every function's entry has in common: one structured log line in, one out, with the run's or document's id."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from toolsmith.aws import meters

_IDENTITIES = ("run", "document", "key", "stage", "arm", "job")


@cache
def _logger() -> Logger:
    return Logger(service=meters.service())


@cache
def metrics() -> Metrics:
    """Counters written to the log in CloudWatch's embedded metric format; flushed after every event."""
    return Metrics(namespace=meters.NAMESPACE, service=meters.service())


def handler(use_case: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any], Any], Any]:
    """Make a Lambda entry of a function from event to result. No document text is logged; errors keep their class."""

    @wraps(use_case)
    def entry(event: dict[str, Any], context: Any) -> Any:
        logger = _logger()
        logger.append_keys(**{name: event[name] for name in _IDENTITIES if isinstance(event.get(name), str)})
        try:
            result = use_case(event)
        except Exception as error:
            logger.warning("failed", extra={"error": type(error).__name__})
            meters.failed(metrics(), error)
            raise
        finally:
            if metrics().metric_set:
                metrics().flush_metrics()
            logger.remove_keys(_IDENTITIES)
        logger.info("done")
        return result

    return entry
