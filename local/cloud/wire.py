"""Requests and responses of the services we write ourselves, described by botocore's service models.

The models are AWS's own description of each API: operations, routes, required members, patterns.
"""

import json
import re
from datetime import UTC, datetime
from functools import cache
from urllib.parse import unquote

import botocore.loaders

from local.cloud.errors import ApiError


@cache
def model(service: str) -> dict:
    """The raw service model, for example model("sagemaker")."""
    return botocore.loaders.Loader().load_service_model(service, "service-2")


def validate(service: str, operation: str, params: dict) -> None:
    """Check `params` against the operation's input shape. Raises ApiError("ValidationException")."""
    described = model(service)
    shape = described["operations"][operation].get("input")
    faults: list[str] = []
    if shape:
        _check(described["shapes"], shape["shape"], params, "", faults)
    if faults:
        count = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected: "
        raise ApiError("ValidationException", count + "; ".join(faults))


def _check(shapes: dict, name: str, value, path: str, faults: list[str]) -> None:
    shape = shapes[name]
    checker = {"structure": _structure, "list": _list, "map": _map, "string": _string}.get(shape["type"], _number)
    checker(shapes, shape, value, path, faults)


def _fault(value, path: str, rule: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {rule}"


def _camel(path: str, member: str) -> str:
    return (path + "." if path else "") + member[:1].lower() + member[1:]


def _structure(shapes, shape, value, path, faults) -> None:
    if shape.get("document"):
        return
    if not isinstance(value, dict):
        faults.append(_fault(value, path, "Member must be a structure"))
        return
    for member in shape.get("required", []):
        if value.get(member) is None:
            faults.append(_fault(None, _camel(path, member), "Member must not be null"))
    for member, content in value.items():
        if member not in shape.get("members", {}):
            faults.append(_fault(content, _camel(path, member), "Member is not known"))
        elif content is not None:
            _check(shapes, shape["members"][member]["shape"], content, _camel(path, member), faults)


def _list(shapes, shape, value, path, faults) -> None:
    if not isinstance(value, list):
        faults.append(_fault(value, path, "Member must be a list"))
        return
    _length(shape, len(value), value, path, faults)
    for number, content in enumerate(value, start=1):
        _check(shapes, shape["member"]["shape"], content, f"{path}.{number}.member", faults)


def _map(shapes, shape, value, path, faults) -> None:
    if not isinstance(value, dict):
        faults.append(_fault(value, path, "Member must be a map"))
        return
    _length(shape, len(value), value, path, faults)
    for key, content in value.items():
        _check(shapes, shape["key"]["shape"], key, f"{path}.key", faults)
        _check(shapes, shape["value"]["shape"], content, f"{path}.{key}", faults)


def _string(shapes, shape, value, path, faults) -> None:
    if not isinstance(value, str):
        faults.append(_fault(value, path, "Member must be a string"))
        return
    _length(shape, len(value), value, path, faults)
    if "enum" in shape and value not in shape["enum"]:
        faults.append(_fault(value, path, f"Member must satisfy enum value set: {sorted(shape['enum'])}"))
    if "pattern" in shape and not _matches(shape["pattern"], value):
        faults.append(_fault(value, path, f"Member must satisfy regular expression pattern: {shape['pattern']}"))


def _number(shapes, shape, value, path, faults) -> None:
    kind = shape["type"]
    accepted = {"integer": int, "long": int, "boolean": bool, "float": (int, float), "double": (int, float)}
    wanted = accepted.get(kind)
    if wanted and (not isinstance(value, wanted) or (kind != "boolean" and isinstance(value, bool))):
        faults.append(_fault(value, path, f"Member must be of type {kind}"))
    elif wanted and "min" in shape and value < shape["min"]:
        faults.append(_fault(value, path, f"Member must have value greater than or equal to {shape['min']}"))
    elif wanted and "max" in shape and value > shape["max"]:
        faults.append(_fault(value, path, f"Member must have value less than or equal to {shape['max']}"))


def _length(shape, length: int, value, path, faults) -> None:
    if length < shape.get("min", 0):
        rule = f"Member must have length greater than or equal to {shape['min']}"
        faults.append(_fault(value, path, rule))
    if "max" in shape and length > shape["max"]:
        faults.append(_fault(value, path, f"Member must have length less than or equal to {shape['max']}"))


def _matches(pattern: str, value: str) -> bool:
    """The models' patterns are Java's; those that Python can't read are not enforced."""
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return True


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern, list[str], str]]:
    """(method, path pattern, labels, operation) of a REST service, the most literal paths first."""
    found = []
    for operation, described in model(service)["operations"].items():
        uri = described["http"]["requestUri"].split("?")[0]
        labels = re.findall(r"\{(\w+)\+?\}", uri)
        pattern = re.sub(r"\\\{\w+\\?\+?\\\}", "(.+)", re.escape(uri))
        found.append((described["http"]["method"], re.compile(pattern), labels, operation))
    return sorted(found, key=lambda route: (len(route[2]), -len(route[1].pattern)))


def rest_request(service: str, method: str, path: str, query: dict, body: bytes) -> tuple[str, dict]:
    """Operation and members of a REST-JSON request. Raises ApiError when no route or no JSON fits."""
    path = unquote(path).rstrip("/") or "/"
    operation, labels, match = _route(service, method, path)
    params = _json(body)
    members = _members(service, operation)
    for name, member in members.items():
        where, key = member.get("location"), member.get("locationName", name)
        if where == "uri":
            params[name] = match[labels.index(key) + 1]
        elif where == "querystring" and key in query:
            params[name] = _query_value(service, member["shape"], query[key])
    return operation, params


def _route(service: str, method: str, path: str) -> tuple[str, list[str], re.Match]:
    for wanted, pattern, labels, operation in _routes(service):
        match = pattern.fullmatch(path) if wanted == method else None
        if match:
            return operation, labels, match
    raise ApiError("UnknownOperationException", f"{service} has no {method} {path}", 404)


def _members(service: str, operation: str) -> dict:
    described = model(service)
    shape = described["operations"][operation].get("input")
    return described["shapes"][shape["shape"]].get("members", {}) if shape else {}


def _query_value(service: str, shape: str, values: list[str] | str):
    value = values[0] if isinstance(values, list) else values
    return int(value) if model(service)["shapes"][shape]["type"] in ("integer", "long") else value


def _json(body: bytes) -> dict:
    try:
        value = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError("SerializationException", f"the request body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ApiError("SerializationException", "the request body is not a JSON object")
    return value


def json_request(body: bytes) -> dict:
    """Members of a JSON-protocol request."""
    return _json(body)


def iso(seconds: float | None) -> str | None:
    """A timestamp as REST-JSON services write it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
