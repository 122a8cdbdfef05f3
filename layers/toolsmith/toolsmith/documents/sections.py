"""Sections of a filing: its items where it has them, together covering the whole text without overlap."""

import re
from dataclasses import replace

from toolsmith.documents.items import Head, heads_of
from toolsmith.documents.model import Section

_SIGNATURES = re.compile(r"\n[ \t]*(?i:signatures?|s i g n a t u r e s?)[ \t]*:?(?=\n)")
_STATEMENTS = re.compile(
    r"\n[ \t]*(?i:index to (?:the )?(?:consolidated )?financial statements|(?:consolidated )?financial statements"
    r"|reports? of independent (?:registered )?(?:certified )?(?:public )?account\w*[^\n]{0,40}"
    r"|exhibit index)[ \t]*(?=\n)"
)
_HEADING = re.compile(r"\n[ \t]*((?:NOTES?\s+\d+[^\n]{0,100}|[A-Z][A-Z ,.&'’()/:;–—-]{7,100}))(?=\n)")
_REFERENCE = re.compile(
    r"incorporated\s+(?:herein\s+|in(?:to)?\s+this\s+(?:report|item|form[\w\s-]{0,8})\s+)?by\s+(?:this\s+)?reference"
    r"|incorporated\s+herein|(?:set\s+forth|included|contained|appears?|found)\s+(?:in|under)\s[^.]{0,80}"
    r"(?:proxy\s+statement|annual\s+report\s+to\s+(?:share|stock)holders|exhibit\s+13)",
    re.I,
)
# A row of a table of contents ends in its page, one of an index of items in its pages.
_LISTED = re.compile(r"(?:[\t.]|\s\s|[a-z]\s)\s*\d{1,3}$")
_PAGES = re.compile(r"[\t.\s](?:pages?\s*)?[A-Z]?-?\d{1,3}(?:\s*[-–—,&]\s*[A-Z]?-?\d{1,3})*$", re.I)
# Forms whose items are numbered 1, 1A, 2; in them "Item 5.02" speaks of another form.
_WHOLE_NUMBERS = ("10-", "20-F", "40-F", "S-", "SC ", "N-")
MAX_SHARE = 0.6
MAX_HEADS = 3000
LONG_ENOUGH = 3000
LONG_FRONT = 20000


def sections_of(text: str, form: str = "") -> tuple[Section, ...]:
    """Sections that cover `text` from 0 to its end: items, else capital headings, else one untitled section.

    form: the form type where known; a 10-Q numbers its items twice, an 8-K lists them in any order.
    """
    if not text:
        return ()
    marks = _items(text, form) or _headings(text)
    if not marks:
        return (Section("", 0, len(text)),)
    found = [] if marks[0][0] == 0 else [Section("Preamble", 0, marks[0][0])]
    for (start, title, number), (end, _, _) in zip(marks, [*marks[1:], (len(text), "", "")], strict=True):
        found.append(Section(title, start, end, _flags(text[start:end], number), number))
    return divided(text, tuple(found))


def divided(text: str, found: tuple[Section, ...]) -> tuple[Section, ...]:
    """The sections, those that take too much of the text cut at a heading or near their middle."""
    if len(found) < 2:
        return found
    return tuple(piece for one in found for piece in _divided(text, one))


def _divided(text: str, one: Section) -> list[Section]:
    if one.end - one.start <= MAX_SHARE * len(text):
        return [one]
    middle, most = (one.start + one.end) // 2, int(MAX_SHARE * len(text))
    quarter = (one.end - one.start) // 4
    first, last = max(middle - quarter, one.end - most), min(middle + quarter, one.start + most)
    heads = [found.start(1) for found in _HEADING.finditer(text, first - 1, last + 1)]
    near = min((at for at in heads if first <= at <= last), key=lambda at: abs(at - middle), default=-1)
    if near < 0:
        near = text.find("\n", middle, last) + 1 or text.find(" ", middle, last) + 1 or middle
    rest = Section(f"{one.title} (continued)".strip(), near, one.end, (*one.flags, "continued"), one.number)
    return [Section(one.title, one.start, near, one.flags, one.number), rest]


def _items(text: str, form: str) -> list[tuple[int, str, str]]:
    twice = form.upper().startswith("10-Q") or not form and re.search(r"form\s+10-?q", text[:3000], re.I) is not None
    heads = heads_of(text, twice)
    if not heads or len(heads) > MAX_HEADS:
        return []
    decimal = [one for one in heads if "." in one.number]
    if 2 * len(decimal) >= len(heads) and not form.upper().startswith(_WHOLE_NUMBERS):
        chosen = _each_once(text, decimal)
    else:
        chosen = _best_chain(text, [one for one in heads if "." not in one.number])
        if _is_index(text, chosen):
            chosen = _titled(text, chosen)
            if not chosen:
                return []
    marks = [(one.start, _title(one, twice), one.number) for one in chosen]
    front = _headings(text[: marks[0][0]]) if marks[0][0] > max(LONG_FRONT, len(text) // 4) else []
    return front + marks + _after(text, marks[-1][0])


def _each_once(text: str, heads: list[Head]) -> list[Head]:
    """For forms whose items come in any order: of equal numbers the one with the most text."""
    ends = [one.start for one in heads[1:]] + [len(text)]
    best: dict[str, tuple[int, Head]] = {}
    for one, end in zip(heads, ends, strict=True):
        if one.number not in best or end - one.start > best[one.number][0]:
            best[one.number] = (end - one.start, one)
    return sorted((one for _, one in best.values()), key=lambda one: one.start)


def _best_chain(text: str, heads: list[Head]) -> list[Head]:
    """The run of headings in rising item order that holds the most text: the body, not its table of contents."""
    ends = [one.start for one in heads[1:]] + [len(text)]
    best: dict[tuple[int, int, str], tuple[int, tuple]] = {}
    for one, end in zip(heads, ends, strict=True):
        before = max(
            (found for key, found in best.items() if key < one.key), key=lambda found: found[0], default=(0, ())
        )
        weight = before[0] + (1 if _LISTED.search(one.title) else min(end - one.start, LONG_ENOUGH) + 2)
        if one.key not in best or weight >= best[one.key][0]:
            best[one.key] = (weight, (before[1], one))
    chain, link = [], max(best.values(), key=lambda found: found[0])[1]
    while link:
        link, one = link
        chain.append(one)
    return chain[::-1]


def _is_index(text: str, heads: list[Head]) -> bool:
    """Whether the headings are the rows of an index of items, in a filing that has no such headings elsewhere."""
    paged = sum(1 for one in heads if _PAGES.search(one.title))
    return len(heads) > 4 and 2 * paged > len(heads) and heads[-1].start - heads[0].start < len(text) // 4


def _titled(text: str, index: list[Head]) -> list[Head]:
    """The items of a filing that heads them by their titles alone, known from its index of items."""
    first, last = index[0].start, text.find("\n", index[-1].start + 1)
    named = {_plain(_PAGES.sub("", one.title)): one for one in index}
    found, at = [], 0
    for line in text.split("\n"):
        one = named.get(_plain(line)) if 4 < len(line) < 150 and not first <= at <= last else None
        if one:
            found.append(replace(one, start=at, title=line.strip()))
        at += len(line) + 1
    chain = _best_chain(text, found) if found else []
    return chain if len(chain) > 2 else []


def _plain(title: str) -> str:
    return " ".join(re.findall(r"\w+", title.lower()))


def _title(one: Head, twice: bool) -> str:
    title = re.split(r"\t|\s{3,}|\.{3,}", one.title)[0].strip()
    if len(title) > 120:
        title = re.split(r"(?<=[a-z])\.\s", title)[0][:120]
    title = title.rstrip(" .:-–—")
    part = f"Part {'I' * one.key[0]}, " if twice else ""
    word = "Items" if one.others else "Item"
    return f"{part}{word} {one.number}{one.others}" + (f". {title}" if title else "")


def _after(text: str, last: int) -> list[tuple[int, str, str]]:
    """The signatures after the last item, and what stands behind them."""
    padded = f"\n{text}\n"
    signed = next((found.start() for found in _SIGNATURES.finditer(padded, last + 1)), None)
    if signed is None:
        return []
    marks = [(signed, "Signatures", "")]
    behind = next((found for found in _STATEMENTS.finditer(padded, signed + 1)), None)
    if behind:
        marks.append((behind.start(), behind[0].strip().capitalize(), ""))
    return marks


def _headings(text: str) -> list[tuple[int, str, str]]:
    """Capital headings at least a screen apart, where a document without items has at least three of them."""
    marks: list[tuple[int, str, str]] = []
    for found in _HEADING.finditer(f"\n{text}\n"):
        title = found[1].strip()
        if (not marks or found.start() - marks[-1][0] > 1500) and " " in title and "  " not in title:
            marks.append((found.start(), title.rstrip(" .:;"), ""))
    return marks if 3 <= len(marks) <= 400 else []


def _flags(text: str, number: str) -> tuple[str, ...]:
    by_reference = number and len(text) < 2500 and "xhibits" not in text[:80].lower() and _REFERENCE.search(text)
    return ("incorporated_by_reference",) if by_reference else ()
