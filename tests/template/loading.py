"""template.yaml and the state machines as data, for the tests of this folder."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as {"!Tag": value}."""


def _tagged(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {f"!{suffix}": loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {f"!{suffix}": loader.construct_sequence(node, deep=True)}
    return {f"!{suffix}": loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _tagged)


@cache
def template(path: str = "template.yaml") -> dict[str, Any]:
    return yaml.load((ROOT / path).read_text(encoding="utf-8"), Loader=_Loader)


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Resources of one type by logical id."""
    return {name: r for name, r in template()["Resources"].items() if r["Type"] == kind}


@cache
def machines() -> dict[str, dict[str, Any]]:
    """The state machines' definitions by name."""
    files = sorted((ROOT / "statemachines").glob("*.json"))
    return {path.name.split(".")[0]: json.loads(path.read_text()) for path in files}


def states(machine: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state of a machine with its path, also inside maps and parallels."""
    for name, state in machine["States"].items():
        yield f"{path}{name}", state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"], f"{path}{name}/")
        for branch in state.get("Branches", []):
            yield from states(branch, f"{path}{name}/")


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every IAM statement of every role with the logical id of its resource."""
    for name, resource in template()["Resources"].items():
        for policy in resource.get("Properties", {}).get("Policies", []):
            document = policy.get("PolicyDocument", policy)
            for statement in document["Statement"]:
                yield name, statement.get("!If", [None, statement])[1]
        if resource["Type"] == "AWS::IAM::Policy":
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                yield name, statement


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
