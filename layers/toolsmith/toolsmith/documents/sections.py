"""Sections of a filing: its items where it has them, together covering the whole text without overlap."""

import re

from toolsmith.documents.model import Section

_ITEM = re.compile(
    r"\n[ \t]*(?i:(?:part\s+(?:i{1,3}|iv)\b[\s,.:–—-]*)?items?[ \t]+(\d{1,2}(?:\.\d\d)?)[ \t]*(?:\(?([a-c])\)?(?![a-z]))?"
    r"[ \t]*[.:–—\-\t ]*([^\n]{0,200}))(?=\n)")
_SIGNATURES = re.compile(r"^[ \t]*(?:signatures?|s i g n a t u r e s?)[ \t]*:?$", re.I | re.M)
_REFERENCE = re.compile(
    r"incorporated\s+(?:herein\s+|in\s+this\s+report\s+)?by\s+(?:this\s+)?reference|(?:in|under)\s+.{0,40}exhibit\s+13", re.I | re.S)
_HEADING = re.compile(r"^(?:NOTES?\s+\d+.{0,120}|[A-Z][A-Z0-9 ,.&'’()/:;–—-]{7,120})$", re.M)
_RUNS_ON = re.compile(r"(?:of|and|in|to|above|below|herein)\b", re.I)
MAX_SHARE = 0.6


def sections_of(text: str) -> tuple[Section, ...]:
    """Sections that cover `text` from 0 to its end. One untitled section where no item is found."""
    if not text:
        return ()
    heads = _body_heads(text)
    if not heads:
        return (Section("", 0, len(text)),)
    marks = _with_signatures(text, heads)
    found = [] if marks[0][0] == 0 else [Section("Preamble", 0, marks[0][0])]
    for (start, title, number), (end, _, _) in zip(marks, [*marks[1:], (len(text), "", "")], strict=True):
        found.append(Section(title, start, end, _flags(text[start:end], number), number))
    return divided(text, tuple(found))


def divided(text: str, found: tuple[Section, ...]) -> tuple[Section, ...]:
    """The sections, those that take too much of the text cut at a heading or near their middle."""
    if len(found) < 2:
        return found
    return tuple(piece for one in found for piece in _divided(text, one))


def _candidates(text: str) -> list[tuple[int, str, str]]:
    found = []
    for match in _ITEM.finditer(f"\n{text}\n"):
        number = match[1] + (match[2] or "").upper()
        rest = match[3].strip()
        if _is_heading(match[0], rest):
            found.append((match.start(), f"Item {number}" + (f". {_short(rest)}" if rest else ""), number))
    return found


def _is_heading(line: str, rest: str) -> bool:
    """A heading starts with a capital (or nothing) and is no sentence that goes on."""
    return not rest or not (rest[0].islower() or rest[0] in ",;)”\"" or _RUNS_ON.match(rest))


def _short(title: str) -> str:
    title = title.split("\t")[0].strip()
    if len(title) > 100:
        title = re.split(r"(?<=[a-z])\.\s", title)[0][:100]
    return title.rstrip(" .:-–—")


def _body_heads(text: str) -> list[tuple[int, str, str]]:
    """Of each item's headings the one with the longest text before the next heading, in document order."""
    found = _candidates(text)
    if not found:
        return []
    ends = [at for at, _, _ in found[1:]] + [len(text)]
    best: dict[str, tuple[int, int]] = {}
    for index, ((at, _, number), end) in enumerate(zip(found, ends, strict=True)):
        if number not in best or end - at > best[number][0]:
            best[number] = (end - at, index)
    return sorted(found[index] for _, index in best.values())


def _with_signatures(text: str, heads: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    last = [found.start() for found in _SIGNATURES.finditer(text, heads[-1][0] + 1)]
    return [*heads, (last[0], "Signatures", "")] if last else heads


def _flags(text: str, number: str) -> tuple[str, ...]:
    return ("incorporated_by_reference",) if number and len(text) < 2500 and _REFERENCE.search(text) else ()


def _divided(text: str, one: Section) -> list[Section]:
    if one.end - one.start <= MAX_SHARE * len(text):
        return [one]
    middle = (one.start + one.end) // 2
    heads = [found.start() for found in _HEADING.finditer(text, one.start + 1, one.end)]
    near = min(heads, key=lambda at: abs(at - middle), default=-1)
    if abs(near - middle) > (one.end - one.start) // 4:
        near = text.find("\n", middle, one.end) + 1 or middle
    rest = Section(f"{one.title} (continued)".strip(), near, one.end, (*one.flags, "continued"), one.number)
    return [Section(one.title, one.start, near, one.flags, one.number), rest]
