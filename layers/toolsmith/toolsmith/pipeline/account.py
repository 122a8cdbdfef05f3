"""What must be true of the account before a run may cost anything: quota, models that live, roles that are trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from toolsmith.customization import Profile
from toolsmith.errors import PreflightFailed
from toolsmith.pipeline.places import INSTANCES

EMBEDDED = "toolsmith."
GEOGRAPHIES = frozenset({"us", "us-gov", "eu", "apac", "jp", "au", "ca", "sa", "global"})
BESIDE = ("sft", "evaluate", "evaluate")  # the phase that wants most instances at once


class Account(Protocol):
    """What is asked of the account; toolsmith.aws.account fits."""

    def quota(self, name: str) -> float | None: ...
    def lifecycle(self, model_id: str) -> str | None: ...
    def access(self, model_id: str) -> dict[str, str]: ...
    def trusted(self, role_arn: str) -> set[str]: ...


@dataclass(frozen=True)
class Question:
    """What a run needs. teacher: a model's id; roles: role ARN -> the service that must be able to take it; on: where
    jobs are done, for only instances have quotas."""

    profile: Profile
    teacher: str
    roles: Mapping[str, str]
    region: str
    on: str = INSTANCES


def check(account: Account, asked: Question) -> dict[str, Any]:
    """{"checked": [...], "warnings": [...]} or {"skipped": why}. Raises PreflightFailed: all faults with remedies."""
    if asked.profile.base_model_id.startswith(EMBEDDED):
        return {"skipped": f"student {asked.profile.name} is embedded: it needs no quota and no model of the account"}
    faults: list[str] = []
    warnings: list[str] = []
    checked = [
        *(_quotas(account, asked, faults, warnings) if asked.on == INSTANCES else []),
        *_models(account, asked, faults, warnings),
        *_roles(account, asked, faults),
    ]
    if faults:
        raise PreflightFailed("; ".join(faults))
    return {"checked": checked, "warnings": warnings}


def quota_name(instance_type: str) -> str:
    """The name that Service Quotas gives the quota of training jobs on an instance type."""
    return f"{instance_type} for training job usage"


def _quotas(account: Account, asked: Question, faults: list[str], warnings: list[str]) -> list[str]:
    stages = [asked.profile.stage(stage) for stage in ("sft", "rft", "evaluate")]
    console = f"https://{asked.region}.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
    checked = []
    for kind in sorted({stage["instance_type"] for stage in stages}):
        least = max(stage["instance_count"] for stage in stages if stage["instance_type"] == kind)
        beside = [asked.profile.stage(stage) for stage in BESIDE]
        wanted = sum(stage["instance_count"] for stage in beside if stage["instance_type"] == kind)
        held = account.quota(quota_name(kind))
        if held is None or held < least:
            faults.append(
                f'the quota "{quota_name(kind)}" is {"not granted" if held is None else f"{held:g}"}, a job needs '
                f"{least}: ask for {wanted} at {console}, then redrive the run"
            )
        elif held < wanted:
            warnings.append(f'the quota "{quota_name(kind)}" is {held:g}; {wanted} would let jobs run side by side')
        checked.append(f"{quota_name(kind)}: {held}")
    return checked


def bare_id(model_id: str) -> str | None:
    """The foundation model behind an id, ARN or system inference profile; None where the name does not tell."""
    name = model_id.rpartition("/")[2]
    if any(mark in model_id for mark in (":application-inference-profile/", ":provisioned-model/", "://")):
        return None
    geography, _, rest = name.partition(".")
    return rest if geography in GEOGRAPHIES else name


def _models(account: Account, asked: Question, faults: list[str], warnings: list[str]) -> list[str]:
    checked = []
    for role, given in (("teacher", asked.teacher), ("student", asked.profile.base_model_id)):
        model = bare_id(given)
        if given.startswith(EMBEDDED) or model is None:
            warnings.append(f"{role} {given} does not name a foundation model; its lifecycle was not read")
            continue
        status = account.lifecycle(model)
        remedy = "set the stack's parameter Teacher" if role == "teacher" else "set the stack's parameter Student"
        if status is None:
            faults.append(f"{role} {given} is unknown in {asked.region} or has reached its end of life: {remedy}")
        elif status != "ACTIVE":
            faults.append(f"{role} {given} is {status} and will be switched off: {remedy} to one that is ACTIVE")
        elif role == "teacher":
            faults += [_denied(given, what, said) for what, said in account.access(model).items()]
        checked.append(f"{role} {given}: {status}")
    return checked


def _denied(model: str, what: str, said: str) -> str:
    return f"teacher {model}: {what} is {said}; ask for access to the model in the console of Bedrock (Model access)"


def _roles(account: Account, asked: Question, faults: list[str]) -> list[str]:
    checked = []
    for arn, service in asked.roles.items():
        if service not in account.trusted(arn):
            faults.append(f"role {arn} does not trust {service}; deploy the stack again to restore it")
        checked.append(f"{arn}: trusts {service}")
    return checked
