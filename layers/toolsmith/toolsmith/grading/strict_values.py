"""One argument against its accepted values, by BFCL's rules for types and values.

Two of its rules look odd and are kept, because verdicts must agree: types inside an array are checked one level deep,
and an accepted value of another type than the declared one (a variable's name, null) is compared as it stands.
"""

from typing import Any

OK = "ok"
WRONG_TYPE = "wrong_type"
WRONG_INNER_TYPE = "wrong_inner_type"
WRONG_VALUE = "wrong_value"

Accepted = tuple[type | None, list[Any], dict[str, Any]]  # what `plain_type` says, the values, the parameter's schema

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
FLOATS = ("float", "number")
IGNORED = b" ,./-_*^"
IN_ASCII = bytes.maketrans(b"'ABCDEFGHIJKLMNOPQRSTUVWXYZ", b'"abcdefghijklmnopqrstuvwxyz')
IN_UNICODE = str.maketrans("'", '"', IGNORED.decode())


def standardized(text: str) -> str:
    """A string as it is compared: without blanks and ``,./-_*^``, lower case, one kind of quote."""
    if text.isascii():  # bytes are translated several times as fast
        return text.encode().translate(IN_ASCII, IGNORED).decode()
    return text.translate(IN_UNICODE).lower()


def same_value(given: Any, accepted: Any) -> bool:
    """Whether two plain values are the same: strings as BFCL compares them, no bool for a number."""
    if isinstance(given, str) and isinstance(accepted, str):
        return given == accepted or standardized(given) == standardized(accepted)
    if isinstance(given, bool) is not isinstance(accepted, bool):
        return False
    return given == accepted


def plain_type(declared: dict[str, Any], values: list[Any]) -> type | None:
    """The type whose values are right as soon as they equal an accepted value as it stands; None where no type's are.

    Equality alone doesn't tell 1, 1.0 and true inside an array or object from each other, so of those only arrays of
    texts are plain.
    """
    name = declared.get("type", "any")
    kind = TYPES.get(name) if type(name) is str else None
    if kind is dict or (kind is list and not (_item_type(declared) is str and _hold_texts(values))):
        return None
    return kind


def _hold_texts(arrays: list[Any]) -> bool:
    return all(type(array) is list and all(type(item) is str for item in array) for array in arrays if array != "")


def compare(value: Any, values: list[Any], declared: dict[str, Any]) -> str:
    """ "ok" if a value has the type that its schema declares and is among the accepted values, or the error's code."""
    name = declared.get("type", "any")
    if type(name) is not str:
        return _compare_union(value, values, declared, name)
    expected, first, kind = TYPES.get(name, str), _first_type(values), type(value)
    if kind is int and name in FLOATS:
        try:
            value, kind = float(value), float
        except OverflowError:
            return WRONG_TYPE
    elif kind is tuple and name == "tuple":
        value, kind = list(value), list
    if kind is not expected and kind is not first:
        return WRONG_TYPE
    literal = first is not None and first is not expected
    if kind is str and not literal:
        fits = standardized(value) in [standardized(known) for known in values if type(known) is str]
        return OK if fits else WRONG_VALUE
    inner = _item_type(declared) if kind is expected is list else None
    try:
        if inner is not None and not _items_are(inner, value, values):
            return WRONG_INNER_TYPE
        fits = value in values if literal else _fits(value, values, inner)
    except (TypeError, AttributeError, KeyError, IndexError, RecursionError):
        return WRONG_VALUE  # accepted values of another form than the declared type: nothing can satisfy them
    return OK if fits else WRONG_VALUE


def _compare_union(value: Any, values: list[Any], declared: dict[str, Any], names: Any) -> str:
    """A value that may have one of several types is compared with the accepted values of each type in turn."""
    if not isinstance(names, list):
        return compare(value, values, {})
    found = WRONG_TYPE
    for name in names:
        if isinstance(name, str):
            found = compare(value, _of_type(name, values), {**declared, "type": name})
            if found is OK:
                break
    return found


def _of_type(name: str, values: list[Any]) -> list[Any]:
    """The accepted values that one member of a union of types can have."""
    kinds = (int, float) if name in FLOATS else (TYPES.get(name, str),)
    return [value for value in values if value == "" or type(value) in kinds]


def _first_type(values: Any) -> type | None:
    for value in values:
        if value != "":
            return type(value)
    return None


def _item_type(declared: dict[str, Any]) -> type | None:
    items = declared.get("items")
    name = items.get("type") if isinstance(items, dict) else None
    return TYPES.get(name) if isinstance(name, str) else None


def _items_are(inner: type, value: list[Any], values: list[Any]) -> bool:
    """Whether some accepted array has items of the types given; an accepted value that is no array demands nothing."""
    kinds = set(map(type, value))
    return any(type(accepted) is not list or kinds <= {inner, _first_type(accepted)} for accepted in values)


def _fits(value: Any, values: list[Any], inner: type | None) -> bool:
    """Whether a value of the declared type is among the accepted values, the texts inside it `standardized`."""
    if type(value) is dict:
        return any(_object_fits(value, accepted) for accepted in values if accepted != "")
    if inner is dict:
        return any(_objects_fit(value, accepted) for accepted in values)
    if type(value) is list:
        return any(value == accepted or _comparable(value) == _comparable(accepted) for accepted in values)
    return value in values


def _comparable(items: Any) -> list[Any]:
    return [standardized(item) if type(item) is str else item for item in items]


def _object_fits(value: dict[str, Any], accepted: dict[str, list[Any]]) -> bool:
    """Whether an object's keys are all known, their values accepted, and every key that is missing optional."""
    for key, item in value.items():
        if key not in accepted:
            return False
        if (standardized(item) if type(item) is str else item) not in _comparable(accepted[key]):
            return False
    return all(key in value or "" in options for key, options in accepted.items())


def _objects_fit(value: list[Any], accepted: list[Any]) -> bool:
    return len(value) == len(accepted) and all(
        other != "" and _object_fits(item, other) for item, other in zip(value, accepted, strict=True)
    )
