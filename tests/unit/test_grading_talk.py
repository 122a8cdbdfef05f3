"""The published sample's score, held against the numbers measured on the sample's own grader."""

import json

import pytest

from toolsmith.grading import talk_score
from toolsmith.grading.attacks import PANGRAM


def plan(*tools, kind="regulatory_compliance_analysis", needed="the rule"):
    listed = [{"Tool": name, "Parameters": given, "Reasoning": "needed"} for name, given in tools]
    return {"Query analysis": {"Type": kind, "Information needed": needed, "Tools": listed}}


STATUTE = ("statute_retrieval", {"regulation": "Rule 501"})
CHECK = ("compliance_checker", {
    "query": "compliance of the offering with Rule 506(b)", "edgar_check": "subscription agreement clause",
    "regulation": "Rule 501", "case_interpretation_check": "SEC v. Ralston Purina",
})  # fmt: skip
GOLD = plan(STATUTE, CHECK)
ONE = plan(STATUTE, kind="regulatory_definition")


def law(citation, **more):
    return plan(("statute_retrieval", {"regulation": citation, **more}), kind="regulatory_definition")


def scored(answer, gold=GOLD):
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return round(talk_score(text, gold["Query analysis"]), 3)


PUBLISHED = {
    "perfect": (plan(STATUTE, CHECK), 1.0),
    "wrong type": (plan(STATUTE, CHECK, kind="judicial_interpretation"), 1.0),
    "gibberish type": (plan(STATUTE, CHECK, kind="xyzzy"), 1.0),
    "50 duplicates": (plan(STATUTE, CHECK, *[CHECK] * 50), 1.0),
    "2 extra calls": (plan(STATUTE, CHECK, ("case_law_search", {"query": "x"}), ("made_up", {"x": "y"})), 0.9),
    "only the first tool": (plan(STATUTE), 0.7),
    "reversed": (plan(CHECK, STATUTE), 0.6),
    "one wrong leading call": (plan(("case_law_search", {"query": "x"}), STATUTE, CHECK), 0.54),
    "information needed is a list": (plan(STATUTE, CHECK, needed=["the rule"]), 0.0),
    "fence and a trailing sentence": (f"```json\n{json.dumps(GOLD)}\n```\nThat is all.", 0.0),
    "a legal newline escape": (json.dumps(plan(STATUTE, CHECK, needed="two\nlines")), 0.0),
    "fence at both ends": (f"```json\n{json.dumps(GOLD)}\n```", 1.0),
}
LAWS = {
    "same digits": (law("Rule 105"), 0.916),
    "other digits": (law("Rule 510"), 0.916),
    "the same rule, spelled out": (law("17 CFR 230.501"), 0.82),
    "an invented parameter": (law("Rule 501", made_up="x"), 0.955),
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_published_numbers_of_plans(case):
    answer, expected = PUBLISHED[case]
    # 2 of 4 names: F1 = 2/3; one wrong leading call: F1 = 4/5 and no position right
    assert scored(answer) == pytest.approx(expected, abs=0.0006)


@pytest.mark.parametrize("case", LAWS)
def test_published_numbers_of_citations(case):
    answer, expected = LAWS[case]
    assert scored(answer, ONE) == pytest.approx(expected, abs=0.0006)


def test_empty_and_meaningless_arguments_keep_most_of_the_published_score():
    def filled(value):
        return plan(*[(name, dict.fromkeys(given, value)) for name, given in (STATUTE, CHECK)])

    assert 0.78 < scored(filled("")) < 0.83
    assert 0.8 < scored(filled(PANGRAM)) < 0.93


def test_a_plan_in_our_format_is_scored_as_if_written_in_the_samples():
    calls = [{"name": name, "arguments": given} for name, given in (STATUTE, CHECK)]
    ours = {"category": "regulatory_compliance_analysis", "calls": calls}
    assert talk_score(json.dumps(ours), ours) == 1.0
    assert talk_score(json.dumps({**ours, "calls": calls[:1]}), ours) == pytest.approx(0.7)
    assert talk_score("no plan at all", ours) == 0.0
