"""The rows of the data channels, read with the file and line of anything wrong."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolsmith.errors import InvalidInput


@dataclass(frozen=True)
class Labelled:
    """A question with the answer to learn (SFT)."""

    system: str
    question: str
    answer: str


@dataclass(frozen=True)
class Prompt:
    """A question with what its answers are graded against (RFT); `extra` travels to the grader untouched."""

    id: str
    system: str
    question: str
    reference: Any
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Query:
    """A row of gen_qa.jsonl."""

    system: str
    question: str
    gold: str
    metadata: str = ""


def data_file(folder: Path, preferred: str = "") -> Path:
    """The one JSONL file of a channel. Raises InvalidInput when there is none, or several and none is `preferred`."""
    files = sorted(p for p in folder.rglob("*.jsonl") if p.is_file()) if folder.is_dir() else []
    chosen = [f for f in files if f.name == preferred] or files
    if len(chosen) != 1:
        raise InvalidInput(f"{folder} holds {len(chosen)} .jsonl files: give the channel exactly one")
    return chosen[0]


def _lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with file.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InvalidInput(
                    f"{file.name}, line {number}: not JSON ({error}); write one object a line"
                ) from error
            if not isinstance(row, dict):
                raise InvalidInput(f"{file.name}, line {number}: not an object; write one object a line")
            yield f"{file.name}, line {number}", row


def _text(content: Any, where: str) -> str:
    """Text of a string or of a list of blocks with `text`."""
    if isinstance(content, str):
        return content
    if (
        isinstance(content, list)
        and content
        and all(isinstance(b, dict) and isinstance(b.get("text"), str) for b in content)
    ):
        return "".join(block["text"] for block in content)
    raise InvalidInput(f"{where}: content is neither text nor text blocks; the student reads text only")


def read_labelled(file: Path) -> list[Labelled]:
    """Rows of bedrock-conversation-2024 with one user and one assistant turn."""
    found = []
    for where, row in _lines(file):
        messages = row.get("messages")
        if not isinstance(messages, list) or [m.get("role") for m in messages] != ["user", "assistant"]:
            raise InvalidInput(f"{where}: messages are not one user and one assistant turn")
        system = _text(row["system"], where) if row.get("system") else ""
        found.append(Labelled(system, _text(messages[0]["content"], where), _text(messages[1]["content"], where)))
    return _some(found, file)


def read_prompts(file: Path) -> list[Prompt]:
    """Rows with `messages` (an optional system turn, a user turn) and a `reference_answer`."""
    found = []
    for where, row in _lines(file):
        messages = row.get("messages")
        roles = [m.get("role") for m in messages] if isinstance(messages, list) else []
        if roles not in (["user"], ["system", "user"]):
            raise InvalidInput(f"{where}: messages are not an optional system and one user turn")
        if not isinstance(row.get("reference_answer"), dict | str) or not row["reference_answer"]:
            raise InvalidInput(f"{where}: reference_answer is not a non-empty object or text")
        system = _text(messages[0]["content"], where) if len(messages) == 2 else ""
        extra = {k: v for k, v in row.items() if k not in ("id", "messages", "reference_answer")}
        identity = str(row.get("id") or len(found))
        found.append(Prompt(identity, system, _text(messages[-1]["content"], where), row["reference_answer"], extra))
    return _some(found, file)


def read_queries(file: Path) -> list[Query]:
    """Rows of gen_qa: query, response, optionally system and metadata (text)."""
    found = []
    for where, row in _lines(file):
        if not isinstance(row.get("query"), str) or not isinstance(row.get("response"), str):
            raise InvalidInput(f"{where}: query or response is missing; both are text")
        metadata = row.get("metadata", "")
        found.append(
            Query(
                row.get("system") or "",
                row["query"],
                row["response"],
                metadata if isinstance(metadata, str) else json.dumps(metadata),
            )
        )
    return _some(found, file)


def _some(found: list[Any], file: Path) -> list[Any]:
    if not found:
        raise InvalidInput(f"{file.name} has no rows: drop more documents")
    return found
