"""What a call's result points at: a document, its section, and a span of its text that bears on the question."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolsmith.assistant.corpus import Corpus
from toolsmith.tools.index import STOP
from toolsmith.tools.text import words

MOST = 3
LONGEST = 420
ENOUGH = 160
_SENTENCE = re.compile(r"\S.*?(?:[.;:?!][”\"')\]]*(?=\s)|\n\s*\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Source:
    """A passage. start and end count characters of the document's part `part`; text is exactly that span."""

    number: int
    document: str
    title: str
    section: str
    part: int
    start: int
    end: int
    text: str


def sources_of(result: Mapping[str, Any], question: str, corpus: Corpus, first: int) -> list[Source]:
    """The passages of a tool's result, best first, numbered from `first`; where only others name it, those that do."""
    found: dict[tuple[str, int, int], float] = {}
    for chunk, start, end in _spans(result, corpus):
        named = end > start
        text = corpus.place(chunk)["text"]
        start, end = (start, end) if named else passage(text, question)
        found[chunk, start, end] = float("inf") if named else _worth(text[start:end], question)
    best = sorted(found, key=lambda span: -found[span])[: 2 * MOST]
    return [_source(first + number, span, corpus) for number, span in enumerate(best)]


def _source(number: int, span: tuple[str, int, int], corpus: Corpus) -> Source:
    chunk, start, end = span
    place = corpus.place(chunk)
    text = place["text"][start:end]
    where = {name: place[name] for name in ("document", "title", "section", "part")}
    begin = place["start"] + start
    return Source(number, **where, start=begin, end=begin + len(text), text=text)


def _spans(result: Mapping[str, Any], corpus: Corpus) -> Iterator[tuple[str, int, int]]:
    """(chunk, start, end within the chunk); an end of 0 leaves the choice of the passage open."""
    parts = list(result["sources"].values()) if "sources" in result else [result]
    for part in parts:
        for span in part.get("spans", [])[:MOST]:
            yield span["chunk"], span["start"], min(span["end"], span["start"] + LONGEST)
        hits = [hit["chunk"] for hit in (part.get("sections") or part.get("opinions") or [])[:MOST]]
        if not hits and part.get("citation") and part.get("status") in {"found", "cited"}:
            hits = _about(part["citation"], corpus)
        for chunk in hits:
            yield chunk, 0, 0


def _about(citation: str, corpus: Corpus) -> list[str]:
    if corpus.index.canon.canonical(citation):
        hits = corpus.index.sections(citation) or corpus.index.citing(citation)
    else:
        own, cited = corpus.index.opinions(citation)
        hits = own or cited
    return [hit.chunk for hit in hits[:MOST]]


def passage(text: str, question: str) -> tuple[int, int]:
    """(start, end) of the sentences of `text` that share most words with the question, at most LONGEST characters.

    A passage longer than ENOUGH goes on only where the next sentence bears on the question too.
    """
    sentences = [(m.start(), m.end()) for m in _SENTENCE.finditer(text)]
    if not sentences:
        return 0, min(len(text), LONGEST)
    best = max(range(len(sentences)), key=lambda at: (_worth(text[slice(*sentences[at])], question), -at))
    start, end = sentences[best]
    for before, after in sentences[best + 1 :]:
        if after - start > LONGEST or (end - start > ENOUGH and not _worth(text[before:after], question)):
            break
        end = after
    return start, min(end, start + LONGEST)


def _worth(text: str, question: str) -> float:
    """How much of the question's telling words a text holds, less for a text that holds everything."""
    telling = {word for word in words(question) if word not in STOP}
    inside = {word for word in words(text) if word not in STOP}
    return len(inside & telling) / (1 + len(inside)) ** 0.5
