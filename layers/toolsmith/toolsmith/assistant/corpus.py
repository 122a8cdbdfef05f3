"""The ingested corpus as the assistant reads it: the tools' index, and where in its document each chunk lies."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from toolsmith.pipeline.ports import Store
from toolsmith.tools import Canon, CorpusIndex

FILE = "chunks.jsonl"


class Corpus:
    """An index file with one table more, `places`: the part, start and title of every chunk."""

    def __init__(self, file: Path, canon: Canon) -> None:
        self.index = CorpusIndex.open(file, canon)
        self._db = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)

    def place(self, chunk: str) -> dict[str, Any]:
        """{"document", "section", "part", "start", "title", "text"} of a chunk; start counts characters of its part."""
        row = self._db.execute(
            "SELECT c.document, c.section, p.part, p.start, p.title, c.text "
            "FROM chunks c JOIN places p ON p.chunk = c.id WHERE c.id = ?",
            (chunk,),
        ).fetchone()
        return dict(zip(("document", "section", "part", "start", "title", "text"), row, strict=True))

    def close(self) -> None:
        self.index.close()
        self._db.close()


def open_corpus(work: Store, folder: Path, canon: Canon) -> Corpus:
    """The corpus of everything ingested so far, indexed in `folder` under a name made of the set of documents.

    What is indexed already is only opened; an index of another set is removed.
    """
    keys = [key for key in work.keys("documents/") if key.endswith(f"/{FILE}")]
    name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
    file = folder / f"corpus-{name}.sqlite"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        _build(work, keys, canon, partial)
        partial.replace(file)
        for other in folder.glob("corpus-*.sqlite"):
            if other != file:
                other.unlink()
    return Corpus(file, canon)


def _build(work: Store, keys: Iterable[str], canon: Canon, file: Path) -> None:
    places: list[tuple[str, int, int, str]] = []
    CorpusIndex.build(_chunks(work, keys, places), canon, file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE places(chunk TEXT PRIMARY KEY, part INTEGER, start INTEGER, title TEXT)")
        connection.executemany("INSERT OR REPLACE INTO places VALUES (?,?,?,?)", places)
    connection.close()


def _chunks(work: Store, keys: Iterable[str], places: list[tuple[str, int, int, str]]) -> Iterator[Mapping[str, Any]]:
    for key in keys:
        for chunk in work.read_lines(key):
            places.append((chunk["id"], chunk.get("part", 0), chunk.get("start", 0), title_of(chunk)))
            yield chunk


def title_of(chunk: Mapping[str, Any]) -> str:
    """What people call the document of a chunk: "10-Q of Oxbow, Inc., 2009-05-11", "17 CFR Part 240", a case's name."""
    facts = chunk.get("facts") or {}
    if chunk["source"] == "regulation" and facts.get("cfr_part"):
        return f"{facts.get('title', '17')} CFR Part {facts['cfr_part']}"
    if chunk["source"] == "opinion" and facts.get("case"):
        cited = facts.get("citations") or []
        cited = json.loads(cited) if isinstance(cited, str) and cited.startswith("[") else cited
        first = cited[0] if isinstance(cited, list) and cited else ""
        return ", ".join(part for part in (facts["case"], first) if part)
    named = " of ".join(part for part in (facts.get("form"), facts.get("company")) if part)
    return ", ".join(part for part in (named or chunk.get("group") or chunk["document"], facts.get("date")) if part)
