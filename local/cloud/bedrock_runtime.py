"""bedrock-runtime: Converse, answered by the embedded teacher, the embedded student or imported weights."""

import importlib
import time

from local.cloud import wire
from local.cloud.errors import ApiError
from local.cloud.models import ModelServers, Question, Reply
from local.cloud.settings import Settings

TEACHER = "toolsmith.embedded-teacher-v1"
STUDENT = "toolsmith.embedded-student-v1"
DEFAULT_TOKENS = 1024


class BedrockRuntime:
    """handle("Converse", params) answers the API; answer() serves batch jobs as well."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers = ModelServers(settings)
        self._registry = None

    def open(self, registry) -> None:
        """registry.weights(deployment ARN) -> folder; raises ApiError."""
        self._registry = registry

    def close(self) -> None:
        self._servers.close()

    def handle(self, action: str, params: dict) -> dict:
        if action != "Converse":
            raise ApiError("UnknownOperationException", f"the local bedrock-runtime has no {action}", 404)
        wire.validate("bedrock-runtime", action, params)
        return self.answer(params["modelId"], params)

    def answer(self, model_id: str, params: dict) -> dict:
        """The Converse response for a request body. Raises ApiError."""
        started = time.monotonic()
        question = _question(params)
        reply = self._reply(model_id, question)
        text, reason = _stopped(reply, question, params.get("inferenceConfig", {}).get("stopSequences", []))
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": reason,
            "usage": {
                "inputTokens": reply.input_tokens,
                "outputTokens": reply.output_tokens,
                "totalTokens": reply.input_tokens + reply.output_tokens,
            },
            "metrics": {"latencyMs": round((time.monotonic() - started) * 1000)},
        }

    def _reply(self, model_id: str, question: Question) -> Reply:
        model = model_id.rpartition("foundation-model/")[2] if ":foundation-model/" in model_id else model_id
        if model == self._settings.teacher_id:
            return self._teach(question)
        if model == STUDENT:
            return self._servers.ask(self._settings.student, question)
        if ":custom-model-deployment/" in model:
            return self._servers.ask(self._registry.weights(model), question)
        raise ApiError("ValidationException", "The provided model identifier is invalid.")

    def _teach(self, question: Question) -> Reply:
        """The teacher answers one prompt: the system text and the last user turn."""
        module, _, function = self._settings.teacher.partition(":")
        answer = getattr(importlib.import_module(module), function)
        try:
            said = answer(question.system, question.messages[-1][1])
        except Exception as error:
            raise _as_api_error(error) from error
        return Reply(said.text, said.input_tokens, said.output_tokens, getattr(said, "stop_reason", ""))


def _as_api_error(error: Exception) -> ApiError:
    """The teacher's own failures under the names of the API."""
    known = {
        "TeacherThrottled": ("ThrottlingException", 429),
        "TeacherTimeout": ("ModelTimeoutException", 408),
        "TeacherUnavailable": ("AccessDeniedException", 403),
    }
    code, status = known.get(type(error).__name__, ("ModelErrorException", 424))
    return ApiError(code, f"{type(error).__name__}: {error}", status)


def _question(params: dict) -> Question:
    messages = params.get("messages") or []
    roles = [message["role"] for message in messages]
    if not roles or roles[0] != "user":
        raise ApiError("ValidationException", "A conversation must start with a user message.")
    if any(first == second for first, second in zip(roles, roles[1:], strict=False)):
        raise ApiError("ValidationException", "Conversation roles must alternate between user and assistant.")
    if roles[-1] != "user":
        raise ApiError("ValidationException", "The last turn in the conversation must be a user message.")
    system = "\n".join(block["text"] for block in params.get("system", []) if "text" in block)
    tokens = params.get("inferenceConfig", {}).get("maxTokens", DEFAULT_TOKENS)
    return Question(system, tuple((m["role"], _text(m["content"])) for m in messages), tokens)


def _text(blocks: list[dict]) -> str:
    """The text of a message. The embedded models read text and tool results only."""
    parts = []
    for block in blocks:
        if "text" in block:
            parts.append(block["text"])
        elif "toolResult" in block:
            parts.extend(str(item.get("text", item.get("json"))) for item in block["toolResult"]["content"])
        elif "toolUse" in block:
            parts.append(str(block["toolUse"]["input"]))
        else:
            kind = next(iter(block), "empty")
            raise ApiError("ValidationException", f"This model doesn't support the {kind} content block.")
    if not any(part.strip() for part in parts):
        raise ApiError("ValidationException", "The text field in the ContentBlock object is blank.")
    return "\n".join(parts)


def _stopped(reply: Reply, question: Question, sequences: list[str]) -> tuple[str, str]:
    """The text up to the first stop sequence, and why the answer ended."""
    if reply.stop_reason not in ("", "end_turn"):
        return reply.text, reply.stop_reason
    cuts = [at for at in (reply.text.find(sequence) for sequence in sequences) if at >= 0]
    if cuts:
        return reply.text[: min(cuts)], "stop_sequence"
    return reply.text, "max_tokens" if reply.output_tokens >= question.max_tokens else "end_turn"
