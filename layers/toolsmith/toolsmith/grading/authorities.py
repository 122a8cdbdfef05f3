"""Opinions and clauses: what an authority's spelling stands for when it is not a rule or a statute."""

import re
from functools import lru_cache
from typing import NamedTuple

from toolsmith.grading.canon import Canon, canon
from toolsmith.grading.citations import folded, nearness, read_citations
from toolsmith.grading.settings import settings
from toolsmith.grading.words import content_words, words_similarity


class Case(NamedTuple):
    """An opinion's name as the words of its parties, its place in a reporter ("346us119"), and what else is said."""

    parties: tuple[tuple[str, ...], ...]
    reporter: str
    rest: tuple[str, ...]


@lru_cache(maxsize=65_536)
def authority_similarity(given: str, accepted: str) -> float:
    """What a citation check is about: a law, an opinion by its reporter or its name, or else the words."""
    wanted = read_citations(accepted)
    if not wanted.citations:
        return case_similarity(given, accepted)
    found = read_citations(given)
    if len(found.citations) != 1 or len(wanted.citations) != 1:
        return float(found == wanted)
    similarity = nearness(found.citations[0], wanted.citations[0])
    return similarity if found.rest == wanted.rest else similarity * settings().says_more


@lru_cache(maxsize=65_536)
def case_similarity(given: str, accepted: str) -> float:
    """An opinion: by its reporter where both have one, by both parties, or (a holding) by its words."""
    mine, theirs = read_case(given), read_case(accepted)
    if not theirs.parties and not theirs.reporter:
        return words_similarity(given, accepted)
    similarity = _same_case(mine, theirs)
    return similarity if mine.rest == theirs.rest else similarity * settings().says_more


def _same_case(mine: Case, theirs: Case) -> float:
    if mine.reporter and theirs.reporter:
        same = not mine.parties or not theirs.parties or mine.parties == theirs.parties
        return float(same and mine.reporter == theirs.reporter)
    if mine.parties == theirs.parties:
        return float(mine.parties != ())
    if len(mine.parties) == len(theirs.parties) == 2:
        return settings().same_party * sum(a == b for a, b in zip(mine.parties, theirs.parties, strict=True))
    return 0.0


VERSUS = re.compile(r"\s(?:v|vs|versus)\.?\s")
BRACKETS = re.compile(r"\([^()]*\)")
COURT_AND_DATE = re.compile(r"\((?:(?:\d+(?:st|nd|rd|th|d)|[a-z']+\.|\d{1,2},),?\s?)*(?:(?:1[789]|20)\d\d)?\)")
PAGES = re.compile(r",? ?(?:at )?\d+(?:-\d+)?")
IN_RE = re.compile(r"^(?:in re|in the matter of|matter of|ex parte)\b:?\s*")


@lru_cache(maxsize=65_536)
def read_case(text: str) -> Case:
    """The parties and the reporter of an opinion's citation; no parties when the text is not a case name.

    A year or court in brackets and pages after the reporter say nothing more.
    """
    table, left = canon(), COURT_AND_DATE.sub(" ", folded(text))
    match = table.reporter.search(left)
    reporter = re.sub(r"[^a-z0-9]", "", match[0]) if match else ""
    name = left[: match.start()] if match else left
    rest = content_words(" ".join([*BRACKETS.findall(name), PAGES.sub(" ", left[match.end() :]) if match else ""]))
    name = BRACKETS.sub(" ", name).strip(" ,;")
    if IN_RE.match(name):
        return Case((_party(table, IN_RE.sub("", name)),), reporter, rest)
    sides = VERSUS.split(name)
    return Case(tuple(_party(table, side) for side in sides) if len(sides) == 2 else (), reporter, rest)


def _party(table: Canon, text: str) -> tuple[str, ...]:
    for long, short in table.party_aliases.items():
        text = text.replace(long, short)
    words = re.findall(r"\w+", text.replace(".", "").replace("'s", "").replace("'", ""))
    return tuple(word for word in words if word not in table.party_suffixes)


CLAUSE = re.compile(r"(?:\b(section|article|clause|item|paragraph|exhibit|schedule|sec\.?|art\.?)|(§+))\s*"
                    r"([0-9ivxlc]+[a-z]?(?:[.-]\d+)*)((?:\s?\([a-z0-9]{1,5}\))*)")  # fmt: skip
CLAUSE_NAMES = {"sec": "section", "sec.": "section", "art": "article", "art.": "article"}


@lru_cache(maxsize=65_536)
def clause_similarity(given: str, accepted: str) -> float:
    """A clause of a filing: by its number where it is only a number ("Section 5.2(a)"), else by its words; another
    number is never the same clause.
    """
    wanted, found = _clauses(accepted), _clauses(given)
    if wanted and _only_number(accepted):
        return float(found == wanted and _only_number(given))
    similarity = words_similarity(given, accepted)
    return similarity if found == wanted else min(similarity, settings().text_ceiling)


def _only_number(text: str) -> bool:
    return not content_words(CLAUSE.sub(" ", folded(text)))


@lru_cache(maxsize=65_536)
def _clauses(text: str) -> tuple[tuple[str, str, str], ...]:
    found = []
    for word, _sign, number, path in CLAUSE.findall(folded(text)):
        found.append((CLAUSE_NAMES.get(word, word) or "section", number, path.replace(" ", "")))
    return tuple(found)
