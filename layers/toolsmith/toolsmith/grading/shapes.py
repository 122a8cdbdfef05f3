"""The shapes in which decoded JSON can hold calls.

Sources: Converse `toolUse` blocks (Amazon Bedrock API reference, ToolUseBlock), OpenAI `tool_calls` (chat completion
message), Gemini's `functionCall`, the published sample's `Query analysis` object, BFCL's `{function: arguments}`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from toolsmith.grading.strict_json import BrokenJson, decode

ARGUMENT_KEYS = ("arguments", "parameters", "input", "args", "Parameters")
CALL_WRAPPERS = ("toolUse", "function", "functionCall", "function_call")
NAME_KEYS = ("name", "Tool", "tool_name", "function")
PLAN_KEYS = frozenset(("category", "calls"))
CALLS_KEYS = ("calls", "Query analysis", "Tools", "tool_calls", "tool_called")
SAMPLE_NULLS = frozenset(("", "n/a", "na", "none", "null"))


class Malformed(ValueError):
    """JSON that sets out to be a plan and isn't one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Call(NamedTuple):
    """One tool call: the tool's name and its arguments by name."""

    name: str
    arguments: dict[str, Any]


class Plan(NamedTuple):
    """What one JSON value says. `bare`: a single call without a plan around it; `text`: an answer still to be read;
    `more`: it holds keys that a plan doesn't have.
    """

    calls: tuple[Call, ...]
    category: str | None
    bare: bool = False
    more: bool = False
    text: str | None = None


def read_plan(value: Any, whole: bool = True) -> Plan | None:
    """The plan that a JSON value holds, or None when it holds none.

    whole: the value is the complete answer, so that an empty list is an explicit "no call".
    Raises Malformed when the value has a plan's keys and not its form.
    """
    if isinstance(value, dict):
        return _read_object(value)
    if isinstance(value, list):
        return _read_list(value, whole)
    if isinstance(value, str) and whole:
        return Plan((), None, text=value)
    return None


def read_calls(value: dict[str, Any]) -> Plan:
    """The plan of an object in our own form, which has "calls". Raises Malformed."""
    more = not value.keys() <= PLAN_KEYS
    if more:
        _refuse_two([value.get(key) for key in CALLS_KEYS])
    return Plan(_calls(value["calls"]), _category(value.get("category")), False, more)


def _refuse_two(given: list[Any]) -> None:
    """Raises Malformed where one thing is said in two ways that differ: nobody can tell which of them is meant."""
    said = [one for one in given if one]
    if any(one != said[0] for one in said):
        raise Malformed("two_answers")


def _read_object(value: dict[str, Any]) -> Plan | None:
    if "calls" in value:
        return read_calls(value)
    _refuse_two([value.get(key) for key in CALLS_KEYS])
    for key, read in OBJECT_SHAPES.items():
        if key in value:
            return read(value)
    call = read_call(value)
    return None if call is None else Plan((call,), None, bare=True)


def _read_list(value: list[Any], whole: bool) -> Plan | None:
    if not value:
        return Plan((), None) if whole else None
    if not all(isinstance(item, dict) for item in value):
        return None
    calls = [read_call(item) for item in value]
    if all(call is not None for call in calls):
        return Plan(tuple(call for call in calls if call is not None), None)
    if any("type" in item or "text" in item or "reasoningContent" in item for item in value):
        return _read_blocks(value)
    if len(value) == 1:
        return _read_object(value[0])
    if any(call is not None for call in calls):
        raise Malformed("invalid_call")
    return None


def _read_blocks(blocks: list[Any]) -> Plan | None:
    """Content blocks of a message: calls where there are any, else the text."""
    calls, texts = [], []
    for block in blocks:
        call = read_call(block) if isinstance(block, dict) else None
        if call is not None:
            calls.append(call)
        elif isinstance(block, dict) and isinstance(block.get("text"), str) and block.get("type") != "reasoning":
            texts.append(block["text"])
    if calls:
        return Plan(tuple(calls), None)
    return Plan((), None, text="\n".join(texts)) if texts else None


def _read_message(value: dict[str, Any]) -> Plan | None:
    calls = value.get("tool_calls")
    if calls:
        return Plan(_calls(calls), _category(value.get("category")))
    content = value.get("content")
    if isinstance(content, str):
        return Plan((), None, text=content)
    if isinstance(content, list) and content:
        return _read_blocks(content)
    return Plan((), None) if calls == [] and not content else None


def _read_sample(value: dict[str, Any]) -> Plan:
    kind = value.get("Type")
    calls = _calls(value["Tools"])
    nulled = tuple(Call(name, {key: sample_value(item) for key, item in given.items()}) for name, given in calls)
    return Plan(nulled, _category(kind[0] if isinstance(kind, list) and len(kind) == 1 else kind))


def sample_value(value: Any) -> Any:
    """The sample's format has no null: an absent source is written "N/A", "None" or ""."""
    return None if isinstance(value, str) and value.strip().lower() in SAMPLE_NULLS else value


def _read_analysis(value: dict[str, Any]) -> Plan | None:
    inner = value["Query analysis"]
    if isinstance(inner, dict) and "Tools" in inner:
        _refuse_two([inner.get(key) for key in CALLS_KEYS])
        return _read_sample(inner)._replace(more=len(value) > 1)
    raise Malformed("invalid_plan")


def _read_documented(value: dict[str, Any]) -> Plan:
    call = _make_call(value["tool_called"], value.get("tool_parameters", {}))
    return Plan((call,), _category(value.get("category")))


def _read_response(value: dict[str, Any]) -> Plan | None:
    inner = value["output"]
    message = inner.get("message") if isinstance(inner, dict) else None
    return _read_object(message) if isinstance(message, dict) else None


OBJECT_SHAPES: dict[str, Callable[[dict[str, Any]], Plan | None]] = {
    "Query analysis": _read_analysis,
    "Tools": _read_sample,
    "tool_calls": _read_message,
    "content": _read_message,
    "tool_called": _read_documented,
    "output": _read_response,
}


NOT_TOOLS = frozenset(
    (*OBJECT_SHAPES, *ARGUMENT_KEYS, *CALL_WRAPPERS, *PLAN_KEYS, "text", "type", "reasoningContent", "message")
)


def _calls(value: Any) -> tuple[Call, ...]:
    if not isinstance(value, list):
        raise Malformed("invalid_plan")
    return tuple([_listed_call(item) for item in value])


def _listed_call(item: Any) -> Call:
    if type(item) is dict and len(item) == 2:  # the usual form, without the detour by all others
        name, given = item.get("name"), item.get("arguments")
        if type(name) is str and type(given) is dict:
            return Call(name, given)
    call = read_call(item, listed=True) if isinstance(item, dict) else None
    if call is None:
        raise Malformed("invalid_call")
    return call


def _category(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def read_call(value: dict[str, Any], listed: bool = False) -> Call | None:
    """One call in any of its shapes; None when the object is something else.

    listed: the object stands in a list of calls, so a missing argument object means no arguments.
    Raises Malformed where two names or two sets of arguments contradict each other.
    """
    wrapped = [inner for inner in map(value.get, CALL_WRAPPERS) if isinstance(inner, dict) and "name" in inner]
    if wrapped:
        _refuse_two(wrapped)
        return read_call(wrapped[0], listed=True)
    name = next((value[key] for key in NAME_KEYS if key in value), None)
    if isinstance(name, str):
        given = [value[key] for key in ARGUMENT_KEYS if key in value]
        if given:
            _refuse_two([value.get(key) for key in NAME_KEYS])
            _refuse_two(given)
            return _make_call(name, given[0])
        return Call(name, {}) if listed and len(value) == 1 else None
    if len(value) == 1:
        return _compact_call(value)
    return None


def _compact_call(value: dict[str, Any]) -> Call | None:
    (name, given), *_ = value.items()
    if name in NOT_TOOLS:
        return None
    if isinstance(given, str) and given.lstrip()[:1] == "{":
        return _make_call(name, given)
    if isinstance(given, dict) and not given.keys() & {"calls", "Tools", "tool_calls"}:
        return Call(name, given)
    return None


def _make_call(name: Any, given: Any) -> Call:
    if isinstance(given, str):
        try:
            given = decode(given) if given.strip() else {}
        except BrokenJson as problem:
            raise Malformed(problem.reason) from None
    if given is None:
        given = {}
    if not isinstance(name, str) or not isinstance(given, dict):
        raise Malformed("invalid_call")
    return Call(name, given)
