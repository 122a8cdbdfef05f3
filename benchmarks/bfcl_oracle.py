"""BFCL's own checker and data (PyPI `bfcl-eval`, Apache-2.0), as an oracle for our strict verdict.

Its import chain pulls every provider's SDK, so the package is installed without dependencies and the modules that the
checker doesn't need are replaced by empty ones:

    pip install --no-deps --target .venv-bfcl bfcl-eval==2026.3.23
"""

import ast
import copy
import importlib
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CATEGORIES = (
    "simple_python", "multiple", "parallel", "parallel_multiple",
    "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple",
)  # fmt: skip
INSTALL = "pip install --no-deps --target .venv-bfcl bfcl-eval==2026.3.23"

DECODING = ("ast_parse", "resolve_ast_call", "resolve_ast_by_type", "default_decode_ast_prompting")


class Entry(NamedTuple):
    """One question of BFCL: its functions and the accepted calls, in BFCL's form and in ours."""

    identity: str
    category: str
    tools: list[dict[str, Any]]
    truth: list[dict[str, dict[str, list[Any]]]]
    accept: list[dict[str, Any]]


def folder() -> Path | None:
    """Where `bfcl_eval` lies; None when it is not installed."""
    places = [ROOT / ".venv-bfcl", *ROOT.glob(".venv-bfcl/lib/python*/site-packages")]
    return next((place for place in places if (place / "bfcl_eval" / "data").is_dir()), None)


def entries(place: Path) -> Iterator[Entry]:
    """Every question of the Python categories."""
    data = place / "bfcl_eval" / "data"
    for category in CATEGORIES:
        truths = {row["id"]: row["ground_truth"] for row in _rows(data / f"possible_answer/BFCL_v4_{category}.json")}
        for row in _rows(data / f"BFCL_v4_{category}.json"):
            truth = truths[row["id"]]
            accept = [{"name": name, "arguments": given} for call in truth for name, given in call.items()]
            yield Entry(row["id"], category, row["function"], truth, accept)


def _rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def load_checker(place: Path) -> Callable[..., bool | None]:
    """BFCL's verdict as a function (entry, calls in its own form, dots_allowed) -> valid; None where it raises."""
    sys.path.insert(0, str(place))
    modes = {name: SimpleNamespace(underscore_to_dot=name == "underscores") for name in ("dots", "underscores")}
    converters = "bfcl_eval.eval_checker.ast_eval.type_convertor"
    _stub("bfcl_eval.constants.model_config", MODEL_CONFIG_MAPPING=modes)
    _stub(f"{converters}.java_type_converter", java_type_converter=None)
    _stub(f"{converters}.js_type_converter", js_type_converter=None)
    checker = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker")
    language = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON

    def valid(entry: Entry, calls: list[dict[str, Any]], dots_allowed: bool = True) -> bool | None:
        model = "dots" if dots_allowed else "underscores"
        try:
            return checker.ast_checker(entry.tools, calls, entry.truth, language, entry.category, model)["valid"]
        except (TypeError, AttributeError, KeyError, IndexError):
            return None

    return valid


def load_decoder(place: Path) -> Callable[[str], list[dict[str, Any]] | None]:
    """BFCL's own reading of a text in Python call syntax; None where it fails. Its module imports every provider's SDK,
    so the few functions that read are taken out of it.
    """
    formats = importlib.import_module("bfcl_eval.constants.enums").ReturnFormat
    module = ast.parse((place / "bfcl_eval" / "model_handler" / "utils.py").read_text(encoding="utf-8"))
    module.body = [part for part in module.body if isinstance(part, ast.FunctionDef) and part.name in DECODING]
    held: dict[str, Any] = {"ast": ast, "re": re, "ReturnFormat": formats}
    exec(compile(module, "bfcl_eval", "exec"), held)  # noqa: S102 - the pinned package's own functions

    def read(text: str) -> list[dict[str, Any]] | None:
        try:
            calls = held["default_decode_ast_prompting"](text)
        except Exception:
            return None
        plain = all(isinstance(call, dict) and len(call) == 1 for call in calls)
        return calls if plain and all(isinstance(given, dict) for call in calls for given in call.values()) else None

    return read


def own_form(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls as BFCL's checker takes them: {name: arguments}."""
    return [{call["name"]: call["arguments"]} for call in calls]


def _stub(name: str, **members: Any) -> None:
    module = ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


Calls = list[dict[str, Any]]


def right_answer(entry: Entry, optional: bool = False) -> Calls:
    """An answer made of the first accepted values; `optional`: parameters that may be left out are given."""
    return [
        {"name": call["name"], "arguments": _arguments(call["arguments"], optional)} for call in entry.accept
    ]


def _arguments(accepted: dict[str, list[Any]], optional: bool) -> dict[str, Any]:
    given = {}
    for name, values in accepted.items():
        filled = [value for value in values if value != ""]
        if filled and (optional or "" not in values):
            given[name] = _plain(filled[0])
    return given


def _plain(value: Any) -> Any:
    """An accepted value as an answer would give it: objects hold lists of accepted values in BFCL's truth."""
    if isinstance(value, dict):
        return _arguments(value, optional=True) if all(isinstance(v, list) for v in value.values()) else value
    return [_plain(item) for item in value] if isinstance(value, list) else value


def mutations(entry: Entry, seed: int) -> Iterator[tuple[str, Calls]]:
    """Named variants of the right answer; some are still right (order, case, punctuation, optional parameters)."""
    dice = random.Random(f"{seed}:{entry.identity}")
    base = right_answer(entry)
    yield "right", base
    yield "optional_given", right_answer(entry, optional=True)
    yield "no_calls", []
    yield "call_dropped", base[1:]
    yield "call_duplicated", [*base, copy.deepcopy(base[-1])]
    yield "call_added", [*base, {"name": "another_tool", "arguments": {"x": 1}}]
    yield "reversed", base[::-1]
    yield "argument_added", _edit(base, dice, lambda given, key: given.update({"unheard_of": "x"}))
    yield "argument_dropped", _edit(base, dice, lambda given, key: given.pop(key, None))
    yield "argument_emptied", _set(base, dice, lambda value: type(value)() if value is not None else "")
    yield "argument_null", _set(base, dice, lambda value: None)
    yield "wrong_value", _set(base, dice, _wrong)
    yield "retyped", _set(base, dice, _retyped)
    yield "shouted", _set(base, dice, _shouted)
    yield "quoted", _set(base, dice, lambda value: value.replace('"', "'") if isinstance(value, str) else value)
    yield "widened", _set(base, dice, lambda value: float(value) if type(value) is int else value)
    yield "narrowed", _set(base, dice, _narrowed)
    yield "tupled", _set(base, dice, lambda value: tuple(value) if isinstance(value, list) else value)
    yield "boolean_as_number", _set(base, dice, lambda value: int(value) if isinstance(value, bool) else value)
    yield "entry_dropped", _set(base, dice, _entry_dropped)
    yield "shuffled_inside", _set(base, dice, lambda value: value[::-1] if isinstance(value, list) else value)
    yield "underscored", [{**call, "name": call["name"].replace(".", "_")} for call in base]
    yield "misnamed", [{**call, "name": call["name"].upper() + "_"} for call in base]
    yield "swapped_values", _swap(base, dice)
    yield "wrong_inside", _set(base, dice, _wrong_inside)


def _edit(base: Calls, dice: random.Random, change: Callable[[dict[str, Any], Any], Any]) -> Calls:
    calls = copy.deepcopy(base)
    given = dice.choice(calls)["arguments"]
    change(given, dice.choice(sorted(given)) if given else None)
    return calls


def _set(base: Calls, dice: random.Random, change: Callable[[Any], Any]) -> Calls:
    def apply(given: dict[str, Any], key: Any) -> None:
        if key is not None:
            given[key] = change(given[key])

    return _edit(base, dice, apply)


def _swap(base: Calls, dice: random.Random) -> Calls:
    def apply(given: dict[str, Any], key: Any) -> None:
        if len(given) > 1:
            other = dice.choice(sorted(set(given) - {key}))
            given[key], given[other] = given[other], given[key]

    return _edit(base, dice, apply)


def _wrong(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + " elsewhere"
    return [*value, *value, "elsewhere"] if isinstance(value, list) else {"elsewhere": 1}


def _retyped(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return int(value) if value.isdigit() else [value]
    return {"items": value} if isinstance(value, list) else json.dumps(value)


def _shouted(value: Any) -> Any:
    if isinstance(value, str):
        return value.upper().replace(" ", "_") + "."
    return [_shouted(item) for item in value] if isinstance(value, list) else value


def _narrowed(value: Any) -> Any:
    """Floats that are whole numbers written as integers, inside arrays too."""
    if isinstance(value, list):
        return [_narrowed(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _entry_dropped(value: Any) -> Any:
    """An array or an object, or the first object of an array, with its first entry missing."""
    if isinstance(value, dict) and value:
        return {key: item for key, item in value.items() if key != next(iter(value))}
    if isinstance(value, list) and value:
        return [_entry_dropped(value[0]), *value[1:]] if isinstance(value[0], dict) else value[1:]
    return value


def _wrong_inside(value: Any) -> Any:
    """One item of an array, or one entry of an object, made wrong or of another type."""
    if isinstance(value, list) and value:
        first = _wrong_inside(value[0]) if isinstance(value[0], dict) else _retyped(value[0])
        return [first, *value[1:]]
    if isinstance(value, dict) and value:
        key = sorted(value)[0]
        return {**value, key: _wrong(value[key]) if value[key] is not None else 0}
    return value
