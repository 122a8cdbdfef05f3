"""Item headings as filers write them: "Item 7A.", "ITEMS 1 AND 2", "Item 9A(T)", "Item 5.02(b)", "I T E M 3"."""

import re
from dataclasses import dataclass

# fmt: off
_WORDS = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
# fmt: on
# The pieces of an item heading: its word, its number, and what combines it with others ("and 2", ", 11 through 14").
_ITEM = r"(?i:i[ \t]?t[ \t]?e[ \t]?m[ \t]?s?)[ \t]*(?:\n[ \t]*)?(?i:no\.[ \t]*)?"
_NUMBER = rf"(\d{{1,2}}(?!\d)|(?:[IVX]{{1,5}}|(?i:{'|'.join(reversed(_WORDS))}))(?!\w))"
_DECIMAL = r"(?:[ \t]?\.(?:[ \t](?=0))?(\d\d)(?!\d))?"
_LETTER = r"(?:(?:\.|[ \t]?)([A-KT])(?![\w’'])|([a-kt])(?![\w’']))?"
_PARENTHESIS = r"\([A-Za-z0-9]{1,3}\)"
_MORE = (
    rf"(?:{_PARENTHESIS}|[ \t]*[.,]?[ \t]*(?:,|&|/|(?i:and|through)(?!\w))[ \t]*"
    rf"(?:{_PARENTHESIS}|(?i:items?[ \t]*)?\d{{1,2}}(?:\.\d\d)?[A-K]?(?!\w)))*"
)
# The part that a heading names before its item, "Part II. Other Information", on the same line or the line before.
_IN_PART = r"(?i:part[ \t]+(i{1,3}|iv|[12])\b[\s,.:–—-]*(?:(?:financial|other)[ \t]+information\b[\s,.:–—-]*)?)?"
ITEM = re.compile(
    rf"\n[ \t*+•|(]*{_IN_PART}"
    rf"{_ITEM}{_NUMBER}{_DECIMAL}{_LETTER}({_MORE})(?![\w’'])[ \t]*([.:：–—\-|)* \t]*)([^\n]{{0,200}})"
)
_PART = re.compile(r"\n[ \t]*(?i:part)[ \t]+(I{1,3}|IV|i{1,3}|[12])\b[^\n]{0,80}(?=\n)")
_RUNS_ON = re.compile(r"(?:of|and|or|in|to|above|below|herein|hereof|\([a-z0-9]{1,3}\))(?!\w)", re.I)
# How a line ends whose sentence goes on, so that "Item 14. These statements" behind it is no heading.
_GOES_ON = re.compile(
    r"(?:[,;]|(?i:\b(?:in|of|and|at|the|to|see|under|with|by|or|on|as|an|this|our|its|that|from|for|per|also"
    r"|Part [IV]+,?)))$"
)
# How an entry of a list ends that another follows, as where a sentence lists items to see.
_LISTS = (",", ";", ", and", "; and", ", or", "; or")
# Titles of a 10-Q's second part; its item numbers begin again at 1.
_SECOND_PART = re.compile(
    r"legal proceed|risk factor|unregistered|changes in securities|use of proceeds|defaults? |mine safety"
    r"|submission of matters"
    r"|other information|exhibits|issuer purchases|removed and reserved",
    re.I,
)
_FIRST_PART = re.compile(r"financial statements|management|quantitative|controls", re.I)
_PARTS = {"I": 1, "II": 2, "III": 3, "IV": 4, "1": 1, "2": 2}
# A title that a paragraph begins with, and what shows that it is the paragraph's first sentence instead.
_RUN_IN = re.compile(r"([A-Z(\[][^.:\n]{2,150}?)(?:[.:]|\s?[–—])\s+(?=[A-Z(“\"])")
_SENTENCE = re.compile(
    r"\b(?:is|are|was|were|be|has|have|had|will|would|may|shall|should|can|does|contains?|describes?|includes?|provides?"
    r"|sets?|discuss(?:es)?|refers?|requires?|entitled|captioned)\b"
)
# Item titles that only items with a letter have, by which "Item 1(A)" is told from a paragraph of item 1.
_LETTERED = re.compile(
    r"risk factor|unresolved|cyber|quantitative|controls|other information|disclosure regarding", re.I
)
# What stands under a heading without a title and is its text.
_NO_TITLE = re.compile(r"(?:none|not applicable|n/a|omitted|the information|see|we|there)\b", re.I)


@dataclass(frozen=True, slots=True)
class Head:
    """An item heading: where, its place in the form's order (part, item, letter or decimals), its number and title.

    others: the numbers it is combined with, as written: " and 2".
    """

    start: int
    key: tuple[int, int, str]
    number: str
    title: str
    others: str = ""


def heads_of(text: str, twice: bool) -> list[Head]:
    """Every line that can be an item heading, in the text's order; of a run of equal ones the first.

    twice: the form numbers its items in two parts. Cross-references that begin a line are mostly kept out here.
    """
    padded = f"\n{text}\n"
    parts = [(found.start(), _PARTS[found[1].upper()]) for found in _PART.finditer(padded)] if twice else []
    heads: list[Head] = []
    for found in ITEM.finditer(padded):
        head = _head(found, padded, parts, twice)
        if head and (not heads or heads[-1].key != head.key):
            heads.append(head)
    return heads


def _head(found: re.Match[str], padded: str, parts: list[tuple[int, int]], twice: bool) -> Head | None:
    said, major, minor, upper, lower, more, marks, rest = found.groups()
    rest, start = rest.strip(), found.start()
    before = padded[max(0, padded.rfind("\n", 0, start)) : start]
    if rest and _is_prose(rest, marks) or _GOES_ON.search(before):
        return None
    if padded[found.end()] != "\n":
        rest = _run_in(rest)
    if not rest and found[8].strip() or rest.endswith(_LISTS):
        return None
    rest = rest or _next_line(padded, found.end())
    letter, major = (upper or lower or "").upper(), _arabic(major)
    if not letter and re.match(r"\([A-Ca-c]\)", more) and _LETTERED.match(rest):
        letter = more[1].upper()
    part = _part_of(rest, _PARTS.get((said or "").upper(), 0), parts, start) if twice else 0
    number = f"{major}.{minor}" if minor else f"{major}{letter}"
    # Item 4A of a 20-F follows 4.A to 4.D, which are parts of its item 4.
    place = "Z" if number == "4A" and "unresolved" in rest.lower() else minor or letter
    return Head(start, (part, major, place), number, rest, _others(more))


def _run_in(paragraph: str) -> str:
    """The title that a long paragraph begins with, "" where it begins with a sentence."""
    found = _RUN_IN.match(paragraph)
    return "" if not found or _SENTENCE.search(found[1]) else found[1]


def _others(more: str) -> str:
    """The further numbers of a combined heading, " and 2" or ", 11 through 14"; "" where only letters follow."""
    more = " ".join(re.sub(_PARENTHESIS, "", more).lstrip(". \t").split())
    return "" if not re.search(r"\d", more) else more if more[0] == "," else f" {more}"


def _is_prose(rest: str, marks: str) -> bool:
    """Whether what follows an item's number goes on as a sentence does."""
    return (
        rest[0].islower() or rest[0] in ",;”\"’'" or rest[0] == "“" and not marks.strip() or bool(_RUNS_ON.match(rest))
    )


def _arabic(number: str) -> int:
    """The value of "7", "VII" or "Seven"."""
    if number.isdigit():
        return int(number)
    if number.lower() in _WORDS:
        return _WORDS.index(number.lower()) + 1
    values = [{"I": 1, "V": 5, "X": 10}[one] for one in number]
    return sum(-one if one < two else one for one, two in zip(values, [*values[1:], 0], strict=True))


def _part_of(title: str, said: int, parts: list[tuple[int, int]], at: int) -> int:
    """The part of a 10-Q item: as its heading says, by its title, or by the last PART heading."""
    if said:
        return said
    if _SECOND_PART.search(title):
        return 2
    if _FIRST_PART.search(title):
        return 1
    return next((number for start, number in reversed(parts) if start < at), 1)


def _next_line(text: str, at: int) -> str:
    """The line after a heading that has no title of its own, where it can be one."""
    line = next((one.strip() for one in text[at : at + 300].split("\n") if one.strip()), "")
    return "" if len(line) >= 120 or line.lower().startswith(("item", "part")) or _NO_TITLE.match(line) else line
