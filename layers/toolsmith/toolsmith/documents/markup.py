"""HTML and inline XBRL to lines of text: one line per block, one line per table row, nothing hidden.

Tags are split off with one regular expression and mapped to separators through a table of the tags seen, so the
cost is linear in the bytes whatever the nesting. There is no tree: depth, misnesting and attribute bombs are
harmless, and markup that HTML parsers repair needs no repair here.
"""

import html
import re
import unicodedata
from collections.abc import Iterator

from toolsmith.documents.encoding import plain_unicode

ROW, ROW_END, CELL, BREAK, RAISED, HIDE = "\x01", "\x02", "\x03", "\x04", "\x05", "\x06"
_MARKS = (ROW, ROW_END, CELL, BREAK, RAISED, HIDE)
# What a tag becomes: (closing, opening).
_FIXED = {
    "td": ("", CELL),
    "th": ("", CELL),
    "tr": (ROW_END, ROW),
    "table": (ROW_END, ROW_END),
    "hr": (f"\n{BREAK}\n", f"\n{BREAK}\n"),
    "sup": ("", RAISED),
}
_SENTINELS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")

# The quick split is right as long as no attribute or comment holds ">" and no text holds a stray "<".
_QUICK = re.compile(r"(<[^>]*>)")
# A quoted value may hold ">" but not "<": a quote that is never closed then costs one tag, not the rest of the page.
_CAREFUL = re.compile(
    r"""(<(?:[a-zA-Z/](?:[^<>"']|"[^"<]*"|'[^'<]*')*+>|[a-zA-Z/][^<>]*+(?:>|(?=<)|\Z)"""
    r"""|!--(?:.*?-->|>)|!--.*+\Z|[!?][^>]*+(?:>|\Z)))""",
    re.S,
)
_RAW = re.compile(r"<(script|style|textarea|xmp|title)\b[^>]*>.*?(</\1\s*>|\Z)", re.S | re.I)
_NAME = re.compile(r"</?([a-zA-Z][^\s/>]*)").match
# Characters read at a time; the tags of a piece take some ten times its size in memory.
_PIECE = 6_000_000
_IX_HEADER = re.compile(r"<ix:header\b.*?</ix:header\s*>", re.S | re.I)
_BLOCK_START = re.compile(r"<(?:table|p|div)[\s>]", re.I)
_PRE = re.compile(r"<pre\b.*?(?:</pre|\Z)", re.S | re.I)
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "br",
        "caption",
        "center",
        "dd",
        "details",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "html",
        "legend",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "section",
        "select",
        "summary",
        "tbody",
        "tfoot",
        "thead",
        "ul",
        "page",
        "opinion",
        "head-matter",
    ]
)
_GONE = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "iframe",
        "object",
        "ix:header",
        "ix:exclude",
        "title",
        "textarea",
        "xmp",
        "svg",
    ]
)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
_RAWTEXT = frozenset(["script", "style", "textarea", "xmp", "title"])
_HIDDEN = re.compile(
    r"visibility\s*:\s*hidden|aria-hidden\s*=\s*[\"']?true|\shidden(?:\s*=\s*[\"']?(?:hidden|true)?[\"']?)?\s*"
    r"(?:/?>|\s[a-z])",
    re.I,
)
_NO_SIZE = re.compile(r"(?:font-size|opacity):0+(?:\.0*)?(?:px|pt|em|rem|%)?(?:[;\"']|$)")
_FAR_OFF = re.compile(r"(?:left|top|text-indent):-\d{4,}")
_PAGE_BREAK = re.compile(r"(?:page-)?break-(?:before|after)\s*:\s*(?:always|page|left|right)", re.I)
_WHITE = r"(?:#fff(?:fff)?\b|white\b|rgb\(255,255,255\))"
_WHITE_TEXT = re.compile(r"(?<![-\w])color:" + _WHITE)
_WHITE_BACK = re.compile(r"background(?:-color)?:" + _WHITE)
_ENTITY = re.compile(r"(&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[A-Za-z][A-Za-z0-9]{0,31};?))")
_NO_MARKS = {**dict.fromkeys(range(32)), **dict.fromkeys(map(ord, "\t\n\r\f\v\xa0"), " ")}


class _Tags(dict):
    """Tag text to separator, filled as tags are met; notes what needs the careful or the hidden pass."""

    def __init__(self) -> None:
        super().__init__()
        self.careful = self.open_comment = self.pre = False
        self.gone: dict[str, str] = {}

    def __missing__(self, tag: str) -> str:
        if tag.rfind("<") or tag.count('"') & 1 or tag.count("'") & 1:
            self.careful = True
        found = _NAME(tag)
        value = self[tag] = self._separator(tag, found[1].lower()) if found else self._no_element(tag)
        return value

    def _no_element(self, tag: str) -> str:
        """Comments and declarations are dropped; "<180>" is text."""
        if tag.startswith("<!--") and not tag.endswith("-->"):
            self.careful = self.open_comment = True
        return "" if tag[1] in "!?/" else tag

    def _separator(self, tag: str, name: str) -> str:
        opening = tag[1] != "/"
        if opening and (name in _GONE or hides(tag)) and name not in _VOID and tag[-2:] != "/>":
            self.gone[tag] = name
            return HIDE
        if name in _FIXED:
            return _FIXED[name][opening]
        if name not in _BLOCKS:
            return ""
        self.pre |= name == "pre"
        return f"\n{BREAK}\n" if opening and "break-" in tag and _PAGE_BREAK.search(tag) else "\n"


def hides(tag: str) -> bool:
    """Whether an opening tag's attributes hide its content from a reader."""
    if "=" not in tag:
        return " hidden" in tag.lower()
    tight = tag.lower().replace(" ", "")
    if "display:none" in tight or "hidden" in tight and _HIDDEN.search(tag):
        return True
    if ":0" in tight and _NO_SIZE.search(tight) or ":-" in tight and _FAR_OFF.search(tight):
        return True
    return ("fff" in tight or "white" in tight or "255,255,255" in tight) and (
        _WHITE_BACK.search(tight) is not None and _WHITE_TEXT.search(tight) is not None
    )


def lines_of_html(source: str) -> list[str]:
    """The visible text of an HTML document as lines; BREAK stands alone on a line at each page border."""
    return read_html(source)[0]


def read_html(source: str) -> tuple[list[str], bool]:
    """`lines_of_html`, and whether every comment, script and style was closed (one that is not hides the rest)."""
    if len(source) > _PIECE:
        read = [read_html(piece) for piece in _pieces(source)]
        return [line for lines, _ in read for line in lines], all(whole for _, whole in read)
    if any(map(source.__contains__, _MARKS)):
        source = _SENTINELS.sub("", source)
    text, whole = _joined(source)
    text = _unescape(text)
    text = unicodedata.normalize("NFC", text) if source.isascii() else plain_unicode(text)
    return _lines(_spread_rows(text)), whole


def _pieces(source: str) -> Iterator[str]:
    """A large document in pieces that begin with a table, paragraph or division, to bound the memory of the tags."""
    source, at = _IX_HEADER.sub("", source), 0
    while at < len(source):
        found = _BLOCK_START.search(source, at + _PIECE // 2, at + _PIECE) if len(source) - at > _PIECE else None
        end = found.start() if found else min(len(source), at + _PIECE - 1)
        yield source[at:end]
        at = end


def text_of_fragment(source: str) -> str:
    """The visible text of a piece of HTML, page borders dropped; lines joined by line feeds."""
    return "\n".join(line for line in lines_of_html(source) if line != BREAK)


def _flat(source: str) -> str:
    """Line ends in the source are spaces."""
    return (
        source.replace("\r\n", " ")
        .replace("\n", " ")
        .replace("\r", " ")
        .replace("\t", " ")
        .replace("\x0c", " ")
        .replace("\x0b", " ")
    )


def _joined(source: str) -> tuple[str, bool]:
    """The text with tags replaced by separators, and whether nothing was left open that hides the rest.

    The quick split is kept unless a tag shows that it went wrong.
    """
    tags = _Tags()
    parts, whole, sound = _replaced(_QUICK.split(_flat(source)), tags)
    if tags.pre:
        source = _PRE.sub(lambda found: found[0].replace("\r\n", "\n").replace("\n", "<br>"), source)
        parts, whole, sound = _replaced(_QUICK.split(_flat(source)), _Tags())
    if not sound:
        open_end: list[str] = []
        source = _RAW.sub(lambda found: " " if found[2] else open_end.append(found[1]) or " ", source)
        parts, whole, _ = _replaced(_CAREFUL.split(_flat(source)), _Tags())
        whole = whole and not open_end
    return "".join(parts), whole


def _replaced(parts: list[str], tags: _Tags) -> tuple[list[str], bool, bool]:
    """Parts with tags replaced and hidden text blanked; whether nothing is left open; whether the split was right."""
    found = parts[1::2]
    parts[1::2] = separators = list(map(tags.__getitem__, found))
    sound, whole = not tags.careful and "<" not in parts[-1], not tags.open_comment
    if tags.gone:
        closed, plain = _drop_hidden(parts, separators, found, tags.gone)
        sound, whole = sound and plain, whole and closed
    return parts, whole, sound


def _drop_hidden(parts: list[str], separators: list[str], found: list[str], gone: dict[str, str]) -> tuple[bool, bool]:
    """Blank parts from each hiding tag to its closing tag.

    Returns whether all scripts and styles are closed, and whether no closing tag seems to have been swallowed.
    """
    done, at, closed, sound = 0, -1, True, True
    for _ in range(separators.count(HIDE)):
        at = separators.index(HIDE, at + 1)
        parts[2 * at + 1] = ""
        if at < done:
            continue
        name = gone[found[at]]
        end, plain = _closing(found, at, name)
        sound &= plain or name not in _RAWTEXT
        if end is None and name in _RAWTEXT:
            end, closed = len(found) - 1, False
            parts[-1] = ""
        if end is not None:
            parts[2 * at + 1 : 2 * end + 2] = [""] * (2 * (end - at) + 1)
            done = end
    return closed, sound


def _closing(found: list[str], at: int, name: str) -> tuple[int | None, bool]:
    """Index of the tag that closes `found[at]` (None if none does), and whether no other of its kind came between."""
    written = found[at][1 : len(name) + 1]
    opening, closing = f"<{written}", f"</{written}>"
    depth, begin, plain = 1, at + 1, True
    while True:
        try:
            end = found.index(closing, begin)
        except ValueError:
            return None, False
        inner = [tag for tag in found[begin:end] if tag.startswith(opening) and _opens(tag, opening)]
        if inner and name == "p":
            return found.index(inner[0], begin) - 1, False
        plain = plain and not inner
        depth += (len(inner) if name not in _GONE else 0) - 1
        if not depth:
            return end, plain
        begin = end + 1


def _opens(tag: str, opening: str) -> bool:
    """Whether a tag that starts with `opening` ("<div") opens just that element."""
    return not tag[len(opening)].isalnum() and not tag.endswith("/>")


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
        text = re.sub(rf"(?<=\d){RAISED}(?=\s*\d)", " ", text).replace(RAISED, "")
    if ROW not in text:
        return text.replace(ROW_END, "\n").replace(CELL, "\n")
    head, *rows = text.split(ROW)
    out = [head.replace(ROW_END, "\n").replace(CELL, "\n")]
    for row in rows:
        inside, _, after = row.partition(ROW_END)
        out.append(_row(inside))
        if after:
            out.append(after.replace(ROW_END, "\n").replace(CELL, "\n") if ROW_END in after or CELL in after else after)
    return "\n".join(out)


def _row(inside: str) -> str:
    """A row's filled cells; a row with only one keeps its lines, as in tables that lay out a page."""
    filled = [cell.strip() for cell in inside.split(CELL) if cell and not cell.isspace()]
    if len(filled) < 2:
        return filled[0] if filled else ""
    return CELL.join(filled).replace("\n", " ").replace(BREAK, "")


def _lines(text: str) -> list[str]:
    """Lines with single spaces, none empty; most lines are so already and only looked at."""
    lines = []
    for line in text.split("\n"):
        if line and not line.isspace():
            if "  " in line or line[0] == " " or line[-1] == " ":
                line = " ".join(line.split())
            lines.append(line.replace(CELL, "\t") if CELL in line else line)
    return lines
