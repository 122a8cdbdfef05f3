"""The chat format that most model servers speak, beside Converse's: requests one way, responses the other.

Shapes: https://platform.openai.com/docs/api-reference/chat and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from collections.abc import Mapping
from typing import Any

STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "content_filtered", "tool_calls": "tool_use"}


def chat_request(body: Mapping[str, Any], model: str | None = None) -> dict[str, Any]:
    """A Converse body of texts as a chat request; `model` where the server holds several."""
    system = "\n".join(block["text"] for block in body.get("system", []))
    turns = [{"role": turn["role"], "content": _joined(turn["content"])} for turn in body["messages"]]
    settings = body.get("inferenceConfig", {})
    names = {"max_tokens": "maxTokens", "temperature": "temperature"}
    return {
        **({"model": model} if model else {}),
        "messages": ([{"role": "system", "content": system}] if system else []) + turns,
        **{name: settings[key] for name, key in names.items() if key in settings},
    }


def converse_response(answer: Any) -> dict[str, Any]:
    """A chat response as Converse gives it; what is missing there is missing here, for TeacherReply to find."""
    choices = answer.get("choices") if isinstance(answer, Mapping) else None
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else {}
    message = choice.get("message")
    text = message.get("content") if isinstance(message, Mapping) else None
    found: dict[str, Any] = {}
    if isinstance(text, str):
        found["output"] = {"message": {"role": "assistant", "content": [{"text": text}]}}
    if reason := choice.get("finish_reason"):
        found["stopReason"] = STOPS.get(reason, str(reason))
    usage = answer.get("usage") if isinstance(answer, Mapping) else None
    if isinstance(usage, Mapping):
        found["usage"] = {"inputTokens": usage.get("prompt_tokens"), "outputTokens": usage.get("completion_tokens")}
    return found


def _joined(blocks: list[Mapping[str, Any]]) -> str:
    return "\n".join(block["text"] for block in blocks)
