"""The model of a state machine definition: programs of states, read from JSON that `rules` found sound."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.states import rules
from local.states.errors import ApiError


@dataclass(frozen=True)
class State:
    """One state; `fields` is its JSON object, `branches` the programs inside it (a Map has one)."""

    name: str
    type: str
    fields: Mapping[str, Any]
    branches: tuple["Program", ...] = ()

    @property
    def next(self) -> str | None:
        return self.fields.get("Next")

    @property
    def distributed(self) -> bool:
        return self.type == "Map" and rules.is_distributed(self.fields)


@dataclass(frozen=True)
class Program:
    """A `States` block: the machine itself, a branch of a Parallel, the processor of a Map."""

    start_at: str
    states: Mapping[str, State]
    fields: Mapping[str, Any] = field(default_factory=dict)


def parse(text: str) -> Program:
    """The program of a definition. Raises ApiError InvalidDefinition with every problem found."""
    problems = rules.check(text)
    if problems:
        said = ", ".join(f"{p['code']}: {p['message']} at {p['location']}" for p in problems)
        raise ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{said}'")
    return load(json.loads(text))


def load(definition: Mapping[str, Any]) -> Program:
    """The program of a definition that was checked before."""
    states = {}
    for name, body in definition["States"].items():
        inner = body.get("Branches") or ([body["ItemProcessor"]] if "ItemProcessor" in body else [])
        states[name] = State(name, body["Type"], body, tuple(load(each) for each in inner))
    return Program(definition["StartAt"], states, definition)
