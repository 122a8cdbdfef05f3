"""Plain text as filers and courts typed it: lines kept, page marks, PEM escapes and uuencoded parts undone."""

import html
import re

from toolsmith.documents.encoding import clean
from toolsmith.documents.tags import BREAK

_PAGE = re.compile(r"^[ \t]*<PAGE>[ \t]*(?:[-\w. ]{0,12})[ \t]*$", re.I | re.M)
_TABLE_MARK = re.compile(
    r"^[ \t]*</?(?:TABLE|CAPTION|MULTIPLIER|LEGEND|ARTICLE|CIK|NAME|FN|F\d+)>[ \t]*$\n?", re.I | re.M
)
_STUB = re.compile(r"^[ \t]*<S>(?:[ \t]*<C>)*[ \t]*$\n?", re.I | re.M)
_STRAY = re.compile(r"</?(?:TABLE|CAPTION|S|C|FN|F\d+|PAGE|TEXT)>", re.I)
_DASHED = re.compile(rb"^- (?=-)", re.M)
_BEGIN = re.compile(rb"begin [0-7]{3,4} [^\r\n]{1,200}\r?\n")
_ENTITY = re.compile(r"&(?:amp|lt|gt|nbsp|quot|#\d{2,4});", re.I)
_LINES = re.compile(r"\r\n?|\n|\x0b|\x85|\u2028|\u2029")


def undash(data: bytes) -> bytes:
    """Undo the dash escape of a PEM envelope: "- ---" was "---"."""
    return _DASHED.sub(b"", data)


def uuencoded(data: bytes) -> tuple[int, int] | None:
    """The byte range of the first uuencoded block, or None. Prose that merely says "begin 644" is none."""
    at = 0
    while (at := data.find(b"begin ", at)) >= 0:
        found = _BEGIN.match(data, at) if not at or data[at - 1] in b"\r\n" else None
        at += 6
        if found and _looks_uu(data[found.end() : found.end() + 80]):
            shut = re.compile(rb"^end[ \t]*\r?$", re.M).search(data, found.end())
            return found.start(), shut.end() if shut else len(data)
    return None


def _looks_uu(line: bytes) -> bool:
    line = line.split(b"\n")[0].rstrip(b"\r")
    if not line or not 33 <= line[0] <= 77:
        return False
    asked = ((line[0] - 32) + 2) // 3 * 4 + 1
    return asked <= len(line.rstrip(b" ")) + 4 and len(line) <= asked + 2 and all(32 <= c <= 96 for c in line)


def lines_of_text(text: str) -> list[str]:
    """Lines without trailing blanks; page borders are BREAK; SGML table marks dropped; blank runs become one."""
    text = clean(_ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text)
    text = _LINES.sub("\n", text) if "\r" in text or not text.isascii() else text
    text = text.replace("\x0c", f"\n{BREAK}\n")
    if "<" in text:
        text = _PAGE.sub(f"\n{BREAK}\n", text)
        text = _STRAY.sub("", _STUB.sub("", _TABLE_MARK.sub("", text)))
    lines: list[str] = []
    for line in text.split("\n"):
        line = line.rstrip()
        if line or (lines and lines[-1]):
            lines.append(line)
    return lines
