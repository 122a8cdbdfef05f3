"""Real filings, regulations and opinions against an independent probe of each (ORACLE.jsonl)."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from toolsmith.documents import Parsed, chunks_of, parse
from toolsmith.documents.encoding import decode
from toolsmith.documents.markup import lines_of_html
from toolsmith.errors import DocumentRejected

# Files that hold no document, and the reason people are told.
NO_DOCUMENTS = {
    "edgar/rate-exceeded.html": "block_page",
    "edgar/SEC.AutomatedTool.html": "block_page",
    "edgar/http403_full-index_2099.xml": "http_error",
    "edgar/http404_submissions.xml": "http_error",
    "edgar/http503_getcurrent.html": "http_error",
    "edgar/getcurrent_start4100.atom.xml": "index",
    "edgar/form.20200318.idx": "index",
    "edgar/AAPL-FilingSummary.xml": "index",
    "edgar/submissions_CIK0001324424.json": "not_a_document",
    "edgar/000143774924000106.tar": "archive",
    "edgar/sgml_header_double_newlines.txt": "truncated",
    "caselaw/clrepo_opinion_pdf_image_based.pdf": "pdf",
    "caselaw/clrepo_opinion_wpd.wpd": "word_processor",
}
# Page furniture inside a probe's sentence: the probe read across a page border.
FURNITURE = re.compile(r"(?:^| )(?:-?\d{1,3}-?|Apple Inc\. \| 2024 Form 10-K \| \d+)(?= |$)")


def text_of(one: Parsed) -> str:
    return "\n".join(document.text for document in one.documents)


def flat(text: str) -> str:
    return " ".join(text.split())


def rows_of(kind: str, oracle: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [row for row in oracle if row["kind"] == kind]
    assert found
    return found


def test_every_table_row_is_on_one_line_in_order(oracle, parsed):
    missing = []
    for row in rows_of("html", oracle):
        lines = text_of(parsed[row["file"]]).split("\n")
        missing += [(row["file"], cells) for cells in row["rows"] if not any(holds(line, cells) for line in lines)]
    assert missing == []


def holds(line: str, cells: list[str]) -> bool:
    at = 0
    for cell in cells:
        at = line.find(cell, at)
        if at < 0:
            return False
        at += len(cell)
    return True


def test_sentences_are_verbatim(oracle, parsed):
    """Counted without page numbers and running feet, which are dropped on purpose."""
    total, missing = 0, []
    for row in rows_of("html", oracle):
        text = flat(text_of(parsed[row["file"]]))
        for sentence in row["sentences"]:
            total += 1
            if sentence not in text and not found_without_furniture(sentence, text):
                missing.append((row["file"], sentence))
    assert total > 400
    assert len(missing) <= 0.005 * total, missing


def found_without_furniture(sentence: str, text: str) -> bool:
    """Whether the sentence stands in the text once one page number or running foot is cut out of it."""
    return any(flat(sentence[: cut.start()] + sentence[cut.end() :]) in text for cut in FURNITURE.finditer(sentence))


def test_what_is_not_verbatim_holds_what_must_not_be_kept(oracle, parsed):
    """Strictly: the probe's sentence holds a page number, SGML fields, or a space for a soft hyphen."""
    total, furniture, fields, hyphens, others = 0, [], [], [], []
    for row in rows_of("html", oracle):
        one = parsed[row["file"]]
        text = flat(text_of(one))
        heads = tuple(f"{document.type} {document.sequence} {document.filename} " for document in one.documents)
        for sentence in row["sentences"]:
            total += 1
            if sentence in text:
                continue
            if sentence.startswith(heads):
                fields.append(sentence)
            elif sentence.replace(" ", "") in text.replace(" ", ""):
                hyphens.append(sentence)
            else:
                (furniture if found_without_furniture(sentence, text) else others).append(sentence)
    assert others == []
    assert (total, len(furniture), len(fields), len(hyphens)) == (443, 7, 1, 1)


PAGE = re.compile(r"(?:page\s+)?[-–—\s]*(?:[A-Z]{1,3}-)?\d{1,3}[-–—\s]*", re.I)
BACK_LINK = re.compile(r"(?:back to |return to )?(?:table of contents|index(?: to financial statements)?)", re.I)


def test_page_furniture_goes_and_no_data_row_with_it(data, parsed):
    """At most a tenth of the lone numbers and back-links of the real HTML filings is left, and every table row."""
    before, after = Counter(), Counter()
    for file in sorted((data / "edgar").glob("*.htm*")):
        one = parsed.get(f"edgar/{file.name}")
        if one is None or file.read_bytes()[:4096].lstrip().startswith(b"<SEC-"):
            continue
        lines = lines_of_html(decode(file.read_bytes())[0])
        kept = text_of(one).split("\n")
        for name, shape in (("pages", PAGE), ("links", BACK_LINK)):
            before[name] += sum(1 for line in lines if shape.fullmatch(line))
            after[name] += sum(1 for line in kept if shape.fullmatch(line))
        rows = Counter(line for line in lines if "\t" in line and len(re.findall(r"\d", line)) > 1)
        assert not rows - Counter(kept), file.name
    assert before["pages"] > 100 and before["links"] > 50
    assert after["pages"] <= 0.1 * before["pages"]
    assert after["links"] <= 0.1 * before["links"]


def test_nothing_hidden_leaks(oracle, parsed):
    for row in rows_of("html", oracle):
        text = text_of(parsed[row["file"]])
        assert [one for one in row.get("forbidden", []) if one in text] == []


def test_no_residue_of_encodings_or_markup(parsed):
    odd = re.compile(
        "[\ufffd\u00a0\u2007\u202f\u200b\u00ad\ufeff\x00-\x08]|</?(?:td|tr|span|font|div|ix:)|us-gaap:|xbrli:"
    )
    leaks = {name: odd.findall(text_of(one))[:5] for name, one in parsed.items() if odd.search(text_of(one))}
    assert leaks == {}


def test_submissions_are_split_as_they_are(oracle, parsed):
    for row in rows_of("full_submission", oracle):
        got = [(one.type, one.sequence, one.filename) for one in parsed[row["file"]].documents]
        assert got == [(one["type"], one["seq"], one["filename"]) for one in row["documents"]] or ".nc" in row["file"]


def test_submission_headers(oracle, parsed):
    for row in rows_of("full_submission", oracle):
        known = parsed[row["file"]].provenance
        if not row["accession"] or ".nc" in row["file"]:
            continue
        assert (known.accession, known.form) == (row["accession"], row["form"])
        assert (known.filed or "").replace("-", "") == row["filed"]
        assert known.company in row["names"] and known.cik.zfill(10) in row["ciks"]


def test_dissemination_files_have_header_and_documents(parsed):
    one = parsed["edgar/nc_0001127602-25-004598.nc"]
    assert [(part.type, part.filename) for part in one.documents] == [("4", "form4.xml")]
    assert (one.provenance.company, one.provenance.filed) == ("ARROW ELECTRONICS, INC.", "2025-02-13")


def test_binary_parts_are_listed_and_set_aside(oracle, parsed):
    for row in rows_of("full_submission", oracle):
        one = parsed[row["file"]]
        for document, probe in zip(one.documents, row["documents"], strict=True):
            if probe["uu"]:
                assert document.text == "" and {"binary", "data"} & set(document.flags)
        assert not re.search(r"^M.{60}$\n^M.{60}$", text_of(one), re.M)


def test_a_wrong_document_count_is_a_note_and_no_error(oracle, parsed):
    wrong = [
        row
        for row in rows_of("full_submission", oracle)
        if row["header_count"] and int(row["header_count"]) != len(row["documents"])
    ]
    assert wrong
    for row in wrong:
        assert "document_count" in {one.reason for one in parsed[row["file"]].set_aside}


def test_sections_cover_the_text_without_overlap(parsed):
    for name, one in parsed.items():
        for document in one.documents:
            at = 0
            for section in document.sections:
                assert section.start == at and section.end > at, (name, section)
                at = section.end
            assert at == len(document.text), name


def test_no_section_dwarfs_the_others(parsed):
    for name, one in parsed.items():
        if one.provenance.kind == "regulation":
            continue
        for document in one.documents:
            for section in document.sections if len(document.sections) > 1 and len(document.text) > 200 else ():
                assert section.end - section.start <= 0.6 * len(document.text) + 1, (name, section.title)


def test_ecfr_api_and_govinfo_agree(parsed):
    api, bulk = (numbered(parsed[f"regulations/{name}.xml"]) for name in ("ecfr_versioner_title-1", "ECFR-title1"))
    assert len(api) == 288
    assert api == bulk
    whole = [text_of(parsed[f"regulations/{name}.xml"]) for name in ("ecfr_versioner_title-1", "ECFR-title1")]
    assert flat(whole[0]) == flat(whole[1])


def numbered(one: Parsed) -> list[tuple[str, str, str]]:
    return [
        (section.number, section.title, flat(document.text[section.start : section.end]))
        for document in one.documents
        for section in document.sections
        if section.number
    ]


def test_regulation_section_counts(oracle, parsed):
    for row in rows_of("reg_xml", oracle):
        if row["sections"]:
            assert len(numbered(parsed[row["file"]])) == row["sections"], row["file"]


def test_regulations_can_be_looked_up_by_section(data: Path):
    file = data / "regulations" / "17cfr230.501.jsonld"
    lines = chunks_of(parse(file.read_bytes(), file.name), "d" * 32, 1500, 150)
    assert {line["group"] for line in lines} == {"cfr:17-230"}
    assert {line["facts"]["section"] for line in lines} == {"230.501"}
    assert all("230.501" in line["section"] for line in lines)
    assert "Any bank as defined in section 3(a)(2)" in lines[0]["text"]


def test_opinions_use_the_fullest_field_and_know_their_case(oracle, parsed):
    for row in rows_of("cl_opinion", oracle):
        one = parsed[row["file"]]
        assert one.provenance.kind == "opinion" and " v. " in one.provenance.case, row["file"]
        assert len(one.documents[0].text) > 250


def test_opinion_facts(parsed):
    known = parsed["caselaw/cl_177008.json"].provenance
    assert known.case == "Braintree Laboratories v. Citigroup Global Markets"
    assert known.date == "2010-10-12" and "First Circuit" in known.court
    assert "622 F.3d 36" in known.citations
    known = parsed["caselaw/cap_134_134sct985_2.xml"].provenance
    assert (known.case, known.date) == ("Groner v. Shinseki", "2014-01-13")
    assert known.citations[0] == "134 S.Ct. 985"
    assert parsed["caselaw/cap_945_945ne2d484.xml"].provenance.case == "Bleecker St. Tenants Corp. v. Bleeker Jones Llc"


def test_loose_filings_know_their_company(parsed):
    known = parsed["edgar/10-K_AAPL_2024_ixbrl_workiva.htm"].provenance
    assert (known.form, known.company, known.cik) == ("10-K", "Apple Inc.", "320193")
    assert parsed["edgar/10-K_0000950153-99-001234_1999.htm"].provenance.company == "MEDICIS PHARMACEUTICAL CORPORATION"


@pytest.mark.parametrize("name", NO_DOCUMENTS)
def test_what_is_no_document_is_rejected_with_its_reason(data: Path, name: str):
    with pytest.raises(DocumentRejected) as caught:
        parse((data / name).read_bytes(), name.rsplit("/", 1)[-1])
    assert caught.value.reason == NO_DOCUMENTS[name]


ANNUAL = b"""<?xml version="1.0" encoding="UTF-8"?><CFRDOC><FMTR><TITLEPG><TITLENUM>Title 17</TITLENUM></TITLEPG></FMTR>
<TITLE><CFRTITLE><TITLEHD>Title 17&#8212;Commodity and Securities Exchanges</TITLEHD></CFRTITLE><CHAPTER><PART>
<EAR>Pt. 240</EAR><HD SOURCE="HED">PART 240&#8212;GENERAL RULES AND REGULATIONS</HD>
<AUTH><HD SOURCE="HED">Authority:</HD><P>15 U.S.C. 77c.</P></AUTH>
<SECTION><SECTNO>&#167; 240.10b-5</SECTNO><SUBJECT>Employment of manipulative devices.</SUBJECT>
<P>(a) To employ any device, <E T="03">scheme,</E> or artifice to defraud,</P>
<GPOTABLE><ROW><ENT I="01">Fee</ENT><ENT>$5</ENT></ROW></GPOTABLE><CITA>[13 FR 8183]</CITA></SECTION>
<SECTION><SECTNO>&#167; 240.10b-6</SECTNO><RESERVED>[Reserved]</RESERVED></SECTION></PART></CHAPTER></TITLE></CFRDOC>"""


def test_the_annual_cfr():
    parsed = parse(ANNUAL, "CFR-2024-title17-vol4.xml")
    document = parsed.documents[0]
    assert [(one.number, one.title, one.flags) for one in document.sections if one.number] == [
        ("240.10b-5", "§ 240.10b-5 Employment of manipulative devices.", ()),
        ("240.10b-6", "§ 240.10b-6 [Reserved]", ("reserved",)),
    ]
    assert document.facts == {"title": "17", "cfr_part": "240"}
    assert "(a) To employ any device, scheme, or artifice to defraud,\nFee\t$5\n[13 FR 8183]" in document.text
    assert (parsed.provenance.kind, parsed.provenance.cfr_title, parsed.provenance.cfr_part) == (
        "regulation",
        "17",
        "240",
    )


def test_the_annual_cfr_keeps_all_headings_and_writes_each_once():
    source = ANNUAL.replace(
        b"</PART>",
        b'<SUBJGRP><HD SOURCE="HED">Fees</HD><SECTION><SECTNO>&#167; 240.11</SECTNO><SUBJECT>Dues.</SUBJECT><P>Pay.</P>'
        b'</SECTION></SUBJGRP><APPENDIX><HD SOURCE="HED">Appendix A to Part 240</HD><HD SOURCE="HD1">Form One</HD>'
        b"<P>Words.</P></APPENDIX></PART>",
    )
    text = parse(source, "CFR-2024-title17-vol4.xml").documents[0].text
    assert text.endswith("\nFees\n\u00a7 240.11 Dues.\nPay.\nAppendix A to Part 240\nForm One\nWords.")
    assert text.count("Fees") == text.count("Appendix A") == 1


def test_paragraphs_of_a_note_stay_apart():
    source = (
        "<DIV5 N='1' TYPE='PART'><HEAD>PART 1\u2014GENERAL</HEAD>"
        "<AUTH><HED>Authority:</HED><PSPACE>7 U.S.C. 1a.</PSPACE></AUTH>"
        "<DIV8 N='1.1' TYPE='SECTION'><HEAD>\u00a7 1.1 Fees.</HEAD>"
        "<NOTE><HED>Note:</HED><P>One<I>s</I>.</P><P>Two.</P></NOTE>"
        "</DIV8></DIV5>"
    )
    lines = parse(source.encode(), "part.xml").documents[0].text.split("\n")
    assert "Authority: 7 U.S.C. 1a." in lines and "Note: Ones. Two." in lines


def test_numbered_parts_of_an_opinion():
    text = "The court affirms.\n\nI\n\nThe facts are these.\n\nII\n\nThe law is that.\n"
    opinion = {"case_name": "A v. B", "casebody": {"data": {"opinions": [{"text": text}]}}}
    for raw in ({"plain_text": text}, {"html": text.replace("\n\n", "<p>")}, opinion):
        sections = parse(json.dumps(raw).encode(), "opinion.json").documents[0].sections
        assert [one.title for one in sections][1:] == ["I", "II"]
    assert sections[0].title == "Opinion"


def test_one_part_from_the_ecfr_api_knows_its_title():
    source = (
        "<DIV5 N='230' TYPE='PART' hierarchy_metadata='{\"path\":\"/on/2024-01-01/title-17/chapter-II/part-230\"}'>"
        "<HEAD>PART 230—GENERAL RULES</HEAD><DIV8 N='230.501' TYPE='SECTION'><HEAD>§ 230.501 Definitions.</HEAD>"
        "<P>As used in Regulation D.</P></DIV8></DIV5>"
    )
    line = chunks_of(parse(source.encode(), "part.xml"), "d" * 32, 500, 50)[-1]
    assert (line["group"], line["facts"]["section"]) == ("cfr:17-230", "230.501")
    assert line["section"] == "§ 230.501 Definitions." and "As used in Regulation D." in line["text"]


def test_a_title_in_a_file_name_is_read_up_to_its_last_digit():
    body = "".join(f"§ 304.{n} Fees of kind {n}.\nThe agency charges for copies.\n" for n in range(1, 9))
    known = parse(body.encode(), "parts__title-1__part-304.txt").provenance
    assert (known.cfr_title, known.cfr_part) == ("1", "304")


def test_a_typed_opinion_of_a_court_of_chancery():
    source = b"""          Court of Chancery of the State of Delaware

                  C.A. No. 2024-0214

                  Northolt Valve Company,
                            v.
                  Brisbane Activist Fund LP.

                  Decided June 21, 2024

     An activist fund seeks to nominate three direc-
tors of the company.
"""
    parsed = parse(source, "opinion.txt")
    known = parsed.provenance
    assert (known.kind, known.case) == ("opinion", "Northolt Valve Company v. Brisbane Activist Fund LP")
    assert (known.court, known.date) == ("Court of Chancery of the State of Delaware", "2024-06-21")
    assert "three directors of the company" in parsed.documents[0].text
