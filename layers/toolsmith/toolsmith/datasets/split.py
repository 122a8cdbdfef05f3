"""Which group of examples goes to train, validation or test.

A group (one company, one CFR part, one case) never straddles two splits. The choice depends only on the groups, their
sizes, their categories and the seed, never on the order of the examples.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

SPLITS = ("train", "validation", "test")
FRACTIONS = {"train": 0.62, "validation": 0.10, "test": 0.28}
# A kind of source with fewer groups than splits serves training first, then the test.
_FIRST_SERVED = ("train", "test", "validation")


@dataclass
class _Group:
    name: str
    source: str
    order: str
    size: int = 0
    categories: Counter[str] = field(default_factory=Counter)

    def rank(self) -> tuple[int, str]:
        """Large groups first; those of about the same size (same power of two) in an order the seed decides."""
        return -self.size.bit_length(), self.order


def assign(
    examples: Iterable[Mapping[str, Any]], seed: int, fractions: Mapping[str, float] | None = None
) -> dict[str, str]:
    """Group name -> split, by source kind, with sizes close to `fractions` of the examples.

    examples: canonical examples (only "group", "source" and "category" are read). fractions: shares that sum to 1.
    """
    shares = dict(fractions or FRACTIONS)
    groups = _collect(examples, seed)
    placed: dict[str, str] = {}
    by_source: dict[str, list[_Group]] = defaultdict(list)
    for group in groups:
        by_source[group.source].append(group)
    for source in sorted(by_source):
        placed |= _place(by_source[source], shares)
    _spread_categories(groups, placed)
    return placed


def _collect(examples: Iterable[Mapping[str, Any]], seed: int) -> list[_Group]:
    groups: dict[str, _Group] = {}
    sources: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        name = example["group"]
        order = hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest()
        group = groups.setdefault(name, _Group(name, "", order))
        group.size += 1
        group.categories[example["category"]] += 1
        sources[name][example["source"]] += 1
    for name, group in groups.items():
        group.source = min(sources[name], key=lambda source: (-sources[name][source], source))
    return sorted(groups.values(), key=lambda group: group.name)


def _place(groups: list[_Group], shares: Mapping[str, float]) -> dict[str, str]:
    total = sum(group.size for group in groups)
    missing = {split: share * total for split, share in shares.items()}
    placed: dict[str, str] = {}
    for group in sorted(groups, key=_Group.rank):
        split = max(SPLITS, key=lambda name: missing[name])
        placed[group.name] = split
        missing[split] -= group.size
    _fill_empty(groups, placed)
    return placed


def _fill_empty(groups: list[_Group], placed: dict[str, str]) -> None:
    """Give each split at least one group of this source, as far as there are groups."""
    for split in _FIRST_SERVED:
        if split in placed.values():
            continue
        counts = Counter(placed.values())
        spare = [group for group in groups if counts[placed[group.name]] > 1]
        if not spare:
            return
        smallest = min(spare, key=lambda group: (group.size, group.order))
        placed[smallest.name] = split


def _spread_categories(groups: list[_Group], placed: dict[str, str]) -> None:
    """Move a small group where a split lacks a category that another split can spare."""
    categories = sorted({category for group in groups for category in group.categories})
    for split in ("test", "validation", "train"):
        for category in categories:
            if not _holds(groups, placed, split, category):
                _move_one(groups, placed, split, category)


def _move_one(groups: list[_Group], placed: dict[str, str], split: str, category: str) -> None:
    movable = [
        group
        for group in groups
        if category in group.categories and placed[group.name] != split and _spared(groups, placed, group)
    ]
    if movable:
        chosen = min(movable, key=lambda group: (group.size, group.order))
        placed[chosen.name] = split


def _spared(groups: list[_Group], placed: dict[str, str], group: _Group) -> bool:
    """Whether the split of `group` keeps its source kind and each of its categories without it."""
    split = placed[group.name]
    rest = [other for other in groups if placed[other.name] == split and other is not group]
    kept = {category for other in rest for category in other.categories}
    return any(other.source == group.source for other in rest) and set(group.categories) <= kept


def _holds(groups: list[_Group], placed: dict[str, str], split: str, category: str) -> bool:
    return any(placed[group.name] == split and category in group.categories for group in groups)
