"""One document's source to lines: is it HTML or typed text, and does what came out look complete."""

import re

from toolsmith.documents.furniture import without_furniture
from toolsmith.documents.markup import read_html
from toolsmith.documents.plaintext import lines_of_text

# Tags that only HTML has; <TABLE>, <CAPTION>, <S>, <C> and <PAGE> are marks in typed filings too.
_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|title|body|div|p|font|br|span|b|i|u|center|pre|hr|td|tr|h[1-6]|section|article|ul|a)"
    r"(?=[\s/>])",
    re.I,
)
_COLUMNS = re.compile(r"<[sS]>\s*<[cC]>")
_CELLS = re.compile(r"<(?:td|tr|br|p)[\s>]", re.I)
_FRAME = re.compile(r"</?(?:html|head|body|div|center|title)\b[^>]*>", re.I)
# Orders for a machine that reads, and parts of them that are quick to look for.
_ORDER = re.compile(
    r"(?<!\w)(?:ignore|disregard|forget)\s[\w\s,]{0,40}(?:instruction|prompt)"
    r"|note to (?:ai|llm|language model|assistant)|<\|(?:im_start|system|endoftext)|\[/?inst\]"
    r"|you are now an? (?:ai|assistant)"
)
_SIGNS = ("gnore ", "IGNORE", "isregard ", "DISREGARD", "orget ", "ote to ", "NOTE TO ", "<|", "INST]", "ou are now a")
_AROUND = (16, 96)
# Within so many characters a typed filing has its first table.
_FIRST_TABLE = 300_000
LOW_YIELD = 0.002


def is_html(source: str) -> bool:
    """Whether to read as HTML. A typed filing in an <html> frame, with column marks and no cells, is typed text."""
    if not _HTML.search(source[:8192]):
        return False
    head = source[:_FIRST_TABLE]
    typed = ("<C>" in head or "<c>" in head) and _COLUMNS.search(head) is not None
    return not typed or _CELLS.search(source) is not None


def lines_of(source: str) -> tuple[list[str], tuple[str, ...]]:
    """Lines of text without page furniture, and ("low_yield",) where most of the source seems to be lost."""
    whole = True
    if is_html(source):
        lines, whole = read_html(source)
    else:
        lines = lines_of_text(_FRAME.sub("", source) if _HTML.search(source[:8192]) else source)
    lines = without_furniture(lines)
    whole = whole and sum(map(len, lines)) >= LOW_YIELD * len(source)
    return lines, () if whole else ("low_yield",)


def speaks_to_machines(text: str) -> bool:
    """Whether the text carries orders for a model that reads it, such as "ignore all previous instructions"."""
    for sign in _SIGNS:
        at = text.find(sign)
        while at >= 0:
            if _ORDER.search(text[max(0, at - _AROUND[0]) : at + _AROUND[1]].lower()):
                return True
            at = text.find(sign, at + 1)
    return False
