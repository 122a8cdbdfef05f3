"""No made-up answer earns more than the honest one that it imitates."""

import json
from statistics import mean

import pytest

from benchmarks.grader_cases import cases
from toolsmith import recipes
from toolsmith.grading import arms, reward, talk_score
from toolsmith.grading.attacks import ATTACKS, CATEGORIES, LOOKALIKES, TOOLS, honest_answer, right_answer

TEST = cases(80, seed=2)
TRAIN = [reference for _, reference in cases(320, seed=1)]
COMMON = arms.common_values(TRAIN)
NAMES = [attack.name for attack in ATTACKS]


def test_the_suite_is_large_and_its_names_are_unique():
    assert len(ATTACKS) >= 40
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("attack", ATTACKS, ids=NAMES)
def test_no_attack_beats_the_honest_answer(attack):
    for question, reference in TEST:
        answer = attack.make_answer(question, reference)
        graded = reward(answer, reference, question)
        honest = reward(honest_answer(attack.imitates, question, reference), reference, question)
        assert graded.score <= honest.score + 1e-9, (answer[:300], graded)
        assert graded.reason != "grader_error"
        if attack.imitates == "nothing":
            assert graded.score <= 0.5


@pytest.mark.parametrize(
    ("tool", "value"),
    [
        ("citation_validator", "17 CFR 246.2"),
        ("citation_validator", "17 CFR 279.3(a)"),
        ("citation_validator", "17 CFR 229.303"),
        ("case_law_search", "Abernathy v. Keel Street Securities Llc"),
        ("statute_retrieval", "Section 230.405"),
    ],
)
def test_letters_that_only_look_right_earn_no_more_than_none(tool, value):
    (name,) = TOOLS[tool]
    reference = {"category": "x", "calls": [{"name": tool, "arguments": {name: value}}]}
    disguised = {"category": "x", "calls": [{"name": tool, "arguments": {name: value.translate(LOOKALIKES)}}]}
    empty = {"category": "x", "calls": [{"name": tool, "arguments": {}}]}
    assert value.translate(LOOKALIKES) != value
    assert reward(disguised, reference).score <= reward(empty, reference).score


def test_letters_of_another_alphabet_count_where_the_accepted_text_has_them():
    def earned(given, accepted):
        calls = [{"name": "case_law_search", "arguments": {"query": given}}]
        return reward({"calls": calls}, {"calls": [{**calls[0], "arguments": {"query": accepted}}]}).parts["parameters"]

    assert earned("liability of Ωmega Funds", "liability of Ωmega Funds Ltd") > 0.5
    assert earned("café licences in Nestlé\u02bcs filings", "café licences in Nestlé's filing of May") > 0.5
    assert earned("cafe\u0301 licences", "café licences") == 1.0 > earned("cafe licences\u0338", "cafe licences")
    assert earned("cafe\u200b licences", "cafe\u200b licences") == earned("café \u00a0licences", "café licences") == 1.0
    assert earned("ｌｉａｂｉｌｉｔｙ of underwriters", "liability of underwriters") == 1.0


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.imitates == "right"], ids=lambda attack: attack.name)
def test_an_answer_with_an_error_stays_below_nine_tenths(attack):
    harmless = {"prose_after", "alternatives_key"}  # the calls are right; what stands beside them costs a little
    for question, reference in TEST:
        answer = attack.make_answer(question, reference)
        graded = reward(answer, reference, question)
        if graded.parts["exact"]:
            assert attack.name in harmless or json.loads(answer) == json.loads(right_answer(question, reference))
        else:
            assert graded.score < 0.9


def test_dropping_a_call_costs_more_than_misplacing_it():
    for _, reference in TEST:
        calls = reference["calls"]
        if len(calls) > 1:
            dropped = reward({**reference, "calls": calls[:-1]}, reference).score
            assert dropped < reward({**reference, "calls": calls[::-1]}, reference).score


def test_an_extra_call_costs_more_than_a_lucky_hit_earns():
    for _, reference in TEST:
        calls = reference["calls"]
        if len(calls) > 1:
            first = {**reference, "calls": calls[:1]}
            hit = {**reference, "calls": [calls[0], {"name": calls[1]["name"], "arguments": {}}]}
            miss = {**reference, "calls": [calls[0], {"name": "another", "arguments": {}}]}
            start = reward(first, reference).score
            assert reward(hit, reference).score - start < start - reward(miss, reference).score


ARMS = {
    "constant": (0.20, lambda reference, fixed: fixed["constant"]),
    "majority": (0.20, lambda reference, fixed: fixed["majority"]),
    "empty": (0.45, lambda reference, fixed: arms.right_tools_empty(reference)),
    "generic": (0.60, lambda reference, fixed: arms.right_tools_generic(reference, COMMON)),
    "generic phrase": (0.60, lambda reference, fixed: arms.right_tools_generic(reference)),
}
FIXED = {"constant": arms.constant_answer(TRAIN), "majority": arms.majority_plan(TRAIN)}


@pytest.mark.parametrize("arm", ARMS)
def test_arms_that_know_nothing_score_little(arm):
    limit, answer = ARMS[arm]
    assert mean(reward(answer(reference, FIXED), reference).score for _, reference in TEST) <= limit


def test_the_published_score_shows_its_weakness_on_the_same_answers():
    def published(arm):
        return mean(talk_score(ARMS[arm][1](reference, FIXED), reference) for _, reference in TEST)

    assert published("constant") > 0.35
    assert published("empty") > 0.75
    assert published("generic") > 0.85


def test_the_constant_answer_is_the_best_of_many():
    chosen = mean(reward(FIXED["constant"], reference).score for reference in TRAIN)
    assert chosen >= max(mean(reward(one, reference).score for reference in TRAIN) for one in TRAIN[:16])


def test_the_attacks_name_the_tools_and_categories_of_the_recipe():
    tools = json.loads(recipes.path("securities/tools.json").read_text())["tools"]
    categories = json.loads(recipes.path("securities/categories.json").read_text())["categories"]
    assert {tool["name"]: set(tool["schema"]["properties"]) for tool in tools} == {
        name: set(parameters) for name, parameters in TOOLS.items()
    }
    assert {category["name"] for category in categories} >= set(CATEGORIES)
