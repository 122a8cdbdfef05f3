"""The events of the reward Lambda and of the metrics Lambda, in every form that is documented or was seen."""

import importlib.util
import json
import math
import random
import re
from pathlib import Path

import pytest

from benchmarks.grader_cases import cases
from toolsmith.grading import grade_samples, metrics_event
from toolsmith.grading.samples import REASONS

QUESTION, REFERENCE = cases(8, seed=4)[6]
TEXT = json.dumps(REFERENCE)
CALLS = {"calls": REFERENCE["calls"]}
ROOT = Path(__file__).resolve().parents[2]


def handler(name):
    spec = importlib.util.spec_from_file_location(f"{name}_app", ROOT / "functions" / name / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler


def sample(answer=TEXT, role="assistant", **more):
    messages = [{"role": "user", "content": QUESTION}, {"role": role, "content": answer}]
    return {"id": "s1", "messages": messages, "reference_answer": REFERENCE} | more


def score(event):
    return grade_samples(event)[0]["aggregate_reward_score"]


def metric(result, name):
    return next(entry["value"] for entry in result["metrics_list"] if entry["name"] == name)


FORMS = {
    "list": [sample()],
    "single": sample(),
    "nova role": [sample(role="nova_assistant")],
    "nested content": [sample([{"type": "text", "text": TEXT}])],
    "reference in metadata": [sample(reference_answer=None, metadata={"reference_answer": REFERENCE})],
    "metadata as text": [sample(reference_answer=None, metadata=json.dumps({"reference_answer": REFERENCE}))],
    "reference as text": [sample(reference_answer=TEXT)],
    "special tokens": [sample(f"<|begin_of_solution|>```json\n{TEXT}\n```<|end_of_solution|>")],
    "custom fields": [sample(my_custom_field="x", metadata={"a": 1})],
    "system message": [{**sample(), "messages": [{"role": "system", "content": "s"}, *sample()["messages"]]}],
    "tool calls": [sample(reference_answer=CALLS, messages=[{"role": "assistant", "content": "", "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": c["name"], "arguments": json.dumps(c["arguments"])}}
        for c in REFERENCE["calls"]]}])],
    "tool use blocks": [sample(reference_answer=CALLS, messages=[{"role": "assistant", "content": [
        {"toolUse": {"toolUseId": "1", "name": c["name"], "input": c["arguments"]}} for c in REFERENCE["calls"]]}])],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_right_answer_is_right_in_every_form(form):
    assert score(FORMS[form]) == 1.0


def test_the_result_has_the_documented_form():
    (result,) = grade_samples([sample()])
    assert set(result) == {"id", "aggregate_reward_score", "metrics_list"}
    assert all(set(entry) == {"name", "value", "type"} for entry in result["metrics_list"])
    assert {entry["type"] for entry in result["metrics_list"]} == {"Metric", "Reward"}
    assert all(isinstance(entry["value"], float) for entry in result["metrics_list"])
    assert json.loads(json.dumps(result)) == result
    assert metric(result, "score") == result["aggregate_reward_score"]
    assert metric(result, "talk_score") == 1.0


BAD = [
    None, 7, "text", [], {}, {"id": "b"}, {"id": "b", "messages": "x"}, {"id": "b", "messages": []},
    {"id": "b", "messages": [7], "reference_answer": REFERENCE},
    {"id": "b", "messages": [{"role": "user", "content": "q"}], "reference_answer": REFERENCE},
    {"id": "b", "messages": [{"role": "assistant", "content": TEXT}]},
    {"id": "b", "messages": [{"role": "assistant", "content": TEXT}], "reference_answer": [], "metadata": "{"},
    {"id": "b", "messages": [{"role": "assistant", "content": [7, {"text": 8}]}], "reference_answer": REFERENCE},
    {"id": "b", "messages": [{"role": "assistant", "content": TEXT, "tool_calls": "x"}], "reference_answer": REFERENCE},
]  # fmt: skip


def test_one_bad_sample_never_harms_the_others():
    good = [sample(id=f"g{i}") for i in range(len(BAD))]
    mixed = [one for pair in zip(good, BAD, strict=True) for one in pair]
    results = grade_samples(mixed)
    assert len(results) == len(mixed)
    assert [result["id"] for result in results[::2]] == [one["id"] for one in good]
    assert all(result["aggregate_reward_score"] == 1.0 for result in results[::2])
    assert all(result["aggregate_reward_score"] == 0.0 for result in results[1::2])


def test_what_cannot_be_judged_is_reported_as_the_graders_error():
    no_reference = grade_samples([{**sample(), "reference_answer": None}])[0]
    assert metric(no_reference, "grader_error") == 1.0
    assert REASONS[int(metric(no_reference, "reason_code"))] == "invalid_reference"
    wrong_answer = grade_samples([sample("I can't")])[0]
    assert metric(wrong_answer, "grader_error") == 0.0
    assert REASONS[int(metric(wrong_answer, "reason_code"))] == "no_plan"


def test_every_reason_that_is_given_has_a_code():
    source = "".join(path.read_text() for path in (ROOT / "layers/toolsmith/toolsmith/grading").glob("*.py"))
    given = set(re.findall(r'(?:unread|_nothing|Malformed|BrokenJson)\(\n?\s*"(\w+)"', source))
    assert len(given) > 12
    assert given <= set(REASONS), given - set(REASONS)


KEYS = (
    "id", "messages", "role", "content", "reference_answer", "metadata", "calls", "name", "arguments", "accept",
    "tool_calls", "data", "process_type", "gold", "inference_output", "x",
)  # fmt: skip
PIECES = ("", "{", '"', "\\", "\ud800", "NaN", "]", "\x00")


def junk(dice, depth=0):
    kind = dice.randrange(9 if depth < 3 else 6)
    if kind < 6:
        plain = dice.choice([TEXT, "", "{", "[]", "}]"])
        return (None, dice.random() < 0.5, dice.randrange(-9, 10**9), math.nan, plain,
                "".join(chr(dice.randrange(1, 0xD7FF)) for _ in range(dice.randrange(9))))[kind]  # fmt: skip
    if kind == 6:
        return [junk(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(KEYS): junk(dice, depth + 1) for _ in range(dice.randrange(5))}


def cut(dice, text):
    position = dice.randrange(len(text))
    return text[:position] + dice.choice(PIECES) + text[position + dice.randrange(4) :]


def test_ten_thousand_fuzzed_events_are_graded():
    dice = random.Random(11)
    for i in range(10_000):
        reference = dice.choice([REFERENCE, junk(dice)])
        event = junk(dice) if i % 2 else [sample(cut(dice, TEXT), reference_answer=reference)]
        results = grade_samples(event)
        assert len(results) == (len(event) if isinstance(event, list) else 1)
        assert all(0.0 <= result["aggregate_reward_score"] <= 1.0 for result in results)
        assert metrics_event(event)["statusCode"] in (200, 400)


def test_six_megabytes_are_graded():
    filler = "The offering is described at length. " * 1200
    event = [sample(f"{filler}{TEXT}", id=str(i)) for i in range(128)]
    assert 5_500_000 < len(json.dumps(event)) < 6_291_456
    results = grade_samples(event)
    assert [result["id"] for result in results] == [str(i) for i in range(128)]
    assert all(result["aggregate_reward_score"] == 1.0 for result in results)
    assert len(json.dumps(results)) < 6_291_456


def test_the_reward_handler_returns_the_bare_list_and_logs_numbers_only(capsys):
    event = [sample("canary-4711"), {"id": "b"}]
    assert handler("grade")(event, None) == grade_samples(event)
    logged = json.loads(capsys.readouterr().out)
    assert (logged["Samples"], logged["GraderErrors"]) == (2, 1)
    assert "canary" not in json.dumps(logged)


def body(event):
    answer = handler("measure")(event, None)
    assert answer["statusCode"] == 200
    return {entry["metric"]: entry["value"] for entry in answer["body"]}


def test_preprocess_hands_the_record_on():
    data = {"system": "s", "prompt": "p", "gold": TEXT}
    assert metrics_event({"process_type": "preprocess", "data": data}) == {"statusCode": 200, "body": data}


@pytest.mark.parametrize("output", [TEXT, str([TEXT]), [TEXT], f"```json\n{TEXT}\n```"], ids=str)
def test_postprocess_grades_the_record(output):
    event = {"process_type": "postprocess", "data": {"prompt": QUESTION, "inference_output": output, "gold": TEXT}}
    measured = body(event)
    assert measured["score"] == measured["talk_score"] == measured["exact"] == 1.0
    event["data"]["inference_output"] = "nothing"
    assert body(event)["score"] == 0.0


def test_both_handlers_agree():
    answer = json.dumps({**REFERENCE, "calls": REFERENCE["calls"][:1]})
    rewarded = {entry["name"]: entry["value"] for entry in grade_samples(sample(answer))[0]["metrics_list"]}
    data = {"prompt": QUESTION, "inference_output": answer, "gold": TEXT}
    assert body({"process_type": "postprocess", "data": data}) == rewarded


@pytest.mark.parametrize("event", [None, [], {}, {"data": {}}, {"process_type": "x", "data": {}}])
def test_another_event_is_answered_not_raised(event):
    assert metrics_event(event)["statusCode"] == 400
