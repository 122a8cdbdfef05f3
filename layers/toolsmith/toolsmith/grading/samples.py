"""The bodies of the reward Lambda and the metrics Lambda.

Contracts: SageMaker developer guide, "Implementing reward functions" (reward) and "Nova model evaluation", bring your
own metrics (`process_type` preprocess and postprocess).
"""

import gc
import json
from typing import Any

from toolsmith.grading.answer import parse_answer
from toolsmith.grading.reference import read_reference
from toolsmith.grading.reward import PARTS, Reward, grade
from toolsmith.grading.talk import talk_of

ASSISTANTS = ("assistant", "nova_assistant", "bot")
REASONS = (
    "ok", "trailing_text", "wrong_category", "wrong_argument", "missing_argument", "unknown_argument", "wrong_order",
    "extra_call", "duplicate_call", "wrong_tool", "missing_call", "abstained", "called_a_tool", "too_many_calls",
    "no_plan", "two_answers", "runaway", "invalid_call", "invalid_plan", "invalid_json", "duplicate_key",
    "not_a_number", "invalid_code", "empty", "too_long", "too_deep", "no_answer", "invalid_sample", "invalid_reference",
    "grader_error",
)  # fmt: skip
CODES = {reason: float(code) for code, reason in enumerate(REASONS)}
FAULTS = ("invalid_sample", "invalid_reference", "no_answer", "grader_error")
NOTHING = Reward(0.0, dict.fromkeys(PARTS, 0.0), "invalid_sample")


def grade_samples(event: Any) -> list[dict[str, Any]]:
    """Grade a list of samples (or one): the same ids in the same order, one bad sample alone scored 0. Never raises.

    Each result is {"id", "aggregate_reward_score", "metrics_list": [{"name", "value", "type"}]}: `score` is the
    reward, `reason_code` the position in REASONS, `grader_error` 1 when the sample could not be judged at all.
    """
    samples = event if isinstance(event, list) else [event]
    collecting = gc.isenabled()
    gc.disable()  # grading makes no cycles; looking for them among thousands of small results costs a tenth of the time
    try:
        return [grade_sample(sample) for sample in samples]
    finally:
        if collecting:
            gc.enable()


def grade_sample(sample: Any) -> dict[str, Any]:
    """Grade one sample of a reward event."""
    if not isinstance(sample, dict):
        return _result("unknown", NOTHING, 0.0)
    identity = sample.get("id", "unknown")
    reference = _reference(sample)
    answer, question = _messages(sample.get("messages"))
    if answer is None:
        return _result(identity, NOTHING._replace(reason="no_answer"), 0.0)
    return _graded(identity, answer, reference, question)


def _graded(identity: Any, answer: Any, reference: Any, question: str | None) -> dict[str, Any]:
    try:
        if isinstance(reference, dict) and "facts" in reference:
            return _result(identity, _graded_by_facts(answer, reference, question), 0.0)
        read, expected = parse_answer(answer), read_reference(reference)
        return _result(identity, grade(read, expected, question), talk_of(answer, read, reference, expected))
    except Exception:  # one sample's fault never harms the others of its event
        return _result(identity, NOTHING._replace(reason="grader_error"), 0.0)


def _graded_by_facts(answer: Any, reference: dict[str, Any], question: str | None) -> Reward:
    from toolsmith.grading.checks import grade_by_facts, read_facts  # most datasets need neither

    facts = read_facts(reference)
    if facts is None:
        return NOTHING._replace(reason="invalid_reference")
    return grade_by_facts(parse_answer(answer), facts, question)


def _reference(sample: dict[str, Any]) -> Any:
    if sample.get("reference_answer") is not None:
        return sample["reference_answer"]
    metadata = sample.get("metadata")
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except (ValueError, RecursionError):
            return None
    return metadata.get("reference_answer") if isinstance(metadata, dict) else None


def _messages(messages: Any) -> tuple[Any, str | None]:
    """The last message when an assistant wrote it, and the text of the last question before it."""
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        return None, None
    last = messages[-1]
    if last.get("role") not in ASSISTANTS:
        return None, None
    asked = [m.get("content") for m in messages[:-1] if isinstance(m, dict) and m.get("role") == "user"]
    return _content(last), _text(asked[-1]) if asked else None


def _content(message: dict[str, Any]) -> Any:
    if message.get("tool_calls"):
        return {"tool_calls": message["tool_calls"]}
    content = message.get("content")
    text = _text(content)
    return content if text is None else text


def _text(content: Any) -> str | None:
    """The text of a message: a string, or text blocks and nothing else."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content:
        texts = [block.get("text") if isinstance(block, dict) else None for block in content]
        if all(isinstance(text, str) for text in texts):
            return "\n".join(text for text in texts if text is not None)
    return None


def _result(identity: Any, graded: Reward, talk: float) -> dict[str, Any]:
    metrics = [{"name": name, "value": graded.parts[name], "type": "Metric"} for name in PARTS]
    code = CODES.get(graded.reason, CODES["grader_error"])
    return {
        "id": identity,
        "aggregate_reward_score": graded.score,
        "metrics_list": [
            {"name": "score", "value": graded.score, "type": "Reward"},
            {"name": "talk_score", "value": talk, "type": "Metric"},
            *metrics,
            {"name": "reason_code", "value": code, "type": "Metric"},
            {"name": "grader_error", "value": float(graded.reason in FAULTS), "type": "Metric"},
        ],
    }


def metrics_event(event: Any) -> dict[str, Any]:
    """Answer one call of the evaluation's metrics Lambda: preprocess hands the record back, postprocess grades it.

    An event of another form is answered with statusCode 400 and a text, not with an exception.
    """
    data = event.get("data") if isinstance(event, dict) else None
    if not isinstance(data, dict):
        return {"statusCode": 400, "body": "the event has no object `data`"}
    if event.get("process_type") == "preprocess":
        return {"statusCode": 200, "body": {key: data.get(key, "") for key in ("system", "prompt", "gold")}}
    if event.get("process_type") != "postprocess":
        return {"statusCode": 400, "body": "process_type is neither preprocess nor postprocess"}
    answer, gold = _inference(data.get("inference_output")), _decoded(data.get("gold"))
    prompt = data.get("prompt")
    result = _graded("", answer, gold, prompt if isinstance(prompt, str) else None)
    return {
        "statusCode": 200,
        "body": [{"metric": entry["name"], "value": entry["value"]} for entry in result["metrics_list"]],
    }


def _decoded(gold: Any) -> Any:
    if not isinstance(gold, str):
        return gold
    try:
        return json.loads(gold)
    except (ValueError, RecursionError):
        return None


def _inference(output: Any) -> Any:
    """The model's text; the evaluation container writes it as a list of one text in places, sometimes as its repr."""
    if isinstance(output, str) and output.startswith("['") and output.endswith("']"):
        import ast

        try:
            output = ast.literal_eval(output)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return output
    if isinstance(output, list) and len(output) == 1 and isinstance(output[0], str):
        return output[0]
    return output
