"""Canonical examples as the rows that training and evaluation jobs read.

Formats: SFT "bedrock-conversation-2024" (Converse messages), RFT (OpenAI messages with `reference_answer`), evaluation
`gen_qa` (query, response, system, metadata). Sources: the Amazon Nova user guide's pages on preparing SFT and RFT data
and on evaluation with your own data set.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from toolsmith.catalog import Catalog, full_tools_prompt, student_system_prompt, tool_config
from toolsmith.datasets import canonical
from toolsmith.grading.settings import settings

SCHEMA_VERSION = "bedrock-conversation-2024"
STYLES = ("plan", "sample", "native")

Example = Mapping[str, Any]


@dataclass(frozen=True)
class Prompts:
    """What the student is told in each arm, and the tools it is shown in the native style."""

    student: str
    with_tools: str
    sample: str
    native: str
    tool_config: Mapping[str, Any]
    short: Mapping[str, str]

    @classmethod
    def of(cls, catalog: Catalog) -> "Prompts":
        return cls(
            student=student_system_prompt(catalog),
            with_tools=full_tools_prompt(catalog),
            sample=_sample_prompt(catalog),
            native="Call the tools that answer the question, in the order in which they are needed. "
            f"Copy argument values from the question. If none can answer, say {_nothing()}",
            tool_config=tool_config(catalog),
            short={tool.name: tool.short for tool in catalog.tools.values()},
        )


def plan(example: Example) -> str:
    """The answer a student learns: category and calls in one line of JSON."""
    return canonical.line({"category": example["category"], "calls": example["calls"]})


def _nothing() -> str:
    """The answer to a question that no tool can answer: it must be said, for silence is also what a failure leaves."""
    return plan({"category": settings().abstain_category, "calls": []})


def sft_row(example: Example, prompts: Prompts, style: str = "plan") -> dict[str, Any]:
    """One SFT row in `style`: "plan" (ours), "sample" (the published sample's) or "native" (Converse toolUse)."""
    row: dict[str, Any] = {"schemaVersion": SCHEMA_VERSION}
    system, answer = _STYLE[style](example, prompts)
    row["system"] = [{"text": system}]
    if style == "native":
        row["toolConfig"] = prompts.tool_config
    row["messages"] = [
        {"role": "user", "content": [{"text": example["question"]}]},
        {"role": "assistant", "content": answer},
    ]
    return row


def rft_row(example: Example, prompts: Prompts, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One RFT prompt; the reward Lambda receives `reference_answer` as it stands.

    known: what takes the place of the reference plan for a question without a label.
    """
    return {
        "id": example["id"],
        "messages": [
            {"role": "system", "content": prompts.student},
            {"role": "user", "content": example["question"]},
        ],
        "reference_answer": known or reference(example),
    }


def eval_row(example: Example, system: str) -> dict[str, Any]:
    """One gen_qa row; `metadata` must be a string, so it carries the example's id."""
    return {
        "query": example["question"],
        "response": plan(example),
        "system": system,
        "metadata": example["id"],
    }


def reference(example: Example) -> dict[str, Any]:
    """What the grader compares an answer with."""
    return {key: example[key] for key in ("category", "calls", "accept")}


def reference_row(example: Example, labelled: bool) -> dict[str, Any]:
    """A line of eval/references.jsonl: the reference with what a report groups scores by.

    labelled: whether training had questions worded like this one with their plans.
    """
    keys = ("id", "question", "document", "group", "source", "difficulty")
    return {key: example[key] for key in keys} | {"labelled": labelled, "reference": reference(example)}


def rows(examples: Iterable[Example], render: Callable[[Example], Mapping[str, Any]]) -> bytes:
    return canonical.jsonl(render(example) for example in examples)


def _plan_style(example: Example, prompts: Prompts) -> tuple[str, list[dict[str, Any]]]:
    return prompts.student, [{"text": plan(example)}]


def _sample_style(example: Example, prompts: Prompts) -> tuple[str, list[dict[str, Any]]]:
    """The published sample's answer: its keys, and empty text where we say null (its parameters are all strings)."""
    tools = [
        {
            "Tool": call["name"],
            "Parameters": {key: "" if value is None else value for key, value in call["arguments"].items()},
            "Reasoning": f"Needed for {prompts.short[call['name']]}.",
        }
        for call in example["calls"]
    ]
    wanted = "; ".join(dict.fromkeys(prompts.short[call["name"]] for call in example["calls"]))
    analysis = {"Type": example["category"], "Information needed": wanted or "nothing that a tool has", "Tools": tools}
    answer = {"Query analysis": analysis}
    return prompts.sample, [{"text": canonical.line(answer)}]


def _native_style(example: Example, prompts: Prompts) -> tuple[str, list[dict[str, Any]]]:
    """One toolUse block per call; an absent source is left out, as the reduced schemas ask; no calls: the plan."""
    content = []
    for number, call in enumerate(example["calls"], 1):
        given = {key: value for key, value in call["arguments"].items() if value is not None}
        use = {"toolUseId": f"call_{number}", "name": call["name"], "input": given}
        content.append({"toolUse": use})
    return prompts.native, content or [{"text": plan(example)}]


_STYLE = {"plan": _plan_style, "sample": _sample_style, "native": _native_style}


def _sample_prompt(catalog: Catalog) -> str:
    shape = (
        '{"Query analysis":{"Type":"...","Information needed":"...",'
        '"Tools":[{"Tool":"...","Parameters":{...},"Reasoning":"..."}]}}'
    )
    tools = [f"{tool.name}({', '.join(tool.parameters)})" for tool in catalog.tools.values()]
    lines = ["Choose tools for a question. Answer with one JSON object:", shape, "Tools:", *tools, "Types:"]
    return "\n".join([*lines, *catalog.categories, settings().abstain_category])
