"""What a grader accepts for every argument of a plan."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def accepted(
    calls: Iterable[Mapping[str, Any]], canonical: Callable[[str], str | None]
) -> list[dict[str, Any]]:
    """One entry per call: {"name", "arguments": {parameter: [accepted values]}}.

    canonical: the citation canon; maps a text that is one citation to its canonical form, any other text to None.
    A citation is accepted as its canonical form (the grader maps each spelling there), other text as it stands,
    an absent source as null.
    """
    return [
        {
            "name": call["name"],
            "arguments": {key: [_value(value, canonical)] for key, value in call["arguments"].items()},
        }
        for call in calls
    ]


def _value(value: Any, canonical: Callable[[str], str | None]) -> Any:
    if not isinstance(value, str):
        return value
    return canonical(value) or value
