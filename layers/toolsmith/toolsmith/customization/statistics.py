"""Intervals by bootstrap over documents: examples of one document are not independent of each other."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval, as fractions."""

    mean: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"mean": round(self.mean, 6), "low": round(self.low, 6), "high": round(self.high, 6)}


def by_document(rows: Sequence[Mapping], value: str) -> dict[str, list[float]]:
    """Scores of each document; rows hold "document" and the value."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row["document"], []).append(float(row[value]))
    return groups


def bootstrap(groups: Mapping[str, Sequence[float]], resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Mean over examples; documents are resampled with replacement. An empty input gives an interval of zeros."""
    sums = [(sum(values), len(values)) for _, values in sorted(groups.items()) if values]
    if not sums:
        return Interval(0.0, 0.0, 0.0)
    mean = sum(total for total, _ in sums) / sum(count for _, count in sums)
    rng = random.Random(seed)
    means = []
    for _ in range(resamples):
        drawn = rng.choices(sums, k=len(sums))
        means.append(sum(total for total, _ in drawn) / sum(count for _, count in drawn))
    means.sort()
    return Interval(mean, means[int(0.025 * resamples)], means[min(resamples - 1, int(0.975 * resamples))])


def paired(one: Sequence[Mapping], other: Sequence[Mapping], value: str = "score") -> Interval:
    """The interval of one - other over the same examples, matched by "id"."""
    right = {row["id"]: row for row in other}
    differences = [
        {"document": row["document"], "difference": row[value] - right[row["id"]][value]}
        for row in one
        if row["id"] in right
    ]
    return bootstrap(by_document(differences, "difference"))
