"""Filings: full submissions part by part, and single documents dropped on their own."""

import html
import re
from dataclasses import replace

from toolsmith.documents import xmlforms
from toolsmith.documents.encoding import decode
from toolsmith.documents.model import Document, Provenance, SetAside
from toolsmith.documents.plaintext import undash, uuencoded
from toolsmith.documents.reading import lines_of
from toolsmith.documents.sections import sections_of
from toolsmith.documents.submission import PEM, Header, Part, header, parts, safe_name
from toolsmith.documents.xmltree import root_of
from toolsmith.errors import DocumentRejected

# Rendered XBRL, spreadsheets, pictures and taxonomy files repeat the filing or hold no prose.
_SKIPPED = re.compile(
    r"GRAPHIC|ZIP|EXCEL|JSON|XML|PDF|EX-10[01]\.(?:INS|SCH|CAL|DEF|LAB|PRE)|COVER|FILING FEES DATA", re.I
)
_MARKUP = re.compile(rb"<(?:html|body|div|p|table|font|center|title|head|td|hr|b)\b", re.I)
_WRAPPER = re.compile(rb"^\s*<(XBRL|XML|PDF)>\s*", re.I)
_XML = re.compile(rb"^\s*<\?xml|^\s*<(?:\w+:)?(?:ownershipDocument|edgarSubmission|informationTable)\b")
# Text kept of one submission, and the size of a document that is still read, so that 512 MB of memory are enough.
MAX_TEXT = 64_000_000
MAX_DOCUMENT = 48_000_000
_DEI = re.compile(
    r'<ix:non[nN]umeric\b[^>]*\bname="dei:(EntityRegistrantName|EntityCentralIndexKey|DocumentType|DocumentPeriodEndDate)"'
    r"[^>]*>(.{0,300}?)</ix:non[nN]umeric",
    re.S,
)
_ACCESSION = re.compile(r"(?<!\d)(\d{10})-?(\d\d)-?(\d{6})(?!\d)")
_FORM = re.compile(
    r"\bFORM\s+(10-?K(?:405|SB)?|10-?Q(?:SB)?|8-?K|20-?F|6-?K|40-?F|S-\d{1,2}|N-CSR|13F|144|[345])((?:/A)?)\b", re.I
)
_REGISTRANT = re.compile(r"\n([^\n]{2,120})\n(?:[-_= ]*\n)?\s*\(?\s*Exact\s+name\s+of\s+(?:the\s+)?registrant", re.I)


def read_submission(data: bytes, name: str) -> tuple[list[Document], Provenance, list[SetAside]]:
    """All documents in file order; those without text are listed empty and set aside with the reason."""
    known, aside = header(data), []
    escaped = data[:4096].lstrip().startswith(PEM)
    documents, room = [], MAX_TEXT
    for number, part in enumerate(parts(data), 1):
        document, reasons = _read_part(data, part, number, escaped, room)
        documents.append(document)
        aside += reasons
        room -= len(document.text)
    if not documents:
        raise DocumentRejected("truncated", "the submission ends before its first document")
    if known.count is not None and known.count != len(documents):
        aside.append(
            SetAside("document_count", f"the header says {known.count}, the file holds {len(documents)}", name)
        )
    about = _provenance(known, documents, name)
    if not known.company:
        first = documents[0]
        cover = _cover(first.text, decode(data[first.source_start : first.source_end])[0], name)
        missing = {key: value for key, value in cover.items() if value and not getattr(about, key)}
        about = replace(about, **missing)
    return documents, about, aside


def _provenance(known: Header, documents: list[Document], name: str) -> Provenance:
    return Provenance(
        "filing",
        name,
        accession=known.accession,
        cik=known.cik,
        company=known.company,
        form=known.form or documents[0].type or None,
        filed=known.filed,
        period=known.period,
        flags=known.flags,
    )


def _read_part(data: bytes, part: Part, number: int, escaped: bool, room: int) -> tuple[Document, list[SetAside]]:
    where = f"document {part.sequence or number} {part.filename or part.type}".strip()
    flags, aside = list(part.flags), []
    if not part.closed:
        flags.append("truncated")
        aside.append(SetAside("truncated", "no </DOCUMENT> before the next document or the end", where))
    text, marks, reason = _part_text(data, part, escaped, room)
    flags += marks
    if reason:
        flags.append(reason.reason)
        aside.append(SetAside(reason.reason, reason.detail, where))
    return Document(
        part.type, part.sequence, part.filename, text, sections_of(text, part.type), tuple(flags), part.start, part.end
    ), aside


def _part_text(data: bytes, part: Part, escaped: bool, room: int) -> tuple[str, tuple[str, ...], SetAside | None]:
    if _SKIPPED.fullmatch(part.type):
        kind = "binary" if re.search(rb"(?:^|\n)begin [0-7]{3}", data[part.start : part.start + 400]) else "data"
        return "", (), SetAside(kind, f"{part.type} holds no prose")
    if part.end - part.start > MAX_DOCUMENT or room <= 0:
        return (
            "",
            (),
            SetAside("too_large", f"{part.end - part.start} bytes; {MAX_DOCUMENT} a document, {MAX_TEXT} in all"),
        )
    body = data[part.start : part.end]
    block = uuencoded(body)
    reason = None
    if block:
        reason = SetAside("binary", f"a uuencoded part of {block[1] - block[0]} bytes is left out")
        body = body[: block[0]] + body[block[1] :]
    try:
        return *text_of(undash(body) if escaped else body), reason
    except DocumentRejected as error:
        return "", (), SetAside(error.reason, error.detail)


def text_of(body: bytes) -> tuple[str, tuple[str, ...]]:
    """Text and flags of one document's bytes: XML form, HTML or typed text. Raises DocumentRejected."""
    wrapped = _WRAPPER.match(body)
    if wrapped:
        body = re.sub(rb"</(?:XBRL|XML|PDF)>\s*$", b"", body[wrapped.end() :], flags=re.I)
    if _XML.match(body) and not _MARKUP.search(body[:8192]):
        return xmlforms.document_of(root_of(body.strip()), "", "").text, ()
    source, _ = decode(body)
    lines, flags = lines_of(source)
    return "\n".join(lines).strip("\n"), flags


def _cover(text: str, source: str, name: str) -> dict[str, str | None]:
    """What a document says of its filing without a header: XBRL facts, else its cover page; accession by file name."""
    facts = (
        {
            key.lower(): " ".join(html.unescape(re.sub(r"<[^>]*>", "", value)).split())
            for key, value in _DEI.findall(source)
        }
        if 'name="dei:' in source
        else {}
    )
    form, registrant = _FORM.search(text[:6000]), _REGISTRANT.search(text[:8000])
    cik = facts.get("entitycentralindexkey", "").lstrip("0")
    accession = _ACCESSION.search(name)
    return {
        "form": facts.get("documenttype") or ((form[1] + form[2]).upper() if form else None),
        "cik": cik if cik.isdigit() else None,
        "company": facts.get("entityregistrantname") or (registrant[1].strip() if registrant else None),
        "accession": "-".join(accession.groups()) if accession else None,
    }


def read_loose(
    text: str, flags: tuple[str, ...], source: str, name: str
) -> tuple[list[Document], Provenance, list[SetAside]]:
    """A filing's document without its submission: form and company from XBRL facts or the cover page."""
    known = Provenance("filing", name, **_cover(text, source, name))
    kind = known.form or ""
    filename, renamed = safe_name(name)
    return [Document(kind, "1", filename, text, sections_of(text, kind), (*renamed, *flags))], known, []
