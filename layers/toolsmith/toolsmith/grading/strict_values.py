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
PLAIN = ("integer", "boolean", "bool", "null")
KEPT = 256
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
    if type(name) is str:
        return _check(name, declared.get("items"), values)
    if isinstance(name, list):
        members = [item for item in name if isinstance(item, str)]
        return _any_of([_check(item, declared.get("items"), _of_type(item, values)) for item in members])
    return _check("any", None, values)


def _of_type(name: str, values: list[Any]) -> list[Any]:
    """The accepted values that one member of a union of types can have."""
    kinds = (int, float) if name in FLOATS else (TYPES.get(name, str),)
    return [value for value in values if value == "" or type(value) in kinds]


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
    for value in values:
        if value != "":
            return type(value)
    return None


def _check(name: str, items: Any, values: list[Any]) -> Check:
    expected, first = TYPES.get(name, str), _first_type(values)
    literal = first is not None and first is not expected
    if expected is str and not literal:
        return _Texts(values).__getitem__
    if name in PLAIN:
        return _plain_check(expected, first, values)
    inner = items.get("type") if isinstance(items, dict) and name in ARRAYS else None
    return _full_check(name, expected, TYPES.get(inner) if isinstance(inner, str) else None, first, values)


def _full_check(name: str, expected: type, inner: type | None, first: type | None, values: list[Any]) -> Check:
    literal = first is not None and first is not expected
    compare = _contained(values) if literal else _comparison(expected, inner, values)
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
                return OK if value in values else WRONG_VALUE
        except (TypeError, AttributeError, KeyError, IndexError, RecursionError):
            return WRONG_VALUE  # accepted values of another form than the declared type: nothing can satisfy them
        return WRONG_TYPE

    return check


def _plain_check(expected: type, first: type | None, values: list[Any]) -> Check:
    """The check of a value that is compared as it stands, of the declared type or of the accepted values' own."""

    def check(value: Any) -> str:
        kind = type(value)
        if kind is expected or kind is first:
            return OK if value in values else WRONG_VALUE
        return WRONG_TYPE

    return check


class _Texts(dict[Any, str]):
    """The verdict on every text met so far: answers to one question repeat their values.

    Anything that is no text has the wrong type; what can't be a key raises TypeError (see `Matcher.check`).
    """

    __slots__ = ("_accepted",)

    def __init__(self, values: list[Any]) -> None:
        for value in values:
            if type(value) is str:
                self[value] = OK
        self._accepted: set[str] | None = None

    def __missing__(self, value: Any) -> str:
        if type(value) is not str:
            return WRONG_TYPE
        if self._accepted is None:
            self._accepted = {standardized(known) for known, found in self.items() if found is OK}
        found = OK if standardized(value) in self._accepted else WRONG_VALUE
        if len(self) < KEPT:
            self[value] = found
        return found


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
