"""Starting executions so that a redelivered event starts nothing twice."""

import json
from typing import Any

from botocore.exceptions import ClientError


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
