"""The statements of template.yaml with their resources as ARNs, and what they allow."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from tests.template.loading import as_list, template
from tests.workflows.stack import ACCOUNT, NAME, REGION, Stack

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k"
TEACHER = f"arn:aws:bedrock:{REGION}::foundation-model/teacher"
STUDENT = f"arn:aws:bedrock:{REGION}::foundation-model/student"
MLFLOW = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/m"
NAMED = {
    "IntakeBucket": "arn:aws:s3:::intake-bucket",
    "WorkBucket": "arn:aws:s3:::work-bucket",
    "Ledger": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/ledger",
    "Bus": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{NAME}",
    "Notices": f"arn:aws:sns:{REGION}:{ACCOUNT}:Notices",
    "NoticesKey": KEY,
    "KmsKeyArn": KEY,
    "TeacherModelArns": TEACHER,
    "MlflowArn": MLFLOW,
    "StudentModelArns": STUDENT,
}


@dataclass(frozen=True)
class Call:
    """One thing that a role does. role: logical id of the function, the machine or the role; why: where it is known
    from, for what no run here can show; context: condition keys."""

    role: str
    action: str
    resource: str
    why: str = ""
    context: dict[str, str] = field(default_factory=dict, hash=False, compare=False)


@dataclass(frozen=True)
class Grant:
    """One statement of one role; place says where it stands."""

    role: str
    place: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str], ...] = ()

    def allows(self, call: Call) -> bool:
        return (
            call.role == self.role
            and call.action in self.actions
            and any(fnmatchcase(call.resource, pattern) for pattern in self.resources)
            and all(fnmatchcase(call.context.get(key, ""), pattern) for key, pattern in self.conditions)
        )

    def lesser(self) -> Iterator["Grant"]:
        """The statement without one of its actions, or without one of its resources; nothing where it has but one."""
        for action in self.actions if len(self.actions) > 1 else ():
            yield replace(self, actions=tuple(a for a in self.actions if a != action), place=f"{self.place} - {action}")
        for resource in self.resources if len(self.resources) > 1 else ():
            left = tuple(r for r in self.resources if r != resource)
            yield replace(self, resources=left, place=f"{self.place} - {resource}")


def arn(value: Any) -> str:
    """A resource of a policy as an ARN; the key of the stack's owner stands for either key."""
    if isinstance(value, str):
        return value
    ((tag, inner),) = value.items()
    if tag == "!If":
        return arn(inner[1])
    if tag == "!Sub":
        return re.sub(r"\$\{([\w:.]+)\}", lambda found: _named(found[1]), inner)
    return _named(inner)


def _named(name: str) -> str:
    base, _, attribute = name.partition(".")
    if attribute == "Name":
        return base.removesuffix("Machine").lower()
    if base in NAMED:
        return NAMED[base]
    return str(Stack().value({"!Ref": base}))


def grants() -> list[Grant]:
    """Every statement that allows something to a role of the template."""
    found = []
    for name, resource in template()["Resources"].items():
        properties = resource.get("Properties", {})
        policies = properties.get("Policies", [])
        role = name
        if resource["Type"] == "AWS::IAM::Policy":
            policies, role = [properties], properties["Roles"][0]["!Ref"].removesuffix("Role")
        for policy in policies:
            for number, statement in enumerate(policy.get("PolicyDocument", policy)["Statement"]):
                found.append(_grant(role, f"{name}[{number}]", statement.get("!If", [None, statement])[1]))
    return found


def _grant(role: str, place: str, statement: dict[str, Any]) -> Grant:
    conditions = [pair for operator in statement.get("Condition", {}).values() for pair in operator.items()]
    where = tuple(arn(one) for one in as_list(statement["Resource"]))
    return Grant(role, place, tuple(as_list(statement["Action"])), where, tuple(conditions))


def denied(calls: list[Call], allowed: list[Grant]) -> list[Call]:
    """The calls that none of the grants allows."""
    return [call for call in calls if not any(grant.allows(call) for grant in allowed)]
