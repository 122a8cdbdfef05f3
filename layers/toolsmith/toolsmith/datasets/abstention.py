"""Questions that no tool can answer: out of scope, or about a document that is not there. To call nothing is right.

They are written by hand in the recipe, so they belong to no document and no chunk; each is a group of its own.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from toolsmith.catalog import Catalog
from toolsmith.datasets.select import Drop, normalised
from toolsmith.datasets.sensitive import sensitive
from toolsmith.datasets.similarity import NearIndex
from toolsmith.datasets.split import SPLITS, assign
from toolsmith.datasets.validate_messages import reserved_word
from toolsmith.errors import RecipeInvalid
from toolsmith.grading.settings import settings

FILE = "abstention.json"
KINDS = ("out_of_scope", "missing_document")
SOURCE = "recipe"

Example = dict[str, Any]
Splits = Mapping[str, Sequence[Mapping[str, Any]]]


def is_abstention(example: Mapping[str, Any]) -> bool:
    """Whether the right answer to an example is to call nothing."""
    return not example["calls"]


def read(catalog: Catalog) -> list[Example]:
    """The recipe's questions as canonical examples without calls; `provenance` names the file, its digest and the kind.

    Raises RecipeInvalid naming the entry of abstention.json that is wrong, and what to do about it.
    """
    text = catalog.text(FILE)
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as broken:
        raise RecipeInvalid(f"{FILE}, line {broken.lineno}: not JSON ({broken.msg})") from broken
    difficulty = _difficulty(raw)
    registers = json.loads(catalog.text("diversity.json"))["registers"]
    digest = hashlib.sha256(text.encode()).hexdigest()
    examples: dict[str, Example] = {}
    for kind, register, place, question in _entries(raw, registers):
        where = f"{FILE}, {kind}, {register!r}, question {place}"
        _require_usable(question, where)
        if twin := examples.get(normalised(question)):
            first = twin["provenance"]["kind"], twin["register"]
            raise RecipeInvalid(f"{where}: {question!r} stands under {first[0]}, {first[1]!r} already; remove one")
        examples[normalised(question)] = _example(kind, register, question, difficulty[kind], digest)
    return list(examples.values())


def _difficulty(raw: Any) -> dict[str, float]:
    given = raw.get("difficulty") if isinstance(raw, dict) else None
    for kind in KINDS:
        value = given.get(kind) if isinstance(given, dict) else None
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            raise RecipeInvalid(f'{FILE}, difficulty, {kind}: {value!r}; write "{kind}": a fraction from 0 to 1')
    if unknown := sorted(raw.keys() - {*KINDS, "difficulty"}):
        raise RecipeInvalid(f"{FILE}: {unknown[0]!r} is no kind of question; write {' or '.join(KINDS)}")
    return given


def _entries(raw: Mapping[str, Any], registers: Sequence[str]) -> Iterator[tuple[str, str, int, Any]]:
    """(kind, register, place in its list from 1, question)."""
    for kind in KINDS:
        listed = raw.get(kind)
        if not isinstance(listed, dict) or not listed:
            raise RecipeInvalid(f'{FILE}: no {kind} questions; write "{kind}": {{"{registers[0]}": ["...?"]}}')
        for register, questions in listed.items():
            if register not in registers:
                raise RecipeInvalid(f"{FILE}, {kind}: {register!r} is no register of diversity.json; use one of them")
            if not isinstance(questions, list) or not questions:
                raise RecipeInvalid(f"{FILE}, {kind}, {register!r}: no questions; list some or remove the register")
            yield from ((kind, register, place, question) for place, question in enumerate(questions, 1))


def _require_usable(question: Any, where: str) -> None:
    if not isinstance(question, str) or not question.strip():
        raise RecipeInvalid(f"{where}: {question!r} is no question; write a text or remove it")
    if word := reserved_word(question):
        raise RecipeInvalid(f"{where}: the reserved word {word!r} makes a training job fail; rephrase the question")
    if secret := sensitive(question):
        raise RecipeInvalid(f"{where}: it holds {secret}; remove it")


def _example(kind: str, register: str, question: str, difficulty: float, digest: str) -> Example:
    identity = hashlib.sha256(f"{FILE}\n{question}".encode()).hexdigest()[:24]
    return {
        "id": identity,
        "question": question,
        "category": settings().abstain_category,
        "calls": [],
        "accept": [],
        "evidence": {"quote": "", "start": 0, "end": 0},
        "document": f"{SOURCE}:{identity}",
        "group": f"{SOURCE}:{identity}",
        "source": SOURCE,
        "chunk": "",
        "difficulty": difficulty,
        "persona": "anyone",
        "register": register,
        "provenance": {"recipe": FILE, "sha256": digest, "kind": kind},
    }


def join(
    splits: Splits, pool: Iterable[Example], share: float, seed: int, fractions: Mapping[str, float], threshold: float
) -> tuple[dict[str, list[Example]], list[Drop]]:
    """`splits` with enough questions of `pool` in each that they are `share` of it, and those that are near copies.

    splits: split -> examples. share: from 0 to below 1. fractions: split -> share of the pool; which split a question
    may stand in depends on them and the seed alone, and each split takes both kinds in turn. A near copy of a taught
    question, or of one taken before, is left out: what was taught stays. A split gets fewer when its part of the pool
    is used up.
    """
    pool = list(pool)
    placed = assign([e | {"source": e["provenance"]["kind"]} for e in pool], seed, fractions)
    index = NearIndex(threshold)
    for example in (example for name in SPLITS for example in splits[name]):
        index.add(example["id"], example["question"])
    joined, dropped = {}, []
    for name in SPLITS:
        taken: list[Example] = []
        count = wanted(len(splits[name]), share)
        for example in _in_turn([e for e in pool if placed[e["group"]] == name], seed):
            if len(taken) == count:
                break
            if near := index.nearest(example["question"]):
                dropped.append(Drop(example["id"], "near_duplicate", f"{near[1]:.2f} like {near[0]}"))
                continue
            index.add(example["id"], example["question"])
            taken.append(dict(example))
        joined[name] = sorted([*splits[name], *taken], key=lambda example: example["id"])
    return joined, dropped


def wanted(taught: int, share: float) -> int:
    """How many questions make `share` (0 to below 1) of a split beside `taught` others."""
    return round(taught * share / (1 - share))


def _in_turn(examples: Iterable[Example], seed: int) -> list[Example]:
    """In an order that the seed decides, one of each kind after the other."""
    ranked = sorted(examples, key=lambda e: hashlib.sha256(f"{seed}\n{e['id']}".encode()).hexdigest())
    turn: Counter[str] = Counter()
    keyed = []
    for example in ranked:
        kind = example["provenance"]["kind"]
        turn[kind] += 1
        keyed.append((turn[kind], KINDS.index(kind), example))
    return [example for *_, example in sorted(keyed, key=lambda item: item[:2])]


def counts(splits: Splits) -> dict[str, dict[str, int]]:
    """kind -> split -> questions; only kinds that are there."""
    found = {
        kind: {name: sum(e["provenance"].get("kind") == kind for e in splits[name]) for name in SPLITS}
        for kind in KINDS
    }
    return {kind: per for kind, per in found.items() if any(per.values())}


def shortfalls(splits: Splits, share: float) -> list[str]:
    """Sentences about splits with fewer questions than their share."""
    said = []
    for name in SPLITS:
        held = sum(map(is_abstention, splits[name]))
        asked = wanted(len(splits[name]) - held, share)
        if held < asked:
            said.append(f"{settings().abstain_category}: {held} of {asked} in {name}; write more questions in {FILE}")
    return said
