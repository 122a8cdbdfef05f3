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
# Words addressed to the machine that reads, looked for before "instructions", "prompt" and chat marks only.
_TRIGGER = re.compile(
    r"instructions?|prompt|note to (?:ai|llm|language model|assistant)|<\|(?:im_start|system|endoftext)|\[/?inst\]|you are now an? (?:ai|assistant)")
_ORDER = re.compile(r"\b(?:ignore|disregard|forget)\s[\w\s,]{0,40}$")
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


def completeness(source: str, text: str) -> tuple[str, ...]:
    """("low_yield",) where far less text came out than went in, or an unclosed element hides the rest."""
    return ("low_yield",) if len(text) < LOW_YIELD * len(source) or _unclosed(source) else ()


def speaks_to_machines(text: str) -> bool:
    """Whether the text carries orders for a model that reads it, such as "ignore all previous instructions"."""
    low = text.lower()
    for found in _TRIGGER.finditer(low):
        if not found[0].startswith(("instruction", "prompt")) or _ORDER.search(low[max(0, found.start() - 60):found.start()]):
            return True
    return False


def _unclosed(source: str) -> bool:
    """Whether a comment, script or style is never closed, which hides all that follows."""
    if source.rfind("<!--") > source.rfind("-->"):
        return True
    return any(source.rfind(f"<{name}") > source.rfind(f"</{name}") for name in ("script", "style", "SCRIPT", "STYLE"))
