"""Text as a reader sees it, with the way back to the characters of the source."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

LOOK_ALIKE = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
}
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
WORD = re.compile(r"[^\W_]+")


class _Plain(dict[int, int | str | None]):
    """A table for str.translate that learns each character when it first meets it."""

    def __missing__(self, code: int) -> int | str | None:
        char = chr(code)
        plain = None if invisible(char) else LOOK_ALIKE.get(char, code)
        self[code] = plain
        return plain


PLAIN = _Plain()


@dataclass(frozen=True)
class Folded:
    """`text` without invisible characters, spaces run together, quotes and dashes plain."""

    text: str
    source: str

    @cached_property
    def places(self) -> Sequence[int]:
        """places[i] is the index in the source of text[i]."""
        places: list[int] = []
        after_space = True
        for index, char in enumerate(self.source):
            if invisible(char) or (char.isspace() and after_space):
                continue
            after_space = char.isspace()
            places.append(index)
        return places

    def find(self, quote: str, *, exact_case: bool = True) -> tuple[int, int] | None:
        """(start, end) in the source of the first place that reads like `quote`, or None."""
        wanted = fold(quote).text
        here = self.text
        if not exact_case:
            wanted, here = lower(wanted), lower(here)
        at = here.find(wanted) if wanted else -1
        return (self.places[at], self.places[at + len(wanted) - 1] + 1) if at >= 0 else None


def fold(text: str) -> Folded:
    """Folds `text`; leading and trailing space goes."""
    return Folded(" ".join(text.translate(PLAIN).split()), text)


@lru_cache(maxsize=4096)
def invisible(char: str) -> bool:
    """Whether a character takes part in no word a person sees: format, control and filler characters."""
    if char in "\n\t\r\f\v":
        return False
    return char in FILLERS or "\ufe00" <= char <= "\ufe0f" or unicodedata.category(char) in {"Cf", "Cc", "Co", "Cs"}


def visible(text: str) -> str:
    """`text` without its invisible characters; layout stays."""
    return text if text.isascii() and text.isprintable() else "".join(char for char in text if not invisible(char))


def lower(text: str) -> str:
    """Lower case, character by character, so that places stay where they were."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def words(text: str) -> list[str]:
    """Lower-case words and numbers, in order."""
    return WORD.findall(text.translate(PLAIN).lower())


def word_set(text: str) -> frozenset[str]:
    """The words of a list written as one text."""
    return frozenset(text.split())
