"""What one chunk offers: authorities, the company, clauses, matters, topics, defined terms, and their evidence."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from html import unescape

from local.teacher import phrases
from local.teacher.phrases import Span
from local.teacher.request import Request
from toolsmith import recipes
from toolsmith.tools import Canon, find_cases
from toolsmith.tools.canon import SEC_PARTS

_DEICTIC = re.compile(
    r"\b(?:this|these|those|such|herein\w*|hereof|hereby|hereto|hereunder|thereof|thereto|thereunder|therein|above|"
    r"below|following|foregoing|aforesaid|here|it|they|he|she|said|former|latter|attached)\b",
    re.IGNORECASE,
)
_DEFINED = re.compile(
    r"[\"“](?P<quoted>[A-Za-z][A-Za-z -]{3,40})[\"”,]+\s+(?:shall\s+)?(?:means?|includes?|refers?\sto)\b"
    r"|(?:^|\s)(?:an?\s+|the\s+)?(?P<bare>[A-Z]?[a-z]+(?:[ -][a-z]+){1,3})\s+means\b"
)
_PARAGRAPH = re.compile(r"(?m)^\s*\((?P<letter>[a-z])\)\s")
_SUFFIX = re.compile(
    r"\b[A-Z][a-z&'-][\w&'-]*(?:\s+(?:[A-Z&][\w&'.-]*|of|and)){0,5},?\s+(?:Inc\.|Incorporated|Corp\.|Corporation|Company|Co\.|LLC|"
    r"L\.L\.C\.|L\.P\.|LP|Ltd\.|Limited|plc|N\.A\.|Trust|Bancorp|Holdings)"
)
_NO_COMPANY = frozenset(["The", "This", "Such", "Each", "Our", "Any", "Exchange", "Commission", "Act", "Securities"])
_STATE = re.compile(r"\s*/[A-Z]{2,3}/?$")  # EDGAR's "WELLS FARGO & COMPANY/MN"
_RANGE = re.compile(r"\.\d+-\d{2,}$")
_PLACE = re.compile(r"(Item\s+\d{1,2}(?:\.\d{2})?[A-Z]?)\b")


@dataclass(frozen=True)
class Authority:
    """A rule, statute or case that a question may name: how it is written, and where the chunk has it, if it does."""

    text: str
    canonical: str
    place: int | None = None


@dataclass(frozen=True)
class Passage:
    """One sentence with what can be asked about it."""

    span: Span
    topics: tuple[str, ...]
    matters: tuple[str, ...]
    clause: str | None


@dataclass(frozen=True)
class Finds:
    """Everything in a chunk that questions can be made of."""

    passages: tuple[Passage, ...]
    laws: tuple[Authority, ...]
    cases: tuple[Authority, ...]
    own_case: str | None
    company: str | None
    place: str | None
    terms: tuple[tuple[str, Span], ...]


@cache
def canon() -> Canon:
    """The citation tables of the recipe, so that teacher and verifier read citations alike."""
    return Canon.parse(recipes.path("securities/authorities.json").read_text(encoding="utf-8"))


@lru_cache(maxsize=4096)
def canonical(text: str) -> str | None:
    """The canonical form of a text that is one citation, else None."""
    return canon().canonical(text)


def look(request: Request) -> Finds:
    """Read the chunk of a request."""
    spans = phrases.sentences(request.chunk)
    passages = tuple(passage for span in spans if (passage := _passage(span)))
    company = _company(request)
    own = _readable(request.facts.get("case", "")) if request.source == "opinion" else None
    return Finds(
        passages=passages,
        laws=_laws(request),
        cases=_cases(request, own),
        own_case=own,
        company=company,
        place=_place(request, company),
        terms=_terms(spans) if request.source == "regulation" else (),
    )


def authorities_in(text: str) -> bool:
    """Whether `text` names a rule, a statute or a case."""
    return bool(canon().find(text) or find_cases(text))


def _passage(span: Span) -> Passage | None:
    bare = span.text
    topics = tuple(topic for topic in phrases.topics(bare) if not _DEICTIC.search(topic))
    matters = tuple(m for m in phrases.actions(bare) if 3 <= len(m.split()) <= 9 and not _unfit(m))
    clause = (phrases.clause(bare) or "").replace("\u2019", "'") or None
    if clause and (_unfit(clause) or "\\" in clause or any(mark in clause for mark in "\"“”[]{}<>")):
        clause = None
    return Passage(span, topics, matters, clause) if topics or matters or clause else None


def _unfit(text: str) -> bool:
    return bool(_DEICTIC.search(text)) or authorities_in(text)


def _laws(request: Request) -> tuple[Authority, ...]:
    """Rules and statutes: the regulation's own sections first, then those cited, then those the prompt allows."""
    found = _own_sections(request) if request.source == "regulation" else []
    title = request.facts.get("title", "")
    for citation in canon().find(request.chunk, title):
        text = " ".join(citation.text.split())
        if citation.kind in {"reporter", "other"} or _RANGE.search(citation.canonical):
            continue
        if canonical(text) != citation.canonical:
            text = citation.canonical
        found.append(Authority(text, citation.canonical, citation.start))
    for said in request.regulations:
        if form := canonical(said):
            found.append(Authority(said, form))
    return _once(found)


def _own_sections(request: Request) -> list[Authority]:
    """The sections whose text the chunk holds, with the paragraph letters at the beginning of lines."""
    part = request.facts.get("cfr_part", "")
    title = request.facts.get("title") or ("17" if part in SEC_PARTS else "")
    label = " ".join(request.facts.get(key, "") for key in ("heading", "section"))
    section = rf"\b{re.escape(part)}\.(\d+[A-Za-z]{{0,2}}\d*(?:-\d+[A-Za-z]?)*)"
    heading = re.search(section, label) if part and title else None
    if not heading or _RANGE.search(heading.group()):
        return []
    form = f"{title} CFR {part}.{heading[1]}"
    letters = [(match["letter"], match.start()) for match in _PARAGRAPH.finditer(request.chunk)]
    return [Authority(form, form, 0)] + [Authority(f"{form}({a})", f"{form}({a})", at) for a, at in letters]


def _cases(request: Request, own: str | None) -> tuple[Authority, ...]:
    found = [Authority(own, own)] if own else []
    for name in find_cases(request.chunk):
        text = " ".join(name.text.split())
        if len(text) <= 90 and "\n\n" not in name.text:
            found.append(Authority(text, text, name.start))
    found += [Authority(name, name) for said in request.cases if (name := _readable(said))]
    return _once(found)


def _readable(name: str) -> str | None:
    """The name as the citation finder reads it: "Local 88 Fund v. Dunmore" is "Fund v. Dunmore" to it."""
    found = find_cases(name)
    return found[0].text if found else None


def _once(found: list[Authority]) -> tuple[Authority, ...]:
    return tuple({authority.canonical.lower(): authority for authority in reversed(found)}.values())[::-1]


def _company(request: Request) -> str | None:
    """The company's name as the chunk writes it, else as the facts do, out of capitals."""
    if request.source != "filing":
        return None
    known = _STATE.sub("", unescape(request.facts.get("company", ""))).strip()
    if known:
        flexible = r"[\s,]+".join(re.escape(word.strip(".,")) + r"\.?" for word in known.split())
        seen = re.search(rf"(?<!\w){flexible}(?!\w)", request.chunk, re.IGNORECASE)
        text = " ".join(seen.group().split()) if seen else known
        return _without_capitals(text) if text.isupper() else text
    for match in _SUFFIX.finditer(request.chunk):
        if match.group().split()[0] not in _NO_COMPANY and "\n" not in match.group():
            return match.group()
    return None


def _without_capitals(name: str) -> str:
    """ "NORTHWIND PAPER INC" -> "Northwind Paper Inc"; short words without a vowel stay capitals."""
    small = {"OF": "of", "AND": "and", "THE": "the"}
    keep = {"LLC", "LP", "II", "III", "IV", "USA", "US", "NA", "SA", "AG", "NV", "PLC"}
    words = []
    for place, word in enumerate(name.split()):
        bare = word.strip(".,")
        if bare in keep or not re.search(r"[AEIOUY]", bare):
            words.append(word)
        else:
            words.append(small[bare] if place and bare in small else word.title().replace("'S", "'s"))
    return " ".join(words)


def _place(request: Request, company: str | None) -> str | None:
    """A reference to the chunk's own item: "Item 1A of Northwind Paper Inc.'s 10-K"."""
    item = _PLACE.match(request.facts.get("heading", ""))
    form = request.facts.get("form")
    known = company and request.facts.get("company")
    return f"{item[1]} of {possessive(company)} {form}" if item and form and known else None


def possessive(name: str) -> str:
    return f"{name}'" if name.endswith("s") else f"{name}'s"


def _terms(spans: list[Span]) -> tuple[tuple[str, Span], ...]:
    found = []
    for span in spans:
        for match in _DEFINED.finditer(span.text):
            term = (match["quoted"] or match["bare"] or "").strip().lower()
            words = term.split()
            if 1 <= len(words) <= 4 and words[0] not in phrases.STOP and not _DEICTIC.search(term):
                found.append((term, span))
    return tuple(found)
