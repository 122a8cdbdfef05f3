"""The teacher's prompt: the recipe's file, filled for one chunk."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from toolsmith.catalog import Catalog, Category, render
from toolsmith.errors import InvalidInput, RecipeInvalid
from toolsmith.teaching.diversity import Chunk, Wanted, sample
from toolsmith.tools import CorpusIndex, load_canon
from toolsmith.tools.text import visible

FILE = "teacher_prompt.md"
PARTS = ("System message", "User message", "Repair message")
FACTS = ("form", "type", "company", "title", "cfr_part", "section", "case", "court", "date")


@dataclass(frozen=True)
class Prompt:
    """What one teacher call sends. sha256: of both texts, the key under which the answer is cached."""

    system: str
    user: str
    sha256: str

    @classmethod
    def of(cls, system: str, user: str) -> "Prompt":
        digest = hashlib.sha256(f"{len(system)}\n{system}{user}".encode()).hexdigest()
        return cls(system, user, digest)


def build_prompt(
    catalog: Catalog,
    chunk: Chunk,
    seed: int,
    nonce: str,
    *,
    wanted: Wanted | None = None,
    index: CorpusIndex | None = None,
) -> Prompt:
    """The first prompt for a chunk; the chunk stands last, between two lines that carry the nonce.

    wanted: the order to the teacher, drawn from the chunk when absent. Raises SlotError for a prompt file whose slots
    do not fit, InvalidInput for a nonce that stands in the chunk.
    """
    wanted = wanted or sample(catalog, load_canon(catalog), chunk, seed, index)
    return Prompt.of(system_text(catalog), _user(catalog, "User message", chunk, nonce, wanted))


def repair_prompt(
    catalog: Catalog, chunk: Chunk, nonce: str, wanted: Wanted, problems: Sequence[Mapping[str, Any]]
) -> Prompt:
    """The prompt that sends refused examples back. problems: rejections with reason, detail and raw."""
    told = "\n".join(_problem(number, problem) for number, problem in enumerate(problems, start=1))
    user = _user(catalog, "Repair message", chunk, nonce, wanted, problems=told or "1. the answer held no examples")
    return Prompt.of(system_text(catalog), user)


def make_nonce(chunk: Chunk, seed: int, attempt: int) -> str:
    """A mark that the chunk's author could not know: it depends on the digest of the whole document."""
    salt = 0
    while True:
        key = f"{chunk['document']}\n{chunk['id']}\n{seed}\n{attempt}\n{salt}"
        nonce = hashlib.sha256(key.encode()).hexdigest()[:16]
        if nonce not in chunk["text"]:
            return nonce
        salt += 1


@lru_cache(maxsize=8)
def system_text(catalog: Catalog) -> str:
    """The part of the prompt that is the same for every chunk, so that it can be cached by the service."""
    return render(
        parts_of(catalog, FILE, PARTS)["System message"],
        {
            "tools": "\n".join(tool_line(catalog, name) for name in catalog.tools),
            "categories": "\n".join(category_line(category) for category in catalog.categories.values()),
            "answer_schema": json.dumps(answer_schema(catalog), ensure_ascii=False, separators=(",", ":")),
            "examples": _few_shot(catalog),
        },
        where=FILE,
    )


def answer_schema(catalog: Catalog) -> dict[str, Any]:
    """JSON Schema of a teacher's answer."""
    calls = [
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["name", "arguments"],
            "properties": {"name": {"const": tool.name}, "arguments": dict(tool.schema)},
        }
        for tool in catalog.tools.values()
    ]
    example = {
        "type": "object",
        "additionalProperties": False,
        "required": ["category", "question", "calls", "quote"],
        "properties": {
            "category": {"enum": list(catalog.categories)},
            "question": {"type": "string", "minLength": 20, "maxLength": 500},
            "calls": {"type": "array", "minItems": 1, "items": {"anyOf": calls}},
            "quote": {"type": "string", "minLength": 20, "maxLength": 400},
            "citation_is_real": {"type": "boolean"},
        },
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["examples"],
        "properties": {"examples": {"type": "array", "items": example}},
    }


def facts_line(chunk: Chunk) -> str:
    """What is known of the chunk's document, as one line of JSON; values are visible text, at most 120 characters."""
    facts = chunk.get("facts") or {}
    line: dict[str, str] = {"source": chunk["source"], "heading": visible(str(chunk.get("section") or ""))[:120]}
    line |= {name: visible(str(facts[name]))[:120] for name in FACTS if facts.get(name)}
    return json.dumps(line, ensure_ascii=False)


@lru_cache(maxsize=32)
def parts_of(catalog: Catalog, file: str, wanted: tuple[str, ...]) -> Mapping[str, str]:
    """A prompt file by its headings of the first order. Raises RecipeInvalid where they are not those wanted."""
    pieces = re.split(r"(?m)^# (.+)\n", catalog.text(file))
    found = dict(zip(pieces[1::2], (text.strip() + "\n" for text in pieces[2::2]), strict=True))
    if list(found) != list(wanted):
        raise RecipeInvalid(f"{file}: wants the headings {', '.join(wanted)}, has {', '.join(found) or 'none'}")
    return found


def _user(catalog: Catalog, part: str, chunk: Chunk, nonce: str, wanted: Wanted, **more: str) -> str:
    text = visible(chunk["text"])
    if nonce in text:
        raise InvalidInput(f"chunk {chunk['id']}: its text holds the nonce; draw another")
    values = {"wanted": wanted.to_json(), "facts": facts_line(chunk), "nonce": nonce, "chunk": text, **more}
    return render(parts_of(catalog, FILE, PARTS)[part], values, where=f"{FILE} ({part})")


def _problem(number: int, problem: Mapping[str, Any]) -> str:
    raw = json.dumps(problem.get("raw"), ensure_ascii=False)
    return f"{number}. {problem['reason']}: {problem['detail']}\n   {visible(raw)[:600]}"


def tool_line(catalog: Catalog, name: str) -> str:
    tool = catalog.tools[name]
    lines = [f"{name}: {tool.description}"]
    for parameter, spec in tool.schema["properties"].items():
        kind = "text or null" if tool.nullable(parameter) else "text"
        lines.append(f"  {parameter} ({kind}): {spec.get('description', '')}")
    return "\n".join(lines)


def category_line(category: Category) -> str:
    rules = [
        f"{parameter} is {'null' if rule == 'null' else rule}"
        for presence in category.presence.values()
        for parameter, rule in presence.items()
    ]
    tail = f" ({', '.join(rules)})" if rules else ""
    return f"{category.name}: {category.description} Calls: {' -> '.join(category.tools)}{tail}"


def _few_shot(catalog: Catalog) -> str:
    shown = []
    for number, example in enumerate(json.loads(catalog.text("teacher_examples.json"))["examples"], start=1):
        answer = json.dumps(example["answer"], ensure_ascii=False)
        order = json.dumps(example["wanted"], ensure_ascii=False)
        shown.append(f"Example {number}, order: {order}\nDocument: {example['chunk']['text']}\nAnswer: {answer}")
    return "\n\n".join(shown)
