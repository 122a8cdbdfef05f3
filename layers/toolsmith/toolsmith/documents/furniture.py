"""Page furniture: page numbers, "Table of Contents" back-links, running heads. Dropped; data rows never are."""

import re
from itertools import pairwise

from toolsmith.documents.tags import BREAK

# Roman page numbers are small; "II" alone is the heading of a part, and "2." alone counts an item or a note.
_NUMBER = re.compile(r"(?i:page\s+)?[-–—\s]*((?:[A-Za-z]{1,3}-)?\d{1,3}|[ivxl]{1,6})[-–—\s]*(?:\s*(?i:of)\s+\d{1,3})?")
_NUMBER_ENDS = frozenset("0123456789ivxl-–—")
_BACK = re.compile(
    r"(?:back to |return to )?(?:the )?(?:table of contents|index(?: to financial statements)?|contents)", re.I
)
# A number or running head stands within so many lines of its page border.
_REACH = 4
# Page numbers are further apart than this, the items of a list nearer.
_PAGE = 8


def without_furniture(lines: list[str]) -> list[str]:
    """The lines with page furniture and page-border marks dropped."""
    breaks = [at for at, line in enumerate(lines) if line == BREAK]
    near = {at + step for at in breaks for step in range(-_REACH, _REACH + 1)}
    drop = _back_links(lines) | _page_numbers(lines, near) | _running(lines, near, breaks)
    return [line for at, line in enumerate(lines) if at not in drop and line != BREAK]


def _back_links(lines: list[str]) -> set[int]:
    """Every line that is only "Table of Contents" (or the like) after the first of its kind."""
    seen: set[str] = set()
    drop = set()
    for at, line in enumerate(lines):
        if 4 < len(line) < 60 and line[-1] in "sSxX" and _BACK.fullmatch(line.strip()):
            words = line.strip().lower()
            if words in seen:
                drop.add(at)
            seen.add(words)
    return drop


def _page_numbers(lines: list[str], near: set[int]) -> set[int]:
    """Lone numbers beside page borders, and lone numbers that count up from page to page."""
    alone = [
        at
        for at, line in enumerate(lines)
        if line and line[-1] in _NUMBER_ENDS and len(line) < 90 and _NUMBER.fullmatch(line.strip())
    ]
    values = [_value(lines[at]) for at in alone]
    drop = {at for at in alone if at in near}
    for index in range(2, len(alone)):
        a, b, c = alone[index - 2 : index + 1]
        one, two, three = values[index - 2 : index + 1]
        if one and two == one + 1 and three == two + 1 and b - a > _PAGE and c - b > _PAGE:
            drop |= {a, b, c}
    for (before, low), (at, high) in pairwise(zip(alone, values, strict=True)):
        if before in drop and low and high == low + 1 and at - before > _PAGE:
            drop.add(at)
    return drop


def _value(line: str) -> int:
    digits = re.search(r"\d+", line)
    return int(digits[0]) if digits else 0


def _running(lines: list[str], near: set[int], breaks: list[int]) -> set[int]:
    """Heads and feet beside at least half of the page borders, differing only in digits. Sentences stay."""
    pages = sum(1 for one, two in pairwise([*breaks, len(lines)]) if two - one > _REACH)
    shapes: dict[str, list[int]] = {}
    for at in near:
        if 0 <= at < len(lines) and 3 < len(lines[at]) < 100 and lines[at][-1] not in ".:;":
            shapes.setdefault(re.sub(r"\d+", "0", lines[at].strip()), []).append(at)
    shapes.pop(BREAK, None)
    often = [sorted(found) for found in shapes.values() if len(found) >= max(5, pages / 2)]
    return {at for found in often if "\t" not in lines[found[0]] or _counts_up(lines, found) for at in found}


def _counts_up(lines: list[str], found: list[int]) -> bool:
    """Whether table rows are page feet: their last numbers rise by one from page to page."""
    last = [int((re.findall(r"\d+", lines[at]) or ["0"])[-1][:9]) for at in found]
    return sum(1 for one, two in pairwise(last) if two == one + 1) >= 0.8 * (len(last) - 1)
