"""One question: the model plans, the tools run over the corpus, the answer is put together from what they found."""

from collections.abc import Mapping
from typing import Any, Protocol

from toolsmith import grading
from toolsmith.assistant.corpus import Corpus
from toolsmith.assistant.reply import Reply, Step, compose
from toolsmith.assistant.sources import sources_of
from toolsmith.catalog import Catalog, student_system_prompt, tool_config
from toolsmith.errors import InvalidInput
from toolsmith.grading.shapes import Call
from toolsmith.tools import run_call

LONGEST_QUESTION = 2000
MOST_CALLS = 8


class Model(Protocol):
    """A deployed model: `say` returns the content blocks of its answer, as Converse has them."""

    arn: str

    def say(self, system: str, question: str, tools: Mapping[str, Any]) -> list[dict[str, Any]]: ...


def ask(question: str, model: Model, corpus: Corpus, catalog: Catalog) -> Reply:
    """Raises InvalidInput for a question that is empty or longer than LONGEST_QUESTION characters."""
    question = question.strip()
    if not question or len(question) > LONGEST_QUESTION:
        raise InvalidInput(f"the question has {len(question)} characters; ask in 1 to {LONGEST_QUESTION}")
    blocks = model.say(student_system_prompt(catalog), question, tool_config(catalog))
    text = "".join(block.get("text", "") for block in blocks)
    planned = grading.parse_answer(blocks if any("toolUse" in block for block in blocks) else text)
    steps: list[Step] = []
    for call in planned.calls[:MOST_CALLS]:
        steps.append(_run(call, question, corpus, catalog, steps))
    done = tuple(steps)
    answer = compose(done, planned.reason)
    return Reply(question, model.arn, text or str(blocks), planned.category, planned.reason, done, answer)


def _run(call: Call, question: str, corpus: Corpus, catalog: Catalog, before: list[Step]) -> Step:
    name, arguments = call.name, dict(call.arguments)
    result = run_call({"name": name, "arguments": arguments}, corpus.index, catalog)
    first = 1 + sum(len(step.sources) for step in before)
    return Step(name, arguments, result, tuple(sources_of(result, question, corpus, first)))
