"""What a model's answer says: the calls and the category, whatever shape the model chose.

Shapes read: our plan, the published sample's format, Converse `toolUse` blocks, OpenAI `tool_calls`, bare calls
(alone, in a list, in `<tool_call>` tags, one after another), `{tool: arguments}`, and Python call syntax.
Around them: code fences, special tokens, reasoning before the answer.
"""

import re
from typing import Any, NamedTuple

from toolsmith.grading.shapes import Call, Malformed, Plan, read_calls, read_plan
from toolsmith.grading.strict_json import BrokenJson, decode, decode_at

MAX_CHARACTERS = 65_536
MAX_TRAILING = 4_096
MAX_REPEATS = 3

# Special tokens and marked reasoning; what looks like them inside a quoted text (group 1) belongs to a value.
ENVELOPE = re.compile(
    r'("(?:[^"\\\n]|\\.)*"?)|<\|[^|<>]{1,64}\|>|<(think|thinking|reasoning|thought)>.*?(?:</\2>|\Z)',
    re.DOTALL | re.IGNORECASE,
)
SOLUTION = "<|begin_of_solution|>"
WRAPPERS = re.compile(r"</?(?:tool_?calls?|tools|function_call|answer)>|\[/?TOOL_CALLS?\]|```[\w-]*", re.IGNORECASE)
JSON_START = re.compile(r"[\[{]")
LOOKS_LIKE_JSON = re.compile(r"""\{\s*(?:["'}]|\w+\s*:\s*["'\[{])|\[\s*[\[{"'\]]""")
LOOKS_LIKE_CODE = re.compile(r"[\s`'(\[]*[A-Za-z_][\w.]*\s*\(")
ENDS_OF_CODE = frozenset(")]',`")
FUNCTION_TAG = re.compile(r"<function=([\w.-]+)>\s*")


class Answer(NamedTuple):
    """One answer, read. `reason` is "ok" or why nothing could be read; an explicit empty plan is "ok" without calls.

    trailing: the answer says more than one plan: prose after it, keys that a plan doesn't have, the plan again.
    """

    calls: tuple[Call, ...]
    category: str | None
    reason: str
    trailing: bool


def unread(reason: str) -> Answer:
    """The answer that says nothing, and why."""
    return Answer((), None, reason, False)


def parse_answer(answer: Any) -> Answer:
    """Read an answer: text, or what is already decoded (a message, content blocks, a list of calls). Never raises."""
    try:
        if isinstance(answer, str):
            return _read_text(answer)
        if answer is None:
            return unread("empty")
        return _read_value(answer)
    except Malformed as problem:
        return unread(problem.reason)
    except RecursionError:
        return unread("too_deep")


def _read_value(value: Any) -> Answer:
    plan = read_plan(value)
    if plan is None:
        return unread("no_plan")
    if plan.text is not None:
        return _read_text(plan.text)
    return Answer(plan.calls, plan.category, "ok", plan.more)


def _read_text(text: str) -> Answer:
    if len(text) > MAX_CHARACTERS:
        return unread("too_long")
    if not text or text.isspace():
        return unread("empty")
    if text[0] == "{" and (plan := _plain_plan(text)) is not None:
        return Answer(plan.calls, plan.category, "ok", plan.more)
    body = _tagged_as_json(_without_envelope(text))
    calls = _code(body)
    if calls is not None:
        return Answer(calls, None, "ok", False)
    try:
        if body.lstrip()[:1] == '"':
            return _read_value(decode(body))
        return _read_plans(*_plans_in(body))
    except BrokenJson as problem:
        return unread(problem.reason)


def _read_plans(plans: list[Plan], rest: str) -> Answer:
    """The one answer that the plans of a text amount to, with `rest` said beside the first of them."""
    if not plans:
        return unread("no_plan")
    if len(rest) > MAX_TRAILING or (len(plans) > MAX_REPEATS and not plans[0].bare):
        return unread("runaway")
    plan = _only(plans)
    if plan is None:
        return unread("two_answers")
    if plan.text is not None:
        return _read_text(plan.text) if plan.text.lstrip()[:1] in "{[`" else unread("no_plan")
    return Answer(plan.calls, plan.category, "ok", plan.more or _says_more(rest))


def _plain_plan(text: str) -> Plan | None:
    """The plan of a text that is nothing but one plan in our own form: what a trained student writes, read fast."""
    try:
        value, end = decode_at(text)
    except BrokenJson:
        return None
    return read_calls(value) if end == len(text) and "calls" in value else None


def _without_envelope(text: str) -> str:
    """The answer without special tokens and marked reasoning."""
    if "<" not in text:
        return text
    if SOLUTION in text:
        text = text.rsplit(SOLUTION, 1)[1]
    return ENVELOPE.sub(lambda match: match[1] or " ", text) if "<" in text else text


def _tagged_as_json(text: str) -> str:
    """Calls written as `<function=name>{arguments}</function>` in the form of all others, {name: {arguments}}."""
    if "<function=" not in text:
        return text
    return FUNCTION_TAG.sub(r'{"\1":', text).replace("</function>", "}")


def _plans_in(text: str) -> tuple[list[Plan], str]:
    """Every plan in a text, and what stands after the first one (other plans left out).

    Raises BrokenJson when JSON that comes before any plan doesn't parse: a truncated or malformed answer is not
    searched for smaller pieces that would parse.
    """
    plans: list[Plan] = []
    rest: list[str] = []
    position = last = 0
    alone = True  # no JSON value stands before
    while (start := JSON_START.search(text, position)) is not None:
        begin = start.start()
        if not LOOKS_LIKE_JSON.match(text, begin):
            position = begin + 1
            continue
        try:
            value, end = decode_at(text, begin)
        except BrokenJson:
            if not plans:
                raise
            break
        plan = read_plan(value, whole=alone and _is_whole(text, begin, end))
        alone = False
        if plan is not None:
            if plans:
                rest.append(text[last:begin])
            plans.append(plan)
            last = end
        position = end
    rest.append(text[last:])
    return plans, " ".join(rest)


def _is_whole(text: str, begin: int, end: int | None = None) -> bool:
    """Whether nothing but fences and blanks stands before `begin` (and after `end`)."""
    if begin and WRAPPERS.sub("", text[:begin]).strip():
        return False
    return end is None or end == len(text) or not WRAPPERS.sub("", text[end:]).strip()


def _only(plans: list[Plan]) -> Plan | None:
    """The one plan that several JSON values amount to: bare calls add up, equal plans are one, others contradict."""
    first = plans[0]
    if len(plans) == 1:
        return first
    if all(plan.bare for plan in plans):
        calls = tuple(call for plan in plans for call in plan.calls)
        return Plan(calls, None, bare=True)
    if any((plan.calls, plan.category, plan.text) != (first.calls, first.category, first.text) for plan in plans):
        return None
    return first._replace(more=True)


def _says_more(rest: str) -> bool:
    return bool(rest) and not rest.isspace() and bool(WRAPPERS.sub("", rest).strip())


def _code(text: str) -> tuple[Call, ...] | None:
    """The calls of an answer in Python call syntax."""
    body = (WRAPPERS.sub("", text) if "`" in text or "<" in text or "[T" in text else text).strip()
    if not LOOKS_LIKE_CODE.match(body) or body[-1] not in ENDS_OF_CODE:
        return None
    from toolsmith.grading.python_calls import read_python_calls  # `ast` costs 5 ms that few answers need

    return read_python_calls(body)
