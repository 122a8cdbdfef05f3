"""Arms that know nothing about a question, scored beside every model: what category routing alone is worth."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolsmith.grading.plans import plan_text
from toolsmith.grading.reference import Reference, read_reference
from toolsmith.grading.reward import reward

CANDIDATES = 64
REFERENCES = 256
GENERIC = "applicable securities regulation requirements"


def constant_answer(train: Sequence[Any]) -> str:
    """The one plan that scores best when it is given to every question of the training set.

    Candidates are the majority plan of every category and the most frequent whole plans; ties go to the first text.
    """
    references = train[:: max(1, len(train) // REFERENCES)]
    candidates = [_majority(group) for group in _by_category(train).values()]
    whole = Counter(_text(reference) for reference in train)
    candidates += [text for text, _ in sorted(whole.items(), key=lambda item: (-item[1], item[0]))[:CANDIDATES]]
    return max(sorted(set(candidates)), key=lambda text: sum(reward(text, one).score for one in references))


def majority_plan(train: Sequence[Any]) -> str:
    """The plan of the most frequent category, with the most frequent value of every argument."""
    groups = _by_category(train)
    return _majority(max(sorted(groups.items()), key=lambda item: len(item[1]))[1])


def right_tools_empty(reference: Any) -> str:
    """The right category and tools, every argument an empty text."""
    return _filled(reference, lambda tool, name: "")


def right_tools_generic(reference: Any, common: Mapping[tuple[str, str], Any] | None = None) -> str:
    """The right category and tools, every argument its most frequent value in training (a generic phrase if none).

    common: what `common_values` found in the training set.
    """
    common = common or {}
    return _filled(reference, lambda tool, name: common.get((tool, name), GENERIC))


def _filled(reference: Any, value: Any) -> str:
    expected = _read(reference)
    calls = [(call.name, {name: value(call.name, name) for name in call.accepted}) for call in expected.calls]
    return plan_text(expected.category, calls)


def _read(reference: Any) -> Reference:
    expected = read_reference(reference)
    if expected is None:
        raise ValueError(f"not a reference answer: {reference!r:.200}")
    return expected


def _values(reference: Any) -> Iterable[tuple[tuple[str, str], Any]]:
    for call in _read(reference).calls:
        for name, values in call.accepted.items():
            yield (call.name, name), next((value for value in values if value != ""), None)


def common_values(train: Sequence[Any]) -> dict[tuple[str, str], Any]:
    """{(tool, argument): the value given most often}; null counts as a value."""
    counts: dict[tuple[str, str], Counter[Any]] = {}
    for reference in train:
        for key, value in _values(reference):
            if value is None or isinstance(value, (str, int, float)):
                counts.setdefault(key, Counter())[value] += 1
    return {key: max(values.items(), key=lambda item: (item[1], str(item[0])))[0] for key, values in counts.items()}


def _by_category(train: Sequence[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for reference in train:
        groups.setdefault(_read(reference).category or "", []).append(reference)
    return groups


def _majority(group: Sequence[Any]) -> str:
    """The commonest tools of a group, with the values commonest in the group."""
    tools = Counter(tuple(call.name for call in _read(reference).calls) for reference in group)
    wanted = max(tools.items(), key=lambda item: (item[1], item[0]))[0]
    model = next(one for one in group if tuple(call.name for call in _read(one).calls) == wanted)
    return right_tools_generic(model, common_values(group))


def _text(reference: Any) -> str:
    expected = _read(reference)
    values = dict(_values(reference))
    calls = [(call.name, {name: values[call.name, name] for name in call.accepted}) for call in expected.calls]
    return plan_text(expected.category, calls)
