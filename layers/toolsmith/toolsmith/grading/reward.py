"""The reward: how much of an answer is right, from 0 to 1.

An answer without any error earns 1.0. Any error caps the reward at `partial_ceiling`, so that no wrong answer comes
near a right one; below the cap every part that is right counts, and repairing one error never lowers the sum:

    reward = exact ? 1 : ceiling * (category + tools + order + parameters) - extra_call * calls that match nothing

Tools, order and parameters are shares of the *expected* calls (a missing call loses in all of them, a misplaced one
only in order); the category counts as far as the tools that it stands for were called.
"""

from typing import Any, NamedTuple

from toolsmith.grading.answer import Answer, parse_answer
from toolsmith.grading.matching import best_matching, common_in_order
from toolsmith.grading.parameters import Arguments, compare_arguments
from toolsmith.grading.reference import Reference, read_reference
from toolsmith.grading.settings import settings

PARTS = (
    "parsed", "category", "tools", "order", "parameters", "exact", "extra_calls", "missing_calls", "trailing_text",
    "precision", "recall", "f1", "sequence",
)  # fmt: skip


class Reward(NamedTuple):
    """score: in [0,1]. parts: every component by its name in PARTS. reason: "ok" or the gravest error's code."""

    score: float
    parts: dict[str, float]
    reason: str


def reward(answer: Any, reference: Any, question: str | None = None) -> Reward:
    """Grade one answer (any shape `parse_answer` reads) against one reference answer. Never raises for any input.

    question: the user's text, when it is known: an argument that merely repeats it earns nothing.
    """
    try:
        return grade(parse_answer(answer), read_reference(reference), question)
    except Exception:  # a fault of ours must cost one sample its reward, not a training job its life
        return _nothing("grader_error")


def grade(answer: Answer, expected: Reference | None, question: str | None = None) -> Reward:
    """Grade an answer that is already read against a reference that is (None: an unusable one)."""
    if expected is None:
        return _nothing("invalid_reference")
    if answer.reason != "ok":
        return _nothing(answer.reason)
    if len(answer.calls) > settings().max_calls:
        return _nothing("too_many_calls")
    if not expected.calls:
        return _grade_abstention(answer, expected)
    if not answer.calls:
        return _nothing("abstained", parsed=1.0, missing=len(expected.calls))
    return _grade_calls(answer, expected, question)


def _nothing(reason: str, parsed: float = 0.0, missing: int = 0) -> Reward:
    parts = dict.fromkeys(PARTS, 0.0)
    parts["parsed"] = parsed
    parts["missing_calls"] = float(missing)
    return Reward(0.0, parts, reason)


def _grade_abstention(answer: Answer, expected: Reference) -> Reward:
    table = settings()
    if answer.calls:
        parts = _nothing("called_a_tool", parsed=1.0).parts
        parts["extra_calls"] = float(len(answer.calls))
        return Reward(0.0, parts, "called_a_tool")
    right = answer.category in (expected.category or answer.category, table.abstain_category)
    score = (1.0 if right else table.abstain_wrong_category) * (table.trailing_text if answer.trailing else 1.0)
    parts = dict.fromkeys(PARTS, 1.0)
    parts.update(extra_calls=0.0, missing_calls=0.0, category=float(right), exact=float(right))
    parts["trailing_text"] = float(answer.trailing)
    reason = "wrong_category" if not right else "trailing_text" if answer.trailing else "ok"
    return Reward(score, parts, reason)


def _grade_calls(answer: Answer, expected: Reference, question: str | None) -> Reward:
    names, wanted = [call.name for call in answer.calls], [call.name for call in expected.calls]
    if names == wanted and len(set(names)) == len(names):  # each call has one partner only: nothing to search for
        matched, in_place = [
            compare_arguments(one.name, call.arguments, one.accepted, question)
            for call, one in zip(answer.calls, expected.calls, strict=True)
        ], True
    else:
        matched, in_place = _match(answer, expected, question)
    parts = _parts(answer, expected, names, wanted, matched, in_place)
    score = 1.0 if parts["exact"] else _partial(parts)
    if answer.trailing:
        score *= settings().trailing_text
    return Reward(score, parts, _reason(answer, expected, parts, matched))


def _match(answer: Answer, expected: Reference, question: str | None) -> tuple[list[Arguments], bool]:
    """The compared arguments of the best one-to-one matching, and whether each call stands where it is expected."""

    def compare(i: int, j: int) -> Arguments:
        wanted = expected.calls[j]
        return compare_arguments(wanted.name, answer.calls[i].arguments, wanted.accepted, question)

    pairs = best_matching(answer.calls, expected.calls, lambda i, j: compare(i, j).score)
    return [compare(i, j) for j, i in pairs.items()], all([i == j for j, i in pairs.items()])


def _parts(
    answer: Answer, expected: Reference, names: list[str], wanted: list[str], matched: list[Arguments], in_place: bool
) -> dict[str, float]:
    """Every component; `names` and `wanted` are the calls' names as given and as expected, in order."""
    found, given, asked = len(matched), len(names), len(wanted)
    recall, same_order = found / asked, names == wanted
    category = recall if _same_category(answer, expected) else 0.0
    exact, similarity = same_order and in_place and category == 1.0, 0.0
    for arguments in matched:
        similarity += arguments.score
        exact = exact and arguments.exact
    return {
        "parsed": 1.0,
        "category": category,
        "tools": recall,
        "order": 1.0 if same_order else common_in_order(names, wanted) / asked,
        "parameters": similarity / asked,
        "exact": float(exact),
        "extra_calls": float(given - found),
        "missing_calls": float(asked - found),
        "trailing_text": float(answer.trailing),
        "precision": found / given,
        "recall": recall,
        "f1": 2 * found / (given + asked),
        "sequence": float(same_order),
    }


def _same_category(answer: Answer, expected: Reference) -> bool:
    return expected.category is None or answer.category == expected.category


def _partial(parts: dict[str, float]) -> float:
    table = settings()
    right = (
        table.category * parts["category"]
        + table.tools * parts["tools"]
        + table.order * parts["order"]
        + table.parameters * parts["parameters"]
    )
    return max(0.0, min(1.0, table.partial_ceiling * right - table.extra_call * parts["extra_calls"]))


def _reason(answer: Answer, expected: Reference, parts: dict[str, float], matched: list[Arguments]) -> str:
    """The gravest error: tools, then order, parameters, category, text."""
    if parts["missing_calls"]:
        return "wrong_tool" if parts["extra_calls"] else "missing_call"
    if parts["extra_calls"]:
        return "duplicate_call" if _repeats(answer) else "extra_call"
    if not parts["sequence"]:
        return "wrong_order"
    for arguments in matched:
        if not arguments.exact:
            return arguments.reason
    if not _same_category(answer, expected):
        return "wrong_category"
    if not parts["exact"]:
        return "wrong_order"  # of calls of one tool
    return "trailing_text" if answer.trailing else "ok"


def _repeats(answer: Answer) -> bool:
    return any(call in answer.calls[:i] for i, call in enumerate(answer.calls))
