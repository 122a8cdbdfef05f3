"""Names of judicial opinions: finding them in a text and telling whether two names mean one case."""

import re
from dataclasses import dataclass
from functools import lru_cache

from toolsmith.tools.text import word_set, words

NAME_WORD = r"(?:[A-Z][\w'\u2019.-]*|[A-Z]\.)"
JOIN = r"(?:of|the|and|for|de|la|von|van|ex|rel\.|del|on|in|&)"
PARTY = rf"{NAME_WORD}(?:,?\s+(?:{JOIN}\s+){{0,2}}{NAME_WORD}|,?\s+&\s+{NAME_WORD}){{0,9}}(?:,?\s+et\s+al\b\.?)?"
VERSUS = re.compile(rf"\b(?P<one>{PARTY}),?\s+vs?\.\s+(?P<other>{PARTY})")
IN_RE = re.compile(rf"\b(?:In re|IN RE|In the Matter of|Matter of|Ex parte|EX PARTE)\s+(?P<one>{PARTY})")
# Words that start a sentence or introduce a citation, and so are no part of the first party's name.
LEAD = word_set(
    "in see also cf under the and but citing compare accord e.g eg held that as is does did do how what why when where "
    "whether would could should can may must if because since while although per following from by to for with "
    "on at quoting contra cited given applying reading let please explain after before against has have was were are "
    "according thus then therefore moreover however here so search find look check use verify confirm "
    "describe research apply consider tell say regarding concerning"
)
TAIL = word_set("the a an in see this that it we id and but however there")
CORPORATE = word_set(
    "inc incorporated corp corporation co company ltd limited llc llp lp plc na sa nv ag et al the of and for a &"
)
SHORT = {"sec": "securities exchange commission", "us": "united states", "usa": "united states"}


@dataclass(frozen=True)
class CaseName:
    """A case named in a text: its place (characters) and the words there."""

    start: int
    end: int
    text: str


@lru_cache(maxsize=4096)
def find_cases(text: str) -> tuple[CaseName, ...]:
    """Every "X v. Y" and "In re X" in `text`, in order."""
    found = [case for match in VERSUS.finditer(text) if (case := _versus(text, match))]
    taken = [(case.start, case.end) for case in found]
    for match in IN_RE.finditer(text):
        end = match.start() + len(_trim_end(match.group()))
        if not any(start < end and match.start() < stop for start, stop in taken):
            found.append(CaseName(match.start(), end, text[match.start() : end]))
    return tuple(sorted(found, key=lambda case: case.start))


def read_case(text: str) -> str | None:
    """The case name that `text` as a whole is, or None."""
    stripped = text.strip().rstrip(".")
    found = find_cases(text.strip())
    whole = len(found) == 1 and found[0].text.rstrip(".") == stripped
    return text.strip() if whole else None


def case_key(name: str) -> str:
    """A name for comparison: "SEC v. W. J. Howey Co." -> "securities exchange commission v howey"."""
    return " v ".join(" ".join(sorted(side)) for side in parties(name) if side)


@lru_cache(maxsize=65_536)
def parties(name: str) -> tuple[frozenset[str], ...]:
    """The telling words of each side of a case name; one side for "In re X"."""
    bare = re.sub(r"^(?:In re|In the Matter of|Matter of|Ex parte)\s+", "", name.strip(), flags=re.IGNORECASE)
    return tuple(_telling(side) for side in re.split(r",?\s+vs?\.?\s+", bare, maxsplit=1, flags=re.IGNORECASE))


def same_case(one: str, other: str) -> bool:
    """Whether two names mean one case: on each side, one has all the telling words of the other."""
    left, right = parties(one), parties(other)
    if len(left) != len(right) or not all(left) or not all(right):
        return False
    return all(a <= b or b <= a for a, b in zip(left, right, strict=True))


def _telling(side: str) -> frozenset[str]:
    expanded: list[str] = []
    joined = re.sub(r"\b([A-Z])\.\s?(?=[A-Z]\b)", r"\1", side)
    for word in words(joined.replace("'s", "")):
        expanded += SHORT[word].split() if word in SHORT else [word]
    telling = frozenset(w for w in expanded if w not in CORPORATE and len(w) > 1)
    long = frozenset(w for w in telling if len(w) > 2)
    return long or telling or frozenset(expanded)


def _versus(text: str, match: re.Match[str]) -> CaseName | None:
    start = match.start("one") + _lead(match["one"])
    end = match.start("other") + len(_trim_end(match["other"]))
    name = text[start:end]
    usable = start < match.end("one") and end > match.start("other") and len(name) <= 160 and all(parties(name))
    return CaseName(start, end, name) if usable else None


def _lead(party: str) -> int:
    """How many characters of the first party only lead up to it, as "See, " or "In " do."""
    at = 0
    for match in re.finditer(r"\S+\s*", party):
        if match.group().strip(" \n,.;").lower() not in LEAD:
            return match.start()
        at = match.end()
    return at


def _trim_end(party: str) -> str:
    """Cuts a following sentence's first word, a possessive and stray punctuation."""
    party = re.sub(
        r"['\u2019]s$",
        "",
        re.sub(r"\.\s+(?:The|A|An|In|See|This|That|It|We|Id|But|However|There|Under)\b.*$", "", party, flags=re.S),
    )
    pieces = party.split()
    while pieces and pieces[-1].strip(".,").lower() in TAIL:
        party = party[: party.rfind(pieces.pop())].rstrip()
    stripped = party.rstrip(" ,;:")
    abbreviated = re.search(r"\b(?:Inc|Corp|Co|Ltd|Bros|Assn|Ass'n|Cos|L\.L\.C|L\.P|N\.A|Jr|Sr|[A-Z])\.$", stripped)
    return stripped if abbreviated else stripped.rstrip(".")
