"""JSONata as Step Functions speaks it: `{% ... %}` strings, $states, variables and six extra functions.

https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

import hashlib
import json
import math
import random
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.utils import Utils

from local.states.errors import QUERY, StateError

MAX_RANGE = 1000
HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}

_free: dict[str, list[Jsonata]] = {}
_lock = threading.Lock()


def is_expression(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def syntax_error(value: str) -> str | None:
    """What is wrong with the expression string `{% ... %}`, or None."""
    try:
        _release(value, _acquire(value))
    except (JException, ValueError, IndexError, TypeError, AttributeError) as error:
        return str(error) or type(error).__name__
    return None


def evaluate(template: Any, bindings: Mapping[str, Any], field: str) -> Any:
    """`template` with every expression string in it replaced by its value; the rest as it stands.

    `bindings` maps variable names (without $) to JSON values. Raises StateError States.QueryEvaluationError that
    names `field` and the expression when it fails or yields nothing.
    """
    if is_expression(template):
        return _expression(template, bindings, field)
    if isinstance(template, dict):
        return {key: evaluate(value, bindings, f"{field}/{key}") for key, value in template.items()}
    if isinstance(template, list):
        return [evaluate(value, bindings, f"{field}[{n}]") for n, value in enumerate(template)]
    return template


def _expression(text: str, bindings: Mapping[str, Any], field: str) -> Any:
    said = f"The JSONata expression '{text[2:-2].strip()}' specified for the field '{field}'"
    try:
        program = _acquire(text)
        Jsonata.CURRENT.jsonata = program  # $now and higher-order functions look here
        value = program.evaluate(None, {k: Utils.NULL_VALUE if v is None else v for k, v in bindings.items()})
        _release(text, program)
    except RecursionError:
        raise StateError(QUERY, f"{said} recursed too deeply.", field) from None
    except Exception as error:  # noqa: BLE001 - the library raises many kinds
        raise StateError(QUERY, f"{said} threw an error: {error}", field) from error
    if value is None:
        raise StateError(QUERY, f"{said} returned nothing (undefined).", field)
    return _plain(value, said)


def _plain(value: Any, said: str) -> Any:
    """A JSON value of plain Python types; the library's own null, list and number types are gone."""
    if value is Utils.NULL_VALUE or value is None:
        return None
    if isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise StateError(QUERY, f"{said} returned a number out of range.")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, dict):
        return {key: _plain(item, said) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, said) for item in value]
    if isinstance(value, range) or type(value).__name__ == "RangeList":
        return [_plain(item, said) for item in value]
    raise StateError(QUERY, f"{said} returned a value that is not JSON: {type(value).__name__}.")


def _acquire(text: str) -> Jsonata:
    """A compiled program nobody else is running: the library keeps state in it while it evaluates."""
    with _lock:
        pool = _free.get(text)
        if pool:
            return pool.pop()
    program = Jsonata(text[2:-2].strip())
    program.set_output_convert_nulls(False)
    for name, function in FUNCTIONS.items():
        program.register_lambda(name, function)
    return program


def _release(text: str, program: Jsonata) -> None:
    with _lock:
        pool = _free.setdefault(text, [])
        if len(pool) < 32 and len(_free) < 4096:
            pool.append(program)


def _partition(values: Any, size: Any) -> Any:
    if values is None:
        return None
    if not isinstance(size, int | float) or size < 1 or int(size) != size:
        raise ValueError("$partition: the size must be a positive whole number")
    values = values if isinstance(values, list) else [values]
    step = int(size)
    return [list(values[n:n + step]) for n in range(0, len(values), step)]


def _range(first: Any, last: Any, step: Any) -> list:
    """Both ends included, as Step Functions documents it."""
    if not step:
        raise ValueError("$range: the step must not be zero")
    count = math.floor((last - first) / step) + 1
    if count > MAX_RANGE:
        raise ValueError(f"$range: at most {MAX_RANGE} numbers")
    return [first + n * step for n in range(max(0, count))]


def _hash(value: Any, algorithm: Any) -> str:
    if algorithm not in HASHES:
        raise ValueError(f"$hash: the algorithm must be one of {', '.join(HASHES)}")
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return hashlib.new(HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _random(seed: Any = None) -> float:
    return random.Random(seed).random() if seed is not None else random.random()


def _parse(text: Any) -> Any:
    if text is None:
        return None
    value = json.loads(text)
    return Utils.NULL_VALUE if value is None else value


def _no_eval(*_: Any) -> None:
    raise ValueError("$eval is not supported by Step Functions; use $parse")


FUNCTIONS = {
    "partition": _partition, "range": _range, "hash": _hash, "random": _random, "parse": _parse,
    "uuid": lambda: str(uuid.uuid4()), "eval": _no_eval,
}
