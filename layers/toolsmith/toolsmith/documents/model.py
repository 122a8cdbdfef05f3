"""What parsing returns: a file as documents with sections, where it comes from, and what was set aside."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Section:
    """A titled stretch of a document's text, `text[start:end]`; offsets in characters.

    number: item ("1A"), CFR section ("230.501") or "" where the heading has none.
    flags: for example "incorporated_by_reference", "continued", "reserved".
    """

    title: str
    start: int
    end: int
    flags: tuple[str, ...] = ()
    number: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file. Table rows are single lines, cells joined by tabs.

    source_start, source_end: byte offsets of the document in the dropped file.
    flags: for example "binary" (nothing extracted), "truncated", "low_yield".
    facts: what is known of this document alone, for example a CFR part.
    """

    type: str
    sequence: str
    filename: str
    text: str
    sections: tuple[Section, ...] = ()
    flags: tuple[str, ...] = ()
    source_start: int = 0
    source_end: int = 0
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetAside:
    """Something of the file that was not turned into text: a machine-readable reason, detail, and where."""

    reason: str
    detail: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a file comes from. Dates are ISO (2024-09-28) or None where the file does not say.

    kind: "filing", "regulation" or "opinion". digest: first 32 hex characters of the SHA-256 of the bytes.
    """

    kind: str
    name: str = ""
    digest: str = ""
    bytes: int = 0
    encoding: str = ""
    licence: str = "public record of the United States"
    accession: str | None = None
    cik: str | None = None
    company: str | None = None
    form: str | None = None
    filed: str | None = None
    period: str | None = None
    date: str | None = None
    cfr_title: str | None = None
    cfr_part: str | None = None
    case: str | None = None
    court: str | None = None
    docket: str | None = None
    url: str | None = None
    citations: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed file: its documents in file order, provenance, and what was set aside."""

    documents: tuple[Document, ...]
    provenance: Provenance
    set_aside: tuple[SetAside, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One JSON-ready object: documents, provenance, set_aside."""
        return asdict(self)

    def to_dict(self) -> dict[str, Any]:
        """The same as `to_json`."""
        return self.to_json()

    @classmethod
    def from_json(cls, data: str | bytes | dict[str, Any]) -> "Parsed":
        """The inverse of `to_json`; takes the object or its JSON text."""
        raw = data if isinstance(data, dict) else json.loads(data)
        return cls(
            tuple(_document(one) for one in raw["documents"]),
            _known(Provenance, raw["provenance"]),
            tuple(_known(SetAside, one) for one in raw["set_aside"]),
        )


def _document(raw: dict[str, Any]) -> Document:
    sections = tuple(_known(Section, one) for one in raw["sections"])
    return _known(Document, {**raw, "sections": sections})


def _known(cls: type, raw: dict[str, Any]) -> Any:
    """Build `cls` from the keys it knows; JSON lists become tuples."""
    names = {one.name for one in fields(cls)}
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k in names})
