"""Questions put to a model in Bedrock: one, or the whole test split where no evaluation job can load the model."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from toolsmith.customization.cost import Tokens
from toolsmith.pipeline.ports import Store

AT_ONCE = 16
KEPT_AFTER = 64  # answers that are paid again at most where the function is cut off


def say(
    runtime: Any,
    model: str,
    system: str,
    text: str,
    tools: Mapping[str, Any] | None = None,
    *,
    max_tokens: int = 512,
    temperature: float = 0,
) -> str:
    """The text of what a model answers to one user turn. runtime: a bedrock-runtime client."""
    return _text(_converse(runtime, model, system, text, tools, max_tokens, temperature))


def _converse(
    runtime: Any, model: str, system: str, text: str, tools: Mapping[str, Any] | None, tokens: int, temperature: float
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "modelId": model,
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"maxTokens": tokens, "temperature": temperature},
    }
    if system:
        body["system"] = [{"text": system}]
    if tools:
        body["toolConfig"] = tools
    return runtime.converse(**body)


def _text(response: Mapping[str, Any]) -> str:
    return "".join(block.get("text", "") for block in response["output"]["message"]["content"])


def tokens_used(answers: list[dict[str, Any]]) -> Tokens | None:
    """What the answers of `ask_all` have used; None where one of them does not tell."""
    used = [row.get("usage") for row in answers]
    if not used or None in used:
        return None
    return Tokens(sum(each["inputTokens"] for each in used), sum(each["outputTokens"] for each in used))


def ask_all(
    runtime: Any, work: Store, run: str, job: str, asked: Mapping[str, Any], in_time: Callable[[], bool]
) -> dict[str, int]:
    """Put the questions of an evaluation that have no answer yet, for as long as in_time says so.

    asked: {"Model", "Questions": S3 URI of gen_qa rows, "MaxTokens", "Temperature"}. The answers are kept as an
    evaluation job leaves them, in inference_output.jsonl of the job's output, and with the tokens that each has used.
    Returns {"answered", "left"}.
    """
    key = f"runs/{run}/output/{job}/inference_output.jsonl"
    rows = work.read_lines(asked["Questions"].removeprefix(work.uri("")))
    answers = work.read_lines(key) if work.exists(key) else []
    known = {answer["metadata"] for answer in answers}
    left = [row for row in rows if row["metadata"] not in known]

    def answer(row: Mapping[str, Any]) -> dict[str, Any]:
        limits = asked["MaxTokens"], asked["Temperature"]
        response = _converse(runtime, asked["Model"], row.get("system", ""), row["query"], None, *limits)
        used = {"usage": response["usage"]} if "usage" in response else {}
        said = {"prompt": row["query"], "inference": _text(response), "gold": row["response"]}
        return {**said, "metadata": row["metadata"], **used}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        while left and in_time():
            part, left = left[:KEPT_AFTER], left[KEPT_AFTER:]
            answers += pool.map(answer, part)
            work.write_lines(key, answers)
    return {"answered": len(answers), "left": len(left)}
