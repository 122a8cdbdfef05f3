"""Enough and no more: every call is granted, and every grant, action and resource is needed by some call.

The calls are those of recorded runs (calls.json, by `python -m tests.security.record`) and of tabled.py.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.security import policies
from tests.security.policies import Call, Grant, denied, grants
from tests.security.record import corpus_of, played, recorded
from tests.security.recorder import recording
from tests.security.tabled import REFUSED, TABLED
from tests.template import loading, test_machines, test_template
from tests.workflows.test_redrive import SCENARIOS

GRANTS = grants()
CALLS = [*recorded(), *TABLED]


def of(role: str) -> list[Call]:
    return [call for call in CALLS if call.role == role]


def test_every_call_is_granted():
    assert denied(CALLS, GRANTS) == []


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.place)
def test_no_statement_can_be_taken_away(grant):
    """Nor any of its actions, nor any of its resources."""
    others = [one for one in GRANTS if one is not grant]
    assert denied(of(grant.role), others), f"nothing needs {grant.place}"
    needless = [less.place for less in grant.lesser() if not denied(of(grant.role), [*others, less])]
    assert needless == []


@pytest.mark.parametrize("grant", [grant for grant in GRANTS if grant.conditions], ids=lambda grant: grant.place)
def test_no_condition_can_be_taken_away(grant):
    assert denied(REFUSED, GRANTS) == REFUSED
    for condition in grant.conditions:
        loose = replace(grant, conditions=tuple(one for one in grant.conditions if one != condition))
        assert any(loose.allows(call) for call in REFUSED), f"nothing needs {condition[0]} of {grant.place}"


def test_a_grant_too_many_would_be_noticed():
    wide = Grant("GateFunction", "GateFunction[+]", ("s3:ListBucket",), ("arn:aws:s3:::work-bucket",))
    assert not denied(of("GateFunction"), [one for one in [*GRANTS, wide] if one is not wide])


def test_every_role_is_played_by_something():
    assert {grant.role for grant in GRANTS} == {call.role for call in CALLS}


def test_the_recorded_calls_are_those_of_the_code():
    """A part of the scenarios again; all of them take a minute, which tests/security/record.py does."""
    with recording() as (attach, noted):
        made = corpus_of(attach, 1)
        for scenario in SCENARIOS:
            if scenario.label in ("crawl: bad request", "ingest: no document"):
                played(scenario, made, attach)
    known = set(recorded())
    assert {call for call in noted if call not in known} == set(), "run python -m tests.security.record"
    assert {"StartFunction", "ParseFunction", "TeachFunction", "SettleFunction", "IngestMachine"} <= {
        call.role for call in noted
    }


Path = tuple[str | int, ...]  # to a part of the template below its Resources


def parts_of_resource_policies() -> Iterator[Path]:
    """Every statement of a policy that stands at a resource and of every role's trust, each key of their conditions,
    and every permission of a function with what it is bound to."""
    for name, resource in loading.template()["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Lambda::Permission":
            yield (name,)
            yield from ((name, "Properties", key) for key in ("SourceArn", "SourceAccount"))
        for document in ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy"):
            if document in properties and resource["Type"] != "AWS::IAM::Policy":
                for number, statement in enumerate(properties[document]["Statement"]):
                    place = (name, "Properties", document, "Statement", number)
                    yield place
                    for operator, keys in statement.get("Condition", {}).items():
                        yield from ((*place, "Condition", operator, key) for key in keys)


# Statements without which CloudFormation or the service itself refuses the resource or the job.
REFUSED_BY_AWS = {
    ("NoticesKey", 0): "a key that its account cannot administer is refused by KMS",
    **dict.fromkeys((("BatchRole", 0), ("TrainingRole", 0), ("ImportRole", 0), ("CustomizationRole", 0)),
                    "a role without a trust statement is no valid role"),
}  # fmt: skip


@pytest.mark.parametrize("path", parts_of_resource_policies(), ids=lambda path: "-".join(map(str, path)))
def test_a_part_of_a_resource_policy_is_missed_by_a_rule_of_the_template(monkeypatch, path):
    if (path[0], path[-1]) in REFUSED_BY_AWS:
        return
    broken = copy.deepcopy(loading.template())
    _delete(broken["Resources"], path)
    monkeypatch.setattr(loading, "template", lambda path="template.yaml": broken)
    for module in (test_template, test_machines, policies):
        if hasattr(module, "template"):
            monkeypatch.setattr(module, "template", lambda path="template.yaml": broken)
    checks = [value for label, value in vars(test_template).items()
              if label.startswith("test_") and not getattr(value, "pytestmark", None)
              and not value.__code__.co_argcount]  # fmt: skip
    assert any(_fails(check) for check in checks), f"no rule misses {path}"


def _delete(tree: Any, path: Path) -> None:
    for key in path[:-1]:
        tree = tree[key]
    del tree[path[-1]]


def _fails(check) -> bool:
    try:
        check()
    except (AssertionError, LookupError, ValueError, TypeError):
        return True
    return False
