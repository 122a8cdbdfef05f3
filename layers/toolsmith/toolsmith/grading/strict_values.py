"""One argument against its accepted values, by BFCL's rules for types and values.

Two of its rules look odd and are kept, because verdicts must agree: types inside an array are checked one level deep,
and an accepted value of another type than the declared one (a variable's name, null) is compared as it stands.
"""

from collections.abc import Callable
from typing import Any

OK = "ok"
WRONG_TYPE = "wrong_type"
WRONG_INNER_TYPE = "wrong_inner_type"
WRONG_VALUE = "wrong_value"

Check = Callable[[Any], str]

TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "number": float,
    "boolean": bool,
    "bool": bool,
    "array": list,
    "list": list,
    "tuple": list,
    "dict": dict,
    "object": dict,
    "any": str,
    "null": type(None),
}
ARRAYS = ("array", "tuple", "list")
FLOATS = ("float", "number")
IGNORED = str.maketrans({**dict.fromkeys(" ,./-_*^", None), "'": '"'})


def standardized(text: str) -> str:
    """A string as it is compared: without blanks and ``,./-_*^``, lower case, one kind of quote."""
    return text.translate(IGNORED).lower()


def same_value(given: Any, accepted: Any) -> bool:
    """Whether two plain values are the same: strings as BFCL compares them, no bool for a number."""
    if isinstance(given, str) and isinstance(accepted, str):
        return given == accepted or standardized(given) == standardized(accepted)
    if isinstance(given, bool) is not isinstance(accepted, bool):
        return False
    return given == accepted


def check_of(declared: dict[str, Any], values: list[Any]) -> Check:
    """The check of one parameter: its schema and its accepted values become a function of the given value."""
    name = declared.get("type", "any")
    if isinstance(name, list):
        return _any_of([check_of({**declared, "type": item}, values) for item in name if isinstance(item, str)])
    if not isinstance(name, str):
        name = "any"
    items = declared.get("items")
    inner = items.get("type") if isinstance(items, dict) and name in ARRAYS else None
    return _check(name, TYPES.get(name, str), TYPES.get(inner) if isinstance(inner, str) else None, values)


def _any_of(checks: list[Check]) -> Check:
    def check(value: Any) -> str:
        found = WRONG_TYPE
        for one in checks:
            found = one(value)
            if found == OK:
                return OK
        return found

    return check


def _first_type(values: Any) -> type | None:
    return next((type(value) for value in values if value != ""), None)


def _check(name: str, expected: type, inner: type | None, values: list[Any]) -> Check:
    first = _first_type(values)
    literal = first is not None and first is not expected
    compare = _contained(values) if literal else _comparison(expected, inner, values)
    as_it_stands = _contained(values)
    widens, opens = name in FLOATS, name == "tuple"

    def check(value: Any) -> str:
        kind = type(value)
        if widens and kind is int:
            try:
                value, kind = float(value), float
            except OverflowError:
                return WRONG_TYPE
        elif opens and kind is tuple:
            value, kind = list(value), list
        try:
            if kind is expected:
                if inner is not None and not _inner_types(value, values, inner):
                    return WRONG_INNER_TYPE
                return OK if compare(value) else WRONG_VALUE
            if kind is first:
                return OK if as_it_stands(value) else WRONG_VALUE
        except (TypeError, AttributeError, KeyError, IndexError, RecursionError):
            return WRONG_VALUE  # accepted values of another form than the declared type: nothing can satisfy them
        return WRONG_TYPE

    return check


def _inner_types(value: list[Any], values: list[Any], inner: type) -> bool:
    """Whether some accepted array has items of the types given; an accepted value that is no array demands nothing."""
    for accepted in values:
        if type(accepted) is not list:
            return True
        first = _first_type(accepted)
        if all(type(item) is inner or (first is not None and type(item) is first) for item in value):
            return True
    return False


def _contained(values: list[Any]) -> Callable[[Any], bool]:
    return lambda value: value in values


def _comparison(expected: type, inner: type | None, values: list[Any]) -> Callable[[Any], bool]:
    if expected is str:
        accepted = frozenset(standardized(value) for value in values if type(value) is str)
        return lambda value: value.translate(IGNORED).lower() in accepted
    if expected is dict:
        return lambda value: any(value_fits(value, accepted) for accepted in values if accepted != "")
    if expected is list and inner is dict:
        return lambda value: any(_objects_fit(value, accepted) for accepted in values)
    if expected is list:
        return lambda value: _list_in(value, values)
    return _contained(values)


def _plain(value: Any) -> Any:
    return standardized(value) if type(value) is str else value


def _list_in(value: list[Any], values: list[Any]) -> bool:
    given = [_plain(item) for item in value]
    return any(given == [_plain(item) for item in accepted] for accepted in values)


def value_fits(value: dict[str, Any], accepted: dict[str, list[Any]]) -> bool:
    """Whether an object's keys are all known, their values accepted, and every key that is missing optional."""
    for key, item in value.items():
        if key not in accepted or _plain(item) not in [_plain(other) for other in accepted[key]]:
            return False
    return all(key in value or "" in options for key, options in accepted.items())


def _objects_fit(value: list[Any], accepted: list[Any]) -> bool:
    return len(value) == len(accepted) and all(
        other != "" and value_fits(item, other) for item, other in zip(value, accepted, strict=True)
    )
