"""Page furniture: page numbers, "Table of Contents" back-links, running heads. Dropped; data rows never are."""

import re

from toolsmith.documents.markup import BREAK

_NUMBER = re.compile(r"(?:page\s+)?[-–—\s]*((?:[A-Z]{1,3}-)?\d{1,3}|[ivxl]{1,6})[-–—\s]*(?:\s*of\s+\d{1,3})?\.?", re.I)
_BACK = re.compile(r"(?:back to |return to )?(?:the )?(?:table of contents|index(?: to financial statements)?|contents)", re.I)
_REACH = 4


def without_furniture(lines: list[str]) -> list[str]:
    """The lines with page furniture and page-border marks dropped."""
    backs = _back_links(lines)
    drop = backs | _page_numbers(lines) | _running(lines)
    return [line for at, line in enumerate(lines) if at not in drop and line != BREAK]


def _back_links(lines: list[str]) -> set[int]:
    """Every line that is only "Table of Contents" (or the like) after the first."""
    found = [at for at, line in enumerate(lines) if 4 < len(line) < 60 and _BACK.fullmatch(line.strip())]
    seen: dict[str, int] = {}
    for at in found:
        seen.setdefault(lines[at].strip().lower(), at)
    keep = set(seen.values())
    return {at for at in found if at not in keep}


def _page_numbers(lines: list[str]) -> set[int]:
    near = _near_breaks(lines)
    alone = [at for at, line in enumerate(lines) if line and len(line) < 90 and _NUMBER.fullmatch(line.strip())]
    drop = {at for at in alone if at in near}
    values = [(at, _value(lines[at])) for at in alone]
    for (a, one), (b, two), (c, three) in zip(values, values[1:], values[2:], strict=False):
        if one and two == one + 1 and three == two + 1 and b - a > 8 and c - b > 8:
            drop |= {a, b, c}
    return drop


def _value(line: str) -> int:
    digits = re.search(r"\d+", line)
    return int(digits[0]) if digits else 0


def _near_breaks(lines: list[str]) -> set[int]:
    """Lines with at most a few lines between them and a page border."""
    near: set[int] = set()
    for at, line in enumerate(lines):
        if line == BREAK:
            near.update(range(at - _REACH, at + _REACH + 1))
    return near


def _running(lines: list[str]) -> set[int]:
    """Heads and feet that stand beside page borders on at least five pages, differing only in digits."""
    near = _near_breaks(lines)
    shapes: dict[str, list[int]] = {}
    for at in near:
        if 0 <= at < len(lines) and 3 < len(lines[at]) < 100 and lines[at] != BREAK and "\t" not in lines[at]:
            shapes.setdefault(re.sub(r"\d+", "0", lines[at].strip()), []).append(at)
    return {at for found in shapes.values() if len(found) >= 5 for at in found}
