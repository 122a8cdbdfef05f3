"""Citations in legal text: finding them, writing them one way, and saying whether they exist.

Canonical forms: "17 CFR 230.501(a)", "15 USC 78j(b)", "485 U.S. 224", "Rule 12(b)(6)" for a rule of procedure.
Tables come from the recipe's authorities.json, whose own note names the sources.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from toolsmith.errors import RecipeInvalid
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
    "procedure": re.compile(rf"\bFed\.\s*R\.\s*(?P<code>\w+)\.\s*(?:P\.)?\s*(?P<section>\d+(?:\.\d+)?){SUB}"),
    "reporter": re.compile(
        r"\b(?P<volume>\d{1,4})\s+(?P<reporter>U\.\s?S\.|S\.\s?Ct\.|L\.\s?Ed\.(?:\s?2d)?|F\.\s?Supp\.(?:\s?[23]d)?|"
        r"F\.(?:\s?(?:2d|3d|4th))?|A\.\s?[23]d|N\.\s?E\.(?:\s?[23]d)?|N\.\s?W\.(?:\s?2d)?|S\.\s?E\.(?:\s?2d)?|"
        r"S\.\s?W\.(?:\s?[23]d)?|So\.(?:\s?[23]d)?|P\.(?:\s?[23]d)|B\.\s?R\.|Cal\.\s?Rptr\.(?:\s?[23]d)?)"
        r"\s+(?P<page>\d{1,5})\b"
    ),
}
REGULATION_PARTS = {
    "S-X": "210",
    "S-K": "229",
    "AB": "229",
    "M-A": "229",
    "S-T": "232",
    "FD": "243",
    "Crowdfunding": "227",
}
SEC_PARTS = word_set(
    "200 201 202 203 210 211 227 228 229 230 231 232 239 240 241 242 243 244 245 246 247 248 249 255 260 270 275 276"
)


@dataclass(frozen=True)
class Citation:
    """One citation in a text: its place (characters), the words there, its canonical form.

    kind: "cfr", "usc", "reporter", "regulation" (a whole regulation by name) or "other" (exchange, procedure).
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
        missing = {"acts", "bare_sections", "regulations", "absent", "known"} - tables.keys()
        if missing:
            raise RecipeInvalid(f"authorities.json: {', '.join(sorted(missing))} is missing")
        return cls(tables)

    def find(self, text: str, title: str = "") -> list[Citation]:
        """Every citation in `text`, in order, none inside another. `title`: CFR title that a bare § means."""
        found = sorted(self._all(text, title), key=lambda c: (c.start, -c.end))
        kept: list[Citation] = []
        for citation in found:
            if not kept or citation.start >= kept[-1].end:
                kept.append(citation)
        return kept

    def read(self, text: str) -> Citation | None:
        """The one citation that `text` as a whole is, or None."""
        bare = text.strip().rstrip(".")
        found = self.find(bare)
        return found[0] if len(found) == 1 and found[0].text == bare else None

    def canonical(self, text: str) -> str | None:
        citation = self.read(text)
        return citation.canonical if citation else None

    @cached_property
    def known(self) -> Mapping[str, str]:
        """Canonical form -> how people say it, for everything the tables vouch for."""
        said = {form: name for name, form in self.tables["regulations"].items()}
        for act in self.tables["acts"]:
            for number, section in act["sections"].items():
                said[f"{act['title']} USC {section}"] = f"Section {number} of the {act['names'][0]}"
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

    @cached_property
    def _acts(self) -> tuple[re.Pattern[str], Mapping[str, tuple[str, Mapping[str, str]]]]:
        acts = {name: (act["title"], act["sections"]) for act in self.tables["acts"] for name in act["names"]}
        names = "|".join(re.escape(name) for name in sorted(acts, key=len, reverse=True))
        head = rf"(?:\b[Ss]ec(?:tion|\.)|§)\s*(?P<section>\d+[A-Z]?){SUB}"
        return re.compile(rf"{head}(?:\s+of\s+the\s+(?P<act>{names}))?"), acts

    def _all(self, text: str, title: str) -> Iterator[Citation]:
        for kind, pattern in PATTERNS.items():
            for match in pattern.finditer(text):
                if named := _canonical(kind, match, title):
                    yield Citation(match.start(), match.end(), match.group(), *named)
        yield from self._statutes(text)
        for name, form in self.tables["regulations"].items():
            for match in re.finditer(rf"\b{re.escape(name)}(?![\w-])", text):
                yield Citation(match.start(), match.end(), match.group(), form, "regulation")

    def _statutes(self, text: str) -> Iterator[Citation]:
        pattern, acts = self._acts
        for match in pattern.finditer(text):
            number, sub = match["section"], _paragraphs(match)
            if match["act"]:
                title, sections = acts[match["act"]]
                form = f"{title} USC {sections[number]}{sub}" if number in sections else None
            else:
                form = self.tables["bare_sections"].get(f"{number}{sub}")
            if form:
                yield Citation(match.start(), match.end(), match.group(), form, "usc")


def base(canonical: str) -> str:
    """The citation without its paragraphs: "17 CFR 230.501(a)" -> "17 CFR 230.501"."""
    return canonical.partition("(")[0]


def same_law(one: str, other: str) -> bool:
    """Whether two canonical forms are equal, or one is a paragraph of the other."""
    return one == other or (base(one) == base(other) and (one.startswith(other) or other.startswith(one)))


def _paragraphs(match: re.Match[str]) -> str:
    return re.sub(r"\s", "", match["sub"] or "")


def _canonical(kind: str, match: re.Match[str], title: str) -> tuple[str, str] | None:
    parts = match.groupdict()
    if kind == "reporter":
        return f"{parts['volume']} {_reporter(parts['reporter'])} {parts['page']}", "reporter"
    sub = _paragraphs(match)
    if kind == "cfr":
        section = f".{parts['section']}" if parts["section"] else ""
        return f"{parts['title']} CFR {parts['part']}{section}{sub}", "cfr"
    if kind == "usc":
        return f"{parts['title']} USC {parts['section']}{sub}", "usc"
    if kind == "symbol":
        title = title or ("17" if parts["part"] in SEC_PARTS else "")
        return (f"{title} CFR {parts['part']}.{parts['section']}{sub}", "cfr") if title else None
    if kind == "procedure":
        return f"Fed. R. {parts['code']}. P. {parts['section']}{sub}", "other"
    if kind == "item":
        return f"17 CFR 229.{parts['section']}{sub}", "cfr"
    return _rule(parts, sub)


def _rule(parts: Mapping[str, str | None], sub: str) -> tuple[str, str]:
    number = parts["section"] or ""
    if parts["org"]:
        return f"{' '.join(parts['org'].split())} Rule {number}{sub}", "other"
    if part := REGULATION_PARTS.get(parts["reg"] or ""):
        return f"17 CFR {part}.{number}{sub}", "cfr"
    if re.fullmatch(r"\d{1,2}[a-z]{1,2}\d*-\d+[a-zA-Z]?", number):
        return f"17 CFR 240.{number}{sub}", "cfr"
    if re.fullmatch(r"\d{3}[A-Z]?", number):
        return f"17 CFR {'242' if parts['reg'] in {'M', 'SHO'} else '230'}.{number}{sub}", "cfr"
    return f"Rule {number}{sub}", "other"


def _reporter(text: str) -> str:
    """Bluebook spacing: single capitals closed up ("N.E.2d"), longer abbreviations apart ("F. Supp. 2d")."""
    tight = re.sub(r"\s", "", text)
    apart = re.sub(r"\.(?=Supp|Ct|Ed|Rptr)", ". ", tight)
    return re.sub(r"(Supp|Ct|Ed|Rptr|So)\.(?=\d)", r"\1. ", apart)
