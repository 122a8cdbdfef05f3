"""A teacher's answer as the Converse API returns it, checked before anyone reads it.

Shape: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
A truncated HTTP 200 reaches us as a dict with keys missing, so nothing is taken for granted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COMPLETE = frozenset({"end_turn", "stop_sequence"})
REFUSED = frozenset({"guardrail_intervened", "content_filtered"})
CUT_SHORT = frozenset({"max_tokens", "model_context_window_exceeded"})


@dataclass(frozen=True)
class TeacherReply:
    """What the teacher said. stop_reason: as Converse names it, or "malformed" with `fault` saying why."""

    text: str
    stop_reason: str = "end_turn"
    input_tokens: int = 0
    output_tokens: int = 0
    fault: str = ""

    @property
    def rejection(self) -> tuple[str, str] | None:
        """(reason code, detail) when the answer must not be read at all: malformed, refused or truncated."""
        if self.stop_reason == "malformed":
            return "malformed", self.fault
        if self.stop_reason in REFUSED:
            return "refused", f"the service stopped the answer: {self.stop_reason}"
        if self.stop_reason in CUT_SHORT:
            return "truncated", f"the answer ended at a limit ({self.stop_reason})"
        if self.stop_reason not in COMPLETE:
            return "malformed", f"stop reason {self.stop_reason!r} is not one that ends an answer"
        return None

    @classmethod
    def from_converse(cls, response: Any) -> "TeacherReply":
        """Reads a Converse response. Never raises: what does not fit becomes stop_reason "malformed"."""
        tokens = _usage(response)
        try:
            return cls(_text(response), _stop_reason(response), *tokens)
        except ValueError as wrong:
            return cls("", "malformed", *tokens, fault=str(wrong))


def is_cut_off(response: Any) -> bool:
    """Whether parts of a Converse response are missing: it broke off on its way, whatever the model had said."""
    if not isinstance(response, Mapping) or not isinstance(response.get("stopReason"), str):
        return True
    output = response.get("output")
    message = output.get("message") if isinstance(output, Mapping) else None
    return not isinstance(message, Mapping) or "content" not in message


def _stop_reason(response: Mapping[str, Any]) -> str:
    reason = response.get("stopReason")
    if not isinstance(reason, str) or not reason:
        raise ValueError("stopReason is missing: the response was cut off")
    return reason


def _text(response: Any) -> str:
    message = response
    for key in ("output", "message"):
        message = message.get(key) if isinstance(message, Mapping) else None
    if not isinstance(message, Mapping):
        raise ValueError("output.message is missing: the response was cut off")
    if message.get("role") != "assistant":
        raise ValueError(f"the message's role is {message.get('role')!r}, not 'assistant'")
    content = message.get("content")
    if not isinstance(content, list) or not all(isinstance(block, Mapping) for block in content):
        raise ValueError("the message's content is not a list of blocks")
    texts = [block["text"] for block in content if "text" in block]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a text block holds no text")
    if strange := [key for block in content for key in block if key not in {"text", "reasoningContent"}]:
        raise ValueError(f"a {strange[0]} block stands where text was asked for")
    if not "".join(texts).strip() and response.get("stopReason") in COMPLETE:
        raise ValueError("the answer is empty")
    return "".join(texts)


def _usage(response: Any) -> tuple[int, int]:
    """(input, output) tokens; 0 where the service did not say."""
    usage = response.get("usage") if isinstance(response, Mapping) else None
    if not isinstance(usage, Mapping):
        return 0, 0
    counts = (usage.get("inputTokens"), usage.get("outputTokens"))
    return tuple(n if isinstance(n, int) and not isinstance(n, bool) and n >= 0 else 0 for n in counts)
