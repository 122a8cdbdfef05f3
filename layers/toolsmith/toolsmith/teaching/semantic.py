"""Stage 4, semantic, where a stack names a second model: it reads every example that passed the other three stages."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from toolsmith.catalog import Catalog, render
from toolsmith.grading.strict_json import BrokenJson, decode
from toolsmith.teaching.answer import Rejection
from toolsmith.teaching.diversity import Chunk
from toolsmith.teaching.prompt import Prompt, category_line, make_nonce, parts_of, tool_line
from toolsmith.teaching.reply import TeacherReply
from toolsmith.tools.text import visible

FILE, PARTS = "reviewer_prompt.md", ("System message", "User message")
VERDICTS = {"supported": "unsupported", "fitting": "unfitting", "clear": "unclear"}
Review = Callable[[Mapping[str, Any], Chunk], Rejection | None]


def reviewed_by(ask: Callable[[Prompt], TeacherReply], catalog: Catalog) -> Review:
    """A review through `ask`, which raises what a teacher raises.

    Of a raw example and its chunk it says why the example is refused, or None. An answer that cannot be read refuses.
    """

    def review(raw: Mapping[str, Any], chunk: Chunk) -> Rejection | None:
        reply = ask(review_prompt(catalog, raw, chunk))
        if fault := reply.rejection:
            return Rejection("semantic", "no_verdict", f"the reviewer gave no answer: {fault[1]}", raw)
        return read_review(reply.text, raw)

    return review


def review_prompt(catalog: Catalog, raw: Mapping[str, Any], chunk: Chunk) -> Prompt:
    """The prompt about one example; the chunk stands last between two lines that carry a mark of its own."""
    parts = parts_of(catalog, FILE, PARTS)
    lists = {
        "tools": "\n".join(tool_line(catalog, name) for name in catalog.tools),
        "categories": "\n".join(category_line(category) for category in catalog.categories.values()),
    }
    asked = {name: raw[name] for name in ("question", "category", "calls", "quote")}
    values = {
        "question": visible(json.dumps(asked, ensure_ascii=False)),
        "nonce": make_nonce(chunk, 0, 0),
        "chunk": visible(chunk["text"]),
    }
    return Prompt.of(render(parts["System message"], lists, FILE), render(parts["User message"], values, FILE))


def read_review(text: str, raw: Any) -> Rejection | None:
    """The reviewer's JSON as a rejection, or None where all verdicts are true."""
    try:
        said = decode(text)
    except BrokenJson:
        said = None
    if not isinstance(said, Mapping) or not all(isinstance(said.get(name), bool) for name in VERDICTS):
        return Rejection("semantic", "no_verdict", "the reviewer's answer is not the JSON object asked for", raw)
    reasons = [reason for name, reason in VERDICTS.items() if not said[name]]
    return Rejection("semantic", reasons[0], str(said.get("reason", ""))[:300], raw) if reasons else None
