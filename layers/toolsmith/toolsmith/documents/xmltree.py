"""XML read safely: no DTD, no entities, bounded depth; never a file or an address opened."""

import re
import xml.etree.ElementTree as ElementTree
from xml.etree.ElementTree import Element

from toolsmith.errors import DocumentRejected

MAX_DEPTH = 500
_TAGS = re.compile(rb"<(/?)[A-Za-z_][^>]*?(/?)>")


def root_of(data: bytes) -> Element:
    """The root element. Raises DocumentRejected: dtd, too_deep or xml_malformed."""
    data = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if re.search(rb"<!(?:DOCTYPE|ENTITY)", data, re.I):
        raise DocumentRejected("dtd", "XML with a DTD or entities is refused")
    if _depth(data) > MAX_DEPTH:
        raise DocumentRejected("too_deep", f"XML nested deeper than {MAX_DEPTH}")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DocumentRejected("xml_malformed", str(error)) from error


def _depth(data: bytes) -> int:
    deepest = depth = 0
    for shut, empty in _TAGS.findall(data):
        depth += -1 if shut else 0 if empty else 1
        deepest = max(deepest, depth)
    return deepest


def local(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def flat(element: Element) -> str:
    """All text below the element on one line."""
    return " ".join("".join(element.itertext()).split())


def first(element: Element, *names: str) -> str:
    """The text of the first descendant with one of the names, names tried in order; "" if none."""
    for name in names:
        for found in element.iter():
            if local(found) == name and (text := flat(found)):
                return text
    return ""
