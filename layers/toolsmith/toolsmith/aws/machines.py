"""Starting executions so that a redelivered event starts nothing twice, and finding why one failed."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

logger = logging.getLogger(__name__)

THRESHOLD = "States.ExceedToleratedFailureThreshold"


class Machine:
    """One state machine."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self.arn = arn

    def start(self, name: str, payload: dict[str, Any]) -> bool:
        """Start an execution under a name; False when that name has run already (its event was delivered before)."""
        try:
            self._client.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(payload, sort_keys=True))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionAlreadyExists":
                return False
            raise
        return True

    def running(self) -> bool:
        """Is any execution of this machine open?"""
        found = self._client.list_executions(stateMachineArn=self.arn, statusFilter="RUNNING", maxResults=1)
        return bool(found["executions"])


def failed_item(client: Any, change: Mapping[str, Any]) -> dict[str, str] | None:
    """{"error", "cause", "map"} of the first failed item of the Distributed Map that failed an execution.

    change: the detail of a status change. None for any other failure. Step Functions tells of such an execution only
    that a threshold was exceeded; what went wrong stands in the Map's child executions. None too where they cannot be
    read: the threshold is then all that there is to tell, and that has to be told.
    """
    if change.get("error") != THRESHOLD:
        return None
    try:
        return _first_failed(client, change["executionArn"])
    except (ClientError, BotoCoreError, KeyError) as error:
        logger.warning("the items of a failed map cannot be read: %s", type(error).__name__)
        return None


def _first_failed(client: Any, execution: str) -> dict[str, str] | None:
    for run in client.list_map_runs(executionArn=execution)["mapRuns"]:
        for status in ("FAILED", "TIMED_OUT"):
            listed = client.list_executions(mapRunArn=run["mapRunArn"], statusFilter=status)["executions"]
            if listed:
                first = min(listed, key=lambda child: child["stopDate"])
                child = client.describe_execution(executionArn=first["executionArn"])
                label = run["mapRunArn"].rpartition("/")[2].partition(":")[0]
                return {"error": child.get("error") or status, "cause": child.get("cause") or "", "map": label}
    return None
