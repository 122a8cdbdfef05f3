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
from toolsmith.grading.strict_values import OK, Accepted, compare, plain_type

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

    __slots__ = ("_expected", "_matchers", "_tools", "check")

    def __init__(self, tools: Any, accept: Any, ordered: bool = False) -> None:
        self._expected = read_accept(accept)
        self._tools = tools if isinstance(tools, list) else [tools]
        self._matchers = [Matcher(one, _schema_of(self._tools, one.name)) for one in self._expected or ()]
        # The verdict alone, "ok" or the first error's code, on a list of calls that are already read.
        self.check = self._matchers[0].check if len(self._matchers) == 1 else Matchers(self._matchers, ordered).check

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


class Matchers:
    """Several accepted calls (or none), ready to be compared with calls."""

    __slots__ = ("_matchers", "_ordered")

    def __init__(self, matchers: "list[Matcher]", ordered: bool) -> None:
        self._matchers, self._ordered = matchers, ordered

    def check(self, calls: list[Call]) -> str:
        """ "ok" for a list of these calls, or the code of the first error."""
        if len(calls) != len(self._matchers):
            return "wrong_count"
        if self._ordered:
            found = [matcher.check([call]) for matcher, call in zip(self._matchers, calls, strict=True)]
            return next((reason for reason in found if reason != OK), OK)
        left = list(calls)
        for matcher in self._matchers:
            for i, (name, given) in enumerate(left):
                if name in matcher.names and matcher.check_arguments(given) is OK:
                    del left[i]
                    break
            else:
                return "no_match"
        return OK


class Matcher:
    """One accepted call, ready to be compared with calls."""

    __slots__ = ("_accepted", "_expected", "_known", "_needed", "_required", "name", "names")

    def __init__(self, expected: Expected, schema: dict[str, Any] | None) -> None:
        self.name, self._expected = expected
        self.names = _spellings(self.name, schema)
        self._known = schema is not None
        properties, self._required = _parameters(schema)
        self._needed: list[str] = []  # though the schema doesn't require them
        self._accepted: dict[str, Accepted] = {}
        for parameter, values in self._expected.items():
            if "" not in values and parameter not in self._required:
                self._needed.append(parameter)
            declared = properties.get(parameter)
            if isinstance(declared, dict):
                self._accepted[parameter] = (plain_type(declared, values), values, declared)

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
        accepted = self._accepted
        for parameter, value in given.items():
            if parameter not in accepted:
                return "unexpected_parameter"
            plain, values, declared = accepted[parameter]
            if type(value) is plain and value in values:
                continue  # as most are; only the others need the rules for types and texts
            found = compare(value, values, declared)
            if found is not OK:
                return found
        for parameter in self._needed:
            if parameter not in given:
                return "missing_optional"
        return OK

    def share(self, given: dict[str, Any]) -> float:
        """The share of arguments that are right, of all that are expected or given."""
        right, count = 0, len(given)
        for parameter, value in given.items():
            if parameter in self._accepted:
                plain, values, declared = self._accepted[parameter]
                right += (type(value) is plain and value in values) or compare(value, values, declared) is OK
        for parameter, values in self._expected.items():
            count += parameter not in given and "" not in values
        return right / count if count else 1.0


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
    spelled = _underscored(name)
    near = None
    for tool in tools:
        opened = _open(tool)
        if opened is None:
            continue
        if opened["name"] == name:
            return opened
        if near is None and _underscored(opened["name"]) == spelled:
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
