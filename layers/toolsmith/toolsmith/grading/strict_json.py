"""JSON as the standard says it: no duplicate keys, no NaN or Infinity, no number beyond a double's range."""

import json
import math
from typing import Any


class BrokenJson(ValueError):
    """Text that is not strict JSON. reason: "invalid_json", "duplicate_key" or "not_a_number"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BrokenJson("duplicate_key")
    return found


def _constant(name: str) -> float:
    raise BrokenJson("not_a_number")


def _number(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise BrokenJson("not_a_number")
    return value


_scan = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_number).scan_once


def decode_at(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. Raises BrokenJson."""
    try:
        return _scan(text, start)
    except BrokenJson:
        raise
    except (ValueError, RecursionError, StopIteration):
        raise BrokenJson("invalid_json") from None


def decode(text: str) -> Any:
    """The value of a text that is one JSON value and nothing else. Raises BrokenJson."""
    stripped = text.strip()
    value, end = decode_at(stripped)
    if end != len(stripped):
        raise BrokenJson("invalid_json")
    return value
