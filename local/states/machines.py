"""The state machines themselves: create, update, describe, list, delete, tag."""

import functools
import json
import re
import uuid
from typing import Any

from local.states import asl, rules
from local.states.asl import Program
from local.states.clock import Clock
from local.states.errors import ApiError
from local.states.journal import Journal

NAME = re.compile(r"[0-9A-Za-z_-]{1,80}$")
OPTIONS = ("loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")


class Machines:
    """State machines in the journal. Replies have the shape of the AWS API, times as epoch seconds."""

    def __init__(self, journal: Journal, clock: Clock, region: str, account: str):
        self._journal = journal
        self._clock = clock
        self._base = f"arn:aws:states:{region}:{account}:stateMachine:"

    def create(self, name: str, definition: str, roleArn: str, type: str = "STANDARD", tags: Any = None,
               publish: bool = False, **options: Any) -> dict:
        """Idempotent for the same definition, type and options; else ApiError StateMachineAlreadyExists.

        ApiError InvalidName, InvalidDefinition.
        """
        if not NAME.match(name):
            raise ApiError("InvalidName", f"Invalid Name: '{name}'")
        asl.parse(definition)
        kept = {k: options[k] for k in OPTIONS if k in options}
        machine = self._journal.machine(self._base + name)
        if machine:
            same = {**machine, **kept, "definition": definition, "type": type}
            if same != machine:
                raise ApiError("StateMachineAlreadyExists", f"State Machine Already Exists: '{self._base}{name}'")
        else:
            now = self._clock.now()
            machine = {"stateMachineArn": self._base + name, "name": name, "status": "ACTIVE", "type": type,
                       "definition": definition, "roleArn": roleArn, "creationDate": now,
                       "revisionId": str(uuid.uuid4()), "tags": tags or [], **kept}
            self._journal.put_machine(machine)
        reply = {"stateMachineArn": machine["stateMachineArn"], "creationDate": machine["creationDate"]}
        return {**reply, "stateMachineVersionArn": f"{machine['stateMachineArn']}:1"} if publish else reply

    def update(self, stateMachineArn: str, definition: str | None = None, roleArn: str | None = None,
               publish: bool = False, **options: Any) -> dict:
        """Running executions stay with the definition they were started with."""
        machine = self.get(stateMachineArn)
        if definition is None and roleArn is None and not options:
            raise ApiError("MissingRequiredParameter", "Either the definition or the role ARN is required")
        if definition is not None:
            asl.parse(definition)
            machine["definition"] = definition
        machine["roleArn"] = roleArn or machine["roleArn"]
        machine.update({k: options[k] for k in OPTIONS if k in options})
        machine.update(revisionId=str(uuid.uuid4()), updateDate=self._clock.now())
        self._journal.put_machine(machine)
        reply = {"updateDate": machine["updateDate"], "revisionId": machine["revisionId"]}
        return {**reply, "stateMachineVersionArn": f"{machine['stateMachineArn']}:1"} if publish else reply

    def get(self, arn: str) -> dict:
        """The record of a machine, also by the ARN of a version or alias; ApiError StateMachineDoesNotExist."""
        parts = arn.split(":")
        if len(parts) < 7 or parts[2] != "states" or parts[5] != "stateMachine":
            raise ApiError("InvalidArn", f"Invalid Arn: '{arn}'")
        machine = self._journal.machine(":".join(parts[:7]))
        if not machine:
            raise ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return machine

    def describe(self, stateMachineArn: str, includedData: str = "ALL_DATA") -> dict:
        machine = self.get(stateMachineArn)
        hidden = {"tags", "updateDate"} | ({"definition"} if includedData == "METADATA_ONLY" else set())
        found = {k: v for k, v in machine.items() if k not in hidden}
        return {"loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
                "tracingConfiguration": {"enabled": False}, **found}

    def listed(self) -> list[dict]:
        names = ("stateMachineArn", "name", "type", "creationDate")
        return [{k: machine[k] for k in names} for machine in self._journal.machines()]

    def delete(self, stateMachineArn: str) -> dict:
        """A machine that does not exist is no error, as on AWS; its executions go on."""
        self._journal.delete_machine(stateMachineArn)
        return {}

    def tags(self, resourceArn: str) -> dict:
        return {"tags": self.get(resourceArn)["tags"]}

    def tag(self, resourceArn: str, tags: list[dict]) -> dict:
        machine = self.get(resourceArn)
        merged = {each["key"]: each["value"] for each in [*machine["tags"], *tags]}
        self._journal.put_machine({**machine, "tags": [{"key": k, "value": v} for k, v in merged.items()]})
        return {}

    def untag(self, resourceArn: str, tagKeys: list[str]) -> dict:
        machine = self.get(resourceArn)
        kept = [each for each in machine["tags"] if each["key"] not in tagKeys]
        self._journal.put_machine({**machine, "tags": kept})
        return {}


def validate(definition: str, type: str = "STANDARD", severity: str = "ERROR", maxResults: int = 100) -> dict:
    """ValidateStateMachineDefinition: {result: OK | FAIL, diagnostics, truncated}."""
    found = rules.check(definition)
    limit = maxResults or 100
    return {"result": "FAIL" if found else "OK", "diagnostics": found[:limit], "truncated": len(found) > limit}


@functools.lru_cache(64)
def program(definition: str) -> Program:
    return asl.load(json.loads(definition))
