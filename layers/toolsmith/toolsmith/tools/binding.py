"""Checking a call against its tool's JSON Schema, by argument name."""

from collections.abc import Mapping
from typing import Any

from toolsmith.catalog import Catalog

KINDS = {"string": str, "null": type(None), "object": dict, "array": list, "boolean": bool}
NOT_A_VALUE = frozenset({"", "n/a", "na", "none", "null", "nil", "not applicable", "unknown", "-", "--", "tbd", "any"})


def binding_errors(call: Any, catalog: Catalog) -> list[tuple[str, str]]:
    """Why `call` cannot be bound to a tool: (reason code, detail) pairs, empty when it can.

    Codes: call_shape, unknown_tool, missing_argument, unknown_argument, argument_type, argument_length, not_null.
    """
    if not isinstance(call, Mapping) or set(call) != {"name", "arguments"}:
        return [("call_shape", 'a call is {"name": ..., "arguments": {...}} and nothing else')]
    if not isinstance(call["name"], str) or not isinstance(call["arguments"], Mapping):
        return [("call_shape", '"name" is a text and "arguments" an object')]
    tool = catalog.tools.get(call["name"])
    if tool is None:
        return [("unknown_tool", f"{call['name']!r} is none of {', '.join(catalog.tools)}")]
    given, properties = call["arguments"], tool.schema["properties"]
    errors = [("missing_argument", f"{tool.name} needs {name}") for name in properties if name not in given]
    errors += [("unknown_argument", f"{tool.name} has no {name!r}") for name in given if name not in properties]
    for name in properties:
        if name in given:
            errors += _value_errors(f"{tool.name}.{name}", given[name], properties[name])
    return errors


def _value_errors(where: str, value: Any, spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    kinds = [spec["type"]] if isinstance(spec["type"], str) else spec["type"]
    if not any(isinstance(value, KINDS[kind]) for kind in kinds):
        return [("argument_type", f"{where} is {type(value).__name__}, wants {' or '.join(kinds)}")]
    if not isinstance(value, str):
        return []
    if value.strip().strip(".").lower() in NOT_A_VALUE:
        return [("not_null", f"{where} is {value!r}: an absent source is null, a needed one is named")]
    if value != value.strip():
        return [("argument_length", f"{where} begins or ends with a space")]
    if not spec.get("minLength", 0) <= len(value) <= spec.get("maxLength", len(value)):
        return [("argument_length", f"{where} has {len(value)} characters, wants {spec.get('minLength', 0)} to "
                                    f"{spec.get('maxLength', 'any')}")]  # fmt: skip
    return []
