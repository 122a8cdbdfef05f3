"""Cut a document's text into chunks with exact offsets, a hard maximum length and a real overlap."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from toolsmith.documents.model import Document, Parsed, Section
from toolsmith.errors import InvalidInput

# Characters a token of English legal prose takes in the student's vocabulary, low so that estimates stay safe.
CHARACTERS_PER_TOKEN = 3.5
_WORD = re.compile(r"\w")
_SPACE = re.compile(r"\s")
_LONG_WORD = 48
# Borders from best to worst; each is cut after its last character.
_BORDERS = ("\n\n", "\n", ". ", "; ", " ", "\t")


class Chunk(NamedTuple):
    """A stretch of a document's text: `text == document.text[start:end]`."""

    section: str
    start: int
    end: int
    text: str


def characters_for_tokens(tokens: int) -> int:
    """A chunk size in characters that fits in about `tokens` tokens of English text."""
    return int(tokens * CHARACTERS_PER_TOKEN)


def chunk(document: Document, size: int, overlap: int) -> list[Chunk]:
    """Cut `document.text` into chunks of at most `size` characters, each repeating about `overlap` of the last.

    Chunks end at section borders first, then at paragraph, line, sentence and word borders. Together they
    cover the whole text. A chunk's section is that of its first new character. Raises InvalidInput.
    """
    check_size(size, overlap)
    return list(_cut(document.text, document.sections, size, overlap))


def check_size(size: int, overlap: int) -> None:
    """Raise InvalidInput unless size > overlap >= 0."""
    if size <= 0:
        raise InvalidInput(f"size must be at least 1 character, not {size}")
    if overlap < 0:
        raise InvalidInput(f"overlap must be 0 or more, not {overlap}")
    if overlap >= size:
        raise InvalidInput(f"overlap ({overlap}) must be smaller than size ({size}), or chunks would never advance")


def _cut(text: str, sections: tuple[Section, ...], size: int, overlap: int) -> Iterator[Chunk]:
    total, start, done = len(text), 0, 0
    stops = [one.end for one in sections if 0 < one.end < total] + [total]
    titles = _Titles(sections)
    stop_at = 0
    while done < total:
        while stops[stop_at] <= done or stops[stop_at] <= min(overlap, total - 1):
            stop_at += 1
        end = _end(text, start, done, stops[stop_at], size, overlap)
        yield Chunk(titles.at(done), start, end, text[start:end])
        start, done = _start(text, start, end, size, overlap), end


class _Titles:
    """The title of the section at an offset; offsets are asked in rising order."""

    def __init__(self, sections: tuple[Section, ...]) -> None:
        self._sections, self._at = sections, 0

    def at(self, offset: int) -> str:
        sections = self._sections
        while self._at < len(sections) and sections[self._at].end <= offset:
            self._at += 1
        if self._at < len(sections) and sections[self._at].start <= offset:
            return sections[self._at].title
        return ""


def _end(text: str, start: int, done: int, stop: int, size: int, overlap: int) -> int:
    """Where the chunk that begins at `start` ends; beyond `done`, at most `size` after `start`.

    A chunk is long enough for the next to begin later and still repeat half of the overlap.
    """
    limit = start + size
    if stop <= limit:
        return stop
    least = max(done + 1, start + 1 + (overlap + 1) // 2) if overlap else done + 1
    low = max(least, start + size // 2)
    for border in _BORDERS:
        found = text.rfind(border, low - len(border), limit)
        if found >= 0 and found + len(border) >= low:
            return found + len(border)
    if text[limit].isspace():
        return limit
    spaces = [match.end() for match in _SPACE.finditer(text, least - 1, limit)]
    return spaces[-1] if spaces else _whole_grapheme(text, limit, least - 1)


def _whole_grapheme(text: str, limit: int, done: int) -> int:
    """Step back from combining marks and joiners so that a visible character stays whole where it can."""
    at = limit
    while at > done + 1 and limit - at < 16 and _joins(text[at]):
        at -= 1
    return at if at > done and not _joins(text[at]) else limit


def _joins(character: str) -> bool:
    code = ord(character)
    return 0x300 <= code <= 0x36F or code == 0x200D or 0xFE00 <= code <= 0xFE0F or 0x1F3FB <= code <= 0x1F3FF


def _start(text: str, start: int, end: int, size: int, overlap: int) -> int:
    """Where the next chunk begins: at the first word border that leaves an overlap of half to all that was asked.

    Where a long word leaves no such border, the next chunk begins at that word, if it still gets ahead well.
    """
    if not overlap:
        return end
    far = max(end - overlap, start + 1)
    if text[far - 1].isspace():
        return far
    found = _SPACE.search(text, far, end - (overlap + 1) // 2)
    if found:
        return found.end()
    earliest = max(end - overlap - min(_LONG_WORD, (size - overlap) // 2), start + 1)
    spaces = [match.end() for match in _SPACE.finditer(text, earliest - 1, far)]
    return spaces[-1] if spaces else far


def chunks_of(parsed: Parsed, digest: str, size: int, overlap: int) -> list[dict[str, Any]]:
    """The lines of chunks.jsonl for a file: id, document, part, section, start, end, text, source, group, facts.

    Chunks without a word are left out. In regulations a chunk never reaches into the section before its own,
    so that looking a section up returns that section alone. Raises InvalidInput.
    """
    check_size(size, overlap)
    lines: list[dict[str, Any]] = []
    for part, document in enumerate(parsed.documents):
        facts = _facts(parsed, document)
        group = _group(parsed, document)
        numbers = {one.title: one.number for one in document.sections if one.number}
        for number, piece in enumerate(_pieces(parsed, document, size, overlap)):
            if not _WORD.search(piece.text):
                continue
            lines.append(
                {
                    "id": f"{digest[:16]}-{part}-{number}",
                    "document": digest,
                    "part": part,
                    "section": piece.section,
                    "start": piece.start,
                    "end": piece.end,
                    "text": piece.text,
                    "source": parsed.provenance.kind,
                    "group": group,
                    "facts": _with_section(facts, numbers.get(piece.section)),
                }
            )
    return lines


def _pieces(parsed: Parsed, document: Document, size: int, overlap: int) -> Iterator[Chunk]:
    if parsed.provenance.kind != "regulation" or not document.sections:
        yield from _cut(document.text, document.sections, size, overlap)
        return
    for section in document.sections:
        for piece in _cut(document.text[section.start : section.end], (), size, overlap):
            yield Chunk(section.title, section.start + piece.start, section.start + piece.end, piece.text)


def _with_section(facts: dict[str, Any], number: str | None) -> dict[str, Any]:
    return {**facts, "section": number} if number else facts


def _facts(parsed: Parsed, document: Document) -> dict[str, Any]:
    known = parsed.provenance
    facts: dict[str, Any] = {
        "form": known.form,
        "company": known.company,
        "cik": known.cik,
        "accession": known.accession,
        "date": known.date or known.filed or known.period,
        "title": known.cfr_title,
        "cfr_part": known.cfr_part,
        "case": known.case,
        "court": known.court,
        "docket": known.docket,
        "citations": list(known.citations),
    }
    if known.kind == "filing" and document.type:
        facts["type"] = document.type
    return {name: value for name, value in {**facts, **document.facts}.items() if value}


def _group(parsed: Parsed, document: Document) -> str:
    """The unit that never straddles two splits of a dataset: a company, a CFR part, a case."""
    known = parsed.provenance
    if known.kind == "regulation":
        title = document.facts.get("title") or known.cfr_title or "0"
        part = document.facts.get("cfr_part") or known.cfr_part or slug(known.name)
        return f"cfr:{title}-{part}"
    if known.kind == "opinion":
        return f"case:{slug(document.facts.get('case') or known.case or known.name)}"
    return f"cik:{known.cik}" if known.cik else f"company:{slug(known.company or known.name)}"


def slug(name: str) -> str:
    """Lower case, words joined by hyphens: "Foo v. Bar, Inc." becomes "foo-v-bar-inc"."""
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:120] or "unnamed"
