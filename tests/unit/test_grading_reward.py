"""What holds for every reward: bounds, order of answers, one right answer in many forms, the same in every process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.grader_cases import cases
from toolsmith.grading import judge, reward
from toolsmith.grading.reference import read_reference
from toolsmith.grading.reward import PARTS
from toolsmith.grading.words import words_similarity

CASES = cases(64, seed=3)
REFERENCES = [reference for _, reference in CASES]
LONG = [reference for reference in REFERENCES if len(reference["calls"]) == 3]
EXTRA = {"name": "calculator", "arguments": {"x": 1}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(
    ["calls", "category", "name", "arguments", "Tools", "Tool", "Parameters", "Type", "tool_calls", "function",
     "toolUse", "input", "content", "role", "text", "Query analysis", "accept", "output", "message", "query"]
)  # fmt: skip
plan_like = st.recursive(
    st.none() | st.text(max_size=9) | st.sampled_from(["statute_retrieval", "Rule 501", "{", '{"calls":[]}', ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=16,
)


@given(st.one_of(json_values, plan_like), st.one_of(json_values, plan_like, st.sampled_from(REFERENCES)))
def test_any_answer_and_any_reference_give_a_reward(answer, reference):
    graded = reward(answer, reference)
    assert 0.0 <= graded.score <= 1.0
    assert set(graded.parts) == set(PARTS)
    assert graded.reason != "grader_error"


@given(st.one_of(json_values, plan_like), plan_like, plan_like, st.booleans())
def test_any_input_gets_a_verdict(answer, tools, accept, ordered):
    verdict = judge(tools, accept, answer, ordered)
    assert 0.0 <= verdict.score <= 1.0
    assert verdict.valid is (verdict.score >= 0.9)


@given(st.text(max_size=300), st.sampled_from(REFERENCES))
def test_any_text_gets_a_reward(text, reference):
    assert 0.0 <= reward(text, reference).score <= 1.0


def wrong(value):
    return None if isinstance(value, str) else "17 CFR 260.1"


def answer_with(reference, errors):
    """The right answer with errors: ("drop", i), ("argument", i, name), ("extra", n), "category", "reversed"..."""
    calls = []
    for i, call in enumerate(reference["calls"]):
        if ("drop", i) not in errors:
            arguments = {
                name: wrong(value) if ("argument", i, name) in errors else value
                for name, value in call["arguments"].items()
            }
            calls.append({"name": call["name"], "arguments": arguments})
    if "reversed" in errors:
        calls.reverse()
    calls += [EXTRA for error in sorted(errors, key=str) if error[0] == "extra"]
    if "duplicate" in errors and calls:
        calls.append(calls[0])
    return {"category": "other" if "category" in errors else reference["category"], "calls": calls}


def possible_errors(reference):
    errors = ["category", "reversed", "duplicate", ("extra", 0), ("extra", 1)]
    for i, call in enumerate(reference["calls"]):
        errors += [("drop", i), *(("argument", i, name) for name in call["arguments"])]
    return errors


@st.composite
def flawed(draw):
    reference = draw(st.sampled_from(REFERENCES))
    return reference, draw(st.sets(st.sampled_from(possible_errors(reference)), min_size=1))


@settings(max_examples=400)
@given(flawed())
def test_repairing_one_error_never_lowers_the_reward(case):
    reference, errors = case
    before = reward(answer_with(reference, errors), reference).score
    for error in errors:
        after = reward(answer_with(reference, errors - {error}), reference).score
        assert after >= before - 1e-9, (error, before, after)


@settings(max_examples=300)
@given(flawed())
def test_no_answer_with_an_error_reaches_nine_tenths(case):
    reference, errors = case
    answer = answer_with(reference, errors)
    graded = reward(answer, reference)
    if answer == answer_with(reference, set()):
        assert graded.score == 1.0
    else:
        assert graded.score < 0.9 and graded.reason != "ok"


def test_the_right_answer_earns_everything():
    for reference in REFERENCES:
        graded = reward(json.dumps(reference), reference)
        assert (graded.score, graded.reason, graded.parts["exact"]) == (1.0, "ok", 1.0)


def test_text_after_the_right_answer_costs_a_little():
    for reference in REFERENCES[:8]:
        graded = reward(json.dumps(reference) + "\nHope this helps", reference)
        assert 0.9 <= graded.score < 1.0
        assert graded.reason == "trailing_text"


@given(st.sampled_from(LONG), st.permutations(range(3)))
def test_only_the_order_is_lost_by_another_order(reference, order):
    graded = reward({**reference, "calls": [reference["calls"][i] for i in order]}, reference)
    assert graded.parts["parameters"] == graded.parts["tools"] == graded.parts["category"] == 1.0
    assert graded.parts["sequence"] == float(list(order) == [0, 1, 2])


TOOLS = [{"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}}]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.randoms())
def test_the_order_of_unordered_calls_is_no_matter(numbers, dice):
    accept = [{"name": "f", "arguments": {"x": [number]}} for number in numbers]
    calls = [{"name": "f", "arguments": {"x": number}} for number in numbers]
    shuffled = dice.sample(calls, len(calls))
    assert judge(TOOLS, accept, shuffled).valid
    assert judge(TOOLS, accept, shuffled, ordered=True).valid is (shuffled == calls)
    wrong_one = [{"name": "f", "arguments": {"x": 9}}, *calls[1:]]
    scores = {judge(TOOLS, accept, dice.sample(wrong_one, len(wrong_one))) for _ in range(3)}
    assert len(scores) == 1 and not scores.pop().valid


def test_calls_of_one_tool_are_matched_one_to_one():
    calls = [{"name": "statute_retrieval", "arguments": {"regulation": f"17 CFR 230.{n}"}} for n in (501, 144, 405)]
    reference = {"category": "c", "calls": calls}
    assert reward({"category": "c", "calls": [calls[0]] * 3}, reference).parts["parameters"] == pytest.approx(1 / 3)
    swapped = reward({"category": "c", "calls": [calls[1], calls[0], calls[2]]}, reference)
    assert swapped.parts["parameters"] == 1.0 and not swapped.parts["exact"] and swapped.score < 0.9


def test_accepted_values_and_optional_parameters():
    call = {"name": "case_law_search", "arguments": {"query": "insider trading"}}
    accepted = {"query": ["insider trading", "tipper liability"], "court": ["", "2d Cir."]}
    accept = [{"name": "case_law_search", "arguments": accepted}]
    reference = {"category": "c", "calls": [call], "accept": accept, "difficulty": 0.4, "evidence": {"quote": "x"}}

    def scored(**arguments):
        calls = [{"name": "case_law_search", "arguments": arguments}]
        return reward({"category": "c", "calls": calls}, reference).score

    assert scored(query="insider trading") == scored(query="Tipper liability!") == 1.0
    assert scored(query="tipper liability", court="2d Cir.") == 1.0
    assert scored(query="tipper liability", court="9th Cir.") < 0.9
    assert scored(query="insider trading", judge="Smith") < 0.9


def test_an_absent_source_must_be_null():
    reference = next(r for r in REFERENCES if r["category"] == "compliance_validation")
    given_arguments = reference["calls"][0]["arguments"]
    for instead in ("", "N/A", "none", "17 CFR 230.501", 0, False):
        call = {"name": "compliance_checker", "arguments": {**given_arguments, "regulation": instead}}
        assert reward({**reference, "calls": [call]}, reference).score < 0.9, instead


ABSTAIN = {"category": "no_tool", "calls": []}


def test_abstaining_must_be_said():
    assert reward('{"category":"no_tool","calls":[]}', ABSTAIN).score == 1.0
    assert reward('{"category":"regulatory_definition","calls":[]}', ABSTAIN).score < 0.9
    for failed in ("", "I can't", '{"category":"no_tool","calls":[', "{}", "null", None):
        assert reward(failed, ABSTAIN).score == 0.0, failed
    called = reward(REFERENCES[0], ABSTAIN)
    assert (called.score, called.reason) == (0.0, "called_a_tool")
    assert reward(ABSTAIN, REFERENCES[0])[0::2] == (0.0, "abstained")


def test_the_strict_verdict_tells_abstaining_from_failing():
    assert judge(TOOLS, [], []).valid
    assert judge(TOOLS, [], "I cannot answer this with the functions given.").reason == "abstained_in_words"
    attempts = ("f(x=1", "I'd call f(x=1) here", '[{"name": "f", "arguments": {"x": ', "<tool_call>f</tool_call>")
    for failed in ("", *attempts):
        assert not judge(TOOLS, [], failed).valid, failed
    for words in ('I need {"city": unknown} first.', "`f(x, y)` can't do that.", ["Sorry."], {"content": "Sorry."}):
        assert judge(TOOLS, [], words).reason == "abstained_in_words", words
    for failed in ("g(x={[1]: 2})", "print('no')", '```json\n{"x": '):
        assert not judge(TOOLS, [], failed).valid, failed


def test_a_name_may_have_underscores_for_its_dots():
    accept, call = [{"name": "a.f", "arguments": {"x": [1]}}], {"arguments": {"x": 1}}
    parameters = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    for tool in ("a.f", "a_f"):
        for name in ("a.f", "a_f"):
            assert judge([{"name": tool, "parameters": parameters}], accept, [{"name": name, **call}]).valid
    assert not judge([{"name": "a.f", "parameters": parameters}], accept, [{"name": "a-f", **call}]).valid


REASONS = {
    "wrong_category": {"category"},
    "wrong_argument": {("argument", 0, "query")},
    "missing_call": {("drop", 0)},
    "wrong_order": {"reversed"},
    "extra_call": {("extra", 0)},
    "duplicate_call": {"duplicate"},
    "wrong_tool": {("drop", 0), ("extra", 0)},
}


@pytest.mark.parametrize("reason", REASONS)
def test_the_reason_names_the_error(reason):
    reference = next(r for r in REFERENCES if r["category"] == "judicial_compliance_assessment")
    assert reward(answer_with(reference, REASONS[reason]), reference).reason == reason


def test_the_samples_own_records_grade_with_and_without_accepted_values():
    tools = [{"Tool": "statute_retrieval", "Parameters": {"regulation": "Rule 506(b)"}, "Reasoning": "needed"}]
    record = {"Type": "regulatory_definition", "Information needed": "the exemption", "Tools": tools, "registry": "v1"}
    answer = json.dumps({"category": "regulatory_definition", "calls": [
        {"name": "statute_retrieval", "arguments": {"regulation": "17 CFR 230.506(b)"}}]})  # fmt: skip
    cited = {"regulation": {"cite": ["17 CFR 230.506", "17 CFR 230.506(b)"], "partial": {"same_part": 0.3}}}
    assert reward(answer, record).score == 1.0
    assert reward(answer, {**record, "accept": [{"Tool": "statute_retrieval", "Parameters": cited}]}).score == 1.0
    assert reward(json.dumps({"Query analysis": record}), json.dumps(record)).score == 1.0


@pytest.mark.parametrize("reference", [None, "", {}, [], "not JSON", {"difficulty": 1}, {"accept": "x"}, 7])
def test_a_reference_without_checks_never_passes(reference):
    graded = reward('{"category":"no_tool","calls":[]}', reference)
    assert (graded.score, graded.reason) == (0.0, "invalid_reference")
    assert read_reference(reference) is None


PROGRAM = """
import json, sys
from benchmarks.grader_cases import cases
from toolsmith.grading import attacks, grade_samples
event = []
for question, reference in cases(8, 5):
    for attack in attacks.ATTACKS:
        messages = [{"role": "user", "content": question},
                    {"role": "assistant", "content": attack.make_answer(question, reference)}]
        event.append({"id": attack.name, "reference_answer": reference, "messages": messages})
sys.stdout.write(json.dumps(grade_samples(event)))
"""


def test_the_reward_is_the_same_in_every_process():
    root = Path(__file__).resolve().parents[2]
    outputs = set()
    for seed in ("0", "1", "4242"):
        path = os.pathsep.join((str(root), str(root / "layers/toolsmith")))
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True)
        outputs.add(run.stdout)
    assert len(outputs) == 1 and len(outputs.pop()) > 10_000


def test_a_source_that_should_be_absent_costs_and_two_cost_more():
    reference = next(r for r in REFERENCES if r["category"] == "compliance_validation")
    right = reference["calls"][0]["arguments"]

    def scored(**more):
        call = {"name": "compliance_checker", "arguments": {**right, **more}}
        return reward({**reference, "calls": [call]}, reference).parts["parameters"]

    law, case = {"regulation": "17 CFR 230.405"}, {"case_interpretation_check": "SEC v. Howey"}
    assert scored() == 1.0 > scored(**law) > scored(**law, **case) > scored(**law, **case, court="2d Cir.") > 0.0


@pytest.mark.parametrize(
    ("given", "exact"),
    [
        ("Resale of restricted shares by an affiliate", True),
        ("the resale of restricted share by the affiliate!", True),
        ("affiliate resale of restricted shares", False),
        ("resale of restricted restricted shares by an affiliate", False),
        ("no resale of restricted shares by an affiliate", False),
        ("resale of restricted shares", False),
        ("resale of unrestricted shares by an affiliate", False),
    ],
)
def test_free_text_is_right_with_the_same_words_in_the_same_order(given, exact):
    accepted = "resale of restricted shares by an affiliate"
    assert (words_similarity(given, accepted) == 1.0) is exact
    assert exact or 0.0 < words_similarity(given, accepted) <= 0.9


def test_words_of_every_question_are_worth_little():
    accepted = "solicitation of accredited investors under securities regulation requirements"
    assert words_similarity("securities regulation requirements", accepted) == 0.0
    assert words_similarity("solicitation of accredited investors", accepted) > 0.7


def test_strings_are_compared_strictly_without_case_and_punctuation():
    tools = [{"name": "f", "parameters": {"properties": {"x": {"type": "string"}}, "required": ["x"]}}]
    accept = [{"name": "f", "arguments": {"x": ["it's New York, N.Y."]}}]
    for same in ('IT"S NEW_YORK N-Y', "it's*new^york/ny"):
        assert judge(tools, accept, [{"name": "f", "arguments": {"x": same}}]).valid, same
    for other in ("its New York NY", "it's New York; NY", ["it's New York, N.Y."], None):
        assert not judge(tools, accept, [{"name": "f", "arguments": {"x": other}}]).valid, other


@pytest.mark.parametrize(
    ("declared", "accepted", "given", "reason"),
    [
        ({"type": "integer"}, 1, 1, "ok"),
        ({"type": "integer"}, 1, 1.0, "wrong_type"),
        ({"type": "integer"}, 1, True, "wrong_type"),
        ({"type": "boolean"}, True, 1, "wrong_type"),
        ({"type": "float"}, 2.0, 2, "ok"),
        ({"type": "float"}, 2**53 + 1, 2**53 + 1, "wrong_value"),  # no float is this integer
        pytest.param({"type": "float"}, 10**400, 10**400, "wrong_type", id="too great for a float"),
        ({"type": "string"}, 1, 1, "ok"),  # an accepted value of another type than the declared one
        ({"type": "string"}, 1, True, "wrong_type"),
        ({"type": "array", "items": {"type": "string"}}, ["a b"], ["A-B"], "ok"),
        ({"type": "array", "items": {"type": "string"}}, ["a", 1], ["a", 1], "wrong_inner_type"),
        ({"type": "array", "items": {"type": "integer"}}, [1, 2], [1, 2], "ok"),
        ({"type": "array", "items": {"type": "integer"}}, [1, 2], [1, 2.0], "wrong_inner_type"),
        ({"type": "array", "items": {"type": "integer"}}, [1], [True], "wrong_inner_type"),
        ({"type": "dict"}, {"k": ["A b", ""], "n": [1]}, {"n": 1, "k": "a-B"}, "ok"),
        ({"type": "dict"}, {"k": ["a"]}, {"k": ["a"]}, "wrong_value"),
        ({"type": "string"}, "\u00c9tude no. 1", "\u00e9tude No 1", "ok"),
        ({"type": "string"}, "k", "\u212a", "ok"),  # the sign of Kelvin, whose small letter is k
    ],
)
def test_an_equal_value_is_right_only_in_the_right_type(declared, accepted, given, reason):
    """Each verdict is BFCL's own; numbers and booleans that Python takes for equal are kept apart."""
    tools = [{"name": "f", "parameters": {"properties": {"x": declared}, "required": ["x"]}}]
    judged = judge(tools, [{"name": "f", "arguments": {"x": [accepted]}}], [{"name": "f", "arguments": {"x": given}}])
    assert judged.reason == reason


def test_json_schema_types_and_wrappers_are_understood():
    parameters = {"type": "object", "properties": {"x": {"type": ["string", "null"]}, "n": {"type": "number"}}}
    accept = [{"name": "f", "arguments": {"x": [None, "a"], "n": [1.5, ""]}}]
    for tool in (
        {"name": "f", "parameters": parameters},
        {"type": "function", "function": {"name": "f", "parameters": parameters}},
        {"toolSpec": {"name": "f", "inputSchema": {"json": parameters}}},
    ):
        for arguments, valid in (({"x": None}, True), ({"x": "A", "n": 1.5}, True), ({"x": 1}, False), ({}, False)):
            assert judge([tool], accept, [{"name": "f", "arguments": arguments}]).valid is valid, (tool, arguments)
