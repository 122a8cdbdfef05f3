"""What counts as right: a reference answer made ready for comparison."""

from typing import Any, NamedTuple

from toolsmith.grading.answer import parse_answer
from toolsmith.grading.shapes import Malformed, sample_value
from toolsmith.grading.strict_json import BrokenJson, decode


class Expected(NamedTuple):
    """One call that is expected: for each parameter the values accepted ("" among them: it may be left out)."""

    name: str
    accepted: dict[str, list[Any]]


class Reference(NamedTuple):
    """The calls and the category expected; no calls means that abstaining is right."""

    calls: tuple[Expected, ...]
    category: str | None


def read_reference(reference: Any) -> Reference | None:
    """The reference in any shape an answer may have, with `accept` where it is given; None when it is unusable.

    A string is read as JSON. Keys that are not known are ignored.
    """
    if isinstance(reference, str):
        try:
            reference = decode(reference)
        except BrokenJson:
            return None
    if not isinstance(reference, (dict, list)) or not reference:
        return None
    accept = reference.get("accept") if isinstance(reference, dict) else None
    if accept:
        expected = read_accept(accept)
        return None if expected is None else Reference(expected, _category(reference))
    answer = parse_answer(reference)
    if answer.reason != "ok":
        return None
    calls = [Expected(name, {key: [value] for key, value in given.items()}) for name, given in answer.calls]
    return Reference(tuple(calls), answer.category)


def _category(reference: dict[str, Any]) -> str | None:
    category = reference.get("category", reference.get("Type"))
    return category if isinstance(category, str) else parse_answer(reference).category


def read_accept(accept: Any) -> tuple[Expected, ...] | None:
    """Accepted calls: `[{"name", "arguments": {parameter: [values]}}]`, the sample's `Tool`/`Parameters`, or BFCL's
    `[{function: {parameter: [values]}}]`. None when it is something else.
    """
    if not isinstance(accept, list):
        return None
    try:
        expected = [_expected(item) for item in accept]
    except (ValueError, TypeError, AttributeError):
        return None
    return tuple(expected)


def _expected(item: dict[str, Any]) -> Expected:
    if "name" in item:
        name, accepted = item["name"], item.get("arguments", {})
    elif "Tool" in item:
        name, accepted = item["Tool"], {key: _sample_values(given) for key, given in item.get("Parameters", {}).items()}
    else:
        (name, accepted), *_ = item.items()
    if not isinstance(name, str):
        raise Malformed("invalid_reference")
    for values in accepted.values():
        if not isinstance(values, list):
            raise Malformed("invalid_reference")
    return Expected(name, accepted)


def _sample_values(given: Any) -> list[Any]:
    """The sample's accepted values: a list, or `{"cite": [...]}`."""
    values = given.get("cite", []) if isinstance(given, dict) else given
    return [sample_value(value) for value in (values if isinstance(values, list) else [values])]
