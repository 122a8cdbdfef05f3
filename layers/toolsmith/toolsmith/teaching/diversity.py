"""What is asked of the teacher for one chunk: persona, register, difficulty, categories and authorities to name.

Everything is drawn from a generator seeded by the chunk's own identity, so a re-run asks the same.
"""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from toolsmith.catalog import Catalog
from toolsmith.errors import RecipeInvalid
from toolsmith.tools import Canon, CorpusIndex, find_cases
from toolsmith.tools.index import own_case, sections_of
from toolsmith.tools.text import words

Chunk = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """One chunk's order to the teacher. difficulty is a fraction; categories has one entry per question."""

    persona: str
    register: str
    difficulty: float
    categories: tuple[str, ...]
    regulations: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    attempt: int = 1

    def to_json(self) -> str:
        """One line, as the prompt shows it."""
        return json.dumps(
            {
                "questions": len(self.categories),
                "persona": self.persona,
                "register": self.register,
                "difficulty": self.difficulty,
                "categories": list(self.categories),
                "named": {"regulations": list(self.regulations), "cases": list(self.cases)},
                "attempt": self.attempt,
            },
            ensure_ascii=False,
        )

    def again(self, categories: Sequence[str], attempt: int) -> "Wanted":
        """The order for a repair: other categories, same reader."""
        return replace(self, categories=tuple(categories), attempt=attempt)


@dataclass(frozen=True)
class Axes:
    """The axes of diversity, from the recipe's diversity.json."""

    questions: int
    personas: tuple[str, ...]
    registers: tuple[str, ...]
    difficulties: tuple[float, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    regulations: int = 2
    cases: int = 2
    register_weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, catalog: Catalog) -> "Axes":
        """Raises RecipeInvalid naming what is wrong in diversity.json."""
        try:
            raw = json.loads(catalog.text("diversity.json"))
            axes = cls(
                raw["questions_per_chunk"],
                tuple(raw["personas"]),
                tuple(raw["registers"]),
                tuple(raw["difficulties"]),
                raw["category_weights"],
                raw["named_per_chunk"]["regulations"],
                raw["named_per_chunk"]["cases"],
                raw.get("register_weights", {}),
            )
        except (KeyError, json.JSONDecodeError) as wrong:
            raise RecipeInvalid(f"diversity.json: {wrong!r} is missing or broken") from wrong
        if unknown := set(axes.weights) - set(catalog.categories):
            raise RecipeInvalid(f"diversity.json: {', '.join(sorted(unknown))} is no category of the catalog")
        if unknown := set(axes.register_weights) - set(axes.registers):
            raise RecipeInvalid(f"diversity.json: register_weights names {sorted(unknown)[0]!r}, which is no register")
        if not all((axes.questions, axes.personas, axes.registers, axes.difficulties)):
            raise RecipeInvalid("diversity.json: every axis needs at least one value")
        return axes


def generator(chunk: Chunk, seed: int, purpose: str) -> random.Random:
    """A generator that depends on nothing but the chunk, the seed and what it is for."""
    key = f"{chunk['document']}\n{chunk['id']}\n{seed}\n{purpose}"
    return random.Random(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]))


def sample(catalog: Catalog, canon: Canon, chunk: Chunk, seed: int, index: CorpusIndex | None = None) -> Wanted:
    """The order for `chunk`; `index` adds stored opinions on the same matter to the cases that may be named."""
    axes = Axes.of(catalog)
    draw = generator(chunk, seed, "order")
    persona = draw.choice(axes.personas)
    (register,) = draw.choices(axes.registers, [axes.register_weights.get(name, 1.0) for name in axes.registers])
    difficulty = draw.choice(axes.difficulties)
    regulations = _named(canon.tables["known"]["regulations"], chunk["text"], axes.regulations, draw)
    stored = index.related_opinions(chunk["text"], 1) if index else []
    told = stored + _named(canon.tables["known"]["cases"], chunk["text"], axes.cases, draw)
    cases = list(dict.fromkeys(told))[: axes.cases]
    possible = possible_categories(catalog, canon, chunk, bool(regulations), bool(cases))
    categories = _draw(possible, axes, draw)
    return Wanted(persona, register, difficulty, categories, tuple(regulations), tuple(cases))


def possible_categories(
    catalog: Catalog, canon: Canon, chunk: Chunk, regulation_named: bool, case_named: bool
) -> tuple[str, ...]:
    """The categories whose sources are at hand: in the chunk itself or among the named authorities."""
    title = str((chunk.get("facts") or {}).get("title") or "")
    law = regulation_named or bool(sections_of(chunk, canon) or canon.find(chunk["text"], title))
    case = case_named or own_case(chunk) is not None or bool(find_cases(chunk["text"]))
    has = {"statute_retrieval": law, "case_law_search": case, "citation_validator": law}
    return tuple(
        name
        for name in catalog.categories_for(chunk["source"])
        if all(has.get(tool, True) for tool in catalog.categories[name].tools)
    )


def _draw(possible: Sequence[str], axes: Axes, draw: random.Random) -> tuple[str, ...]:
    """Weighted, without repeats until every possible category was drawn once."""
    drawn: list[str] = []
    while possible and len(drawn) < axes.questions:
        # Efraimidis-Spirakis: the largest u^(1/w) first is a weighted sample without replacement.
        keyed = {name: draw.random() ** (1 / max(axes.weights.get(name, 1.0), 1e-6)) for name in possible}
        drawn += sorted(possible, key=lambda name: -keyed[name])
    return tuple(drawn[: axes.questions])


def _named(rows: Sequence[Mapping[str, Any]], text: str, count: int, draw: random.Random) -> list[str]:
    """Up to `count` authorities at least two of whose topics stand in the text, the best fits first."""
    present = set(words(text))
    scored = [(len(present & set(row["topics"])), draw.random(), row["say"]) for row in rows]
    return [say for score, _, say in sorted(scored, reverse=True) if score >= 2][:count]
