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
    found: dict[tuple[str, int, int], Source] = {}
    for chunk, start, end in _spans(result, corpus):
        place = corpus.place(chunk)
        start, end = (start, end) if end > start else passage(place["text"], question)
        key = (chunk, start, end)
        if key not in found and len(found) < 2 * MOST:
            where = {name: place[name] for name in ("document", "title", "section", "part")}
            begin = place["start"] + start
            text = place["text"][start:end]
            found[key] = Source(first + len(found), **where, start=begin, end=begin + len(text), text=text)
    return list(found.values())


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
    """(start, end) of the sentences of `text` that share most words with the question, at most LONGEST characters."""
    telling = {word for word in words(question) if word not in STOP}
    sentences = [(m.start(), m.end()) for m in _SENTENCE.finditer(text)]
    if not sentences:
        return 0, min(len(text), LONGEST)

    def worth(span: tuple[int, int]) -> float:
        inside = {word for word in words(text[slice(*span)]) if word not in STOP}
        return len(inside & telling) / (1 + len(inside)) ** 0.5

    best = max(range(len(sentences)), key=lambda at: (worth(sentences[at]), -at))
    start, end = sentences[best]
    for _, after in sentences[best + 1 :]:
        if after - start > LONGEST:
            break
        end = after
    return start, min(end, start + LONGEST)
