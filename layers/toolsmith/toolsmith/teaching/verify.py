"""From a teacher's answer to examples that can be trusted, and to the reason for each that cannot."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolsmith.catalog import Catalog
from toolsmith.teaching.answer import Rejection, format_problems, read_answer
from toolsmith.teaching.diversity import Chunk, Wanted
from toolsmith.teaching.execution import execution_problems
from toolsmith.teaching.grounding import Ground, Reading, grounding_problems, locate_evidence, span_of
from toolsmith.teaching.semantic import Review
from toolsmith.tools import CorpusIndex, LayeredIndex, load_canon
from toolsmith.tools.text import words


@dataclass(frozen=True)
class Origin:
    """Who asked what: stored with each example."""

    teacher: str = ""
    prompt_sha256: str = ""
    seed: int = 0
    attempt: int = 1


@dataclass(frozen=True)
class Verification:
    """kept: canonical examples (dicts). rejected: in the order of the answer."""

    kept: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


def verify(
    answer: str,
    chunk: Chunk,
    catalog: Catalog,
    index: CorpusIndex | None = None,
    *,
    wanted: Wanted | None = None,
    origin: Origin | None = None,
    limit: int = 50,
    seen: frozenset[str] = frozenset(),
    review: Review | None = None,
) -> Verification:
    """Check an answer in three stages: format, execution, grounding. Never raises for what the answer says.

    index: the corpus, when there is one; the chunk itself always counts. wanted, origin: stored with the examples.
    limit: examples beyond so many are refused. seen: questions (as `question_key`) kept before. review: a fourth stage,
    by a second model, for what passed the three (see toolsmith.teaching.semantic); raises what its teacher raises.
    """
    raws = read_answer(answer)
    if isinstance(raws, Rejection):
        return Verification(rejected=[raws])
    if not raws:
        return Verification()
    ground = ground_of(chunk, catalog, index)
    result, keys = Verification(), set(seen)
    for number, raw in enumerate(raws):
        refused = _too_many(raw, number, limit) or reject(raw, ground, catalog) or _repeated(raw, keys)
        refused = refused or (review(raw, chunk) if review else None)
        if refused:
            result.rejected.append(refused)
            continue
        keys.add(question_key(raw["question"]))
        example = canonical_example(raw, ground, wanted, origin or Origin())
        example["verdicts"] |= {"semantic": "ok"} if review else {}
        result.kept.append(example)
    return result


def ground_of(chunk: Chunk, catalog: Catalog, index: CorpusIndex | None = None) -> Ground:
    """What the chunk and the corpus behind it can carry; build it once for many examples of a chunk."""
    canon = load_canon(catalog)
    own = CorpusIndex.build([chunk], canon)
    return Ground(chunk, canon, LayeredIndex(own, index) if index else own)


def reject(raw: Any, ground: Ground, catalog: Catalog) -> Rejection | None:
    """The first stage that one raw example fails, or None when it passes all three."""
    if problems := format_problems(raw, catalog):
        return _rejection("format", problems, raw)
    real = raw.get("citation_is_real", True)
    if problems := execution_problems(raw["calls"], ground.index, catalog, citation_is_real=real):
        return _rejection("execution", problems, raw)
    problems = grounding_problems(raw, ground, catalog)
    return _rejection("grounding", problems, raw) if problems else None


def question_key(question: str) -> str:
    """Questions with the same words are the same question."""
    return " ".join(words(question))


def canonical_example(raw: Mapping[str, Any], ground: Ground, wanted: Wanted | None, origin: Origin) -> dict[str, Any]:
    """The stored form of an example that passed; arguments are spelled as the question spells them."""
    chunk, question = ground.chunk, " ".join(raw["question"].split())
    start, end = locate_evidence(raw["quote"], ground) or (0, 0)
    evidence: dict[str, Any] = {"quote": chunk["text"][start:end], "start": start, "end": end}
    if not raw.get("citation_is_real", True):
        evidence["citation_is_real"] = False
    calls = spelled_as_asked(raw["calls"], Reading.of(question, ground.canon), ground)
    return {
        "id": _identity(chunk, question, calls),
        "question": question,
        "category": raw["category"],
        "calls": calls,
        "accept": [],
        "evidence": evidence,
        "document": chunk["document"],
        "group": chunk.get("group") or "",
        "source": chunk["source"],
        "chunk": chunk["id"],
        "difficulty": wanted.difficulty if wanted else 0.5,
        "persona": wanted.persona if wanted else "",
        "register": wanted.register if wanted else "",
        "provenance": {"teacher": origin.teacher, "prompt_sha256": origin.prompt_sha256, "seed": origin.seed},
        "verdicts": {"format": "ok", "execution": "ok", "grounding": "ok"},
        "attempts": origin.attempt,
    }


def spelled_as_asked(calls: list[Mapping[str, Any]], reading: Reading, ground: Ground) -> list[dict[str, Any]]:
    """The calls with each argument in the very words of the question, so that a plan can be copied out of it."""

    def spelled(value: str | None) -> str | None:
        if value is None:
            return None
        if span := span_of(value, reading):
            return reading.folded.text[span[0] : span[1]]
        form = ground.canon.canonical(value)
        return next((law.text for law in reading.laws if law.canonical == form), value)

    return [
        {"name": call["name"], "arguments": {name: spelled(value) for name, value in call["arguments"].items()}}
        for call in calls
    ]


def _identity(chunk: Chunk, question: str, calls: list[dict[str, Any]]) -> str:
    key = json.dumps(
        [chunk["document"], chunk["id"], question_key(question), calls], ensure_ascii=False, sort_keys=True
    )
    return hashlib.sha256(key.encode()).hexdigest()[:24]


def _rejection(stage: str, problems: list[tuple[str, str]], raw: Any) -> Rejection:
    """The first problem gives the reason; the detail tells all of the stage, so that one repair can mend them."""
    return Rejection(stage, problems[0][0], "; ".join(detail for _, detail in problems)[:1500], raw)


def _too_many(raw: Any, number: int, limit: int) -> Rejection | None:
    return Rejection("format", "too_many", f"only {limit} examples were asked for", raw) if number >= limit else None


def _repeated(raw: Mapping[str, Any], keys: set[str]) -> Rejection | None:
    if question_key(raw["question"]) in keys:
        return Rejection("format", "repeated_question", "the same question was given before", raw)
    return None
