"""Full EDGAR submissions: the SGML header, and the documents as byte ranges of the file."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_CLOSE = (b"</DOCUMENT>", b"</document>")
_TAG = re.compile(rb"<(TYPE|SEQUENCE|FILENAME|DESCRIPTION)>[ \t]*([^\r\n<]{0,4096})", re.I)
_TEXT = re.compile(rb"<TEXT>[ \t]*\r?\n?", re.I)
_HEADER_FIELD = re.compile(r"(?:^[ \t]*|<)([A-Z][A-Z0-9 ()/.-]{1,60})[:>][ \t]*([^\s<][^\r\n<]*)", re.M)
# The blocks of a header, the company that a filing is about first.
_BLOCK = re.compile(
    r"^[ \t]*(ISSUER|SUBJECT COMPANY|FILER|FILED BY|FILED FOR|REPORTING-OWNER):[ \t]*$"
    r"|<(ISSUER|SUBJECT-COMPANY|FILER|FILED-BY|REPORTING-OWNER)>",
    re.M,
)
_ABOUT = ("ISSUER", "SUBJECT COMPANY", "FILER")
_HEADS = (
    b"<SEC-DOCUMENT>",
    b"<IMS-DOCUMENT>",
    b"<SEC-HEADER>",
    b"<IMS-HEADER>",
    b"<SUBMISSION>",
    b"<DOCUMENT>",
    b"<ACCEPTANCE-DATETIME>",
)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
PEM = b"-----BEGIN PRIVACY-ENHANCED MESSAGE-----"


@dataclass(frozen=True, slots=True)
class Part:
    """A <DOCUMENT> of a submission: `data[start:end]` is its <TEXT> content."""

    type: str
    sequence: str
    filename: str
    start: int
    end: int
    closed: bool
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """What the SGML header says; None where it says nothing usable."""

    accession: str | None = None
    cik: str | None = None
    company: str | None = None
    form: str | None = None
    filed: str | None = None
    period: str | None = None
    count: int | None = None
    flags: tuple[str, ...] = field(default=())


def is_submission(data: bytes) -> bool:
    """Whether the file starts as an EDGAR submission, a dissemination file or a single <DOCUMENT>."""
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").upper()
    return head.startswith(_HEADS) or (head.startswith(PEM) and b"-HEADER>" in data[:8192].upper())


def parts(data: bytes) -> Iterator[Part]:
    """The documents in file order. Each <DOCUMENT> that starts a line opens one, closed or not."""
    at = _next_open(data, 0)
    while at >= 0:
        following = _next_open(data, at + 10)
        limit = following if following >= 0 else len(data)
        yield _part(data, at, limit)
        at = following


def _next_open(data: bytes, at: int) -> int:
    """The next <DOCUMENT> at the start of a line or straight after a tag, or -1."""
    while True:
        found = data.find(b"<DOCUMENT>", at)
        lower = data.find(b"<document>", at, found if found >= 0 else len(data))
        found = lower if lower >= 0 else found
        if found <= 0 or data[found - 1] in b"\n\r>":
            return found
        at = found + 10


def _part(data: bytes, at: int, limit: int) -> Part:
    closing = max(data.rfind(mark, max(at, limit - 65536), limit) for mark in _CLOSE)
    end = closing if closing >= 0 else limit
    head = data[at : min(at + 16384, end)]
    text = _TEXT.search(head)
    fields: dict[str, str] = {}
    for name, value in _TAG.findall(head[: text.start()] if text else head):
        fields.setdefault(name.decode().upper(), value.decode("latin-1").strip())
    start = at + text.end() if text else end
    for mark in (b"</TEXT>", b"</text>"):
        shut = data.rfind(mark, max(start, end - 256), end)
        end = shut if shut >= 0 else end
    name, flags = safe_name(fields.get("FILENAME", ""))
    kind, sequence = fields.get("TYPE", "")[:64], fields.get("SEQUENCE", "")[:16]
    return Part(kind, sequence, name, start, max(start, end), closing >= 0, flags)


def safe_name(name: str) -> tuple[str, tuple[str, ...]]:
    """A file name of [A-Za-z0-9._-], at most 128 long, with no path; flagged when that changed it."""
    safe = _UNSAFE.sub("_", re.split(r"[/\\]", name)[-1]).lstrip(".")[:128]
    return (safe, ()) if safe == name else (safe, ("renamed",))


def header(data: bytes) -> Header:
    """The submission's header. Values that are no date or no CIK become None and are flagged."""
    first = _next_open(data, 0)
    text = data[: min(first if first >= 0 else len(data), 65536)].decode("latin-1").replace("\r", "\n")
    about = _about(text)
    values = _fields(about + "\n" + text)
    flags: list[str] = []
    cik = values.get("CENTRAL INDEX KEY") or values.get("CIK")
    count = values.get("PUBLIC DOCUMENT COUNT", "")
    accession = re.search(r"\b\d{10}-\d{2}-\d{6}\b", values.get("ACCESSION NUMBER", "") or text[:400])
    return Header(
        accession=accession[0] if accession else None,
        cik=_cik(cik, flags),
        company=values.get("COMPANY CONFORMED NAME") or values.get("CONFORMED NAME"),
        form=values.get("CONFORMED SUBMISSION TYPE") or values.get("TYPE"),
        filed=_date(values.get("FILED AS OF DATE") or values.get("FILING DATE"), "filed", flags),
        period=_date(values.get("CONFORMED PERIOD OF REPORT") or values.get("PERIOD"), "period", flags),
        count=int(count) if count.isdigit() and len(count) < 6 else None,
        flags=tuple(flags),
    )


def _about(text: str) -> str:
    """The header block of the company the filing is about; a reporting owner only when there is no other."""
    marks = list(_BLOCK.finditer(text))
    ends = [one.start() for one in marks[1:]] + [len(text)]
    names = [(one[1] or one[2]).replace("-", " ") for one in marks]
    for wanted in _ABOUT:
        if wanted in names:
            at = names.index(wanted)
            return text[marks[at].end() : ends[at]]
    return ""


def _fields(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in _HEADER_FIELD.findall(text):
        values.setdefault(name.upper().replace("-", " ").strip(), html.unescape(value).strip())
    return values


def _cik(value: str | None, flags: list[str]) -> str | None:
    if not value:
        return None
    if value.isdigit() and len(value) <= 10 and int(value):
        return str(int(value))
    flags.append("bad_cik")
    return None


def _date(value: str | None, what: str, flags: list[str]) -> str | None:
    if not value:
        return None
    found = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)", value)
    if found and 1 <= int(found[2]) <= 12 and 1 <= int(found[3]) <= 31:
        return f"{found[1]}-{found[2]}-{found[3]}"
    flags.append(f"bad_{what}_date")
    return None
