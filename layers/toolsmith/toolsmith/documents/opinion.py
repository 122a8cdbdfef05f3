"""Court opinions: CourtListener JSON, Caselaw Access Project JSON and XML, HTML and plain text.

Field order: CourtListener's documentation prefers html_with_citations, then the older HTML fields, then text.
"""

import html
import re
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

from toolsmith.documents import xmlforms
from toolsmith.documents.furniture import without_furniture
from toolsmith.documents.markup import text_of_fragment
from toolsmith.documents.model import Document, Provenance
from toolsmith.documents.plaintext import lines_of_text
from toolsmith.documents.writing import Writer
from toolsmith.documents.xmltree import first, flat, local

FIELDS = ("html_with_citations", "html_columbia", "html_lawbox", "xml_harvard", "html_anon_2020", "html", "plain_text")
_STAR = re.compile(
    r"<(span|page-number)\b(?=[^>]*(?:star-pagination|citation-index|label=))[^>]*>\s*\*?(\d+)\s*</\1>", re.I
)
_MARK = re.compile(r"<footnotemark[^>]*>\s*([^<]{1,5})\s*</footnotemark>", re.I)
_HYPHEN = re.compile(r"(?<=[a-z])-\n[ \t]*(?=[a-z])")
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = re.compile(
    r"(?:\b(Decided|Filed|Dated|Entered|Opinion)\b|\b(Heard|Argued|Submitted|Filed under))?[^\S\n]*(?:on|Date)?[:\s]*"
    rf"\b((?:{_MONTHS}|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?)\s+(\d{{1,2}}),\s*(\d{{4}})",
    re.I,
)
_COURT = re.compile(
    r"^[ \t]*((?:In the )?(?:United States|Supreme|Superior|District|Circuit|Appellate|Court of"
    r"|Commonwealth|Board of Vet)"
    r"[^\n.]{0,60}?(?:Court|Appeals|Circuit|Division|Department)\b[^\n]{0,60}"
    r"|Court of (?:Chancery|Appeals?|Claims|Federal|International|Civil|Criminal|Common)[^\n]{0,60})",
    re.I | re.M,
)
_CITE = re.compile(
    r"\b(\d{1,4}) ((?:U\.\s?S\.|S\.\s?Ct\.|L\.\s?Ed\.(?:\s?2d)?|F\.(?:\s?(?:2d|3d|4th))?|F\.\s?Supp\.(?:\s?(?:2d|3d))?"
    r"|[A-Z][A-Za-z.]{0,12}\s?(?:2d|3d))) (\d{1,5})\b"
)
_VERSUS = re.compile(r"\bv(?:s)?\.?\s", re.I)
_ROLE = re.compile(
    r"(?:Plaintiff|Defendant|Appell|Petition|Respond|Cross|No\.|Docket|\d|In the\b|United States (?:Court|District))",
    re.I,
)
# Roman and lettered headings, named parts, separate opinions.
_PART = re.compile(
    r"^[ \t]*(?:(?:[IVX]{1,5}|[A-H])\.(?: [A-Z][^\n&,\d]{0,60})?|[IVX]{1,5}"
    r"|(?:OPINION|ORDER|MEMORANDUM|DISSENT|FOOTNOTES|NOTES|SYLLABUS|Opinion|Footnotes|Notes)(?: [A-Z][^\n]{0,50})?:?"
    r"|[A-Z][A-Za-z.' -]{2,40}, [^\n]{0,40}(?:Judge|Justice|[CP]\.?J\.|J\.)"
    r"[^\n]{0,60}(?:dissent|concurr)[^\n]{0,60})[ \t]*$",
    re.M,
)


def documents_of_json(raw: Any, name: str) -> tuple[list[Document], Provenance] | None:
    """Documents and provenance of a JSON opinion, or None when the JSON holds no opinion text at all."""
    records = [one for one in _records(raw) if isinstance(one, dict)]
    documents: list[Document] = []
    about: dict[str, Any] = {}
    for one in records:
        about = {**about, **{k: v for k, v in one.items() if v not in (None, "", [])}}
        document = _cap(one, name) if isinstance(one.get("casebody"), dict) else _courtlistener(one, name)
        if document:
            case = _case(one, None)
            facts = {**document.facts, "case": case} if case else document.facts
            documents.append(replace(document, sequence=str(len(documents) + 1), facts=facts))
    if not documents:
        return None
    return documents, _provenance(about, documents[0].text, name)


def is_opinion(raw: Any) -> bool:
    """Whether JSON has the keys of an opinion, filled or not."""
    keys = {"casebody", "name_abbreviation", "snippet", *FIELDS}
    return any(isinstance(one, dict) and keys & one.keys() for one in _records(raw))


def _records(raw: Any) -> list[Any]:
    """The opinion-like objects: the object itself, a list of them, fixture rows, API results, nested cluster."""
    if isinstance(raw, dict) and isinstance(raw.get("results"), list):
        raw = raw["results"]
    found: list[Any] = []
    for one in raw if isinstance(raw, list) else [raw]:
        if isinstance(one, dict) and isinstance(one.get("fields"), dict):
            one = one["fields"]
        if isinstance(one, dict):
            found += [one[key] for key in ("docket", "cluster", "opinion") if isinstance(one.get(key), dict)]
            if "casebody" not in one:
                found += [inner for inner in _listed(one.get("opinions")) if isinstance(inner, dict)]
        found.append(one)
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _courtlistener(raw: dict[str, Any], name: str) -> Document | None:
    for key in FIELDS:
        value = raw.get(key)
        if not isinstance(value, str) or not value.strip():
            continue
        text, pages = (_typed(value), ()) if key == "plain_text" else _marked(value)
        if re.search(r"\w", text):
            return _opinion(text, str(raw.get("type") or "opinion"), name, pages)
    return None


def _marked(source: str) -> tuple[str, tuple[str, ...]]:
    """Text of opinion HTML or XML; star pages are taken out and returned, footnote marks become [n]."""
    pages = tuple(found[1] for found in _STAR.findall(source))
    source = _MARK.sub(r"[\1]", _STAR.sub("", source))
    return _HYPHEN.sub("", text_of_fragment(source)) if "<footnote" not in source else text_of_fragment(
        re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", source)
    ), pages


def _typed(source: str) -> str:
    lines = without_furniture(lines_of_text(source))
    return _HYPHEN.sub("", "\n".join(lines)).strip("\n")


def _opinion(text: str, kind: str, name: str, pages: tuple[str, ...] = ()) -> Document:
    out = Writer()
    _write_parts(out, text)
    return out.document(kind, "1", name, {"pages": f"{pages[0]}-{pages[-1]}"} if pages else {})


def _write_parts(out: Writer, text: str) -> None:
    """Write an opinion's text, its headings opening sections."""
    at, text = 0, text.strip()
    for found in _PART.finditer(text):
        if found.start() > at:
            out.line(text[at : found.start()])
        out.mark(found[0].strip())
        at = found.start()
    out.line(text[at:])


def _cap(raw: dict[str, Any], name: str) -> Document | None:
    body, out = raw["casebody"], Writer()
    if isinstance(body.get("data"), str):
        _write_parts(out, text_of_fragment(body["data"]))
    if isinstance(body.get("data"), dict):
        body = body["data"]
    if isinstance(body.get("head_matter"), str) and body["head_matter"].strip():
        out.mark("Head matter")
        out.line(body["head_matter"])
    for one in _listed(body.get("opinions")):
        if isinstance(one, dict) and isinstance(one.get("text"), str) and one["text"].strip():
            kind = str(one.get("type") or "").capitalize()
            out.mark(" ".join(filter(None, [kind, "opinion" if kind else "Opinion", _by(one)])))
            _write_parts(out, _typed(one["text"]))
    return None if out.empty else out.document("opinion", "1", name)


def _by(one: dict[str, Any]) -> str:
    return f"({one['author']})" if isinstance(one.get("author"), str) and one["author"] else ""


def _provenance(raw: dict[str, Any], text: str, name: str) -> Provenance:
    court = raw.get("court")
    known = of_text(text, name)
    url = raw.get("absolute_url") or raw.get("frontend_url") or raw.get("url")
    return Provenance(
        "opinion",
        name,
        case=_case(raw, known.case),
        court=_text(court.get("name") if isinstance(court, dict) else court) or known.court,
        date=_text(raw.get("date_filed") or raw.get("decision_date") or raw.get("dateFiled")) or known.date,
        docket=_text(raw.get("docket_number") or raw.get("docketNumber")) or known.docket,
        citations=_citations(raw) or known.citations,
        url=_text(url),
    )


def _text(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() and not value.startswith("http") else None


def _case(raw: dict[str, Any], typed: str | None) -> str | None:
    """The case's name: as given, else from the address, else (or where the address is cut short) from the caption."""
    for key in ("case_name", "name_abbreviation", "caseName", "case_name_full", "name"):
        if given := _text(raw.get(key)):
            return _once_dotted(given)
    slug = re.search(r"/opinion/\d+/([a-z0-9-]{3,})/?", str(raw.get("absolute_url", "")))
    if not slug or typed and "-v-" not in slug[1]:
        return typed
    words = [one if one in ("v", "of", "the", "and", "in", "re") else one.capitalize() for one in slug[1].split("-")]
    name = " ".join(words).replace(" v ", " v. ")
    return name[0].upper() + name[1:]


def _once_dotted(name: str) -> str:
    """A case's name without the second period that publishers set after an abbreviation ("Corp.. v.")."""
    return re.sub(r"\.{2,}", ".", name)


def _citations(raw: dict[str, Any]) -> tuple[str, ...]:
    found = []
    for one in _listed(raw.get("citations")) or _listed(raw.get("citation")):
        if isinstance(one, dict):
            found.append(
                _text(one.get("cite")) or " ".join(str(one.get(k, "")) for k in ("volume", "reporter", "page")).strip()
            )
        elif isinstance(one, str):
            found.append(one)
    return tuple(one for one in found if one and not one.startswith("http"))


def documents_of_case_xml(root: Element, name: str) -> tuple[list[Document], Provenance]:
    """A Fastcase-style <Case> of the Caselaw Access Project, whose HTML is escaped inside elements."""
    out = Writer()
    for tag, title in (("HeaderHtml", "Head matter"), ("CaseHtml", "Opinion")):
        found = root.find(tag)
        source = "".join(found.itertext()) if found is not None else ""
        if source.strip():
            out.mark(title)
            _write_parts(out, text_of_fragment(html.unescape(source) if "&lt;" in source else source))
    cites = tuple(
        " ".join((one.findtext(k) or "").strip() for k in ("Volume", "Reporter", "Page")).strip()
        for one in root.iter("Citation")
    )
    about = Provenance(
        "opinion",
        name,
        case=_once_dotted(first(root, "ShortName", "PartyHeader") or "") or None,
        court=first(root, "CourtName") or None,
        date=_iso(first(root, "DecisionDate")),
        docket=first(root, "DocketNumber") or None,
        citations=tuple(one for one in cites if one),
    )
    return ([] if out.empty else [out.document("opinion", "1", name)]), about


def documents_of_mods(root: Element, name: str) -> tuple[list[Document], Provenance]:
    """GovInfo's MODS record of a court case: titles, parties and docket entries, without the opinion itself."""
    document = xmlforms.document_of(root, "MODS", name)
    court = next((flat(one) for one in root.iter() if local(one) == "courtName"), "")
    return [document], Provenance(
        "opinion",
        name,
        case=first(root, "title") or None,
        court=court or None,
        date=_iso(first(root, "dateIssued", "dateFiled")),
        docket=first(root, "caseNumber") or None,
    )


def _iso(date: str) -> str | None:
    found = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", date.strip())
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}" if found else None


def document_of_lines(lines: list[str], name: str) -> tuple[list[Document], Provenance]:
    """An opinion given as HTML lines or typed text."""
    text = _HYPHEN.sub("", "\n".join(lines)).strip("\n")
    return [_opinion(text, "opinion", name)], of_text(text, name)


def looks_like_opinion(text: str) -> bool:
    """Whether the first page reads as a court's: a court's name and "v.", and no SEC cover."""
    head = text[:4000]
    if re.search(r"securities\s+and\s+exchange\s+commission\s+washington|form\s+(?:10-?[KQ]|8-?K|20-?F)\b", head, re.I):
        return False
    if re.match(r"Citation Nr: |\s*\d{1,4} U\.\s?S\. \d", head):
        return True
    return bool(_COURT.search(head) and (_VERSUS.search(head) or re.search(r"in re\b|appeal", head, re.I)))


def of_text(text: str, name: str) -> Provenance:
    """What the first page says: court, date, docket, citations, case."""
    head = text[:4000]
    dates = list(_DATE.finditer(head))
    decided = next((one for one in dates if one[1]), None) or next((one for one in dates if not one[2]), None)
    court = _COURT.search(head)
    docket = re.search(r"\bNos?\.\s*([\w:–-]{3,20})", head)
    cites = tuple(dict.fromkeys(" ".join(one) for one in _CITE.findall(head[:600])))
    return Provenance(
        "opinion",
        name,
        case=_parties(head),
        court=" ".join(court[1].split()).rstrip(".") if court else None,
        date=_written(decided) if decided else None,
        docket=docket[1] if docket else None,
        citations=cites,
    )


def _parties(head: str) -> str | None:
    """ "A v. B" from the caption: the nearest lines around "v." that name a party and not its role."""
    lines = [" ".join(line.split()) for line in head.split("\n") if line.strip()]
    for at, line in enumerate(lines):
        found = re.fullmatch(r"(.*?)\s*\bv(?:s)?\.\s*(.*)", line)
        if not found:
            continue
        before = next(filter(_names, [found[1], *reversed(lines[max(0, at - 4) : at])]), "")
        after = next(filter(_names, [found[2], *lines[at + 1 : at + 5]]), "")
        if before and after:
            return f"{_party(before)} v. {_party(after)}"
    return None


def _names(line: str) -> bool:
    return len(line) > 2 and not _ROLE.match(line) and any(one.isupper() for one in line)


def _party(line: str) -> str:
    return re.split(r",\s*(?:et al|Plaintiff|Defendant|Appell|Petition|Respond)|;|\d", line)[0].strip(" ,.")[:80]


def _written(found: re.Match[str]) -> str:
    month = [one[:3] for one in _MONTHS.split("|")].index(found[3][:3].capitalize()) + 1
    return f"{found[5]}-{month:02}-{int(found[4]):02}"
