"""EDGAR's XML forms (ownership 3/4/5, 13F tables, D, 144, N-PORT and so on): every value beside its name."""

import re
from collections import Counter
from xml.etree.ElementTree import Element

from toolsmith.documents.model import Document, Provenance
from toolsmith.documents.writing import Writer
from toolsmith.documents.xmltree import first, local

# Styled HTML inside forms has no place among values.
_SKIP = frozenset(("schemaVersion", "footnoteId"))
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")


def document_of(root: Element, kind: str, name: str) -> Document:
    """One line per value, one tab-separated line per table entry (transaction, holding)."""
    out = Writer()
    for child in root:
        _write(child, out, "", Counter(local(one) for one in root))
    if out.empty and root.text:
        out.line(root.text)
    return out.document(kind, "1", name)


def _write(one: Element, out: Writer, path: str, siblings: Counter[str]) -> None:
    tag = local(one)
    if not tag or tag in _SKIP:
        return
    values = _values(one)
    if not values:
        return
    if len(one) == 0 or tag == "value" or len(values) == 1:
        name, value = values[0]
        out.line(f"{_label(name if name != 'value' else tag)}: {value}")
    elif siblings[tag] > 1 or re.search(r"(?:Transaction|Holding|Signature|Address|infoTable|Relationship)$", tag):
        out.line(f"{_label(tag)}:\t" + "\t".join(f"{_label(name)} {value}" for name, value in values))
    else:
        if path.count("/") < 1:
            out.section(_label(tag))
        below = Counter(local(child) for child in one)
        for child in one:
            _write(child, out, f"{path}/{tag}", below)


def _values(one: Element) -> list[tuple[str, str]]:
    """The (name, value) pairs at the leaves; a leaf named "value" takes its parent's name."""
    found: list[tuple[str, str]] = []
    stack = [(one, local(one))]
    while stack:
        element, name = stack.pop()
        if len(element) == 0:
            text = " ".join((element.text or "").split())
            if text and local(element) not in _SKIP:
                found.append((name, text))
        stack += [(child, name if local(child) == "value" else local(child)) for child in reversed(element)]
    return found


def _label(tag: str) -> str:
    words = _WORDS.sub(" ", tag).strip()
    return words[:1].upper() + words[1:]


def provenance(root: Element, name: str) -> Provenance:
    """Company, CIK, form and period as ownership forms, Form D and 13F write them."""
    cik = first(root, "issuerCik", "issuerCIK", "cik", "filerCik", "filerId").lstrip("0")
    form = first(root, "documentType", "submissionType", "schemaType")
    return Provenance(
        "filing",
        name,
        cik=cik if cik.isdigit() else None,
        form=form or None,
        company=first(root, "issuerName", "entityName", "companyName", "regName", "nameOfIssuerOfSecurities") or None,
        period=_iso(first(root, "periodOfReport", "repPdDate", "reportCalendarOrQuarter")),
    )


def _iso(date: str) -> str | None:
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", date)
    turned = re.fullmatch(r"(\d\d)-(\d\d)-(\d{4})", date)
    if turned:
        return f"{turned[3]}-{turned[1]}-{turned[2]}"
    return found[0] if found else None
