"""The tables of the citation canon: recipes/securities/citations.json, read when the first citation is."""

import json
import re
from functools import cache
from typing import Any, NamedTuple

from toolsmith import recipes


class Act(NamedTuple):
    """An act: the U.S.C. title and sections of its sections, and the CFR part of the rules under it."""

    title: str
    rule_part: str
    sections: dict[str, str]

    def holds(self, code: str, title: str, part: str, section: str) -> bool:
        """Whether a section is one of the act's, or of the rules under it."""
        if code == "cfr":
            return part == self.rule_part != ""
        found = section if title == self.title else f"{title}:{section}"
        return found in self.sections.values()


class Regulation(NamedTuple):
    """A named regulation: a part, or a range of sections of it, or one section. `label` stands for all of it."""

    part: str
    first: int
    last: int
    section: str
    label: str


class Canon(NamedTuple):
    """All tables, with the patterns that find their names in a text in lower case."""

    rule_title: str
    rule_part: str
    hyphenated_rule_part: str
    rule_ranges: list[tuple[int, int, str]]
    rule_exceptions: dict[str, str]
    acts: dict[str, Act]
    act_of: dict[str, str]
    act_names: re.Pattern[str]
    regulations: dict[str, Regulation]
    regulation_names: re.Pattern[str]
    bare_sections: dict[str, str]
    bare_section_exceptions: dict[str, str]
    forms: dict[str, str]
    filler: frozenset[str]
    party_aliases: dict[str, str]
    party_suffixes: frozenset[str]
    reporter: re.Pattern[str]

    def regulation_of(self, part: str, section: str) -> Regulation | None:
        """The named regulation in which a section of a part stands."""
        digits = re.match(r"\d+", section)
        for regulation in self.regulations.values():
            if regulation.part != part or regulation.section:
                continue
            if section == regulation.label or not regulation.first:
                return regulation
            if digits and regulation.first <= int(digits[0]) <= regulation.last:
                return regulation
        return None


@cache
def canon() -> Canon:
    """The tables in force; raises KeyError naming a missing one when the file is incomplete."""
    raw: dict[str, Any] = json.loads(recipes.path("securities/citations.json").read_text(encoding="utf-8"))
    regulations = {name: _regulation(entry) for name, entry in raw["regulations"].items()}
    act_of = {name: act for act, entry in raw["acts"].items() for name in entry["names"]}
    return Canon(
        rule_title=raw["rule_title"],
        rule_part=raw["rule_part"],
        hyphenated_rule_part=raw["hyphenated_rule_part"],
        rule_ranges=[tuple(entry) for entry in raw["rule_ranges"]],
        rule_exceptions=raw["rule_exceptions"],
        acts={name: Act(act["title"], act["rule_part"], act["sections"]) for name, act in raw["acts"].items()},
        act_of=act_of,
        act_names=_any_of(act_of),
        regulations=regulations,
        regulation_names=_any_of(regulations),
        bare_sections=raw["bare_sections"],
        bare_section_exceptions=raw["bare_section_exceptions"],
        forms=raw["forms"],
        filler=frozenset(raw["filler"].split()),
        party_aliases=raw["party_aliases"],
        party_suffixes=frozenset(raw["party_suffixes"].split()),
        reporter=_reporter(raw["reporters"]),
    )


def _regulation(entry: dict[str, Any]) -> Regulation:
    first, last = entry.get("from", 0), entry.get("to", 0)
    return Regulation(entry["part"], first, last, entry.get("section", ""), f"{first}-{last}" if first else "")


def _any_of(names: dict[str, Any]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(r"(?<![\w'])(?:" + "|".join(map(re.escape, longest_first)) + r")(?![\w+]|-[a-z])")


def _reporter(names: list[str]) -> re.Pattern[str]:
    """Volume, reporter, page; blanks and full stops within the reporter's name may be left out."""
    spelled = [r"\.?\s?".join(re.escape(part) for part in re.findall(r"[a-z0-9']+", name.lower())) for name in names]
    longest_first = sorted(spelled, key=len, reverse=True)
    return re.compile(r"\b\d{1,4}\s(?:" + "|".join(longest_first) + r")\.?\s\d{1,5}\b")
