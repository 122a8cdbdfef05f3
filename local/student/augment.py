"""Labelled rows told anew each time they come up, so that a student learns to copy values, not to know them by heart.

Two ways, both common for small sets of labelled requests: function words of the question are left out at random
(random deletion of Easy Data Augmentation, Wei and Zou 2019), and a value is exchanged, in question and plan alike,
for one that fills the same parameter in another row. Neither needs a label more.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from local.student.settings import Augmentation
from toolsmith.datasets import canonical
from toolsmith.grading.settings import settings as grading

WORD = re.compile(r"\S+")
Slot = tuple[str, str]  # tool, parameter
Span = tuple[int, int, str]  # from, to, value


class Augmenter:
    """Tells rows anew. rows: (question, answer) pairs whose values it hands on; an answer that is no plan is left as it
    is, and a value only changes where the question says it exactly once."""

    def __init__(self, rows: Iterable[tuple[str, str]], how: Augmentation, seed: int) -> None:
        self.how, self.random = how, Random(seed * 49979687 + 5)
        pool: defaultdict[Slot, set[str]] = defaultdict(set)
        for question, answer in rows:
            slots = _slots(_plan(answer))
            for _, _, value in _spans(question, slots):
                for slot in slots[value]:
                    pool[slot].add(value)
        self.pool = {slot: sorted(values) for slot, values in pool.items()}

    def again(self, question: str, answer: str) -> tuple[str, str]:
        """The row with some values exchanged and some function words left out."""
        plan = _plan(answer)
        slots = _slots(plan)
        spans = _spans(question, slots)
        new = {value: self._other(value, slots[value]) for _, _, value in spans}
        if any(value != other for value, other in new.items()):
            question, spans = _exchanged(question, spans, new)
            answer = canonical.line({**plan, "calls": [_renamed(call, new) for call in plan["calls"]]})
        if plan and self.random.random() < self.how.terse:
            question = self._terse(question, spans)
        return question, answer

    def _other(self, value: str, slots: Iterable[Slot]) -> str:
        """Sometimes another value that fills one of the same slots: the one for which most values are known."""
        values = max((self.pool.get(slot, []) for slot in slots), key=len)
        return self.random.choice(values) if values and self.random.random() < self.how.exchange else value

    def _terse(self, question: str, spans: Iterable[Span]) -> str:
        """The question without most of its function words, closing marks and the first capital; values stay whole."""
        told = []
        for word in WORD.finditer(question):
            text, kept = word.group(), 0
            for begin, end, _ in spans:
                if begin < word.end() and word.start() < end:
                    kept = min(len(text), end - word.start())
            bare = re.sub(r"\W", "", text).casefold()
            if not kept and (not bare or bare in grading().stopwords) and self.random.random() < self.how.left_out:
                continue
            text = text[:kept] + text[kept:].rstrip("?.")
            told.append(text if told or kept else text[:1].lower() + text[1:])
        return " ".join(told) or question


def _plan(answer: str) -> dict[str, Any]:
    """The plan that an answer is, or {} where it is none."""
    try:
        plan = json.loads(answer)
        whole = all(isinstance(call["name"], str) and isinstance(call["arguments"], dict) for call in plan["calls"])
    except (ValueError, TypeError, KeyError):
        return {}
    return plan if whole else {}


def _slots(plan: Mapping[str, Any]) -> dict[str, list[Slot]]:
    """What each value of a plan is for: all the parameters of tools where it stands."""
    found: defaultdict[str, list[Slot]] = defaultdict(list)
    for call in plan.get("calls", []):
        for parameter, value in call["arguments"].items():
            if isinstance(value, str):
                found[value].append((call["name"], parameter))
    return found


def _spans(question: str, values: Iterable[str]) -> list[Span]:
    """Where the values stand that the question says once, from left to right; none that lies in or over another."""
    once = [(question.index(value), value) for value in values if value and question.count(value) == 1]
    spans = sorted((at, at + len(value), value) for at, value in once)
    return [s for s in spans if not any(s is not o and s[0] < o[1] and o[0] < s[1] for o in spans)]


def _exchanged(question: str, spans: Iterable[Span], new: Mapping[str, str]) -> tuple[str, list[Span]]:
    """The question with its values exchanged, and where the new ones stand."""
    text, moved, done = "", [], 0
    for begin, end, value in spans:
        text += question[done:begin]
        moved.append((len(text), len(text) + len(new[value]), new[value]))
        text, done = text + new[value], end
    return text + question[done:], moved


def _renamed(call: Mapping[str, Any], new: Mapping[str, str]) -> dict[str, Any]:
    arguments = {p: new.get(v, v) if isinstance(v, str) else v for p, v in call["arguments"].items()}
    return {**call, "arguments": arguments}
