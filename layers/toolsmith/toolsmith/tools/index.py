"""The searchable corpus: chunks, sections, opinions and citations in one SQLite FTS5 file."""

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolsmith.errors import InvalidInput
from toolsmith.tools.canon import SEC_PARTS, Canon, base, same_law
from toolsmith.tools.cases import CORPORATE, case_key, find_cases, parties, read_case, same_case
from toolsmith.tools.suspicion import trusted
from toolsmith.tools.text import fold, word_set, words

SCHEMA = """
CREATE TABLE chunks(id TEXT PRIMARY KEY, document TEXT, section TEXT, source TEXT, grp TEXT, facts TEXT, text TEXT);
CREATE TABLE sections(base TEXT, citation TEXT, chunk TEXT);
CREATE TABLE citations(base TEXT, citation TEXT, chunk TEXT);
CREATE TABLE cases(key TEXT, name TEXT, own INTEGER, chunk TEXT);
CREATE TABLE case_words(word TEXT, key TEXT);
CREATE VIRTUAL TABLE search USING fts5(text, content='', tokenize="unicode61 remove_diacritics 2");
"""
INDEXES = """
CREATE INDEX sections_base ON sections(base);
CREATE INDEX citations_base ON citations(base);
CREATE INDEX cases_key ON cases(key);
CREATE INDEX cases_name ON cases(name);
CREATE INDEX case_words_word ON case_words(word);
"""
HEADING = re.compile(r"(?m)^\s*§\s*(?P<part>\d{1,4})\.(?P<section>\d+[A-Za-z]{0,2}\d*(?:-\d+[A-Za-z]?)*)")
CLAUSE = re.compile(
    r"\b(?P<kind>Item|Section|Article|Exhibit|Note|Part)\s+(?P<number>[\dIVX]+[A-Z]?(?:\.\d+)*)\b", re.I
)
# More evidence than this tells nobody more.
MANY = 20
PARAGRAPH = re.compile(r"\(\w+\)")
STOP = word_set(
    "a an the of and or to in on for with by at from is are was were be been has have had do does did what which "
    "who how why when where under its it this that these those any all as not no may can could would should must if "
    "than"
)

FORM_WORDS = word_set("form report annual quarterly current filing 10 8 20 6 k q f kt ksb")


@dataclass(frozen=True)
class Hit:
    """One stored chunk that a tool found."""

    chunk: str
    document: str
    section: str
    source: str
    text: str

    def brief(self, limit: int = 400) -> dict[str, str]:
        """The hit as a tool result, its text cut to `limit` characters."""
        return {"chunk": self.chunk, "document": self.document, "section": self.section, "text": self.text[:limit]}


class CorpusIndex:
    """Look-ups over a frozen set of chunks; build it with `build`, or open a file built before."""

    def __init__(self, connection: sqlite3.Connection, canon: Canon) -> None:
        self._db = connection
        self.canon = canon

    @classmethod
    def build(cls, chunks: Iterable[Mapping[str, Any]], canon: Canon, file: Path | None = None) -> "CorpusIndex":
        """Index chunk dicts (the lines of chunks.jsonl) in memory, or into a new `file`.

        The same chunks give the same rows whatever their order. Raises InvalidInput for a line that is no chunk.
        """
        if file is not None and file.exists():
            file.unlink()
        connection = sqlite3.connect(file or ":memory:")
        connection.executescript(SCHEMA)
        ordered = {chunk["id"]: chunk for chunk in map(_checked, chunks)}
        names: set[str] = set()
        for number, key in enumerate(sorted(ordered), start=1):
            _insert(connection, number, ordered[key], canon, names)
        connection.executescript(INDEXES)
        connection.commit()
        return cls(connection, canon)

    @classmethod
    def open(cls, file: Path, canon: Canon) -> "CorpusIndex":
        """A file written by `build`, read-only. Raises InvalidInput when it is not one."""
        if not file.is_file():
            raise InvalidInput(f"{file}: no such index; build it from the chunks first")
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
        try:
            connection.execute("SELECT count(*) FROM chunks").fetchone()
        except sqlite3.DatabaseError as broken:
            raise InvalidInput(f"{file}: not a corpus index ({broken}); build it again") from broken
        return cls(connection, canon)

    @classmethod
    def from_bytes(cls, data: bytes, canon: Canon) -> "CorpusIndex":
        """What `to_bytes` gave, in memory. Raises InvalidInput when it is not that."""
        connection = sqlite3.connect(":memory:")
        try:
            connection.deserialize(data)
            connection.execute("SELECT count(*) FROM chunks").fetchone()
        except (sqlite3.Error, MemoryError) as broken:  # SQLite has no memory for nothing at all
            raise InvalidInput(f"these {len(data)} bytes are no corpus index ({broken}); build it again") from broken
        return cls(connection, canon)

    def to_bytes(self) -> bytes:
        return self._db.serialize()

    def close(self) -> None:
        self._db.close()

    def __len__(self) -> int:
        return self._db.execute("SELECT count(*) FROM chunks").fetchone()[0]

    def sections(self, canonical: str) -> list[Hit]:
        """Stored text of the section or opinion that the citation names; a paragraph counts only where it stands."""
        rows = self._db.execute(
            "SELECT chunk FROM sections WHERE base = ? ORDER BY rowid", (base(canonical),)
        ).fetchall()
        hits = self._hits([row[0] for row in rows])
        marks = PARAGRAPH.findall(canonical)
        held = " ".join(hit.text for hit in hits).lower() if marks else ""
        return hits[:MANY] if all(mark in held for mark in marks) else []

    def holds(self, canonical: str) -> bool:
        """Whether some text of the citation's section is stored, whatever its paragraphs."""
        row = self._db.execute("SELECT 1 FROM sections WHERE base = ? LIMIT 1", (base(canonical),)).fetchone()
        return row is not None

    def citing(self, canonical: str) -> list[Hit]:
        """Chunks whose text cites this authority, or a paragraph or the whole of it."""
        rows = self._db.execute(
            "SELECT citation, chunk FROM citations WHERE base = ? ORDER BY rowid", (base(canonical),)
        ).fetchall()
        return self._hits([chunk for citation, chunk in rows if same_law(citation, canonical)][:MANY])

    def opinions(self, name: str) -> tuple[list[Hit], list[Hit]]:
        """(chunks of the stored opinion of that name, chunks of other documents that name the case)."""
        telling = sorted({word for side in parties(name) for word in side})
        marks = ",".join("?" * len(telling))
        names = self._db.execute(
            "SELECT DISTINCT c.name FROM case_words w JOIN cases c ON c.key = w.key "
            f"WHERE w.word IN ({marks}) ORDER BY c.name",
            telling,
        ).fetchall()
        own: list[str] = []
        cited: list[str] = []
        for other in (row[0] for row in names if same_case(name, row[0])):
            for is_own, chunk in self._db.execute(
                "SELECT own, chunk FROM cases WHERE name = ? ORDER BY rowid", (other,)
            ):
                (own if is_own else cited).append(chunk)
        return self._hits(own[:MANY]), self._hits(cited[:MANY])

    def case_names(self) -> list[str]:
        """The names of the stored opinions, in order of the alphabet."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT name FROM cases WHERE own ORDER BY name")]

    def related_opinions(self, text: str, limit: int = 2) -> list[str]:
        """Names of the stored opinions that share most of the long words of `text`, best first."""
        long = sorted({word for word in words(text) if len(word) > 7 and word.isalpha()}, key=lambda w: (-len(w), w))
        hits = self._match(" OR ".join(f'"{w}"' for w in long[:24]), "opinion", limit * 6) if long else []
        names = [
            self._db.execute("SELECT name FROM cases WHERE own AND chunk = ? LIMIT 1", (hit.chunk,)).fetchone()
            for hit in hits
        ]
        tidy = (re.sub(r"\.{2,}", ".", name[0]) for name in names if name)
        return list(dict.fromkeys(name for name in tidy if read_case(name)))[:limit]

    def search(self, query: str, source: str | None = None, limit: int = 5) -> list[Hit]:
        """The best chunks that hold every telling word of `query`, or else most of them (BM25 order)."""
        telling = [word for word in dict.fromkeys(words(query)) if word not in STOP]
        if not telling:
            return []
        return self._match(" ".join(f'"{w}"' for w in telling), source, limit) or self._most(telling, source, limit)

    def locate(self, quote: str, limit: int = 3) -> list[tuple[Hit, int, int]]:
        """Where stored text reads like `quote`: (chunk, start, end) with places in the chunk's text."""
        phrase = words(quote)
        if not phrase:
            return []
        found = []
        for hit in self._match('"' + " ".join(phrase) + '"', None, limit * 4):
            span = fold(hit.text).find(quote, exact_case=False)
            if span:
                found.append((hit, *span))
        return found[:limit]

    def clause(self, reference: str, limit: int = 3) -> list[Hit]:
        """The stored section that a reference such as "Item 1A of Acme Corp.'s 10-K" names."""
        match = CLAUSE.search(reference)
        rest = [w for w in words(CLAUSE.sub(" ", reference)) if w not in STOP | CORPORATE and len(w) > 1]
        if not match or not rest:
            return []
        label = f"{match['kind']} {match['number']}".lower()
        rows = self._db.execute(
            "SELECT id, facts, grp, text FROM chunks WHERE lower(section) = ? OR lower(section) LIKE ? "
            "OR lower(section) LIKE ? ORDER BY id",
            (label, f"{label}.%", f"{label} %"),
        ).fetchall()
        telling = {
            word
            for word in rest
            if word not in {"form", "10", "report", "annual", "quarterly", "filing", "8", "k", "q"}
        }
        ids = [row[0] for row in rows if telling and telling <= set(words(" ".join(row[1:])))]
        return self._hits(ids[:limit])

    def _most(self, telling: list[str], source: str | None, limit: int) -> list[Hit]:
        """Any-word search, kept where at least two thirds of the words (and two of them) stand."""
        wanted = set(telling)
        found = self._match(" OR ".join(f'"{w}"' for w in telling), source, limit * 4)
        need = max(min(2, len(wanted)), (2 * len(wanted) + 2) // 3)
        return [hit for hit in found if len(wanted & set(words(hit.text))) >= need][:limit]

    def _match(self, expression: str, source: str | None, limit: int) -> list[Hit]:
        rows = self._db.execute(
            "SELECT c.id FROM search s JOIN chunks c ON c.rowid = s.rowid WHERE search MATCH ? "
            "AND (? IS NULL OR c.source = ?) ORDER BY bm25(search), c.id LIMIT ?",
            (expression, source, source, limit),
        ).fetchall()
        return self._hits([row[0] for row in rows])

    def _hits(self, ids: list[str]) -> list[Hit]:
        unique = list(dict.fromkeys(ids))
        rows = [
            self._db.execute("SELECT id, document, section, source, text FROM chunks WHERE id = ?", (i,)).fetchone()
            for i in unique
        ]
        return [Hit(*row) for row in rows]


class LayeredIndex:
    """Several indexes read as one; the first that holds something is listed first."""

    def __init__(self, *layers: CorpusIndex) -> None:
        self.layers = layers
        self.canon = layers[0].canon

    def sections(self, canonical: str) -> list[Hit]:
        return [hit for layer in self.layers for hit in layer.sections(canonical)]

    def holds(self, canonical: str) -> bool:
        return any(layer.holds(canonical) for layer in self.layers)

    def citing(self, canonical: str) -> list[Hit]:
        return [hit for layer in self.layers for hit in layer.citing(canonical)]

    def opinions(self, name: str) -> tuple[list[Hit], list[Hit]]:
        pairs = [layer.opinions(name) for layer in self.layers]
        return [hit for own, _ in pairs for hit in own], [hit for _, cited in pairs for hit in cited]

    def search(self, query: str, source: str | None = None, limit: int = 5) -> list[Hit]:
        return [hit for layer in self.layers for hit in layer.search(query, source, limit)][:limit]

    def locate(self, quote: str, limit: int = 3) -> list[tuple[Hit, int, int]]:
        return [hit for layer in self.layers for hit in layer.locate(quote, limit)][:limit]

    def clause(self, reference: str, limit: int = 3) -> list[Hit]:
        return [hit for layer in self.layers for hit in layer.clause(reference, limit)][:limit]


Index = CorpusIndex | LayeredIndex


def _checked(chunk: Mapping[str, Any]) -> Mapping[str, Any]:
    missing = {"id", "document", "text", "source"} - chunk.keys()
    if missing:
        raise InvalidInput(f"chunk {chunk.get('id', '?')}: {', '.join(sorted(missing))} is missing; chunk it again")
    return chunk


def _insert(db: sqlite3.Connection, row: int, chunk: Mapping[str, Any], canon: Canon, names: set[str]) -> None:
    """Adds one chunk; `names` holds the keys of the cases whose words are stored already."""
    facts, text, key = chunk.get("facts") or {}, chunk["text"], chunk["id"]
    db.execute(
        "INSERT INTO chunks(rowid, id, document, section, source, grp, facts, text) VALUES (?,?,?,?,?,?,?,?)",
        (row, key, chunk["document"], chunk.get("section") or "", chunk["source"], chunk.get("group") or "",
         json.dumps(facts, sort_keys=True, ensure_ascii=False), text),
    )  # fmt: skip
    db.execute("INSERT INTO search(rowid, text) VALUES (?, ?)", (row, fold(text).text))
    stored = sections_of(chunk, canon)
    db.executemany("INSERT INTO sections VALUES (?,?,?)", [(base(c), c, key) for c in stored])
    title = _title_of(chunk) if chunk["source"] == "regulation" else ""
    plain = trusted(text)
    cited = dict.fromkeys(c.canonical for c in canon.find(plain, title))
    db.executemany("INSERT INTO citations VALUES (?,?,?)", [(base(c), c, key) for c in cited])
    own = own_case(chunk)
    named = [] if own is None else [(own, 1)]
    named += [(name, 0) for name in dict.fromkeys(case.text for case in find_cases(plain)) if name != own]
    for name, is_own in named:
        _insert_case(db, name, is_own, key, names)


def _insert_case(db: sqlite3.Connection, name: str, own: int, chunk: str, names: set[str]) -> None:
    key = case_key(name)
    if not key:
        return
    db.execute("INSERT INTO cases VALUES (?,?,?,?)", (key, name, own, chunk))
    if key not in names:
        names.add(key)
        words_of = sorted({word for side in parties(name) for word in side})
        db.executemany("INSERT INTO case_words VALUES (?,?)", [(word, key) for word in words_of])


def own_case(chunk: Mapping[str, Any]) -> str | None:
    """The case that an opinion's chunk belongs to, as its document's facts name it."""
    if chunk["source"] != "opinion":
        return None
    return str((chunk.get("facts") or {}).get("case") or "") or None


def sections_of(chunk: Mapping[str, Any], canon: Canon) -> list[str]:
    """Canonical citations whose own text a chunk holds: a regulation's sections, an opinion's reporter citations."""
    facts = chunk.get("facts") or {}
    if chunk["source"] == "opinion":
        return list(dict.fromkeys(c for text in facts.get("citations", []) if (c := canon.canonical(text))))
    if chunk["source"] != "regulation":
        return []
    title = _title_of(chunk)
    label = str(chunk.get("section") or "")
    found = [c.canonical for c in canon.find(label, title) if c.kind in {"cfr", "usc"}]
    part = str(facts.get("cfr_part") or "")
    if not found and part and (bare := re.match(rf"(?:§\s*)?{re.escape(part)}\.([0-9][\w-]*)", label)):
        found += _numbered(title, part, bare[1])
    for heading in HEADING.finditer(chunk["text"]):
        found += _numbered(title, heading["part"], heading["section"])
    if number := re.fullmatch(r"(\d+)\.(\d[\w-]*)", str(facts.get("section") or "")):
        found += _numbered(title, number[1], number[2])
    return list(dict.fromkeys(found))


def _title_of(chunk: Mapping[str, Any]) -> str:
    """The CFR title of a regulation's chunk, from its facts or its split group ("cfr:1-304"); "" when neither says."""
    if stated := str((chunk.get("facts") or {}).get("title") or ""):
        return stated
    group = re.match(r"cfr:([1-9]\d?)-", str(chunk.get("group") or ""))
    return group[1] if group else ""


def _numbered(title: str, part: str, section: str) -> list[str]:
    """A bare section number as a citation; without a title only a part of the Commission's says which is meant."""
    title = title or ("17" if part in SEC_PARTS else "")
    return [f"{title} CFR {part}.{section.lower()}"] if title else []
