"""One-to-one matching of calls, and how far their order agrees."""

from collections.abc import Callable, Sequence
from typing import Any

EXACT_LIMIT = 10


def best_matching(given: Sequence[Any], expected: Sequence[Any], score: Callable[[int, int], float]) -> dict[int, int]:
    """The pairs {expected index: given index} of equal `name` with the highest sum of score(given, expected).

    As many pairs as possible are made; among equally good matchings the first in order is taken, so the result
    doesn't depend on anything but the calls.
    """
    names = [call.name for call in expected]
    if names == [call.name for call in given] and len(set(names)) == len(names):
        return {i: i for i in range(len(names))}
    pairs: dict[int, int] = {}
    for name in dict.fromkeys(names):
        rows = [i for i, call in enumerate(expected) if call.name == name]
        columns = [j for j, call in enumerate(given) if call.name == name]
        if len(rows) == 1 == len(columns):
            pairs[rows[0]] = columns[0]
        elif columns:
            pairs.update(_assign(rows, columns, score))
    return pairs


def _assign(rows: list[int], columns: list[int], score: Callable[[int, int], float]) -> dict[int, int]:
    table = [[score(column, row) for row in rows] for column in columns]
    if len(rows) > EXACT_LIMIT:
        return _greedy(rows, columns, table)
    best: dict[int, tuple[float, tuple[tuple[int, int], ...]]] = {0: (0.0, ())}
    for column, scores in zip(columns, table, strict=True):
        for taken, (total, pairs) in list(best.items()):
            for k, row in enumerate(rows):
                if not taken & 1 << k:
                    _improve(best, taken | 1 << k, total + scores[k], (*pairs, (row, column)))
    return dict(max(best.items(), key=lambda item: (item[0].bit_count(), item[1][0]))[1][1])


def _improve(best: dict[int, Any], key: int, total: float, pairs: tuple[tuple[int, int], ...]) -> None:
    if key not in best or total > best[key][0] + 1e-12:
        best[key] = (total, pairs)


def _greedy(rows: list[int], columns: list[int], table: list[list[float]]) -> dict[int, int]:
    order = sorted((-table[j][i], i, j) for j in range(len(columns)) for i in range(len(rows)))
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in order:
        if rows[i] not in pairs and j not in used:
            pairs[rows[i]] = columns[j]
            used.add(j)
    return pairs


def common_in_order(given: Sequence[str], expected: Sequence[str]) -> int:
    """The length of the longest common subsequence of two sequences of names."""
    row = [0] * (len(expected) + 1)
    for name in given:
        diagonal = 0
        for j, other in enumerate(expected, 1):
            above = row[j]
            row[j] = diagonal + 1 if name == other else max(above, row[j - 1])
            diagonal = above
    return row[-1]
