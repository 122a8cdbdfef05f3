"""Mistakes on purpose: about one answer in twelve goes wrong the way models' answers do, so that the verifier and the
repair loop have real work. Which answer and which mistake depend on the prompt alone."""

import json
from collections.abc import Callable
from typing import Any

from local.teacher.grammar import Stream

PERCENT = 8
STUBBORN_PERCENT = 15

Examples = list[dict[str, Any]]


def answer(examples: Examples, stream: Stream, attempt: int) -> str:
    """The text of an answer: right most of the time. A repair mostly does better than the first attempt."""
    wrong = stream.chance(PERCENT if attempt == 1 else STUBBORN_PERCENT if stream.chance(PERCENT) else 1)
    if not examples or not wrong:
        return _text(examples)
    return stream.pick(MISTAKES)(examples, stream)


def _text(examples: Examples) -> str:
    return json.dumps({"examples": examples}, ensure_ascii=False)


def _wrong_category(examples: Examples, stream: Stream) -> str:
    chosen = stream.pick(examples)
    others = [name for name in _SWAPS if name != chosen["category"]]
    return _replaced(examples, chosen, {"category": stream.pick(others)})


def _not_null(examples: Examples, stream: Stream) -> str:
    """ "N/A" for an absent source; where no source is absent, for the first argument."""
    chosen = stream.pick(examples)
    call = chosen["calls"][-1]
    absent = [key for key, value in call["arguments"].items() if value is None] or list(call["arguments"])[:1]
    arguments = call["arguments"] | {key: "N/A" for key in absent}
    return _replaced(examples, chosen, {"calls": [*chosen["calls"][:-1], call | {"arguments": arguments}]})


def _missing_argument(examples: Examples, stream: Stream) -> str:
    chosen = stream.pick(examples)
    call = chosen["calls"][-1]
    arguments = dict(list(call["arguments"].items())[:-1])
    return _replaced(examples, chosen, {"calls": [*chosen["calls"][:-1], call | {"arguments": arguments}]})


def _prose(examples: Examples, stream: Stream) -> str:
    opening = stream.pick(("Here are the questions you asked for:", "Sure! The examples:", "```json"))
    closing = "\n```" if opening.startswith("```") else "\n\nLet me know if you need more."
    return f"{opening}\n{_text(examples)}{closing}"


def _number(examples: Examples, stream: Stream) -> str:
    """A number that the document does not have."""
    chosen = stream.pick(examples)
    question = chosen["question"].rstrip("?. ")
    return _replaced(examples, chosen, {"question": f"{question}, given the {7001 + stream.number(900)} holders?"})


def _truncated(examples: Examples, stream: Stream) -> str:
    text = _text(examples)
    return text[: len(text) * (40 + stream.number(55)) // 100]


def _loose_quote(examples: Examples, stream: Stream) -> str:
    """Evidence told in other words instead of copied."""
    chosen = stream.pick(examples)
    return _replaced(examples, chosen, {"quote": f"The document explains that {chosen['quote'][:120].lower()}"})


def _deictic(examples: Examples, stream: Stream) -> str:
    chosen = stream.pick(examples)
    return _replaced(examples, chosen, {"question": f"According to the document above, {chosen['question']}"})


def _replaced(examples: Examples, chosen: dict[str, Any], change: dict[str, Any]) -> str:
    return _text([example | change if example is chosen else example for example in examples])


_SWAPS = ("regulatory_definition", "compliance_validation", "judicial_interpretation", "citation_verification")
MISTAKES: tuple[Callable[[Examples, Stream], str], ...] = (
    _wrong_category,
    _not_null,
    _missing_argument,
    _prose,
    _number,
    _truncated,
    _loose_quote,
    _deictic,
)
