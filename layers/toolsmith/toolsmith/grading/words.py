"""Free text compared by its content words, each weighed by how rare it is in this domain."""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from toolsmith.grading.settings import settings

WORD = re.compile(r"\w+(?:[.&]\w+)*")


@lru_cache(maxsize=65_536)
def content_words(text: str) -> tuple[str, ...]:
    """The words of a text that carry meaning, in order: case-folded, plural and possessive endings removed."""
    stopwords = settings().stopwords
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("'s", "")
    return tuple(_stem(word) for word in WORD.findall(folded) if word not in stopwords)


def _stem(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    return word


def weight(word: str) -> float:
    """What a word is worth: little when nearly every question of the domain has it."""
    table = settings()
    return table.common_weight if word in table.common_words else 1.0


@lru_cache(maxsize=65_536)
def overlap(given: str, accepted: str) -> float:
    """Weighted F1 of the content words of two texts, in [0,1]; 1.0 only for the same words equally often."""
    mine, theirs = Counter(content_words(given)), Counter(content_words(accepted))
    if mine == theirs:
        return 1.0 if mine else 0.0
    shared = sum(weight(word) * count for word, count in (mine & theirs).items())
    total = sum(weight(word) * count for side in (mine, theirs) for word, count in side.items())
    return 2 * shared / total if total else 0.0
