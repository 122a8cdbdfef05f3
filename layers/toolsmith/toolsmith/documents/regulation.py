"""Regulations: eCFR API XML, GovInfo ECFR bulk XML, annual CFR XML, Federal Register, RegML, JSON-LD.

Schemas: the ECFR and CFR XML user guides of the Government Publishing Office's bulk data; the eCFR versioner API.
"""

import re
from typing import Any
from xml.etree.ElementTree import Element

from toolsmith.documents.model import Document, Provenance
from toolsmith.documents.writing import Writer
from toolsmith.documents.xmltree import flat, local

# fmt: off
ROOTS = frozenset((
    "ECFR", "DLPSTEXTCLASS", "CFRDOC", "CFRGRANULE", "TITLE", "CHAPTER", "SUBCHAP", "PART", "SUBPART",
    "SECTION", "APPENDIX", "NOTICE", "RULE", "PRORULE", "FEDREG", "regulation", "DIV1", "DIV2", "DIV3", "DIV4",
    "DIV5", "DIV6", "DIV7", "DIV8", "DIV9",
))
# fmt: on
_FEDERAL_REGISTER = frozenset(("NOTICE", "RULE", "PRORULE", "FEDREG"))
# fmt: off
_SKIP = frozenset((
    "CFRTOC", "HEADER", "AMDDATE", "VOLUME", "FMTR", "TOC", "TOCHD", "EDNOTES", "MATH", "IMG", "GPH", "GID",
    "PRTPAGE", "FRDOC", "BILCOD", "TITLEPG", "BTITLE", "tableOfContents", "fdsys", "preamble", "effectiveDate",
    "EAR",
))
# fmt: on
# fmt: off
_LINES = frozenset((
    "P", "FP", "PSPACE", "HD1", "HD2", "HD3", "HED", "HD", "CITA", "SECAUTH", "APPRO", "EXTRACT", "PARAUTH",
    "FTNT", "LI", "AGENCY", "SUBJECT", "ACT", "DEPDOC", "RESERVED", "SIG", "DATED", "NAME", "FL", "CFR", "RIN",
    "content", "title",
))
# fmt: on
_GROUPED = frozenset(["AUTH", "SOURCE", "EDNOTE", "EFFDNOT", "CROSSREF", "NOTE"])
_SECTION_NUMBER = re.compile(r"§+\s*([0-9A-Z][\w.–—-]*(?:\s*(?:through|to|–|-)\s*§?\s*[0-9][\w.-]*)?)")
_TYPED_HEAD = re.compile(r"§+\s*(\d+\.[\w.–—-]*\w)(?:\s|$)[^\n]{0,250}$")
_TITLE_IN = re.compile(r"title[-_ ]?(\d{1,2})(?!\d)", re.I)
_PART_HEAD = re.compile(r"\bPARTS?\s+(\d+[a-z]?)", re.I)


def documents_of_xml(root: Element, name: str) -> list[Document]:
    """One document per CFR part (or one for what lies outside parts), its sections numbered."""
    walk = _Walk(name, _title_of(root, name), local(root) if local(root) in _FEDERAL_REGISTER else "CFR")
    walk.element(root)
    walk.close()
    return walk.documents


def provenance(documents: list[Document], root: Element | None, name: str) -> Provenance:
    """Title and part where the whole file has one, and the date it was current."""
    titles = {one.facts.get("title", "") for one in documents} - {""}
    parts = {one.facts.get("cfr_part", "") for one in documents} - {""}
    return Provenance(
        "regulation",
        name,
        cfr_title=titles.pop() if len(titles) == 1 else None,
        cfr_part=parts.pop() if len(parts) == 1 else None,
        date=_date_of(root, name),
    )


def _date_of(root: Element | None, name: str) -> str | None:
    found = re.search(r"\d{4}-\d\d-\d\d", name)
    if found or root is None:
        return found[0] if found else None
    for one in root.iter():
        found = re.match(r"\d{4}-\d\d-\d\d", one.get("AMDDATE", "") or (one.text or "" if local(one) == "date" else ""))
        if found:
            return found[0]
    return None


def _title_of(root: Element, name: str) -> str:
    for one in root.iter():
        tag = local(one)
        if tag in ("DIV1", "CFRTITLE", "TITLENUM", "TITLE", "cfrTitleNum", "IDNO"):
            found = re.search(r"Title\s+(\d{1,2})\b", flat(one)[:300], re.I) or re.fullmatch(
                r"(\d{1,2})", flat(one)[:9]
            )
            if found:
                return found[1]
        path = re.search(r"title-(\d{1,2})\b|(\d{1,2}) CFR\b", one.get("hierarchy_metadata", ""))
        node = re.match(r"(\d{1,2}):", one.get("NODE", ""))
        if path or node:
            return (path[1] or path[2]) if path else node[1]  # type: ignore[index]
    found = _TITLE_IN.search(name)
    return found[1] if found else ""


# GovInfo cuts a title into volumes and says so in its heading; the API does not.
_VOLUME = re.compile(r"\s*--\s*Volume \d+$")
_STRUCTURE = frozenset(("part", "subpart", "section", "paragraph", "appendix", "interpretation", "PART", "SECTION"))
# Children that make up an element's heading, by element; a section of the annual CFR has three of them.
_HEADS = frozenset(("HEAD", "SECTNO", "subject", "appendixTitle"))
_ANNUAL_HEADS = {
    "SECTION": ("SUBJECT", "RESERVED"),
    **dict.fromkeys(("PART", "SUBPART", "CHAPTER", "SUBCHAP", "SUBJGRP", "APPENDIX"), ("HD",)),
}
_ABOVE = {"DIV1": 0, "DIV2": 1, "DIV3": 1, "DIV4": 2, "CHAPTER": 1, "SUBCHAP": 2}


class _Walk:
    def __init__(self, name: str, title: str, kind: str) -> None:
        self.name, self.title, self.part = name, title, ""
        self.documents: list[Document] = []
        self._kind = kind
        self._out = Writer()
        self._above: list[str] = []

    def close(self) -> None:
        """End the document being written, if it has any text."""
        if not self._out.empty:
            facts = {"title": self.title, "cfr_part": self.part}
            kind = f"{self.title} CFR {self.part}".strip() if self.part else self._kind
            self.documents.append(
                self._out.document(
                    kind,
                    str(len(self.documents) + 1),
                    self.name,
                    facts={k: v for k, v in facts.items() if v},
                    whole=True,
                )
            )
        self._out = Writer()

    def element(self, one: Element) -> None:
        """Write an element; parts open documents, sections and appendices open sections."""
        tag = local(one)
        if not tag or tag in _SKIP:
            return
        kind = one.get("TYPE", "") if tag.startswith("DIV") else tag
        if kind == "PART" or tag in ("DIV5", "part"):
            self._part(one)
        elif kind in ("SECTION", "section") or tag == "DIV8":
            self._section(one)
        elif tag.upper() in ("TABLE", "GPOTABLE"):
            self._table(one)
        elif tag in _GROUPED or tag in _LINES and tag != "HD1" and not _has_blocks(one):
            self._out.line(_spaced(one))
        elif tag == "paragraph":
            self._paragraph(one)
        elif tag == "HD1" and not self.part:
            self._out.section(flat(one))
        elif tag == "CFRTITLE":
            self._above = [flat(one)]
        elif tag == "STARS":
            self._out.line("* * * * *")
        else:
            self._container(one, tag)

    def _part(self, one: Element) -> None:
        self.close()
        head = _head(one)
        found = _PART_HEAD.search(head)
        self.part = found[1] if found else re.sub(r"\D*(\d+\w*).*", r"\1", one.get("N", "") or one.get("label", ""))
        self._out.mark(head or f"Part {self.part}")
        for line in [*self._above, head]:
            self._out.line(line)
        self._children(one)
        self.close()
        self.part = ""

    def _section(self, one: Element) -> None:
        head = _head(one)
        found = _SECTION_NUMBER.search(head)
        number = (one.get("N") or "").replace("§", "").strip() or (found[1] if found else one.get("label", ""))
        if number and number.split(" ")[0] not in head:
            head = f"§ {number} {head}".strip()
        if not self.part and (owner := re.match(r"(\d+[a-z]?)\.", number)):
            self.part = owner[1]
        self._out.section(head, number, ("reserved",) if "[Reserved]" in head else ())
        self._children(one)

    def _paragraph(self, one: Element) -> None:
        own = [one.get("marker", "")] + [flat(child) for child in one if local(child) in ("title", "content")]
        self._out.line(" ".join(text for text in own if text))
        for child in one:
            if local(child) not in ("title", "content"):
                self.element(child)

    def _container(self, one: Element, tag: str) -> None:
        if re.fullmatch(r"DIV[1-7,9]|SUBPART|SUBJGRP|APPENDIX|CHAPTER|SUBCHAP|subpart|appendix", tag) and _head(one):
            self._open(_head(one), tag)
        elif one.text and one.text.strip():
            self._out.line(" ".join(one.text.split()))
        self._children(one)

    def _open(self, head: str, tag: str) -> None:
        """A heading above parts is kept for the next part; one inside a part opens a section."""
        level = _ABOVE.get(tag)
        if self.part or level is None:
            self._out.section(head)
        else:
            self._above = [*self._above[:level], head]

    def _children(self, one: Element) -> None:
        heads = _ANNUAL_HEADS.get(local(one), ())
        head = next((child for child in one if local(child) in heads), None)
        for child in one:
            if local(child) not in _HEADS and child is not head:
                self.element(child)
            if child.tail and child.tail.strip():
                self._out.line(" ".join(child.tail.split()))

    def _table(self, one: Element) -> None:
        for row in one.iter():
            if local(row).upper() in ("TR", "ROW", "BOXHD"):
                cells = [flat(cell) for cell in row if local(cell).upper() in ("TD", "TH", "ENT", "CHED")]
                self._out.line("\t".join(cell for cell in cells if cell))


def _has_blocks(one: Element) -> bool:
    return any(
        local(child) in _LINES or local(child) in _STRUCTURE or local(child).upper() in ("TABLE", "GPOTABLE")
        for child in one
    )


def _spaced(one: Element) -> str:
    """All text below the element on one line, its paragraphs apart even where no space stands between their tags."""
    pieces = [one.text or ""]
    for child in one:
        pieces += [" " if local(child) in _LINES else "", *child.itertext(), child.tail or ""]
    return " ".join("".join(pieces).split())


def _head(one: Element) -> str:
    """The heading of a division, <br/> read as a space."""
    number = subject = ""
    for child in one:
        tag = local(child)
        if tag in ("HEAD", "subject", "title", "appendixTitle"):
            for line_break in child.iter():
                if local(line_break).lower() == "br":
                    line_break.text = " "
            return _VOLUME.sub("", flat(child))
        if tag == "SECTNO":
            number = flat(child)
        elif tag in ("SUBJECT", "RESERVED", "HD") and not subject:
            subject = flat(child)
    return f"{number} {subject}".strip()


def document_of_lines(lines: list[str], name: str) -> Document | None:
    """A CFR part as a web page or typed text; None unless it has at least two section headings."""
    out, number = Writer(), ""
    for line in lines:
        found = _TYPED_HEAD.match(line)
        if found:
            number = found[1]
            out.section(line, number, ("reserved",) if "[Reserved]" in line else ())
        else:
            out.line(line)
    title = _TITLE_IN.search(name) or _TITLE_IN.search("\n".join(lines[:40]))
    facts = {"title": title[1] if title else "", "cfr_part": number.split(".")[0]}
    written = out.document(
        " CFR ".join(facts.values()).strip(), "1", name, {k: v for k, v in facts.items() if v}, whole=True
    )
    return written if sum(1 for one in written.sections if one.number) > 1 else None


def documents_of_jsonld(raw: dict[str, Any], name: str) -> list[Document]:
    """A section published as JSON-LD: designations and texts nested to any depth."""
    number = str(raw.get("sectionNumber") or "")
    cited = re.match(r"(\d+) CFR (\d+\w*)", str(raw.get("citation", "")))
    out = Writer()
    out.section(f"§ {number} {raw.get('title', '')}".strip(), number)
    _jsonld(raw, out, 0)
    facts = {"title": cited[1], "cfr_part": cited[2]} if cited else {}
    kind = f"{cited[1]} CFR {cited[2]}" if cited else "CFR"
    return [out.document(kind, "1", name, facts, whole=True)]


def _jsonld(node: dict[str, Any], out: Writer, depth: int) -> None:
    if depth > 50:
        return
    if isinstance(node.get("text"), str):
        mark = node.get("designation", "") if depth else ""
        out.line(f"{mark} {node['text']}")
    for value in node.values():
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, dict):
                _jsonld(child, out, depth + 1)
