"""The last look before a dataset is written: no leak between splits, and enough of everything."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from toolsmith.datasets.select import normalised
from toolsmith.datasets.similarity import QUOTE_WORDS, near_pairs
from toolsmith.errors import DatasetLeaks, DatasetTooSmall

Splits = Mapping[str, Sequence[Mapping[str, Any]]]


def leaks(splits: Splits, threshold: float = 0.8) -> list[str]:
    """What stands in more than one split, as sentences; empty when nothing does.

    Looks at groups, documents (a dropped file may hold several), exact questions, and questions and quotes that are
    near copies (masked, Jaccard index of `threshold` or more). Works from the examples alone and knows nothing of how
    they were split.
    """
    return [
        *_shared(splits, "group", lambda example: example["group"]),
        *_shared(splits, "document", lambda example: example["chunk"].rpartition("-")[0] or example["document"]),
        *_shared(splits, "question", lambda example: normalised(example["question"])),
        *_near(splits, "question", lambda example: example["question"], threshold, 1),
        *_near(splits, "quote", lambda example: example["evidence"]["quote"], threshold, QUOTE_WORDS),
    ]


def require_no_leak(splits: Splits, threshold: float = 0.8) -> None:
    """Raises DatasetLeaks naming the first leaks."""
    if found := leaks(splits, threshold):
        shown = "; ".join(found[:3])
        raise DatasetLeaks(
            f"{len(found)} leaks between splits: {shown}. Give the examples of one source one group, or raise the "
            "dedup strictness (near_threshold)"
        )


def shortfalls(splits: Splits, categories: Iterable[str], quotas: Mapping[str, int]) -> list[str]:
    """Sentences about categories below their quota, or missing in a split."""
    counts = {name: Counter(e["category"] for e in examples) for name, examples in splits.items()}
    total: Counter[str] = sum(counts.values(), Counter())
    said = []
    for category in categories:
        wanted = quotas.get(category, 0)
        if total[category] < wanted:
            said.append(
                f"{category}: {total[category]} of {wanted} examples; drop more documents it can be asked about, "
                "or raise its weight in the teacher's quota"
            )
        said += [f"{category}: none in {name}" for name in splits if total[category] and not counts[name][category]]
    return said


def require_enough(splits: Splits, least: Mapping[str, int], dropped: Mapping[str, int]) -> None:
    """Raises DatasetTooSmall when a split has fewer examples than `least` asks for."""
    short = [f"{name} has {len(splits[name])} of {n}" for name, n in least.items() if len(splits[name]) < n]
    if short:
        lost = ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "none"
        raise DatasetTooSmall(
            f"too few verified examples: {'; '.join(short)} (left out: {lost}). Drop more documents, or start the run "
            "with a smaller minimum"
        )


def _shared(splits: Splits, what: str, key: Callable[[Mapping[str, Any]], str]) -> list[str]:
    where: dict[str, set[str]] = defaultdict(set)
    for name, examples in splits.items():
        for example in examples:
            where[key(example)].add(name)
    return [
        f"{what} {value[:80]!r} in {' and '.join(sorted(names))}"
        for value, names in sorted(where.items())
        if len(names) > 1
    ]


def _near(
    splits: Splits, what: str, text: Callable[[Mapping[str, Any]], str], threshold: float, least_words: int
) -> list[str]:
    named = {name: [(e["id"], text(e)) for e in examples] for name, examples in splits.items()}
    return [
        f"{what}s of {left} and {right} are {similarity:.2f} alike"
        for left, right, similarity in near_pairs(named, threshold, least_words)
    ]
