"""Parse one dropped file: what it is decides who reads it."""

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

from toolsmith.documents import filing, guards, opinion, regulation, xmlforms
from toolsmith.documents.encoding import decode
from toolsmith.documents.model import Document, Parsed, Provenance, SetAside
from toolsmith.documents.reading import is_html, lines_of, speaks_to_machines
from toolsmith.documents.submission import is_submission
from toolsmith.documents.xmltree import local, root_of
from toolsmith.errors import DocumentRejected

_ROOT = re.compile(r"<(?![?!])(?:[\w.-]+:)?([A-Za-z][\w.-]*)")
_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|body|div|p|table|font|br|span|b|center|pre|hr|h[1-6]|title|section)\b", re.I
)
_INDEX_ROOTS = frozenset(("feed", "FilingSummary", "Error", "urlset", "rss"))
_INDEX = re.compile(r"^(?:Form Type|Company Name|CIK\|Company Name)\b.{0,200}$", re.M)

Found = tuple[list[Document], Provenance, list[SetAside]]


def parse(data: bytes, name: str) -> Parsed:
    """Read a filing, regulation or opinion in any of the formats its publisher uses.

    name: the file's name or key, for provenance and hints (never opened). Raises DocumentRejected with a
    machine-readable reason when nothing in the file can be used.
    """
    digest = hashlib.sha256(data).hexdigest()[:32]
    size = len(data)
    data = guards.unwrapped(data)
    documents, known, aside = _read(data, name)
    if not any(re.search(r"\w", one.text) for one in documents):
        raise _nothing(documents, aside)
    documents = [
        replace(one, flags=(*one.flags, "instruction_like")) if speaks_to_machines(one.text) else one
        for one in documents
    ]
    known = replace(known, name=name, digest=digest, bytes=size)
    return Parsed(tuple(documents), known, tuple(aside))


def _nothing(documents: list[Document], aside: list[SetAside]) -> DocumentRejected:
    reasons = {one.reason for one in aside} - {"document_count"}
    if len(reasons) == 1:
        return DocumentRejected(reasons.pop(), aside[0].detail)
    if aside and documents:
        return DocumentRejected("no_text", "; ".join(f"{one.where}: {one.reason}" for one in aside[:8]))
    return DocumentRejected("no_text", aside[0].detail if aside else "the file holds no readable text")


def _read(data: bytes, name: str) -> Found:
    if is_submission(data):
        return filing.read_submission(data, name)
    guards.refuse_binary(data)
    text, encoding = decode(data)
    head = text[:4096].lstrip("\ufeff \t\r\n")
    if head[:1] in "{[" and name.lower().endswith(("json", "jsonld")) or head[:1] == "{":
        found = _read_json(text, name)
    elif head[:1] == "<" and not _is_html(head):
        found = _read_xml(data, text, name)
    else:
        found = _read_text(text, head, name)
    documents, known, aside = found
    documents = [replace(one, source_end=len(data)) for one in documents]
    return documents, replace(known, encoding=encoding), aside


def _is_html(head: str) -> bool:
    root = _ROOT.search(head)
    if re.match(r"(?:<\?xml[^>]*>\s*)?<!(?:DOCTYPE(?!\s+html)|ENTITY)", head, re.I):
        return False
    return root is None or bool(_HTML.match(root[0] + " ")) or re.search(r"<html[\s>]", head, re.I) is not None


def _read_json(text: str, name: str) -> Found:
    try:
        raw: Any = json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 300 else 0)
    except RecursionError as error:
        raise DocumentRejected("too_deep", "JSON nested too deep to read") from error
    except ValueError as error:
        raise DocumentRejected("json_malformed", str(error)) from error
    if isinstance(raw, dict) and "sectionNumber" in raw and "citation" in raw:
        documents = regulation.documents_of_jsonld(raw, name)
        return documents, regulation.provenance(documents, None, name), []
    found = opinion.documents_of_json(raw, name)
    if found:
        return *found, []
    if opinion.is_opinion(raw):
        raise DocumentRejected("no_text", "the opinion's text fields are all empty")
    raise DocumentRejected("not_a_document", "JSON without the text of a filing, regulation or opinion")


def _read_xml(data: bytes, text: str, name: str) -> Found:
    found = root_of(data)
    tag = local(found)
    if tag in _INDEX_ROOTS:
        raise DocumentRejected("index", f"<{tag}> lists documents and is none")
    if tag in regulation.ROOTS:
        documents = regulation.documents_of_xml(found, name)
        return documents, regulation.provenance(documents, found, name), []
    if tag == "Case":
        return *opinion.documents_of_case_xml(found, name), []
    if tag == "mods":
        return *opinion.documents_of_mods(found, name), []
    known = xmlforms.provenance(found, name)
    return [xmlforms.document_of(found, known.form or tag, name)], known, []


def _read_text(text: str, head: str, name: str) -> Found:
    if _INDEX.search(head) and not is_html(text):
        raise DocumentRejected("index", "an EDGAR index lists filings and is none")
    lines, flags = lines_of(text)
    body = "\n".join(lines).strip("\n")
    if "casebody" in head or opinion.looks_like_opinion(body):
        return *opinion.document_of_lines(lines, name), []
    if body.count("§") > 5 and (document := regulation.document_of_lines(lines, name)):
        return [document], regulation.provenance([document], None, name), []
    return filing.read_loose(body, flags, text, name)
