"""One document's source to lines: is it HTML or typed text, and does what came out look complete."""

import re

from toolsmith.documents.furniture import without_furniture
from toolsmith.documents.markup import lines_of_html
from toolsmith.documents.plaintext import lines_of_text

# Tags that only HTML has; <TABLE>, <CAPTION>, <S>, <C> and <PAGE> are marks in typed filings too.
_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|title|body|div|p|font|br|span|b|i|u|center|pre|hr|td|tr|h[1-6]|section|article|ul|a)"
    r"(?=[\s/>])", re.I)
_COLUMNS = re.compile(r"<[sS]>\s*<[cC]>")
_CELLS = re.compile(r"<(?:td|tr|br|p)[\s>]", re.I)
_FRAME = re.compile(r"</?(?:html|head|body|div|center|title)\b[^>]*>", re.I)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget)\s+(?:all\s+|any\s+)?(?:the\s+)?(?:previous|prior|above|earlier)\s+(?:instructions?|prompts?)"
    r"|<\|(?:im_start|system|endoftext)|\[/?INST\]|\byou\s+are\s+now\s+(?:an?\s+)?(?:ai|assistant|language\s+model)", re.I)
LOW_YIELD = 0.002


def is_html(source: str) -> bool:
    """Whether to read as HTML. A typed filing in an <html> frame, with column marks and no cells, is typed text."""
    if not _HTML.search(source[:8192]):
        return False
    return not _COLUMNS.search(source) or _CELLS.search(source) is not None


def lines_of(source: str) -> list[str]:
    """Lines of text without page furniture."""
    if is_html(source):
        lines = lines_of_html(source)
    else:
        lines = lines_of_text(_FRAME.sub("", source) if _HTML.search(source[:8192]) else source)
    return without_furniture(lines)


def flags_of(source: str, text: str) -> tuple[str, ...]:
    """What a reader of the text should know: it may be incomplete, or it speaks to the machine that reads it."""
    flags = []
    if len(text) < LOW_YIELD * len(source) or _unclosed(source):
        flags.append("low_yield")
    if _ORDERS.search(text):
        flags.append("instruction_like")
    return tuple(flags)


def _unclosed(source: str) -> bool:
    """Whether a comment, script or style is never closed, which hides all that follows."""
    if source.rfind("<!--") > source.rfind("-->"):
        return True
    return any(source.rfind(f"<{name}") > source.rfind(f"</{name}") for name in ("script", "style", "SCRIPT", "STYLE"))
