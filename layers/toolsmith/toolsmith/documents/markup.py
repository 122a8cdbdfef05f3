"""HTML and inline XBRL to lines of text: one line per block, one line per table row, nothing hidden.

Tags are split off with one regular expression and mapped to separators through a table of the tags seen, so the
cost is linear in the bytes whatever the nesting. There is no tree: depth, misnesting and attribute bombs are
harmless, and markup that HTML parsers repair needs no repair here.
"""

import html
import re

from toolsmith.documents.encoding import plain_unicode

ROW, ROW_END, CELL, BREAK, RAISED, KEPT, SHUT = "\x01", "\x02", "\x03", "\x04", "\x05", "\x06", "\x07"
_SENTINELS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")

# The quick split is right as long as no attribute or comment holds ">" and no text holds a stray "<".
_QUICK = re.compile(r"(<[^>]*>)")
_CAREFUL = re.compile(
    r"""(<(?:[a-zA-Z/][^>"']*+(?:"[^"]*+"[^>"']*+|'[^']*+'[^>"']*+)*+(?:>|\Z)"""
    r"""|!--(?:.*?-->|>)|!--.*+\Z|[!?][^>]*+(?:>|\Z)))""", re.S)
_RAW = re.compile(r"<(script|style|textarea|xmp|title)\b[^>]*>.*?(?:</\1\s*>|\Z)", re.S | re.I)
_NAME = re.compile(r"</?([a-zA-Z][^\s/>]*)")
_PRE = re.compile(r"<pre\b.*?(?:</pre|\Z)", re.S | re.I)
_BLOCKS = frozenset(
    ["address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "html", "legend", "li", "main", "menu", "nav", "ol", "option", "p", "pre", "section", "select", "summary", "tbody", "tfoot", "thead", "ul", "page", "opinion", "head-matter"])
_GONE = frozenset(["script", "style", "template", "noscript", "iframe", "object", "ix:header", "ix:exclude", "title", "textarea", "xmp", "svg"])
_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"])
_RAWTEXT = frozenset(["script", "style", "textarea", "xmp", "title"])
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|font-size\s*:\s*0+(?:\.0*)?(?:px|pt|em|rem|%)?\s*(?:[;\"']|$)"
    r"|(?:left|top|text-indent|margin-left)\s*:\s*-\d{4,}|opacity\s*:\s*0(?:\.0+)?\s*(?:[;\"']|$)|\saria-hidden\s*=\s*[\"']?true", re.I)
_HIDDEN_ATTRIBUTE = re.compile(r"\shidden(?:\s*=\s*[\"']?(?:hidden|true)?[\"']?)?\s*(?:/?>|\s[a-z])", re.I)
_PAGE_BREAK = re.compile(r"(?:page-)?break-(?:before|after)\s*:\s*(?:always|page|left|right)", re.I)
_WHITE = r"(?:#fff(?:fff)?\b|white\b|rgb\(\s*255\s*,\s*255\s*,\s*255\s*\))"
_WHITE_TEXT = re.compile(r"(?<![-\w])color\s*:\s*" + _WHITE, re.I)
_WHITE_BACK = re.compile(r"background(?:-color)?\s*:\s*" + _WHITE, re.I)
_COMMON = (("&#160;", " "), ("&nbsp;", " "), ("&#8217;", "’"), ("&#8220;", "“"), ("&#8221;", "”"), ("&#8212;", "—"),
           ("&#32;", " "), ("&#xa0;", " "), ("&#xA0;", " "))
_SPACES = re.compile(r"[^\S\n]+")


class _Tags(dict):
    """Tag text to separator, filled as tags are met; notes what needs the careful or the hidden pass."""

    def __init__(self) -> None:
        super().__init__()
        self.careful = False
        self.gone: dict[str, str] = {}

    def __missing__(self, tag: str) -> str:
        found = _NAME.match(tag)
        name = found[1].lower() if found else ""
        self._doubt(tag, name)
        value = self[tag] = self._separator(tag, name) if name else ""
        return value

    def _doubt(self, tag: str, name: str) -> None:
        if not name:
            self.careful |= not tag.startswith(("<!", "<?", "</")) or (tag.startswith("<!--") and not tag.endswith("-->"))
        elif "<" in tag[1:] or tag.count('"') % 2 or tag.count("'") % 2 or name in _RAWTEXT and tag[1] != "/":
            self.careful |= name not in ("title", "style") or "<" in tag[1:]

    def _separator(self, tag: str, name: str) -> str:
        opening = tag[1] != "/"
        if opening and name not in _VOID and not tag.endswith("/>") and (name in _GONE or hides(tag)):
            self.gone[tag] = name
        if name in ("td", "th"):
            return CELL
        if name == "tr":
            return ROW if opening else ROW_END
        if name == "table":
            return ROW_END
        if name == "hr":
            return f"\n{BREAK}\n"
        if name == "sup":
            return RAISED if opening else ""
        if name not in _BLOCKS:
            return ""
        return f"\n{BREAK}\n" if opening and "break-" in tag and _PAGE_BREAK.search(tag) else "\n"


def hides(tag: str) -> bool:
    """Whether an opening tag's attributes hide its content from a reader."""
    if "style" in tag or "STYLE" in tag or "aria-" in tag:
        if _HIDING.search(tag) and "margin-left:-" not in tag:
            return True
        if _WHITE_TEXT.search(tag) and _WHITE_BACK.search(tag):
            return True
    return " hidden" in tag and _HIDDEN_ATTRIBUTE.search(tag) is not None


def lines_of_html(source: str) -> list[str]:
    """The visible text of an HTML document as lines; BREAK stands alone on a line at each page border."""
    if _SENTINELS.search(source):
        source = _SENTINELS.sub("", source)
    source = _flat(source)
    parts, tags = _split(source)
    if tags.gone:
        _drop_hidden(parts, tags.gone)
    parts[1::2] = map(tags.__getitem__, parts[1::2])
    text = _unescape("".join(parts))
    return _lines(_spread_rows(plain_unicode(text)))


def text_of_fragment(source: str) -> str:
    """The visible text of a piece of HTML, page borders dropped; lines joined by line feeds."""
    return "\n".join(line for line in lines_of_html(source) if line != BREAK)


def _flat(source: str) -> str:
    """Line ends in the source are spaces, except in PRE, where they are line breaks."""
    if "<pre" in source or "<PRE" in source:
        source = _PRE.sub(lambda found: found[0].replace("\r\n", "\n").replace("\n", "<br>"), source)
    return source.replace("\n", " ").replace("\r", " ").replace("\t", " ").replace("\x0c", " ").replace("\x0b", " ")


def _split(source: str) -> tuple[list[str], _Tags]:
    """Text and tags in turn. The quick split is kept unless a tag shows that it went wrong."""
    tags = _Tags()
    parts = _QUICK.split(source)
    for tag in set(parts[1::2]):
        tags[tag]
    if not tags.careful and "<" not in parts[-1]:
        return parts, tags
    tags = _Tags()
    parts = _CAREFUL.split(_RAW.sub(" ", source))
    for tag in set(parts[1::2]):
        tags[tag]
    return parts, tags


def _drop_hidden(parts: list[str], gone: dict[str, str]) -> None:
    """Blank the text and tags from each hiding tag to its closing tag, in place."""
    at = 1
    while at < len(parts):
        name = gone.get(parts[at])
        at = _blank(parts, at, name) if name else at + 2


def _blank(parts: list[str], at: int, name: str) -> int:
    """Blank the element `name` opened at `at`; returns where to go on. An element never closed hides nothing."""
    end = _closing(parts, at, name)
    if end is None:
        if name not in _GONE and not name.startswith("ix:"):
            return at + 2
        end = len(parts) - 2 if name in _RAWTEXT else at
    for index in range(at + 1, end):
        parts[index] = "" if index % 2 == 0 else "<!-->"
    return end + 2


def _closing(parts: list[str], at: int, name: str) -> int | None:
    depth = 1
    opened, closed = re.compile(rf"<{re.escape(name)}[\s>]", re.I), re.compile(rf"</{re.escape(name)}[\s>]", re.I)
    for index in range(at + 2, len(parts), 2):
        tag = parts[index]
        if closed.match(tag):
            depth -= 1
            if not depth:
                return index
        elif opened.match(tag) and not tag.endswith("/>"):
            if name == "p":
                return index - 2
            depth += 1
    return None


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    for entity, character in _COMMON:
        text = text.replace(entity, character)
    return html.unescape(text) if "&" in text else text


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
    cells = [" ".join(cell.split()) for cell in inside.split(CELL)]
    filled = [cell for cell in cells if cell]
    return CELL.join(filled).replace(BREAK, "")


def _lines(text: str) -> list[str]:
    joined = [" ".join(line.split()) for line in text.split("\n")]
    return [line.replace(CELL, "\t") if CELL in line else line for line in joined if line]
