"""Stage 1, format: a teacher's answer is one strict JSON object of examples whose calls fit the tools."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolsmith.catalog import Catalog
from toolsmith.grading.strict_json import BrokenJson, decode
from toolsmith.tools import binding_errors
from toolsmith.tools.text import invisible

KEYS = frozenset({"category", "question", "calls", "quote"})
OPTIONAL = frozenset({"citation_is_real"})
QUESTION, QUOTE = (20, 500), (20, 400)
LONGEST = 200_000
REFUSAL = re.compile(
    r"\s*(?:I(?:'m| am) (?:sorry|unable|not able)|I (?:can(?:no|')t|won't|will not)|Sorry|As an AI|Unfortunately)", re.I
)
# The training service refuses a data set that holds one of these words (see toolsmith.datasets.validate).
RESERVED = re.compile(
    r"\b(?:System|User|Bot|Assistant|Thought):|\b(?:SYSTEM|USER|BOT|ASSISTANT):|\[EOS\]|<(?:image|video|unk)>"
)
MARKS = re.compile(r"<<<|>>>|##[A-Z]|```|\{\{|\}\}|[{}]|</?[a-z]+[^>]*>")


@dataclass(frozen=True)
class Rejection:
    """One example, or a whole answer, that does not reach the dataset.

    stage: "format", "execution", "grounding" or "semantic". reason: a short code. detail: for people. raw: what was
    refused.
    """

    stage: str
    reason: str
    detail: str
    raw: Any = None

    def to_dict(self) -> dict[str, Any]:
        return {"stage": self.stage, "reason": self.reason, "detail": self.detail, "raw": self.raw}


Problem = tuple[str, str]


def read_answer(text: str) -> list[Any] | Rejection:
    """The raw examples of an answer, or why the whole of it is refused."""
    if len(text) > LONGEST:
        return Rejection("format", "too_long", f"the answer has {len(text)} characters", text[:500])
    if not text.strip():
        return Rejection("format", "empty_answer", "the answer is empty", "")
    try:
        answer = decode(text)
    except BrokenJson as broken:
        return _broken(text, broken.reason)
    if not isinstance(answer, Mapping) or set(answer) != {"examples"} or not isinstance(answer["examples"], list):
        detail = 'the answer is one object {"examples": [...]} and nothing else'
        return Rejection("format", "answer_shape", detail, text[:500])
    return answer["examples"]


def format_problems(raw: Any, catalog: Catalog) -> list[Problem]:
    """What is wrong with the form of one example: (reason code, detail) pairs."""
    if not isinstance(raw, Mapping):
        return [("example_shape", "an example is an object")]
    if missing := KEYS - raw.keys():
        return [("example_shape", f"{', '.join(sorted(missing))} is missing")]
    if extra := raw.keys() - KEYS - OPTIONAL:
        return [("example_shape", f"{', '.join(sorted(map(str, extra)))} is not a key of an example")]
    problems = _text_problems("question", raw["question"], QUESTION) + _text_problems("quote", raw["quote"], QUOTE)
    if not isinstance(raw["category"], str) or raw["category"] not in catalog.categories:
        problems.append(("unknown_category", f"{raw['category']!r} is none of the eight categories"))
    if not isinstance(raw.get("citation_is_real", True), bool):
        problems.append(("example_shape", "citation_is_real is true or false"))
    elif "citation_is_real" in raw and raw["category"] != "citation_verification":
        problems.append(("example_shape", "citation_is_real belongs to citation_verification alone"))
    return problems + _calls_problems(raw["calls"], catalog)


def _calls_problems(calls: Any, catalog: Catalog) -> list[Problem]:
    if not isinstance(calls, list) or not calls:
        return [("no_calls", "calls is a list with at least one call")]
    problems: list[Problem] = []
    for call in calls:
        problems += binding_errors(call, catalog)
        values = call["arguments"].values() if not binding_errors(call, catalog) else ()
        problems += [p for value in values if isinstance(value, str) for p in _strange("an argument", value)]
    return problems


def _text_problems(name: str, value: Any, limits: tuple[int, int]) -> list[Problem]:
    if not isinstance(value, str):
        return [(f"{name}_type", f"{name} is a text")]
    least, most = limits
    problems = [] if least <= len(value.strip()) <= most else [
        (f"{name}_length", f"{name} has {len(value.strip())} characters, wants {least} to {most}")
    ]  # fmt: skip
    return problems if name == "quote" else problems + _strange(name, value)


def _strange(name: str, value: str) -> list[Problem]:
    problems: list[Problem] = []
    if any(invisible(char) for char in value):
        problems.append(("invisible_text", f"{name} holds characters that nobody sees"))
    if found := RESERVED.search(value):
        problems.append(("reserved_word", f"{name} holds {found.group()!r}, which the training service refuses"))
    if found := MARKS.search(value):
        problems.append(("markup", f"{name} holds {found.group()!r}: write plain text"))
    if "\n" in value:
        problems.append(("markup", f"{name} has more than one line"))
    return problems


def _broken(text: str, reason: str) -> Rejection:
    if reason != "invalid_json":
        details = {"duplicate_key": "a key stands twice in one object", "not_a_number": "NaN and Infinity are no JSON"}
        return Rejection("format", reason, details.get(reason, reason), text[:500])
    if REFUSAL.match(text):
        return Rejection("format", "refused", "the teacher declined to answer", text[:500])
    if "{" in text and not text.lstrip().startswith("{"):
        return Rejection("format", "prose_around", "something stands before the JSON object", text[:500])
    return Rejection("format", "not_json", "the answer is not one strict JSON object", text[:500])
