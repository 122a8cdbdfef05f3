"""The seam to the state-machine interpreter: the `states` API, EventBridge targets, CloudFormation, events.

The interpreter is an object with handle(action, payload) -> dict (its errors carry `code` and
`message`), resume() and close(). It reaches other services only through the client factory given to it,
under the role of the machine.
"""

import importlib
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from local.cloud import emulator
from local.cloud.identity import Identities
from local.cloud.settings import ACCOUNT, REGION, Settings

logger = logging.getLogger("local.cloud.states")

PRINCIPAL = "states.amazonaws.com"
_PASSING = ("CreateStateMachine", "UpdateStateMachine")
_PAYLOAD_CAP = 248 * 1024  # an event holds 256 KiB; longer inputs and outputs are left out
_DELIVERIES = 3


def interpreter(settings: Settings, client: Callable, on_status: Callable):
    """The project's own interpreter, with its journal in the data folder.

    client(service, role ARN) -> SDK client; on_status(execution) hears of every change of an execution.
    """
    from local.states.clock import Clock
    from local.states.engine import Engine

    journal = settings.data / "states" / "journal.sqlite"
    return Engine(journal, client, on_status, region=REGION, account=ACCOUNT, clock=Clock(settings.waits))


class StateMachines:
    """handle(action, params) answers the API."""

    def __init__(self, settings: Settings, identities: Identities, heard: Callable[[dict], None]) -> None:
        """heard(execution) is told of every change of an execution, as DescribeExecution answers it."""
        self._identities = identities
        self._heard = heard
        module, _, factory = settings.states.partition(":")
        make = getattr(importlib.import_module(module), factory)
        self._engine = make(settings, self._client, self._status_changed)

    def _client(self, service: str, role_arn: str | None = None):
        return self._identities.client(service, role_arn, "states")

    def handle(self, action: str, params: dict) -> dict:
        """Answer one call; errors carry `code` and `message`."""
        return self._engine.handle(action, params)

    def passes(self, action: str, params: dict) -> list[tuple[str, str]]:
        return [(params["roleArn"], PRINCIPAL)] if action in _PASSING and params.get("roleArn") else []

    def resume(self) -> None:
        self._engine.resume()

    def close(self) -> None:
        close = getattr(self._engine, "close", None)
        if close:
            close()

    # -- EventBridge --------------------------------------------------------------------------------

    def start_from_event(self, arn: str, payload: str, target: dict) -> None:
        """Start a machine for a rule, under the target's role; what can't be started goes to its queue."""
        threading.Thread(target=self._deliver, args=(arn, payload, target), daemon=True).start()

    def _deliver(self, arn: str, payload: str, target: dict) -> None:
        client = self._identities.client("stepfunctions", target.get("RoleArn"), "events")
        attempts = target.get("RetryPolicy", {}).get("MaximumRetryAttempts", _DELIVERIES)
        for attempt in range(attempts + 1):
            try:
                client.start_execution(stateMachineArn=arn, input=payload)
                return
            except (ClientError, BotoCoreError) as error:
                failure = error
                denied = isinstance(error, ClientError) and error.response["Error"]["Code"] != "ThrottlingException"
                if denied:
                    break
                time.sleep(min(2**attempt, 10))
        logger.error("rule target %s could not be started: %s", arn, failure)
        queue = target.get("DeadLetterConfig", {}).get("Arn")
        if queue:
            self._bury(queue, arn, payload, target, failure)

    def _bury(self, queue: str, arn: str, payload: str, target: dict, failure: Exception) -> None:
        code = failure.response["Error"]["Code"] if isinstance(failure, ClientError) else type(failure).__name__
        facts = {
            "ERROR_CODE": code,
            "ERROR_MESSAGE": str(failure),
            "TARGET_ARN": arn,
            "RULE_ARN": target.get("Id"),
        }
        attributes = {key: {"DataType": "String", "StringValue": str(value)} for key, value in facts.items() if value}
        sqs = self._identities.client("sqs")
        url = sqs.get_queue_url(QueueName=queue.rpartition(":")[2])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=payload, MessageAttributes=attributes)

    def _status_changed(self, execution: dict) -> None:
        """Announce an execution's new status on the default bus.

        execution: as DescribeExecution answers it, times in seconds.
        """
        text = json.dumps(_status_detail(execution))
        emulator.emit("aws.states", "Step Functions Execution Status Change", text, [execution["executionArn"]])
        self._heard(execution)

    # -- CloudFormation: AWS::StepFunctions::StateMachine ---------------------------------------------

    def created(self, logical_id: str, props: dict, stack: str) -> tuple[str, dict]:
        name = props.get("StateMachineName") or f"{stack}-{logical_id}-{uuid.uuid4().hex[:12]}"[-80:].lstrip("-")
        tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in props.get("Tags", [])]
        kind = props.get("StateMachineType", "STANDARD")
        machine = {"name": name, "type": kind, "tags": tags, **_machine(props)}
        arn = self._asked("CreateStateMachine", machine)["stateMachineArn"]
        return arn, {"Arn": arn, "Name": name, "StateMachineRevisionId": "1"}

    def updated(self, arn: str, old: dict, new: dict, stack: str, logical_id: str | None = None):
        """Update in place; another name or type makes another machine."""
        replaced = ("StateMachineName", "StateMachineType")
        if any(old.get(key) != new.get(key) for key in replaced):
            return self.created(logical_id or arn, new, stack)
        answer = self._asked("UpdateStateMachine", {"stateMachineArn": arn, **_machine(new)})
        revision = answer.get("revisionId", uuid.uuid4().hex)
        return arn, {"Arn": arn, "Name": arn.rpartition(":")[2], "StateMachineRevisionId": revision}

    def deleted(self, arn: str, props: dict) -> None:
        self._asked("DeleteStateMachine", {"stateMachineArn": arn})

    def _asked(self, action: str, params: dict) -> dict:
        try:
            return self._engine.handle(action, params)
        except Exception as error:
            code = getattr(error, "code", type(error).__name__)
            raise ValueError(
                f'Resource handler returned message: "{getattr(error, "message", error)}" ({code})'
            ) from error


def _machine(props: dict) -> dict:
    """Members of CreateStateMachine from a resource's properties."""
    machine = {"definition": definition(props), "roleArn": props["RoleArn"]}
    logging_ = props.get("LoggingConfiguration")
    if logging_:
        destinations = [
            {"cloudWatchLogsLogGroup": {"logGroupArn": d["CloudWatchLogsLogGroup"]["LogGroupArn"]}}
            for d in logging_.get("Destinations", [])
        ]
        included = str(logging_.get("IncludeExecutionData", "false")).lower() == "true"
        machine["loggingConfiguration"] = {
            "level": logging_.get("Level", "OFF"), "includeExecutionData": included, "destinations": destinations,
        }  # fmt: skip
    tracing = props.get("TracingConfiguration")
    if tracing:
        machine["tracingConfiguration"] = {"enabled": str(tracing.get("Enabled", "false")).lower() == "true"}
    return machine


def definition(props: dict) -> str:
    """The definition with its substitutions. Raises ValueError when one is missing."""
    if props.get("DefinitionS3Location"):
        place = props["DefinitionS3Location"]
        text = emulator.object_text(place["Bucket"], place["Key"], place.get("Version"))
    elif props.get("Definition") is not None:
        text = json.dumps(props["Definition"])
    else:
        text = props.get("DefinitionString", "")
        text = json.dumps(text) if isinstance(text, dict) else text
    for key, value in (props.get("DefinitionSubstitutions") or {}).items():
        text = text.replace("${" + key + "}", str(value))
    left = sorted(set(re.findall(r"\$\{([A-Za-z0-9_]+)\}", text)))
    if left:
        raise ValueError(f"the state machine definition has no DefinitionSubstitutions for {', '.join(left)}")
    return text


def _status_detail(execution: dict) -> dict:
    """The event's detail as the Step Functions developer guide documents it; long data is left out."""
    members = ("executionArn", "stateMachineArn", "name", "status", "error", "cause", "stateMachineVersionArn",
               "stateMachineAliasArn", "redriveCount", "redriveStatus", "redriveStatusReason")  # fmt: skip
    detail = {member: execution.get(member) for member in members}
    for moment in ("startDate", "stopDate", "redriveDate"):
        seconds = execution.get(moment)
        detail[moment] = None if seconds is None else round(seconds * 1000)
    for part in ("input", "output"):
        text = execution.get(part)
        included = text is None or len(text) <= _PAYLOAD_CAP
        detail[part] = text if included else None
        detail[f"{part}Details"] = {"included": included} if text is not None else None
    return detail
