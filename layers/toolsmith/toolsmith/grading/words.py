"""Free text compared by its content words, each weighed by how rare it is in this domain."""

import re
import unicodedata
from functools import lru_cache

from toolsmith.grading.settings import settings

# A number keeps its path ("5.2(a)", "10b-5"): without it another clause would look like the same one.
WORD = re.compile(r"\d\w*(?:[.-]\w+)*(?:\(\w{1,4}\))*|\w+(?:[.&]\w+)*")


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
def words_similarity(given: str, accepted: str) -> float:
    """Free text by its content words, in [0,1]: 1.0 for the same words in the same order; otherwise their weighted
    F1 times `text_ceiling`, and nothing below `text_floor`.
    """
    mine, theirs = content_words(given), content_words(accepted)
    if mine == theirs:
        return 1.0 if mine else 0.0
    table = settings()
    similarity = overlap(mine, theirs)
    return 0.0 if similarity < table.text_floor else similarity * table.text_ceiling


def overlap(mine: tuple[str, ...], theirs: tuple[str, ...]) -> float:
    """The weighted F1 of two bags of words."""
    left: dict[str, int] = {}
    for word in theirs:
        left[word] = left.get(word, 0) + 1
    shared = 0.0
    for word in mine:
        if left.get(word):
            left[word] -= 1
            shared += weight(word)
    total = sum(map(weight, mine)) + sum(map(weight, theirs))
    return 2 * shared / total if total else 0.0
