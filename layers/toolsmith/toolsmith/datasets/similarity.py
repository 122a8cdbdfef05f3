"""Near copies: two questions that differ only in names, citations and numbers, or in very few words.

Similarity is the Jaccard index of the sets of masked words. Candidates come from MinHash with locality-sensitive
hashing (`rensa`); each candidate is then compared exactly, so the threshold is a promise and not an estimate.
"""

import re
from collections.abc import Iterable, Mapping

from rensa import RMinHash, RMinHashLSH

PERMUTATIONS = 128
BANDS = 32  # rows of 4: a pair at Jaccard 0.8 is missed once in 10^7
HASH_SEED = 20_240_229
QUOTE_WORDS = 8  # shorter quotes share their few words by chance

_CITATION = re.compile(
    r"""\b\d+\s*C\.?F\.?R\.?\s*(?:§+\s*|[Pp]art\s+)?[\w.\-]+(?:\([\w]+\))*
      | \b\d+\s*U\.?\s?S\.?\s?C\.?\s*(?:§+\s*)?[\w\-]+(?:\([\w]+\))*
      | \b\d+\s+(?:[A-Z][\w.]*\s?){1,4}\d+(?:\s*\([^)]*\d{4}\))?
      | (?:§+\s*|\b(?:[Rr]ules?|[Ss]ections?|[Ii]tems?|[Rr]egulation|[Ff]orm)\s+)[\dA-Z][\w.\-]*(?:\([\w]+\))*""",
    re.VERBOSE,
)
_PARTY = r"(?:[A-Z][\w.&',\-]*\s+|of\s+|the\s+|and\s+){1,8}"
_CASE = re.compile(rf"\b{_PARTY}v\.?\s+{_PARTY.replace('s+', 's*', 1)}")
_NAME = re.compile(r"(?<![.?!:]\s)(?<!^)\b[A-Z][\w.&'\-]*(?:\s+(?:(?:of|and|the|&)\s+)?[A-Z][\w.&'\-]*)*")
_FIRST_NAME = re.compile(r"(?:^|(?<=[.?!:]\s))[A-Z][\w&'\-]*(?:\s+[A-Z][\w.&'\-]*)+")
_NUMBER = re.compile(r"\$?\b\d[\d,.]*%?")
_WORD = re.compile(r"\w+")


def mask(text: str) -> str:
    """`text` with citations, case names, proper names and numbers replaced by one placeholder each."""
    text = _CITATION.sub(" cite ", text)
    text = _CASE.sub(" case ", text)
    text = _NAME.sub(" name ", _FIRST_NAME.sub(" name ", text))
    return _NUMBER.sub(" num ", text)


def words(text: str) -> frozenset[str]:
    """The masked words of `text`, lower-case."""
    return frozenset(_WORD.findall(mask(text).lower()))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Size of the intersection over the size of the union; 1.0 for two empty sets."""
    union = len(left | right)
    return len(left & right) / union if union else 1.0


class NearIndex:
    """Texts already kept, asked for near copies of another one.

    threshold: Jaccard index from which two texts count as near copies (0..1). least_words: a text with fewer masked
    words is never a near copy.
    """

    def __init__(self, threshold: float = 0.8, least_words: int = 1) -> None:
        self._threshold = threshold
        self._least_words = least_words
        self._lsh = RMinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, num_bands=BANDS)
        self._texts: list[tuple[str, frozenset[str]]] = []

    def add(self, key: str, text: str) -> None:
        """Keep `text` under `key` (an example id)."""
        bag = words(text)
        self._lsh.insert(len(self._texts), _sketch(bag))
        self._texts.append((key, bag))

    def nearest(self, text: str) -> tuple[str, float] | None:
        """Key and similarity of the kept text closest to `text`, or None below the threshold."""
        bag = words(text)
        if len(bag) < self._least_words:
            return None
        best: tuple[str, float] | None = None
        for place in sorted(self._lsh.query(_sketch(bag))):
            key, other = self._texts[place]
            similarity = jaccard(bag, other)
            if similarity >= self._threshold and (best is None or similarity > best[1]):
                best = key, similarity
        return best


def near_pairs(
    splits: Mapping[str, Iterable[tuple[str, str]]], threshold: float = 0.8, least_words: int = 1
) -> list[tuple[str, str, float]]:
    """Near copies that stand in two different splits.

    splits: split name -> (key, text) pairs. Returns (key, key, similarity), one for each text that has one.
    """
    found = []
    earlier = NearIndex(threshold, least_words)
    for split in sorted(splits):
        pairs = sorted(splits[split])
        for key, text in pairs:
            if near := earlier.nearest(text):
                found.append((near[0], key, near[1]))
        for key, text in pairs:
            earlier.add(key, text)
    return found


def _sketch(bag: frozenset[str]) -> RMinHash:
    sketch = RMinHash(num_perm=PERMUTATIONS, seed=HASH_SEED)
    sketch.update(sorted(bag))
    return sketch
