"""Reading answers: every shape a model may return, and what is refused."""

import json

import pytest

from toolsmith.grading import Call, parse_answer

CALL = {"name": "statute_retrieval", "arguments": {"regulation": "17 CFR 230.501(a)"}}
PLAN = {"category": "regulatory_definition", "calls": [CALL]}
TEXT = json.dumps(PLAN)
CALLS = (Call("statute_retrieval", {"regulation": "17 CFR 230.501(a)"}),)
OTHER = json.dumps({"category": "regulatory_definition", "calls": [{**CALL, "name": "citation_validator"}]})
SAMPLE = {
    "Query analysis": {
        "Type": ["regulatory_definition"],
        "Information needed": "the definition",
        "Tools": [{"Tool": CALL["name"], "Parameters": CALL["arguments"], "Reasoning": "needed"}],
    }
}
TOOL_USE = {"toolUse": {"toolUseId": "t1", "name": CALL["name"], "input": CALL["arguments"]}}
OPENAI = {"id": "c1", "type": "function", "function": {**CALL, "arguments": json.dumps(CALL["arguments"])}}
PYTHON = 'statute_retrieval(regulation="17 CFR 230.501(a)")'

SHAPES = {
    "plan": TEXT,
    "indented plan": json.dumps(PLAN, indent=2),
    "decoded plan": PLAN,
    "plan in a list": json.dumps([PLAN]),
    "sample": json.dumps(SAMPLE),
    "sample with one type": json.dumps({**SAMPLE["Query analysis"], "Type": "regulatory_definition"}),
    "sample without its outer key": json.dumps(SAMPLE["Query analysis"]),
    "sample as a JSON string": json.dumps(json.dumps(SAMPLE)),
    "tool use block": [TOOL_USE],
    "tool use as text": json.dumps([TOOL_USE]),
    "reasoning and tool use blocks": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, TOOL_USE],
    "text and tool use blocks": [{"text": "I will look it up."}, TOOL_USE],
    "converse response": {"output": {"message": {"role": "assistant", "content": [TOOL_USE]}}},
    "openai message": {"role": "assistant", "content": None, "tool_calls": [OPENAI]},
    "openai calls as text": json.dumps({"tool_calls": [OPENAI]}),
    "message with text": {"role": "assistant", "content": TEXT},
    "message with nested text": {"role": "nova_assistant", "content": [{"type": "text", "text": TEXT}]},
    "list of calls": json.dumps([CALL]),
    "bare call": json.dumps(CALL),
    "call with parameters": json.dumps({"name": CALL["name"], "parameters": CALL["arguments"]}),
    "compact call": json.dumps([{CALL["name"]: CALL["arguments"]}]),
    "compact call with text arguments": [{CALL["name"]: json.dumps(CALL["arguments"])}],
    "documented call": {"tool_called": CALL["name"], "tool_parameters": CALL["arguments"]},
    "python": PYTHON,
    "python list in a fence": "```python\n[statute_retrieval(regulation='17 CFR 230.501(a)')]\n```",
    "fence": f"```json\n{TEXT}\n```",
    "bare fence": f"```\n{TEXT}\n```",
    "special tokens": f"<|begin_of_solution|>{TEXT}<|end_of_solution|>",
    "tokens and fence": f"<|begin_of_solution|>```json\n{TEXT}\n```<|end_of_solution|>",
    "reasoning tags": f"<think>Rule 501 {{maybe}} or {OTHER}?</think>\n{TEXT}",
    "reasoning with quotations": f'A "rule" is asked for. <think>"501" or {OTHER}?</think> {TEXT}',
    "reasoning before the solution": f"It could be {OTHER}.<|begin_of_solution|>{TEXT}<|end_of_solution|>",
    "words before": f"The question [1] asks for a definition {{of a rule}}. So:\n{TEXT}",
    "tool call tags": f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>",
    "tool calls token": f"[TOOL_CALLS] [{json.dumps(CALL)}]",
    "function named by a text": [{"function": CALL["name"], "parameters": CALL["arguments"]}],
    "tool name": [{"tool_name": CALL["name"], "parameters": CALL["arguments"]}],
    "function call blocks": [{"functionCall": {"name": CALL["name"], "args": CALL["arguments"]}}],
    "function tag": f"<function={CALL['name']}>{json.dumps(CALL['arguments'])}</function>",
    "python in a tag": f"<TOOLCALL>[{PYTHON}]</TOOLCALL>",
    "python in backticks": f"`{PYTHON}`",
    "python in brackets": f"({PYTHON})",
    "python list not closed": f"[{PYTHON}",
    "python list not opened": f"{PYTHON}]",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_read_alike(shape):
    answer = parse_answer(SHAPES[shape])
    assert (answer.calls, answer.reason, answer.trailing) == (CALLS, "ok", False)


@pytest.mark.parametrize("shape", ["plan", "sample", "fence", "special tokens", "decoded plan", "words before"])
def test_shapes_with_a_category_keep_it(shape):
    assert parse_answer(SHAPES[shape]).category == "regulatory_definition"


def test_the_samples_way_of_saying_null_is_null():
    given = {"query": "x", "edgar_check": "N/A", "regulation": "", "case_interpretation_check": "None"}
    sample = {"Type": "compliance_validation", "Tools": [{"Tool": "compliance_checker", "Parameters": given}]}
    assert list(parse_answer(sample).calls[0].arguments.values()) == ["x", None, None, None]
    plan = {"category": "c", "calls": [{"name": "compliance_checker", "arguments": given}]}
    assert parse_answer(plan).calls[0].arguments == given, "our own format has null, so nothing stands for it"


def test_several_bare_calls_add_up():
    one, two = json.dumps(CALL), json.dumps({**CALL, "name": "citation_validator"})
    for text in (f"{one}{two}", f"<tool_call>{one}</tool_call>\n<tool_call>{two}</tool_call>", f"{one};{two}"):
        assert [call.name for call in parse_answer(text).calls] == ["statute_retrieval", "citation_validator"]


REFUSED = {
    "two answers": (f"{TEXT}\n{OTHER}", "two_answers"),
    "an answer and its change": (f"{TEXT} or rather {OTHER}", "two_answers"),
    "a change in a list": (f"[{TEXT},{OTHER}]", "no_plan"),
    "two lists of calls": (json.dumps({**PLAN, "tool_calls": [{**CALL, "name": "other"}]}), "two_answers"),
    "two names": (json.dumps([{**CALL, "tool_name": "other"}]), "two_answers"),
    "two sets of arguments": (json.dumps([{**CALL, "input": {"regulation": "Rule 10b-5"}}]), "two_answers"),
    "two calls in one": ([{"functionCall": {"name": "other", "args": {}}, **TOOL_USE}], "two_answers"),
    "a sample with two lists": (
        {"Query analysis": {**SAMPLE["Query analysis"], "calls": [{**CALL, "name": "other"}]}}, "two_answers",
    ),
    "the same four times": (f"{TEXT}\n" * 4, "runaway"),
    "a long tail": (TEXT + " and so on" * 1000, "runaway"),
    "duplicate key": (TEXT[:-1] + ',"calls":[]}', "duplicate_key"),
    "duplicate key inside": (TEXT.replace('"regulation"', '"regulation":"x","regulation"'), "duplicate_key"),
    "NaN": (TEXT.replace('"17 CFR 230.501(a)"', "NaN"), "not_a_number"),
    "infinity": (TEXT.replace('"17 CFR 230.501(a)"', "-Infinity"), "not_a_number"),
    "beyond a double": (TEXT.replace('"17 CFR 230.501(a)"', "1e999"), "not_a_number"),
    "truncated": (TEXT[:-2], "invalid_json"),
    "truncated, complete inside": (TEXT[:-1], "invalid_json"),
    "single quotes": (str(PLAN), "invalid_json"),
    "a key without quotes": (TEXT.replace('"category"', "category"), "invalid_json"),
    "trailing comma": (TEXT[:-1] + ",}", "invalid_json"),
    "a raw line break in a string": (TEXT.replace("CFR", "CFR\n"), "invalid_json"),
    "comment": ("// plan\n" + TEXT[:-1] + "/* done */}", "invalid_json"),
    "call without a name": (json.dumps({"calls": [{"arguments": {}}]}), "invalid_call"),
    "arguments as a list": (json.dumps({"calls": [{**CALL, "arguments": ["x"]}]}), "invalid_call"),
    "calls as an object": (json.dumps({"calls": {"a": CALL}}), "invalid_plan"),
    "broken argument text": ({"tool_calls": [{"function": {"name": "x", "arguments": "{"}}]}, "invalid_json"),
    "empty": ("", "empty"),
    "blank": (" \n", "empty"),
    "nothing": (None, "empty"),
    "prose": ("I can't help with that.", "no_plan"),
    "a number": (7, "no_plan"),
    "empty object": ("{}", "no_plan"),
    "some other JSON": ('{"answer": 42}', "no_plan"),
    "too long": ("x" * 70_000, "too_long"),
    "only reasoning": (f"<think>{TEXT}</think>", "no_plan"),
    "unclosed reasoning": (f"<think>{TEXT}", "no_plan"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_answer_says_why(case):
    text, reason = REFUSED[case]
    answer = parse_answer(text)
    assert (answer.calls, answer.category, answer.reason) == ((), None, reason)


TRAILING = {
    "prose after": f"{TEXT}\nI hope this helps!",
    "prose after a fence": f"```json\n{TEXT}\n```\nThat is all.",
    "the same again": f"{TEXT}\n{TEXT}",
    "other keys": json.dumps({**PLAN, "confidence": 0.99}),
    "other keys beside the sample's": json.dumps({**SAMPLE, "alternatives": [OTHER]}),
}


@pytest.mark.parametrize("case", TRAILING)
def test_text_after_the_plan_is_read_and_reported(case):
    answer = parse_answer(TRAILING[case])
    assert (answer.calls, answer.reason, answer.trailing) == (CALLS, "ok", True)


def test_what_looks_like_a_token_in_a_value_belongs_to_it():
    for value in ("17 CFR<|and|> 230.501", "Rule 501 <think>or 506</think>", 'a \\ "quoted" <think>', "<think>"):
        text = json.dumps({**PLAN, "calls": [{**CALL, "arguments": {"regulation": value}}]})
        reasoned = f"<thought>{text}</thought>{text}<|end_of_solution|>"
        for written in (text, f" {text}", f"```json\n{text}\n```", reasoned):
            assert parse_answer(written).calls[0].arguments == {"regulation": value}, written


def test_no_call_must_be_said():
    for explicit in ('{"category":"no_tool","calls":[]}', "[]", [], '{"tool_calls": []}'):
        assert parse_answer(explicit)[:3:2] == ((), "ok"), explicit
    for silent in ("", "none", "{}", "[ ] is what I would answer"):
        assert parse_answer(silent).reason != "ok"


def test_python_values_are_read_without_being_run():
    text = "[f(a=-1, b=[1.5, True], c={'k': None}, d=(1, 2), e=2*3, g=name, h=other())]"
    assert parse_answer(text).calls == (
        Call("f", {"a": -1, "b": [1.5, True], "c": {"k": None}, "d": (1, 2), "e": 6, "g": "name", "h": "other()"}),
    )
    for refused in ("f(1)", "f(a=1, **b)", "f(a=lambda: 1)", "f(a=9**9**9)", "f(a='x'*10**9)", "f(a=[x for x in y])"):
        assert parse_answer(refused).reason != "ok", refused


def test_python_arithmetic_is_done_within_limits():
    assert parse_answer("f(a=10**-2, b=7//2, c=7%4, d='x'+'y', e=[1]+[2])").calls == (
        Call("f", {"a": 0.01, "b": 3, "c": 3, "d": "xy", "e": [1, 2]}),
    )
    for refused in ("f(a=1/0)", "f(a=1e300**60)", "f(a=10.0**64*1e300**2)", "f(a={[1]: 2})", "f(a='x'+1)"):
        assert parse_answer(refused).reason != "ok", refused
