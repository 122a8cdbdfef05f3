"""The pretraining curriculum: sound plans, and nothing of the securities domain."""

import json
from random import Random

import pytest

from local.student import curriculum
from local.student.values import Words
from toolsmith import catalog


@pytest.fixture(scope="module")
def areas():
    r = Random(5)
    words = Words(r)
    found = []
    for _ in range(60):
        area = curriculum.domain(r, words, r.random())
        found.append((area, [curriculum.question(r, words, area) for _ in range(4)]))
    return found


def test_every_value_is_a_span_of_its_question_or_null(areas):
    values = [
        (value, text)
        for _, asked in areas
        for text, plan in asked
        for call in json.loads(plan)["calls"]
        for value in call["arguments"].values()
    ]
    for value, text in values:  # a question's first letter is made large
        assert value is None or value in text or text.find(value[0].upper() + value[1:]) >= 0
    nulls = sum(value is None for value, _ in values) / len(values)
    assert 0.02 < nulls < 0.5


def test_plans_follow_the_system_text(areas):
    for area, asked in areas:
        sequences = {c.name: [tool.name for tool in c.tools] for c in area.categories}
        for _, plan in asked:
            read = json.loads(plan)
            assert [call["name"] for call in read["calls"]] == sequences[read["category"]]
            assert read["category"] in area.system
            assert all(call["name"] in area.system for call in read["calls"])


def test_some_questions_have_a_plan_without_calls(areas):
    plans = [json.loads(plan) for _, asked in areas for _, plan in asked]
    empty = [plan for plan in plans if not plan["calls"]]
    assert 0.01 < len(empty) / len(plans) < 0.15


def test_values_repeat_words_of_each_other_at_times(areas):
    """As people name a thing again beside its full name: what followed a word once is then not enough to copy by."""
    repeated = 0
    plans = [json.loads(plan) for _, asked in areas for _, plan in asked]
    for plan in plans:
        values = {v for call in plan["calls"] for v in call["arguments"].values() if v}
        pairs = [(one, other) for one in values for other in values if one not in other and other not in one]
        repeated += any(len(set(one.split()) & set(other.split())) > 1 for one, other in pairs)
    assert repeated / len(plans) > 0.03


def test_categories_of_one_domain_differ_in_their_tools(areas):
    for area, _ in areas:
        sets = [frozenset(tool.name for tool in c.tools) for c in area.categories]
        assert len(set(sets)) == len(sets)


def test_no_tool_category_or_parameter_of_the_real_domain_occurs(areas):
    domain = catalog.load_catalog()
    names = set(domain.tools) | set(domain.categories)
    assert len(names) == 12
    for area, _ in areas:
        assert not [name for name in names if name in area.system]


def test_the_curriculum_repeats_with_its_seed():
    def made():
        r = Random(9)
        words = Words(r)
        area = curriculum.domain(r, words, 1.0)
        return area.system, curriculum.question(r, words, area)

    assert made() == made()


def test_drills_copy_their_values():
    r = Random(2)
    words = Words(r)
    for _ in range(30):
        asked, answer = curriculum.copy_row(r, words)
        read = json.loads(answer)
        assert all(value in asked for value in (read.values() if isinstance(read, dict) else read))
