"""The strict verdict: are these calls, exactly, among the accepted ones?

The rules are those of the Berkeley Function Calling Leaderboard's AST evaluation (PyPI `bfcl-eval`, Apache-2.0), so
that verdicts can be compared with published ones: the number of calls is exact, names are exact, required parameters
are there, no other parameter is, types are exact (an integer may stand for a float, outside of arrays only), strings
are compared without case, blanks and ``, . / - _ * ^``, and "" among the accepted values makes a parameter optional.
"""

import re
from typing import Any, NamedTuple

from toolsmith.grading.answer import Answer, parse_answer
from toolsmith.grading.matching import best_matching
from toolsmith.grading.reference import Expected, read_accept
from toolsmith.grading.settings import settings
from toolsmith.grading.shapes import Call, Malformed, read_plan
from toolsmith.grading.strict_values import OK, WRONG_TYPE, Check, check_of

NAME_SHARE = 0.25
ARGUMENTS = r"\((?:\w+=|[\"'\d)])"
READ_AS_WORDS = ("no_plan", "invalid_json", "duplicate_key", "not_a_number")
CALL_MARKS = ("<tool_call", "[TOOL_CALL", '"arguments"', '"parameters"', "toolUse", "tool_calls", "<function")


class Verdict(NamedTuple):
    """valid: the strict verdict. reason: "ok" or the first error's code. score: in [0,1], at least 0.9 if valid."""

    valid: bool
    reason: str
    score: float


def judge(tools: Any, accept: Any, answer: Any, ordered: bool = False) -> Verdict:
    """The strict verdict on one answer. Never raises.

    tools: functions with JSON-Schema parameters (OpenAI and Converse wrappers are opened; BFCL's own type names are
    understood). accept: `[{"name", "arguments": {parameter: [accepted values]}}]`; an empty list means that no call
    is right. ordered: calls must come in the order of `accept`; otherwise they are matched as BFCL does it, each
    accepted call in turn taking the first call that satisfies it.
    """
    return Judge(tools, accept, ordered).verdict(answer)


class Judge:
    """A reference made ready to judge many answers (the rollouts of one prompt)."""

    def __init__(self, tools: Any, accept: Any, ordered: bool = False) -> None:
        self._expected = read_accept(accept)
        self._ordered = ordered
        self._tools = tools if isinstance(tools, list) else [tools]
        self._matchers = [Matcher(one, _schema_of(self._tools, one.name)) for one in self._expected or ()]
        # The verdict alone, "ok" or the first error's code, on a list of calls that are already read.
        self.check = self._matchers[0].check if len(self._matchers) == 1 else self._check_several

    def verdict(self, answer: Any) -> Verdict:
        """Judge one answer: a text, or calls that are already decoded."""
        if self._expected is None:
            return Verdict(False, "invalid_reference", 0.0)
        calls, read = plain_calls(answer), None
        if calls is None:
            read = parse_answer(answer)
            calls = list(read.calls)
        if not self._expected:
            return self._abstention(calls, read, answer)
        if read is not None and read.reason != "ok":
            return Verdict(False, read.reason, 0.0)
        reason = self.check(calls)
        if reason == OK:
            return Verdict(True, OK, settings().trailing_text if read is not None and read.trailing else 1.0)
        return Verdict(False, reason, self._partial(calls))

    def _check_several(self, calls: list[Call]) -> str:
        matchers = self._matchers
        if len(calls) != len(matchers):
            return "wrong_count"
        if self._ordered:
            found = [matcher.check([call]) for matcher, call in zip(matchers, calls, strict=True)]
            return next((reason for reason in found if reason != OK), OK)
        left = list(calls)
        for matcher in matchers:
            for i, (name, given) in enumerate(left):
                if name in matcher.names and matcher.check_arguments(given) is OK:
                    del left[i]
                    break
            else:
                return "no_match"
        return OK

    def _abstention(self, calls: list[Call], read: Answer | None, answer: Any) -> Verdict:
        """No call is right: an explicit empty plan, or words that don't try to call anything."""
        if calls:
            return Verdict(False, "called_a_tool", 0.0)
        if read is None or read.reason == "ok":
            return Verdict(True, OK, 1.0)
        text = _words_of(answer)
        if read.reason not in READ_AS_WORDS or text is None or self._tries_to_call(text):
            return Verdict(False, read.reason, 0.0)
        return Verdict(True, "abstained_in_words", 1.0)

    def _tries_to_call(self, text: str) -> bool:
        """Whether a text that no call could be read from sets out to be one: such a failure is no abstention."""
        squeezed = text.replace(" ", "")
        if squeezed.lstrip("`\njson")[:2] in ('{"', "{'", "[{", '["') or any(mark in squeezed for mark in CALL_MARKS):
            return True
        names = [opened["name"] for opened in map(_open, self._tools) if opened is not None]
        spellings = "|".join(sorted({re.escape(form) for name in names for form in (name, _underscored(name))}))
        if spellings and re.search(rf"(?:{spellings}){ARGUMENTS}", squeezed):
            return True
        return re.match(rf"[\s`'(\[]*[A-Za-z_][\w.]*{ARGUMENTS}", squeezed) is not None

    def _partial(self, calls: list[Call]) -> float:
        """A graded score for an answer with errors: shares of names and arguments, extra calls subtracted."""
        table, matchers = settings(), self._matchers
        if len(calls) > table.max_calls or not calls:
            return 0.0
        if len(matchers) == 1:
            shares = [matchers[0].share(call.arguments) for call in calls if call.name in matchers[0].names]
            pairs, right = min(1, len(shares)), max(shares, default=0.0)
        else:
            spelled = [Call(self._spelling(call.name), call.arguments) for call in calls]
            shares_of = [matcher.share for matcher in matchers]
            matched = best_matching(spelled, self._expected or (), lambda i, j: shares_of[j](spelled[i].arguments))
            pairs, right = len(matched), sum(shares_of[j](spelled[i].arguments) for j, i in matched.items())
        earned = (NAME_SHARE * pairs + (1 - NAME_SHARE) * right) / len(matchers)
        return max(0.0, table.partial_ceiling * earned - table.extra_call * (len(calls) - pairs))

    def _spelling(self, name: str) -> str:
        return next((matcher.name for matcher in self._matchers if name in matcher.names), name)


class Matcher(dict[str, Check]):
    """One accepted call, ready to be compared with calls; as a mapping, the check of every parameter met so far."""

    __slots__ = ("_accepted", "_known", "_needed", "_properties", "_required", "name", "names")

    def __init__(self, expected: Expected, schema: dict[str, Any] | None) -> None:
        self.name, self._accepted = expected
        self.names = _spellings(self.name, schema)
        self._properties, self._required = _parameters(schema)
        self._needed = [parameter for parameter, values in self._accepted.items() if "" not in values]
        self._known = schema is not None

    def __missing__(self, parameter: str) -> Check:
        declared, values = self._properties.get(parameter), self._accepted.get(parameter)
        if not isinstance(declared, dict) or values is None:
            return _unexpected
        check = self[parameter] = check_of(declared, values)
        return check

    def check(self, calls: list[Call]) -> str:
        """ "ok" for a list of this call alone, or the code of the first error."""
        if len(calls) != 1:
            return "wrong_count"
        name, given = calls[0]
        return self.check_arguments(given) if name in self.names else "wrong_name"

    def check_arguments(self, given: dict[str, Any]) -> str:
        """The same for the arguments of a call whose name is right."""
        if not self._known:
            return "unknown_tool"
        for parameter in self._required:
            if parameter not in given:
                return "missing_required"
        try:
            for parameter, value in given.items():
                found = self[parameter](value)
                if found is not OK:
                    return found
        except TypeError:  # an array or object where a text is expected
            return WRONG_TYPE
        for parameter in self._needed:
            if parameter not in given:
                return "missing_optional"
        return OK

    def share(self, given: dict[str, Any]) -> float:
        """The share of arguments that are right, of all that are expected or given."""
        right, count = 0, len(given)
        for parameter, value in given.items():
            right += self._is_right(parameter, value)
        for parameter in self._needed:
            count += parameter not in given
        return right / count if count else 1.0

    def _is_right(self, parameter: str, value: Any) -> bool:
        try:
            return self[parameter](value) is OK
        except TypeError:
            return False


def _spellings(name: str, schema: dict[str, Any] | None) -> tuple[str, ...]:
    """A call's name and the function's, each as it stands and with underscores for its dots, which some providers'
    APIs forbid; BFCL accepts that spelling for them.
    """
    spelled = name if schema is None else schema["name"]
    if spelled == name and "." not in name:
        return (name,)
    return tuple({name, _underscored(name), spelled, _underscored(spelled)})


def _parameters(schema: dict[str, Any] | None) -> tuple[dict[str, Any], list[str]]:
    """The properties and the required names of a function, whatever stands there instead."""
    parameters = schema.get("parameters") if schema else None
    if not isinstance(parameters, dict):
        return {}, []
    properties, required = parameters.get("properties"), parameters.get("required")
    names = [name for name in required if type(name) is str] if type(required) is list else []
    return properties if isinstance(properties, dict) else {}, names


def _unexpected(value: Any) -> str:
    return "unexpected_parameter"


def plain_calls(answer: Any) -> list[Call] | None:
    """The calls of the usual decoded form, a list of {"name", "arguments"}, without the detour by every shape."""
    if type(answer) is not list:
        return None
    calls = []
    for item in answer:
        if type(item) is not dict or len(item) != 2:
            return None
        name, given = item.get("name"), item.get("arguments")
        if type(name) is not str or type(given) is not dict:
            return None
        calls.append(Call(name, given))
    return calls


def _schema_of(tools: list[Any], name: str) -> dict[str, Any] | None:
    """The function of a name, else of its spelling with underscores for dots; of several the first counts."""
    near = None
    for tool in tools:
        opened = _open(tool)
        if opened is None:
            continue
        if opened["name"] == name:
            return opened
        if near is None and _underscored(opened["name"]) == _underscored(name):
            near = opened
    return near


def _underscored(name: str) -> str:
    return name.replace(".", "_")


def _words_of(answer: Any) -> str | None:
    """The text of an answer that holds no calls; None when it is something else."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list) and all(isinstance(item, str) or item == {} for item in answer):
        return "\n".join(item for item in answer if isinstance(item, str))
    try:
        plan = read_plan(answer)
    except Malformed:
        return None
    return None if plan is None else plan.text


def _open(tool: Any) -> dict[str, Any] | None:
    """A function description without its OpenAI or Converse wrapper."""
    if not isinstance(tool, dict):
        return None
    inner = tool if "name" in tool else tool.get("function", tool.get("toolSpec"))
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        return None
    schema = inner.get("inputSchema")
    if isinstance(schema, dict):
        return {"name": inner["name"], "parameters": schema.get("json", schema)}
    return inner
