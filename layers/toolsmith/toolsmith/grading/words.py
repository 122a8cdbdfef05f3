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
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return tuple([_stem(word) for word in WORD.findall(folded.replace("'s", "")) if word not in stopwords])


def _stem(word: str) -> str:
    if word[-1] == "s" and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    return word


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


@lru_cache(maxsize=65_536)
def copied_share(text: str, question: str) -> float:
    """How far a text is the question over again, in [0,1], whatever the order of its words and however often each."""
    return overlap(tuple(dict.fromkeys(content_words(text))), tuple(dict.fromkeys(content_words(question))))


def overlap(mine: tuple[str, ...], theirs: tuple[str, ...]) -> float:
    """The weighted F1 of two bags of words; a word that nearly every question of the domain has is worth little."""
    table = settings()
    common, little = table.common_words, table.common_weight
    left: dict[str, int] = {}
    shared = total = 0.0
    for word in theirs:
        left[word] = left.get(word, 0) + 1
        total += little if word in common else 1.0
    for word in mine:
        worth = little if word in common else 1.0
        total += worth
        if left.get(word):
            left[word] -= 1
            shared += worth
    return 2 * shared / total if total else 0.0
