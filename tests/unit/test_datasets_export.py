"""Rows as jobs read them, in three styles, and the rules of the services: what passes, what is refused and why."""

import json
from typing import Any

import pytest

from toolsmith.catalog import load_catalog
from toolsmith.datasets import check_all, check_eval, check_rft, check_sft
from toolsmith.datasets.canonical import digest, jsonl
from toolsmith.datasets.export import STYLES, Prompts, eval_row, reference_row, rft_row, sft_row
from toolsmith.datasets.validate import Finding, require
from toolsmith.errors import InvalidInput

CATALOG = load_catalog()
PROMPTS = Prompts.of(CATALOG)
EXAMPLE = {
    "id": "0123456789abcdef",
    "question": "What does Rule 506(b) require, and does Acme Paper's sale of notes meet it?",
    "category": "regulatory_compliance_analysis",
    "calls": [
        {"name": "statute_retrieval", "arguments": {"regulation": "Rule 506(b)"}},
        {
            "name": "compliance_checker",
            "arguments": {
                "query": "sale of notes",
                "edgar_check": None,
                "regulation": "Rule 506(b)",
                "case_interpretation_check": None,
            },
        },
    ],
    "accept": [{"name": "statute_retrieval", "arguments": {"regulation": ["17 CFR 230.506(b)"]}}],
    "document": "d" * 32,
    "group": "company:acme",
    "source": "filing",
    "difficulty": 0.4,
}


def lines(row: Any, count: int = 8) -> bytes:
    return jsonl([row] * count)


def sft(**changes: Any) -> dict[str, Any]:
    return json.loads(json.dumps(sft_row(EXAMPLE, PROMPTS, "native"))) | changes


def problems(findings: list[Finding]) -> str:
    return "; ".join(map(str, findings))


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_accepted(style):
    assert check_sft("sft/train.jsonl", lines(sft_row(EXAMPLE, PROMPTS, style))) == []


def test_the_plan_style_teaches_one_line_of_compact_json():
    row = sft_row(EXAMPLE, PROMPTS)
    answer = row["messages"][1]["content"][0]["text"]
    assert json.loads(answer) == {"category": EXAMPLE["category"], "calls": EXAMPLE["calls"]}
    assert answer.startswith('{"category":"regulatory_compliance_analysis","calls":[{"name":') and "\n" not in answer


def test_the_sample_style_has_the_published_keys_and_empty_text_for_null():
    answer = json.loads(sft_row(EXAMPLE, PROMPTS, "sample")["messages"][1]["content"][0]["text"])
    assert set(answer) == {"Query analysis"}
    analysis = answer["Query analysis"]
    assert set(analysis) == {"Type", "Information needed", "Tools"}
    assert [tool["Tool"] for tool in analysis["Tools"]] == ["statute_retrieval", "compliance_checker"]
    assert analysis["Tools"][1]["Parameters"]["edgar_check"] == ""
    assert all(tool["Reasoning"] for tool in analysis["Tools"])


def test_the_native_style_has_tool_use_blocks_without_absent_sources():
    row = sft()
    uses = [block["toolUse"] for block in row["messages"][1]["content"]]
    assert [use["name"] for use in uses] == ["statute_retrieval", "compliance_checker"]
    assert len({use["toolUseId"] for use in uses}) == 2
    assert uses[1]["input"] == {"query": "sale of notes", "regulation": "Rule 506(b)"}
    assert {tool["toolSpec"]["name"] for tool in row["toolConfig"]["tools"]} == set(CATALOG.tools)


def test_the_reference_answer_is_a_dict_with_accepted_values():
    row = rft_row(EXAMPLE, PROMPTS)
    assert row["reference_answer"]["accept"] == EXAMPLE["accept"]
    assert [message["role"] for message in row["messages"]] == ["system", "user"]
    assert check_rft("rft/train.jsonl", lines(row, 100)) == []


def test_evaluation_rows_carry_the_example_id_as_text():
    row = eval_row(EXAMPLE, PROMPTS.with_tools)
    assert row["metadata"] == EXAMPLE["id"] and set(row) == {"query", "response", "system", "metadata"}
    assert check_eval("eval/gen_qa.jsonl", lines(row)) == []
    assert reference_row(EXAMPLE, True)["reference"] == rft_row(EXAMPLE, PROMPTS)["reference_answer"]


def with_answer(*blocks: dict[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": "Is it?"}]}, {"role": "assistant", "content": list(blocks)}]
    return sft(messages=messages)


USE = {"toolUseId": "a", "name": "statute_retrieval", "input": {"regulation": "Rule 144"}}
TOOL = {"name": "t", "description": "d", "inputSchema": {"json": {"type": "object"}}}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (sft(schemaVersion="2024"), "schemaVersion"),
        (sft(note="x"), "unknown key 'note'"),
        (sft(system="text"), "system"),
        (sft(system=[{"text": "System: be kind"}]), "reserved word 'System:'"),
        (sft(messages=[{"role": "user", "content": [{"text": "alone"}]}]), "fewer than two"),
        (sft(messages=sft()["messages"][::-1]), "not by the user"),
        (sft(messages=[*sft()["messages"], sft()["messages"][0]]), "not the assistant's"),
        (with_answer({"text": "  "}), "assistant text is empty"),
        (with_answer({"text": "USER: hello"}), "reserved word 'USER:'"),
        (with_answer({"image": {}}), "kind 'image'"),
        (with_answer({"toolUse": USE}, {"toolUse": USE}), "used twice"),
        (with_answer({"toolUse": USE | {"name": "other"}}), "'other' is not in toolConfig"),
        (with_answer({"toolUse": USE | {"input": "x"}}), "input is no object"),
        (with_answer({"reasoningContent": {"reasoningText": {"text": "Thought: x"}}}), "'Thought:'"),
        ({k: v for k, v in with_answer({"toolUse": USE}).items() if k != "toolConfig"}, "without toolConfig"),
        (sft(toolConfig={"tools": []}), "no tools"),
        (sft(toolConfig={"tools": [{"toolSpec": TOOL | {"description": ""}}]}), "description is empty"),
        (sft(toolConfig={"tools": [{"toolSpec": TOOL}] * 2}), "same name"),
        (sft(toolConfig={"tools": [{"toolSpec": TOOL | {"inputSchema": {"json": {}}}}]}), "has no type"),
        (sft(toolConfig=sft()["toolConfig"] | {"toolChoice": {"auto": {}}}), "toolChoice"),
    ],
)
def test_broken_sft_rows_are_refused_with_line_and_remedy(row, said):
    found = check_sft("sft/train.jsonl", lines(sft(), 9) + jsonl([row]))
    assert said in problems(found)
    assert {finding.line for finding in found} == {10}
    assert all(finding.remedy for finding in found)


def conversation(*results: dict[str, Any]) -> dict[str, Any]:
    return sft(
        messages=[
            {"role": "user", "content": [{"text": "Fetch it."}]},
            {"role": "assistant", "content": [{"toolUse": USE}]},
            {"role": "user", "content": [{"toolResult": result} for result in results]},
            {"role": "assistant", "content": [{"text": "Done."}]},
        ]
    )


RESULT = {"toolUseId": "a", "content": [{"text": "found"}]}


def test_a_tool_result_after_its_call_is_accepted():
    assert check_sft("sft/train.jsonl", lines(conversation(RESULT))) == []


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([RESULT, RESULT], "no open toolUse"),
        ([RESULT | {"toolUseId": "z"}], "no open toolUse"),
        ([RESULT | {"status": "success"}], "status"),
        ([RESULT | {"content": [{"text": "a", "json": {}}]}], "exactly one text or json"),
        ([RESULT | {"content": [{"text": "Bot: found"}]}], "reserved word 'Bot:'"),
    ],
)
def test_broken_tool_results_are_refused(results, said):
    assert said in problems(check_sft("sft/train.jsonl", lines(conversation(*results))))


GOOD_RFT = rft_row(EXAMPLE, PROMPTS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": 7}, "id is no string"),
        ({"reference_answer": [1]}, "reference_answer"),
        ({"reference_answer": {}}, "reference_answer"),
        ({"messages": []}, "no messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "no user message"),
        ({"messages": GOOD_RFT["messages"][::-1]}, "system message is not first"),
        ({"messages": [*GOOD_RFT["messages"], {"role": "assistant", "content": "x"}]}, "single-turn"),
        ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "unknown key 'name'"),
        ({"messages": [{"role": "user", "content": ""}]}, "user text is empty"),
        ({"tools": []}, "empty list"),
        ({"tools": [{"type": "function", "function": {"name": "a"}}]}, "description"),
    ],
)
def test_broken_rft_rows_are_refused(change, said):
    found = check_rft("rft/train.jsonl", lines(GOOD_RFT, 99) + jsonl([GOOD_RFT | change]))
    assert said in problems(found) and {finding.line for finding in found} == {100}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metadata": {"id": 1}}, "metadata is no string"),
        ({"response": ""}, "response is missing"),
        ({"category": "x"}, "unknown key 'category'"),
    ],
)
def test_broken_evaluation_rows_are_refused(change, said):
    row = eval_row(EXAMPLE, PROMPTS.student) | change
    assert said in problems(check_eval("eval/gen_qa.jsonl", lines(row, 1)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a":1,"a":2}\n', "the key 'a' stands twice"),
        (b'{"a":NaN}\n', "NaN is no JSON number"),
        (b"[1]\n", "a JSON list"),
        (b"\xff\n", "not strict JSON"),
        (b'{"query":"a","response":"b"}\n\n{"query":"a","response":"b"}\n', "line 2: not strict JSON"),
    ],
)
def test_lines_that_are_no_strict_json_objects_are_named(data, said):
    assert said in problems(check_eval("eval/gen_qa.jsonl", data))


def test_too_few_rows_and_wrong_file_names_are_named():
    assert "7 rows, 8 needed" in problems(check_sft("sft/train.jsonl", lines(sft(), 7)))
    assert "99 rows, 100 needed" in problems(check_rft("rft/train.jsonl", lines(GOOD_RFT, 99)))
    assert "gen_qa.jsonl only" in problems(check_eval("eval/other.jsonl", lines(eval_row(EXAMPLE, "x"))))
    assert "character" in problems(check_sft("sft/my train.jsonl", lines(sft())))


def test_a_dataset_that_breaks_rules_cannot_be_written():
    with pytest.raises(InvalidInput, match=r"(?s)sft/train.jsonl, line 1: schemaVersion.*and 3 more"):
        require(check_all({"sft/train.jsonl": lines(sft(schemaVersion="1"))}))


def test_the_digest_depends_on_names_and_contents_only():
    assert digest({"a": b"1", "b": b"2"}) == digest({"b": b"2", "a": b"1"})
    assert digest({"a": b"1"}) != digest({"a": b"2"}) != digest({"c": b"2"})
