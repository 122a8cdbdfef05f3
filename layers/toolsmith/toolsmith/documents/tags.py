"""What each HTML tag does to the text around it: a separator, nothing, or the start of something hidden."""

import re

# Control characters stand for borders in the text until it is cut into lines; documents cannot hold them.
ROW, ROW_END, CELL, BREAK, RAISED, HIDE, BLOCK = "\x01", "\x02", "\x03", "\x04", "\x05", "\x06", "\x07"
MARKS = (ROW, ROW_END, CELL, BREAK, RAISED, HIDE, BLOCK)
_BORDER = f"{BLOCK}{BREAK}{BLOCK}"
# What a tag becomes: (closing, opening).
_FIXED = {
    "td": ("", CELL),
    "th": ("", CELL),
    "tr": (ROW_END, ROW),
    "table": (ROW_END, ROW_END),
    "hr": (_BORDER, _BORDER),
    "sup": ("", RAISED),
}
NAME = re.compile(r"/?([a-zA-Z][^\s/>]*)").match
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
GONE = frozenset(
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
RAWTEXT = frozenset(["script", "style", "textarea", "xmp", "title"])
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


class Tags(dict):
    """What stands after a "<" ("p>Some text") to the separator and text that replace it; filled as tags are met.

    A hiding tag gives HIDE without its text. careful: a tag showed that splitting at "<" and ">" goes wrong here.
    pre: there is preformatted text. gone: the hiding tags met, with their names.
    """

    def __init__(self) -> None:
        super().__init__()
        self.careful = self.pre = False
        self.gone: dict[str, str] = {}

    def __missing__(self, piece: str) -> str:
        cut = piece.find(">") + 1
        if not cut:
            self.careful = True
            return ""
        if cut < len(piece):
            value = self[piece[:cut]]
            value = self[piece] = value if value is HIDE else value + piece[cut:]
            return value
        if piece.count('"') & 1 or piece.count("'") & 1:
            self.careful = True
        value = self[piece] = self.separator(piece)
        return value

    def separator(self, tag: str) -> str:
        """What replaces a tag, given without its "<"."""
        found = NAME(tag)
        if not found:
            return self._no_element(tag)
        name, opening = found[1].lower(), tag[0] != "/"
        if opening and (name in GONE or hides(tag)) and name not in _VOID and tag[-2:] != "/>":
            self.gone[tag] = name
            return HIDE
        if name in _FIXED:
            return _FIXED[name][opening]
        if name not in _BLOCKS:
            return ""
        self.pre |= name == "pre"
        return _BORDER if opening and "break-" in tag and _PAGE_BREAK.search(tag) else BLOCK

    def _no_element(self, tag: str) -> str:
        """Comments and declarations are dropped; "<180>" is text."""
        if tag.startswith("!--") and not tag.endswith("-->"):
            self.careful = True
        return "" if tag[0] in "!?/" else f"<{tag}"


def hides(tag: str) -> bool:
    """Whether an opening tag's attributes hide its content from a reader."""
    low = tag.lower()
    if "style" not in low:
        return "hidden" in low and _HIDDEN.search(tag) is not None
    tight = "".join(low.split())
    if "display:none" in tight or "hidden" in tight and _HIDDEN.search(tag):
        return True
    if ":0" in tight and _NO_SIZE.search(tight) or ":-" in tight and _FAR_OFF.search(tight):
        return True
    return ("fff" in tight or "white" in tight or "255,255,255" in tight) and (
        _WHITE_BACK.search(tight) is not None and _WHITE_TEXT.search(tight) is not None
    )
