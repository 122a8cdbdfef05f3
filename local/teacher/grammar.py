"""A small grammar: [a|b] chooses, {slot} is filled; the choices come from a reproducible stream of numbers."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

FOLDER = Path(__file__).parent
SLOT = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")

# How steeply the frequency of wordings falls with their rank; about 1 in running text.
ZIPF = 2.0

T = TypeVar("T")


class Shape(NamedTuple):
    """One sentence shape: its mood, its text, and the slots it needs."""

    mood: str
    text: str
    slots: frozenset[str]


class Stream:
    """Choices that depend on a key alone: the same key gives the same choices on every machine."""

    def __init__(self, *key: object) -> None:
        self._key = "\n".join(map(str, key))
        self._drawn = 0

    def number(self, below: int) -> int:
        """The next number in 0..below-1."""
        self._drawn += 1
        digest = hashlib.blake2b(f"{self._key}\n{self._drawn}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % below

    def pick(self, items: Sequence[T]) -> T:
        return items[self.number(len(items))]

    def usual(self, items: Sequence[T]) -> T:
        """The first items far more often than the last, as people's wordings are (Zipf)."""
        weights = [round(10_000 / (place + 1) ** ZIPF) for place in range(len(items))]
        at = self.number(sum(weights))
        for item, weight in zip(items, weights, strict=True):
            at -= weight
            if at < 0:
                return item
        return items[-1]

    def chance(self, percent: int) -> bool:
        return self.number(100) < percent

    def shuffled(self, items: Sequence[T]) -> list[T]:
        rest = list(items)
        return [rest.pop(self.number(len(rest))) for _ in range(len(rest))]


def expand(text: str, stream: Stream) -> str:
    """Resolve the choices of `text`, innermost first; slots stay."""
    while match := _CHOICE.search(text):
        choice = stream.usual(match[1].split("|"))
        text = text[: match.start()] + choice + text[match.end() :]
    return text


def fill(text: str, slots: Mapping[str, str]) -> str:
    """Put the values in; a value is never read as grammar."""
    return SLOT.sub(lambda match: slots[match[1]], text)


@cache
def shapes(category: str) -> tuple[Shape, ...]:
    """The shapes of one category; empty for a category nobody wrote shapes for."""
    found = []
    for entry in sections("shapes.txt").get(category, ()):
        mood, _, text = entry.partition(": ")
        found.append(Shape(mood, text, frozenset(SLOT.findall(text))))
    return tuple(found)


@cache
def sections(name: str) -> Mapping[str, tuple[str, ...]]:
    """The lines of a grammar file under their "= heading"."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            heading = line[2:].strip()
        elif line.strip() and not line.startswith("#"):
            found.setdefault(heading, []).append(line.strip())
    return {key: tuple(lines) for key, lines in found.items()}


@cache
def word_list(name: str) -> frozenset[str]:
    """One of the word lists of words.txt."""
    return frozenset(" ".join(sections("words.txt")[name]).split())
