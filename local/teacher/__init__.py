"""The embedded teacher: writes training questions by rules, on the laptop, without a model and without a network.

It reads the same prompt that a language model would get, looks for citations, cases, definitions, clauses and parties
in the fenced chunk, and composes questions from a small grammar (shapes.txt, phrases.txt). It understands nothing of
what it reads. About one answer in twelve is wrong on purpose (see mistakes.py).
"""

from dataclasses import dataclass

from local.teacher import mistakes, writer
from local.teacher.finds import look
from local.teacher.grammar import Stream
from local.teacher.request import read

MODEL_ID = "local.embedded-teacher-v1"
DESCRIPTION = (
    "Embedded teacher of the local cloud: rule-based, no language model. It composes questions from a grammar and from "
    "what it finds in the document, and makes some mistakes on purpose."
)
GREETING = "Hello. I am the embedded, rule-based teacher; send me a rendered teacher prompt."
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class Reply:
    """An answer. Tokens are estimated at four characters each; stop_reason is named as Converse names it."""

    text: str
    input_tokens: int
    output_tokens: int
    stop_reason: str = "end_turn"


def answer(system: str, user: str) -> Reply:
    """Answer a prompt: a teacher prompt with {"examples":[...]} (possibly an empty list), anything else in a sentence.

    The same prompt always has the same answer.
    """
    request = read(user)
    text = GREETING if request is None else _examples(request)
    return Reply(text, _tokens(system + user), _tokens(text))


def _examples(request) -> str:
    drafts = writer.write(request, look(request))
    stream = Stream("mistakes", request.chunk, request.attempt, *request.categories)
    return mistakes.answer([draft.to_dict() for draft in drafts], stream, request.attempt)


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)
