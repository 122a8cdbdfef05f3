"""Mails for people: what happened, the numbers, where to look, what to run next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_SUBJECT = 100


@dataclass(frozen=True)
class Mail:
    """subject: at most 100 ASCII characters, as SNS asks."""

    subject: str
    text: str


_TEXT = {
    "Model Registered": "{verdict}\n\nCall it at {deployment_arn}\nReport: {report}",
    "Model Deployed": "The model of {run} answers at {deployment_arn} and passed its smoke test.",
    "Gate Failed": "{run}, gate {gate}: {reason}.",
    "Training Job Failed": "Job {job} of {run} failed: {reason}",
    "Document Rejected": "{key} was set aside ({reason}): {detail}\nIt lies at {set_aside} in the intake bucket.",
    "Cost Estimated": "{run} will cost about {estimated_usd} USD (budget {budget_usd} USD) for {documents} documents.",
    "Run Failed": "{execution} of {machine} ended without its result.\n{error}: {cause}\n\nNext: {remedy}",
}


def compose(detail_type: str, detail: Mapping[str, Any], region: str) -> Mail:
    """The mail of one event; an event without a text of its own is shown as it is."""
    name = detail.get("run") or detail.get("execution") or detail.get("key") or ""
    subject = f"Toolsmith {region}: {detail_type} {name}".encode("ascii", "replace").decode()[:MAX_SUBJECT]
    text = _TEXT.get(detail_type)
    body = text.format_map(_Absent(detail)) if text else json.dumps(detail, indent=2, ensure_ascii=False)
    return Mail(subject.replace("\n", " "), body)


class _Absent(dict):
    """Shows a missing field as such instead of failing."""

    def __missing__(self, key: str) -> str:
        return f"({key} unknown)"
