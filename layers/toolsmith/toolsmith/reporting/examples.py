"""Which answers a report shows, and how they differ from what was expected."""

from collections.abc import Mapping, Sequence
from typing import Any

from toolsmith.grading.answer import parse_answer
from toolsmith.grading.parameters import compare_arguments
from toolsmith.grading.reference import read_reference
from toolsmith.reporting.breakdown import Measures, with_rows

SHOWN = 20
SHOWN_REGRESSIONS = 12
SHOWN_FAILURES = 4
SHOWN_ARMS = ("base", "sft", "rft")
MAX_ANSWER = 2000
SAME = 1e-9


def choose(measures: Measures, references: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """At most twenty questions with the answers of base, SFT and RFT.

    Worst regressions of the last arm against the one before it first, then questions that it still gets wrong, then
    the greatest gains. Each is {"id", "document", "category", "question", "kind", "change", "expected", "answers"};
    kind is "worse", "wrong", "better" or "right".
    """
    rows = with_rows(measures)
    arms = [arm for arm in SHOWN_ARMS if arm in rows]
    if not arms:
        return []
    by_id = {arm: {row["id"]: row for row in rows[arm]} for arm in arms}
    last = arms[-1]
    before = arms[-2] if len(arms) > 1 else last
    changes = {
        question: by_id[last][question]["score"] - by_id[before][question]["score"]
        for question in by_id[last]
        if all(question in held for held in by_id.values())
    }
    return [
        _example(question, kind, changes[question], by_id, references)
        for question, kind in _ranked(changes, by_id[last])
    ]


def _ranked(changes: Mapping[str, float], last: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    worst_first = sorted(changes, key=lambda question: (changes[question], last[question]["score"], question))
    worse = [question for question in worst_first if changes[question] < -SAME]
    better = [question for question in reversed(worst_first) if changes[question] > SAME]
    wrong = [q for q in worst_first if abs(changes[q]) <= SAME and last[q]["score"] < 1 - SAME]
    right = [q for q in worst_first if abs(changes[q]) <= SAME and last[q]["score"] >= 1 - SAME]
    kinds = (("worse", worse), ("wrong", wrong), ("better", better), ("right", right))
    least = {"worse": SHOWN_REGRESSIONS, "wrong": SHOWN_FAILURES, "better": SHOWN - SHOWN_REGRESSIONS - SHOWN_FAILURES}
    taken = {kind: min(len(found), least.get(kind, 0)) for kind, found in kinds}
    for kind, found in kinds:
        taken[kind] += min(len(found) - taken[kind], SHOWN - sum(taken.values()))
    return [(question, kind) for kind, found in kinds for question in found[: taken[kind]]]


def _example(
    question: str,
    kind: str,
    change: float,
    by_id: Mapping[str, Mapping[str, Mapping[str, Any]]],
    references: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    row = next(iter(by_id.values()))[question]
    answers = {
        arm: {
            "answer": held[question]["answer"][:MAX_ANSWER],
            "cut": len(held[question]["answer"]) > MAX_ANSWER,
            **{name: held[question][name] for name in ("score", "talk_score", "reason")},
        }
        for arm, held in by_id.items()
    }
    brief = {name: row[name] for name in ("id", "document", "category", "question")}
    return {**brief, "kind": kind, "change": change, "expected": references.get(question), "answers": answers}


def compared(answer: str, expected: Mapping[str, Any] | None, question: str) -> dict[str, Any] | None:
    """An answer in its parts, each marked against what was expected; None where it cannot be read as a plan.

    {"category": (text, right), "calls": [{"name", "right", "arguments": [(name, value, right)]}], "missing": [tool]};
    A call also names its "missing" parameters. `right` is None where nothing is known to compare with. Arguments are
    judged as the reward judges them.
    """
    read = parse_answer(answer)
    if read.reason != "ok":
        return None
    wanted = read_reference(expected) if expected else None
    if wanted is None:
        calls = [_call(call.name, call.arguments, None, None, question) for call in read.calls]
        return {"category": (read.category, None), "calls": calls, "missing": []}
    left = list(wanted.calls)
    calls = []
    for call in read.calls:
        match = next((one for one in left if one.name == call.name), None)
        if match is not None:
            left.remove(match)
        calls.append(_call(call.name, call.arguments, match is not None, match and match.accepted, question))
    return {
        "category": (read.category, wanted.category is None or read.category == wanted.category),
        "calls": calls,
        "missing": [call.name for call in left],
    }


def _call(
    name: str, given: Mapping[str, Any], right: bool | None, accepted: Mapping[str, Sequence[Any]] | None, question: str
) -> dict[str, Any]:
    def judged(parameter: str, value: Any) -> bool | None:
        if accepted is None:
            return right
        if parameter not in accepted:
            return False
        return compare_arguments(name, {parameter: value}, {parameter: list(accepted[parameter])}, question).exact

    return {
        "name": name,
        "right": right,
        "arguments": [(key, value, judged(key, value)) for key, value in given.items()],
        "missing": [key for key, values in (accepted or {}).items() if key not in given and "" not in values],
    }
