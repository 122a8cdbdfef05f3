"""The citation canon: every spelling of a rule, a form or a section of an act becomes one key.

"Rule 501(a)", "Rule 501(a) of Regulation D", "17 C.F.R. § 230.501(a)" are one law; "Rule 105" is another one.
The tables are recipes/securities/citations.json (17 CFR; the Acts of 1933, 1934, 1940, 2002 and their U.S.C. sections).
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from toolsmith.grading.canon import Canon, canon
from toolsmith.grading.settings import settings
from toolsmith.grading.words import content_words

PARAGRAPHS = r"(?P<paragraphs>(?:\s?\([A-Za-z0-9]{1,5}\))*)"
NUMBER = r"(?P<number>\d+(?:\(\w\)-\d+|[A-Za-z]{0,2}\d*(?:-\d+[A-Za-z]*)?))"
PATTERNS = (
    ("code", rf"\b(?P<title>\d+)\s*c\.?\s?f\.?\s?r\.?\s*(?:parts?\s*|§+\s*|sec(?:tion|\.)?\s*)*"
             rf"(?P<part>\d+)(?:\.{NUMBER})?{PARAGRAPHS}"),
    ("statute", r"\b(?P<title>\d+)\s*u\.?\s?s\.?\s?c\.?(?:a\.?)?\s*(?:§+\s*|sec(?:tion|\.)?\s*)*"
                rf"(?P<number>\d+[a-z]{{0,4}}(?:-\d+)?[a-z]?){PARAGRAPHS}"),
    ("rule", rf"\brules?\s*{NUMBER}{PARAGRAPHS}"),
    ("item", rf"\bitems?\s*(?P<number>\d+){PARAGRAPHS}"),
    ("form", r"\bform\s+(?P<number>\d{1,2}-?[a-z]|[a-z]-?\d{1,2}|1-a|\d{1,2}|d)\b(?P<paragraphs>)"),
    ("section", rf"(?:\bsection|\bsec\.?|§+)\s*(?P<part>2\d\d)\.{NUMBER}{PARAGRAPHS}"),
    ("act", rf"(?:\bsection|\bsec\.?|§+)\s*(?P<number>\d+[a-z]?){PARAGRAPHS}"),
    ("section", rf"(?<![\w.$])(?P<part>2\d\d)\.{NUMBER}{PARAGRAPHS}"),
)  # fmt: skip
# What a text must hold for a pattern to have a chance: looking for it costs a fiftieth of the pattern.
NEEDLES = {
    "code": "f", "statute": "s", "rule": ("rule",), "item": ("item",), "form": ("form",), "section": "2",
    "act": ("sec", "§"),
}  # fmt: skip
SCANNER = [(kind, NEEDLES[kind], re.compile(pattern)) for kind, pattern in PATTERNS]
PARAGRAPH = re.compile(r"\(([a-z0-9]+)\)")
WORD = re.compile(r"[\w.+'-]*\w")
RANGE_START = re.compile(r"\d+")


class Citation(NamedTuple):
    """One law. `code`: "cfr" or "usc"; section: "" for a whole part; paragraphs from the outermost inwards."""

    code: str
    title: str
    part: str
    section: str
    paragraphs: tuple[str, ...]

    def canonical(self) -> str:
        """The canonical spelling, as plans are written: "17 CFR 230.501(a)", "15 USC 77e"."""
        path = "".join(f"({step})" for step in self.paragraphs)
        if self.code == "usc":
            return f"{self.title} USC {self.section}{path}"
        return f"{self.title} CFR {self.part}{'.' if self.section else ''}{self.section}{path}"


class Reading(NamedTuple):
    """The laws that a text names, in order and once each; `rest` are the words that are no part of a citation, and
    the acts and regulations to which none of the laws belongs.
    """

    citations: tuple[Citation, ...]
    rest: tuple[str, ...]


def folded(text: str) -> str:
    """A text in lower case with one kind of dash, quote and blank."""
    if text.isascii():
        return " ".join(text.lower().split())
    text = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"\s+", " ", re.sub("[\u2010-\u2015\u2212]", "-", text.replace("’", "'"))).strip()


@lru_cache(maxsize=65_536)
def read_citations(text: str) -> Reading:
    """Every citation in a text."""
    table, left = canon(), folded(text).replace("reg. ", "reg ")
    context, left = _context(table, left)
    found: list[tuple[int, Citation]] = []
    for kind, needles, pattern in SCANNER:
        if not any([needle in left for needle in needles]):
            continue
        for match in list(pattern.finditer(left)):
            citation = _resolve(table, kind, match.groupdict(), context)
            if citation is not None:
                found.append((match.start(), citation))
                left = left[: match.start()] + " " * len(match[0]) + left[match.end() :]
    if not found and context.regulation:
        found = [(0, _whole_regulation(context))]
    rest = tuple(word for word in WORD.findall(left) if word not in table.filler)
    citations = tuple(dict.fromkeys(citation for _, citation in sorted(found)))
    return Reading(citations, rest + _strays(table, context, citations))


class Context(NamedTuple):
    """The act or regulation that a text names beside the number: of several the last. `named`: all of them."""

    act: str
    regulation: str
    named: tuple[str, ...]


def _context(table: Canon, text: str) -> tuple[Context, str]:
    """What act and regulation a text names, and the text without their names."""
    acts = [match[0] for match in table.act_names.finditer(text)]
    regulations = [match[0] for match in table.regulation_names.finditer(text)]
    named = tuple(dict.fromkeys([*[table.act_of[name] for name in acts], *regulations]))
    context = Context(table.act_of[acts[-1]] if acts else "", regulations[-1] if regulations else "", named)
    if acts:
        text = table.act_names.sub(_blank, text)
    return context, table.regulation_names.sub(_blank, text) if regulations else text


def _strays(table: Canon, context: Context, citations: tuple[Citation, ...]) -> tuple[str, ...]:
    """The acts and regulations named that are those of none of the laws: another law, or a wrong word about this."""
    if not citations or not context.named:
        return ()
    return tuple(name for name in context.named if not any(_stands_in(table, law, name) for law in citations))


def _stands_in(table: Canon, law: Citation, name: str) -> bool:
    """Whether a law belongs to an act or a regulation, as far as the tables know; forms belong to any."""
    if f"{law.part}.{law.section}" in table.forms.values():
        return True
    if name in table.regulations:
        regulation = table.regulations[name]
        if regulation.section or not law.section:
            return law.part == regulation.part and law.section in ("", regulation.section)
        return table.regulation_of(law.part, law.section) == regulation
    owners = [act for act, entry in table.acts.items() if entry.holds(law.code, law.title, law.part, law.section)]
    return name in owners or not owners


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _whole_regulation(context: Context) -> Citation:
    regulation = canon().regulations[context.regulation]
    section = regulation.section or regulation.label
    return Citation("cfr", canon().rule_title, regulation.part, section, ())


def _resolve(table: Canon, kind: str, found: dict[str, str | None], context: Context) -> Citation | None:
    number = (found.get("number") or "").lower()
    paragraphs = tuple(PARAGRAPH.findall(found["paragraphs"] or ""))
    if kind == "code":
        return Citation("cfr", found["title"] or "", found["part"] or "", number, paragraphs)
    if kind == "statute":
        return Citation("usc", found["title"] or "", "", number, paragraphs)
    if kind == "section":
        return Citation("cfr", table.rule_title, found["part"] or "", number, paragraphs)
    if kind == "rule":
        return Citation("cfr", table.rule_title, _part_of_rule(table, number, context), number, paragraphs)
    if kind == "item":
        return _item(table, number, paragraphs, context)
    if kind == "form":
        return _form(table, number)
    return _section_of_act(table, number, paragraphs, context)


def _part_of_rule(table: Canon, number: str, context: Context) -> str:
    """The part of 17 CFR in which a rule stands: named beside it, an exception, by its form, by its range."""
    if context.regulation:
        return table.regulations[context.regulation].part
    if context.act and table.acts[context.act].rule_part:
        return table.acts[context.act].rule_part
    if number in table.rule_exceptions:
        return table.rule_exceptions[number]
    if "-" in number:
        return table.hyphenated_rule_part
    digits = RANGE_START.match(number)
    if digits and digits[0] == number:
        for first, last, part in table.rule_ranges:
            if first <= int(number) <= last:
                return part
    return table.rule_part


def _item(table: Canon, number: str, paragraphs: tuple[str, ...], context: Context) -> Citation | None:
    """ "Item 303 of Regulation S-K"; an item without a regulation is a part of a form, no citation."""
    if not context.regulation:
        return None
    return Citation("cfr", table.rule_title, table.regulations[context.regulation].part, number, paragraphs)


def _form(table: Canon, number: str) -> Citation | None:
    where = table.forms.get(number)
    if where is None:
        return None
    part, _, section = where.partition(".")
    return Citation("cfr", table.rule_title, part, section, ())


def _section_of_act(table: Canon, number: str, paragraphs: tuple[str, ...], context: Context) -> Citation | None:
    path = number + "".join(f"({step})" for step in paragraphs)
    act = context.act or _act_by_section(table, number, path)
    section = table.acts[act].sections.get(number) if act else None
    if section is None:
        return None
    title, _, rest = section.rpartition(":")
    return Citation("usc", title or table.acts[act].title, "", rest, paragraphs)


def _act_by_section(table: Canon, number: str, path: str) -> str | None:
    for prefix, act in table.bare_section_exceptions.items():
        if path == prefix or path.startswith(prefix + "("):
            return act
    return table.bare_sections.get(number)


def citation_of(text: str) -> Citation | None:
    """The one law that a text names and nothing else; None when it names none, several, or says more."""
    reading = read_citations(text)
    return reading.citations[0] if len(reading.citations) == 1 and not reading.rest else None


@lru_cache(maxsize=65_536)
def citation_similarity(given: str, accepted: str) -> float:
    """1.0 for the same law in any spelling; part of it for the same section or the same regulation; else 0."""
    wanted = citation_of(accepted)
    if wanted is None:
        return 1.0 if content_words(given) == content_words(accepted) != () else 0.0
    found = citation_of(given)
    return 0.0 if found is None else nearness(found, wanted)


def nearness(found: Citation, wanted: Citation) -> float:
    if found == wanted:
        return 1.0
    if found[:3] != wanted[:3]:
        return 0.0
    if found.section == wanted.section:
        return settings().same_section
    regulation = canon().regulation_of(wanted.part, wanted.section)
    if regulation is not None and regulation == canon().regulation_of(found.part, found.section):
        return settings().same_regulation
    return 0.0
