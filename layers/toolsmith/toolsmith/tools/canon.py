"""Citations in legal text: finding them, writing them one way, and saying whether they exist.

Canonical forms are those of the grader's citation canon ("17 CFR 230.501(a)", "15 USC 78j(b)"), and beside them
"485 U.S. 224" for a reporter and "Rule 12(b)(6)" for a rule of procedure or of an exchange.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from toolsmith.catalog import Catalog
from toolsmith.errors import RecipeInvalid
from toolsmith.grading.canon import canon as spellings
from toolsmith.grading.citations import citation_of
from toolsmith.tools.text import word_set

SUB = r"(?P<sub>(?:\s?\([A-Za-z0-9]{1,5}\))*)"
SECTION = r"\d+[A-Za-z]{0,2}\d*(?:-\d+[A-Za-z]?)*"
EXCHANGES = r"NYSE|N\.Y\.S\.E\.|Nasdaq|NASDAQ|FINRA|NASD|MSRB|AMEX|CBOE"
PATTERNS = {
    "cfr": re.compile(
        r"\b(?P<title>\d{1,2})\s*C\.?\s?F\.?\s?R\.?\s*(?:§+|[Ss]ec(?:tion|\.)|[Pp]arts?)?\s*"
        rf"(?P<part>\d{{1,4}})(?:\.(?P<section>{SECTION}))?{SUB}"
    ),
    "usc": re.compile(
        r"\b(?P<title>\d{1,2})\s*U\.?\s?S\.?\s?C\.?(?:\s?A\.)?\s*(?:§+|[Ss]ec(?:tion|\.))?\s*"
        rf"(?P<section>\d+[a-z]{{0,3}}(?:-\d+[a-z]?)?){SUB}"
    ),
    "symbol": re.compile(rf"§+\s*(?P<part>\d{{1,4}})\.(?P<section>{SECTION}){SUB}"),
    "item": re.compile(rf"\bItem\s+(?P<section>\d{{3,4}}){SUB}\s+of\s+Regulation\s+(?P<reg>S-K|AB|M-A)\b"),
    "rule": re.compile(
        rf"\b(?P<org>(?:{EXCHANGES})\s+(?:Listing\s+)?)?(?:SEC\s+|Securities Act\s+|Exchange Act\s+)?Rules?\s+"
        rf"(?P<section>{SECTION}){SUB}(?:\s+of\s+Regulation\s+(?P<reg>S-X|S-T|FD|SHO|M|S-K|D|A|S|C|Crowdfunding)\b)?"
    ),
    "statute": re.compile(
        rf"(?:\b[Ss]ec(?:tion|\.)|§)\s*(?P<section>\d+[A-Z]?){SUB}"
        rf"(?:\s+of\s+the\s+(?P<act>(?:[A-Z'][\w'-]*\s+){{1,4}}Act(?:\s+of\s+\d{{4}})?))?"
    ),
    "named": re.compile(
        r"\bRegulation\s+(?:S-[KXTP]|FD|SHO|NMS|ATS|SCI|BTR|AB|BI|M-A|Crowdfunding|CF|A\+?|[CDGMS])(?![\w+-])"
    ),
    "procedure": re.compile(rf"\bFed\.\s*R\.\s*(?P<code>\w+)\.\s*(?:P\.)?\s*(?P<section>\d+(?:\.\d+)?){SUB}"),
    "reporter": re.compile(
        r"\b(?P<volume>\d{1,4})\s+(?P<reporter>U\.\s?S\.|S\.\s?Ct\.|L\.\s?Ed\.(?:\s?2d)?|F\.\s?Supp\.(?:\s?[23]d)?|"
        r"F\.(?:\s?(?:2d|3d|4th))?|A\.\s?[23]d|N\.\s?E\.(?:\s?[23]d)?|N\.\s?W\.(?:\s?2d)?|S\.\s?E\.(?:\s?2d)?|"
        r"S\.\s?W\.(?:\s?[23]d)?|So\.(?:\s?[23]d)?|P\.(?:\s?[23]d)|B\.\s?R\.|Cal\.\s?Rptr\.(?:\s?[23]d)?)"
        r"\s+(?P<page>\d{1,5})\b"
    ),
}
BARE_SECTIONS = frozenset({"10(b)", "16(b)", "20(a)", "13(d)", "14(a)", "12(a)(2)", "4(a)(2)", "17(a)"})
SEC_PARTS = word_set(
    "200 201 202 203 210 211 227 228 229 230 231 232 239 240 241 242 243 244 245 246 247 248 249 255 260 270 275 276"
)


@dataclass(frozen=True)
class Citation:
    """One citation in a text: its place (characters), the words there, its canonical form.

    kind: "cfr", "usc", "reporter", "regulation" (a whole one, by its name) or "other" (of an exchange, of procedure).
    """

    start: int
    end: int
    text: str
    canonical: str
    kind: str


@dataclass(frozen=True)
class Canon:
    """The citation tables of a domain; all look-ups are by canonical form."""

    tables: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Canon":
        """From the text of authorities.json. Raises RecipeInvalid."""
        try:
            tables = json.loads(text)
        except json.JSONDecodeError as broken:
            raise RecipeInvalid(f"authorities.json, line {broken.lineno}: not JSON ({broken.msg})") from broken
        missing = {"absent", "known"} - tables.keys()
        if missing:
            raise RecipeInvalid(f"authorities.json: {', '.join(sorted(missing))} is missing")
        return cls(tables)

    def find(self, text: str, title: str = "") -> tuple[Citation, ...]:
        """Every citation in `text`, in order, none inside another. `title`: CFR title that a bare § means."""
        return _find(text, title)

    def read(self, text: str) -> Citation | None:
        """The one citation that `text` as a whole is, or None."""
        bare = text.strip().rstrip(".")
        found = self.find(bare)
        if len(found) == 1 and found[0].text == bare:
            return found[0]
        law = None if found else citation_of(bare)
        return Citation(0, len(bare), bare, law.canonical(), law.code) if law else None

    def canonical(self, text: str) -> str | None:
        citation = self.read(text)
        return citation.canonical if citation else None

    @cached_property
    def known(self) -> Mapping[str, str]:
        """Canonical form -> how people say it, for everything the tables vouch for."""
        said = {
            f"{act.title} USC {section.rpartition(':')[2]}": f"section {number} of the act of {name}"
            for name, act in spellings().acts.items()
            for number, section in act.sections.items()
        }
        for name in spellings().regulations:
            if whole := citation_of(name):
                said[whole.canonical()] = name
        for entry in self.tables["known"]["regulations"]:
            if form := self.canonical(entry["say"]):
                said[form] = entry["say"]
        said |= {entry["cite"]: entry["say"] for entry in self.tables["known"]["cases"]}
        return said

    def vouches(self, canonical: str) -> bool:
        """Whether the tables hold this citation or the section that its paragraph belongs to."""
        return base(canonical) in self._bases

    def absent(self, canonical: str) -> bool:
        """Whether the tables say that no such section exists."""
        match = re.fullmatch(r"(\d+) CFR (\d+)\.(\d+).*", canonical)
        if not match:
            return False
        title, part, number = match.group(1), match.group(2), int(match.group(3))
        return any(
            (row["title"], row["part"]) == (title, part) and row["from"] <= number <= row["to"]
            for row in self.tables["absent"]
        )

    @cached_property
    def _bases(self) -> frozenset[str]:
        return frozenset(map(base, self.known))


@lru_cache(maxsize=4096)
def _find(text: str, title: str) -> tuple[Citation, ...]:
    kept: list[Citation] = []
    for citation in sorted(_all(text, title), key=lambda c: (c.start, -c.end)):
        if not kept or citation.start >= kept[-1].end:
            kept.append(citation)
    return tuple(kept)


def _all(text: str, title: str) -> Iterator[Citation]:
    for kind, pattern in PATTERNS.items():
        for match in pattern.finditer(text):
            if named := _canonical(kind, match, title):
                yield Citation(match.start(), match.end(), match.group(), *named)


def base(canonical: str) -> str:
    """The citation without its paragraphs: "17 CFR 230.501(a)" -> "17 CFR 230.501"."""
    return canonical.partition("(")[0]


def same_law(one: str, other: str) -> bool:
    """Whether two canonical forms are equal, or one is a paragraph of the other."""
    return one == other or (base(one) == base(other) and (one.startswith(other) or other.startswith(one)))


def _paragraphs(match: re.Match[str]) -> str:
    return re.sub(r"\s", "", match.groupdict().get("sub") or "")


def _canonical(kind: str, match: re.Match[str], title: str) -> tuple[str, str] | None:
    """(canonical form, kind) of a match, or None when it only looked like a citation."""
    parts = match.groupdict()
    if kind == "reporter":
        return f"{parts['volume']} {_reporter(parts['reporter'])} {parts['page']}", "reporter"
    sub = _paragraphs(match)
    if kind == "symbol":
        title = title or ("17" if parts["part"] in SEC_PARTS else "")
        return (f"{title} CFR {parts['part']}.{parts['section']}{sub.lower()}", "cfr") if title else None
    if kind == "procedure":
        return f"Fed. R. {parts['code']}. P. {parts['section']}{sub}", "other"
    if kind == "rule" and (other := _other_rule(parts, sub)):
        return other, "other"
    if kind == "statute" and not parts["act"] and f"{parts['section']}{sub}" not in BARE_SECTIONS:
        return None
    law = citation_of(match.group())
    return (law.canonical(), "regulation" if kind == "named" else law.code) if law else None


def _other_rule(parts: Mapping[str, str | None], sub: str) -> str | None:
    """A rule that is not the Commission's: an exchange's, or one of procedure ("Rule 12(b)(6)")."""
    number = parts["section"] or ""
    if parts["org"]:
        return f"{' '.join(parts['org'].split())} Rule {number}{sub}"
    ours = parts["reg"] or re.fullmatch(r"\d{1,3}[a-z]{1,2}\d*-\d+[a-zA-Z]?|\d{3}[A-Z]?", number)
    return None if ours else f"Rule {number}{sub}"


def _reporter(text: str) -> str:
    """Bluebook spacing: single capitals closed up ("N.E.2d"), longer abbreviations apart ("F. Supp. 2d")."""
    tight = re.sub(r"\s", "", text)
    apart = re.sub(r"\.(?=Supp|Ct|Ed|Rptr)", ". ", tight)
    return re.sub(r"(Supp|Ct|Ed|Rptr|So)\.(?=\d)", r"\1. ", apart)


@lru_cache(maxsize=8)
def _canon_of(text: str) -> Canon:
    return Canon.parse(text)


@lru_cache(maxsize=8)
def load_canon(catalog: Catalog) -> Canon:
    """The citation tables of the catalog's domain."""
    return _canon_of(catalog.text("authorities.json"))
