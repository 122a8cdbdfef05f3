"""The published sample's score, for comparison with its numbers: 0.3 tool F1 + 0.3 parameters + 0.4 sequence.

Rebuilt from the published description, weaknesses included (sets of names, positional order, character overlap):
aws-samples/amazon-nova-samples, customization/Nova_2.0/SFT_RFT, 2026. Nothing is decided by this number.
It knows no question without a call: there an empty plan counts in full, so that both scores are of the same questions.
"""

import json
from collections.abc import Set
from functools import lru_cache
from typing import Any

from toolsmith.grading.answer import Answer, parse_answer
from toolsmith.grading.reference import Reference, read_reference
from toolsmith.grading.settings import settings
from toolsmith.grading.shapes import Call

Calls = list[tuple[str, dict[str, Any]]]


def talk_score(answer: Any, reference: Any) -> float:
    """The sample's score in [0,1]. An answer in the sample's own format is read by the sample's own (loose) rules;
    any other shape is read by ours and scored as if it were written in that format. Never raises.
    """
    try:
        return talk_of(answer, parse_answer(answer), reference, read_reference(reference))
    except Exception:  # as in `reward`
        return 0.0


def talk_of(answer: Any, read: Answer, reference: Any, expected: Reference | None) -> float:
    """The sample's score of an answer and a reference that are already read."""
    gold = _gold(reference, expected)
    given = _sample_calls(answer) if _in_sample_format(answer) else _our_calls(read)
    if gold is None or given is None:
        return 0.0
    return score_calls(given, gold) if gold else float(not given)


def score_calls(given: Calls, gold: Calls) -> float:
    """The three parts, weighted."""
    weights = settings().talk
    return (
        weights["tools"] * _names_f1({name for name, _ in given}, {name for name, _ in gold})
        + weights["parameters"] * _parameters(dict(given), dict(gold))
        + weights["sequence"] * _positions([name for name, _ in given], [name for name, _ in gold])
    )


def _in_sample_format(answer: Any) -> bool:
    return isinstance(answer, str) and '"Tools"' in answer


def _sample_calls(answer: str) -> Calls | None:
    """The sample's reading: solution tags, fences at both ends only, escaped newlines undone, then plain JSON."""
    text = answer.strip().rsplit("<|begin_of_solution|>", 1)[-1].split("<|end_of_solution|>", 1)[0].strip()
    text = text.removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        value = json.loads(text.replace("\\n", "\n").strip())
    except ValueError:
        return None
    value = value.get("Query analysis", value) if isinstance(value, dict) else None
    return _tools(value) if _has_sample_form(value) else None


def _has_sample_form(value: Any) -> bool:
    kinds = value.get("Type") if isinstance(value, dict) else None
    if not isinstance(kinds, (str, list)) or not all(isinstance(kind, str) for kind in kinds):
        return False
    if not isinstance(value.get("Information needed"), str) or not isinstance(value.get("Tools"), list):
        return False
    return all(
        isinstance(tool, dict)
        and isinstance(tool.get("Tool"), str)
        and isinstance(tool.get("Parameters"), dict)
        and isinstance(tool.get("Reasoning"), str)
        for tool in value["Tools"]
    )


def _tools(value: dict[str, Any]) -> Calls:
    return [(tool["Tool"], tool.get("Parameters", {})) for tool in value["Tools"]]


def _our_calls(read: Answer) -> Calls | None:
    return _as_sample(read.calls) if read.reason == "ok" else None


def _as_sample(calls: tuple[Call, ...]) -> Calls:
    return [(name, {key: "" if value is None else value for key, value in given.items()}) for name, given in calls]


def _gold(reference: Any, expected: Reference | None) -> Calls | None:
    inner = reference.get("Query analysis", reference) if isinstance(reference, dict) else reference
    if isinstance(inner, dict) and "Tools" in inner:
        return _tools(inner)
    if expected is None:
        return None
    return [(name, {key: _text_of(values) for key, values in accepted.items()}) for name, accepted in expected.calls]


def _text_of(accepted: list[Any]) -> Any:
    """The first accepted value; the sample writes null as an empty text."""
    value = accepted[0] if accepted else None
    return "" if value is None else value


def _names_f1(given: set[str], gold: set[str]) -> float:
    shared = len(given & gold)
    return 2 * shared / (len(given) + len(gold)) if shared else 0.0


def _positions(given: list[str], gold: list[str]) -> float:
    same = sum(a == b for a, b in zip(given, gold, strict=False))
    return same / len(gold) if gold else 0.0


def _parameters(given: dict[str, dict[str, Any]], gold: dict[str, dict[str, Any]]) -> float:
    shared = given.keys() & gold.keys()
    return sum(_arguments(given[name], gold[name]) for name in sorted(shared)) / len(shared) if shared else 0.0


def _arguments(given: dict[str, Any], gold: dict[str, Any]) -> float:
    if given == gold:
        return 1.0
    if not given or not gold:
        return 0.0
    shared = sorted(given.keys() & gold.keys())
    values = sum(_value(given[key], gold[key]) for key in shared) / len(shared) if shared else 0.0
    return 0.3 * len(shared) / len(given.keys() | gold.keys()) + 0.7 * values


def _value(given: Any, gold: Any) -> float:
    if isinstance(given, list) and isinstance(gold, list):
        return 1.0 if given == gold == [] else _jaccard({str(item) for item in given}, {str(item) for item in gold})
    if not isinstance(given, str) or not isinstance(gold, str):
        return 1.0 if given == gold else 0.0
    return 1.0 if given == gold else _text_similarity(given.lower(), gold.lower())


@lru_cache(maxsize=65_536)
def _text_similarity(given: str, gold: str) -> float:
    if not given or not gold:
        return 1.0 if given == gold else 0.0
    (mine_characters, mine), (their_characters, theirs) = _sets(given), _sets(gold)
    characters = _jaccard(mine_characters, their_characters)
    return 0.4 * characters + 0.6 * (_jaccard(mine, theirs) if mine and theirs else characters)


@lru_cache(maxsize=65_536)
def _sets(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The characters and the words of a text."""
    return frozenset(text), frozenset(text.split())


def _jaccard(a: Set[str], b: Set[str]) -> float:
    shared = len(a & b)
    union = len(a) + len(b) - shared
    return shared / union if union else 0.0
