"""The strict verdict: are these calls, exactly, among the accepted ones?

The rules are those of the Berkeley Function Calling Leaderboard's AST evaluation (PyPI `bfcl-eval`, Apache-2.0), so
that verdicts can be compared with published ones: the number of calls is exact, names are exact, required parameters
are there, no other parameter is, types are exact (an integer may stand for a float, outside of arrays only), strings
are compared without case, blanks and ``, . / - _ * ^``, and "" among the accepted values makes a parameter optional.
"""

from typing import Any, NamedTuple

from toolsmith.grading.answer import Answer, parse_answer
from toolsmith.grading.matching import best_matching
from toolsmith.grading.reference import Expected, read_accept
from toolsmith.grading.settings import settings
from toolsmith.grading.shapes import Call
from toolsmith.grading.strict_values import OK, Check, check_of

NAME_SHARE = 0.25


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
        self._schemas = _schemas(tools)
        self._matchers: list[Matcher] = [
            Matcher(expected, self._schemas.get(expected.name)) for expected in self._expected or ()
        ]

    def verdict(self, answer: Any) -> Verdict:
        """Judge one answer: a text, or calls that are already decoded."""
        if self._expected is None:
            return Verdict(False, "invalid_reference", 0.0)
        calls, read = _plain_calls(answer), None
        if calls is None:
            read = parse_answer(answer)
            calls = read.calls
        if not self._expected:
            return self._abstention(calls, read, answer)
        if read is not None and read.reason != "ok":
            return Verdict(False, read.reason, 0.0)
        reason = self._check(calls)
        if reason == OK:
            return Verdict(True, OK, settings().trailing_text if read is not None and read.trailing else 1.0)
        return Verdict(False, reason, self._partial(calls))

    def _check(self, calls: list[Call] | tuple[Call, ...]) -> str:
        matchers = self._matchers
        if len(calls) != len(matchers):
            return "wrong_count"
        if len(matchers) == 1:
            return matchers[0].check(calls[0])
        if self._ordered:
            for matcher, call in zip(matchers, calls, strict=True):
                if (reason := matcher.check(call)) != OK:
                    return reason
            return OK
        left = list(calls)
        for matcher in matchers:
            for i, call in enumerate(left):
                if matcher.check(call) == OK:
                    del left[i]
                    break
            else:
                return "no_match"
        return OK

    def _abstention(self, calls: Any, read: Answer | None, answer: Any) -> Verdict:
        """No call is right: an explicit empty plan, or plain words that don't try to call anything."""
        read = read or Answer(tuple(calls), None, "ok", False)
        if read.reason == "ok" and not read.calls:
            return Verdict(True, OK, 1.0)
        if read.reason == "ok":
            return Verdict(False, "called_a_tool", 0.0)
        if read.reason == "no_plan" and isinstance(answer, str) and not self._tries_to_call(answer):
            return Verdict(True, "abstained_in_words", 1.0)
        return Verdict(False, read.reason, 0.0)

    def _tries_to_call(self, text: str) -> bool:
        squeezed = text.replace(" ", "")
        marks = ("<tool_call", "[TOOL_CALL", '"arguments"', '"parameters"', "toolUse", "tool_calls", "<function")
        spellings = {form for name in self._schemas for form in (name, name.replace(".", "_"))}
        return any(mark in squeezed for mark in marks) or any(f"{name}(" in squeezed for name in spellings)

    def _partial(self, calls: list[Call] | tuple[Call, ...]) -> float:
        """A graded score for an answer with errors: shares of names and arguments, extra calls subtracted."""
        table = settings()
        if len(calls) > table.max_calls or not calls:
            return 0.0
        spelled = [Call(self._spelling(call.name), call.arguments) for call in calls]
        share = [matcher.share for matcher in self._matchers]
        pairs = best_matching(spelled, self._expected or (), lambda i, j: share[j](spelled[i].arguments))
        right = sum(NAME_SHARE + (1 - NAME_SHARE) * share[j](spelled[i].arguments) for j, i in pairs.items())
        extra = len(calls) - len(pairs)
        return max(0.0, table.partial_ceiling * right / len(share) - table.extra_call * extra)

    def _spelling(self, name: str) -> str:
        return next((matcher.name for matcher in self._matchers if name in matcher.names), name)


class Matcher:
    """One accepted call, ready to be compared with calls."""

    def __init__(self, expected: Expected, schema: dict[str, Any] | None) -> None:
        self.name = expected.name
        # Providers whose API forbids dots in names get them as underscores; BFCL accepts that spelling for them.
        self.names = (expected.name, expected.name.replace(".", "_")) if "." in expected.name else (expected.name,)
        self._accepted = expected.accepted
        self._known = schema is not None
        self._properties, self._required = _parameters(schema or {})
        self._checks: dict[str, Check] = {}

    def check(self, call: Call) -> str:
        """ "ok", or the code of the first error."""
        name, given = call
        if name not in self.names:
            return "wrong_name"
        if not self._known:
            return "unknown_tool"
        for required in self._required:
            if required not in given:
                return "missing_required"
        checks = self._checks
        for parameter, value in given.items():
            found = (checks.get(parameter) or self._check_for(parameter))(value)
            if found != OK:
                return found
        if len(given) < len(self._accepted):
            for parameter, values in self._accepted.items():
                if parameter not in given and "" not in values:
                    return "missing_optional"
        return OK

    def _check_for(self, parameter: str) -> Check:
        declared, values = self._properties.get(parameter), self._accepted.get(parameter)
        if not isinstance(declared, dict) or not isinstance(values, list):
            return _unexpected
        check = self._checks[parameter] = check_of(declared, values)
        return check

    def share(self, given: dict[str, Any]) -> float:
        """The share of arguments that are right, of all that are expected or given."""
        right, count = 0, 0
        for parameter, value in given.items():
            count += 1
            right += self._check_for(parameter)(value) == OK
        count += sum(1 for key, values in self._accepted.items() if key not in given and "" not in values)
        return right / count if count else 1.0


def _parameters(schema: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The properties and the required names of a function, whatever stands there instead."""
    parameters = schema.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    properties, required = parameters.get("properties"), parameters.get("required")
    names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    return properties if isinstance(properties, dict) else {}, names


def _unexpected(value: Any) -> str:
    return "unexpected_parameter"


def _plain_calls(answer: Any) -> list[Call] | None:
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


def _schemas(tools: Any) -> dict[str, dict[str, Any]]:
    """The functions by name; of several with one name the first counts."""
    found: dict[str, dict[str, Any]] = {}
    for tool in tools if isinstance(tools, list) else [tools]:
        function = _open(tool)
        if function is not None:
            found.setdefault(function["name"], function)
    return found


def _open(tool: Any) -> dict[str, Any] | None:
    if not isinstance(tool, dict):
        return None
    inner = tool.get("function", tool.get("toolSpec", tool))
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        return None
    schema = inner.get("inputSchema")
    if isinstance(schema, dict):
        return {"name": inner["name"], "parameters": schema.get("json", schema)}
    return inner
