"""HTML and inline XBRL to lines of text: one line per block, one line per table row, nothing hidden.

The source is split at "<" and each piece mapped to a separator through a table of the tags seen, so the cost is
linear in the bytes whatever the nesting. There is no tree: depth, misnesting and attribute bombs are harmless, and
markup that HTML parsers repair needs no repair here.
"""

import html
import re
import unicodedata
from collections.abc import Iterator

from toolsmith.documents.encoding import plain_unicode
from toolsmith.documents.hiding import without_hidden
from toolsmith.documents.tags import BLOCK, BREAK, CELL, HIDE, MARKS, RAISED, ROW, ROW_END, Tags

_SENTINELS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
# A quoted value may hold ">" but not "<": a quote that is never closed then costs one tag, not the rest of the page.
_CAREFUL = re.compile(
    r"""<((?:[a-zA-Z/](?:[^<>"']|"[^"<]*"|'[^'<]*')*+>|[a-zA-Z/][^<>]*+(?:>|(?=<)|\Z)"""
    r"""|!--(?:.*?-->|>)|!--.*+\Z|[!?][^>]*+(?:>|\Z)))""",
    re.S,
)
_RAW = re.compile(r"<!--(?:-?>|.*?-->)|<(script|style|textarea|xmp|title)\b[^>]*>.*?(</\1\s*>|\Z)", re.S | re.I)
# Characters read at a time; the tags of a piece take some ten times its size in memory.
_PIECE = 6_000_000
_BLOCK_START = re.compile(r"<(?:table|p|div)[\s>]", re.I)
_PRE = re.compile(r"<pre\b.*?(?:</pre|\Z)", re.S | re.I)
_RAISED_DIGIT = re.compile(rf"{RAISED}(?<=\d{RAISED})(?=\s*\d)")
# What a cell can begin and end with and yet be empty.
_BLANK = f" {BLOCK}{BREAK}"
_ENTITY = re.compile(r"(&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[A-Za-z][A-Za-z0-9]{0,31};?))")
_NO_MARKS = {**dict.fromkeys(range(32)), **dict.fromkeys(map(ord, "\t\n\r\f\v\xa0"), " ")}


def lines_of_html(source: str) -> list[str]:
    """The visible text of an HTML document as lines; BREAK stands alone on a line at each page border."""
    return read_html(source)[0]


def read_html(source: str) -> tuple[list[str], bool]:
    """`lines_of_html`, and whether every comment, script and style was closed (one that is not hides the rest)."""
    source = _without_headers(source)
    if len(source) > _PIECE:
        read = [_read(piece) for piece in _pieces(source)]
        return [line for lines, _ in read for line in lines], all(whole for _, whole in read)
    return _read(source)


def _without_headers(source: str) -> str:
    """Inline XBRL headers cut out; they are a large part of a filing and hold nothing to see."""
    kept, at = [], 0
    while (start := source.find("<ix:header", at)) >= 0 and (end := source.find("</ix:header>", start)) >= 0:
        kept.append(source[at:start])
        at = end + len("</ix:header>")
    return "".join([*kept, source[at:]]) if kept else source


def _pieces(source: str) -> Iterator[str]:
    """A large document in pieces that begin with a table, paragraph or division, to bound the memory of the tags."""
    at = 0
    while at < len(source):
        found = _BLOCK_START.search(source, at + _PIECE // 2, at + _PIECE) if len(source) - at > _PIECE else None
        end = found.start() if found else min(len(source), at + _PIECE)
        yield source[at:end]
        at = end


def text_of_fragment(source: str) -> str:
    """The visible text of a piece of HTML, page borders dropped; lines joined by line feeds."""
    return "\n".join(line for line in lines_of_html(source) if line != BREAK)


def _read(source: str) -> tuple[list[str], bool]:
    if any(map(source.__contains__, MARKS)):
        source = _SENTINELS.sub("", source)
    text, whole = _joined(source)
    text = _unescape(_flat(text))
    text = unicodedata.normalize("NFC", text) if source.isascii() else plain_unicode(text)
    return _lines(_spread_rows(text)), whole


def _flat(text: str) -> str:
    """Line ends and tabs of the source are spaces."""
    for space in "\n\r\t\x0c\x0b":
        text = text.replace(space, " ")
    return text


def _joined(source: str) -> tuple[str, bool]:
    """The text with tags replaced by separators, and whether nothing was left open that hides the rest.

    The quick split, at every "<" and the next ">", is kept unless a tag shows that it went wrong.
    """
    head, *pieces = source.split("<")
    tags = Tags()
    values = list(map(tags.__getitem__, pieces))
    if tags.pre:
        source = _PRE.sub(lambda found: found[0].replace("\r\n", "\n").replace("\n", "<br>"), source)
        head, *pieces = source.split("<")
        values = list(map(tags.__getitem__, pieces))
    if not tags.careful and without_hidden(values, pieces, [], tags.gone):
        return head + "".join(values), True
    return _joined_with_care(source)


def _joined_with_care(source: str) -> tuple[str, bool]:
    """`_joined` where attributes hold ">", text holds "<", or scripts and comments hold tags."""
    open_end: list[str] = []

    def cut(found: re.Match[str]) -> str:
        if found[1] and not found[2]:
            open_end.append(found[1])
        return " " if found[1] else ""

    head, *parts = _CAREFUL.split(_RAW.sub(cut, source))
    found, texts = parts[::2], parts[1::2]
    tags = Tags()
    separators = {tag: tags.separator(tag) for tag in set(found)}
    values = [
        HIDE if separators[tag] is HIDE else separators[tag] + text for tag, text in zip(found, texts, strict=True)
    ]
    without_hidden(values, found, texts, tags.gone)
    return head + "".join(values), not (open_end or tags.careful)


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    parts = _ENTITY.split(text)
    parts[1::2] = map(_Entities().__getitem__, parts[1::2])
    return "".join(parts)


class _Entities(dict):
    """Character references as HTML5 reads them; each different one is worked out once."""

    def __missing__(self, reference: str) -> str:
        value = self[reference] = plain_unicode(html.unescape(reference).translate(_NO_MARKS))
        return value


def _spread_rows(text: str) -> str:
    """Each table row on one line, its cells joined; a raised digit after a digit keeps a space."""
    if RAISED in text:
        text = _RAISED_DIGIT.sub(" ", text).replace(RAISED, "")
    head, *rows = text.split(ROW)
    out = [head.replace(ROW_END, BLOCK).replace(CELL, BLOCK)]
    for row in rows:
        inside, _, after = row.partition(ROW_END)
        out.append(_row(inside))
        if after:
            out.append(after.replace(ROW_END, BLOCK).replace(CELL, BLOCK))
    return BLOCK.join(out)


def _row(inside: str) -> str:
    """A row's filled cells; a row with only one keeps its lines, as in tables that lay out a page."""
    filled = [cell for one in inside.split(CELL) if (cell := one.strip(_BLANK))]
    if len(filled) < 2:
        return inside.replace(CELL, BLOCK)
    return CELL.join(filled).replace(BLOCK, " ").replace(BREAK, "")


def _lines(text: str) -> list[str]:
    """Lines with single spaces, none empty; most lines are so already and only looked at."""
    lines = []
    for line in text.split(BLOCK):
        if line and not line.isspace():
            if "  " in line or line[0] == " " or line[-1] == " ":
                line = " ".join(line.split())
            lines.append(line.replace(CELL, "\t") if CELL in line else line)
    return lines
