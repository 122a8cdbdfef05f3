"""Filings: items and other sections, page furniture, XML forms, round trip through JSON."""

import json

import pytest

from toolsmith.documents import Parsed, parse
from toolsmith.documents.furniture import without_furniture
from toolsmith.documents.sections import sections_of
from toolsmith.documents.tags import BREAK

BODY = "The registrant says something about this at some length, as registrants do. " * 20


def titles(text: str, form: str = "") -> list[str]:
    return [one.title for one in sections_of(text, form)]


def numbers(text: str, form: str = "") -> list[str]:
    return [one.number for one in sections_of(text, form) if one.number]


def ten_k(items: list[tuple[str, str]], body: str = BODY) -> str:
    return "\n".join(f"Item {number}. {title}\n{body}" for number, title in items)


ITEMS = [("1", "Business"), ("1A", "Risk Factors"), ("2", "Properties"), ("7", "Discussion"), ("8", "Statements")]


def test_items_of_the_body_not_of_the_table_of_contents():
    contents = "Table of Contents\n" + "\n".join(
        f"Item {number}.\t{title}\t{at}" for at, (number, title) in enumerate(ITEMS, 3)
    )
    text = f"Cover page\n{contents}\n{ten_k(ITEMS)}"
    found = sections_of(text, "10-K")
    assert [one.number for one in found] == ["", "1", "1A", "2", "7", "8"]
    assert text[found[1].start :].startswith("Item 1. Business\nThe registrant")
    assert "Item 8.\tStatements\t7" in text[: found[1].start]


def test_short_items_are_not_taken_from_the_table_of_contents():
    contents = "\n".join(
        f"Item {number}.\t{title} of the Registrant\t{at}" for at, (number, title) in enumerate(ITEMS, 3)
    )
    text = f"{contents}\n" + "\n".join(f"Item {number}. {title}\nNone." for number, title in ITEMS)
    found = sections_of(text, "10-K")
    assert all(text[one.start : one.end].rstrip().endswith("None.") for one in found if one.number)


def test_cross_references_cut_nothing():
    text = ten_k(ITEMS, BODY + "\nItem 1A of this report says more.\nItem 7, above, too.\nItem 2 and Item 8 below.\n")
    assert numbers(text, "10-K") == [number for number, _ in ITEMS]


def test_the_parts_of_a_10_q_number_their_items_anew():
    text = (
        f"PART I\nItem 1. Financial Statements\n{BODY}\nItem 2. Management's Discussion\n{BODY}\n"
        f"PART II\nItem 1. Legal Proceedings\n{BODY}\nItem 6. Exhibits\n{BODY}\nSIGNATURES\nSigned."
    )
    assert titles(text, "10-Q") == [
        "Part I, Item 1. Financial Statements",
        "Part I, Item 2. Management's Discussion",
        "Part II, Item 1. Legal Proceedings",
        "Part II, Item 6. Exhibits",
        "Signatures",
    ]


def test_items_of_an_8_k_in_any_order():
    text = f"Item 5.02 Departure\n{BODY}\nItem 2.02 Results\n{BODY}\nItem 9.01 Exhibits\n{BODY}"
    assert numbers(text, "8-K") == ["5.02", "2.02", "9.01"]


def test_a_title_on_the_next_line():
    assert titles(f"Item 13\nOther Expenses\n{BODY}\nItem 14\nIndemnification\n{BODY}") == [
        "Item 13. Other Expenses",
        "Item 14. Indemnification",
    ]


def test_text_under_a_heading_without_a_title_is_no_title():
    text = "".join(f"Item {number}.\n{body}\n" for number, body in (("1", BODY), ("1B", "None."), ("2", BODY)))
    assert titles(text, "10-K") == ["Item 1", "Item 1B", "Item 2"]


def test_a_paragraph_that_begins_with_its_item_and_title():
    text = (
        f"Item 2.02 Results of Operations. {BODY}\nItem 7.01. Regulation FD disclosure: {BODY}\nItem 9.01 Exhibits.\n"
    )
    assert titles(text + BODY, "8-K") == [
        "Item 2.02. Results of Operations",
        "Item 7.01. Regulation FD disclosure",
        "Item 9.01. Exhibits",
    ]


@pytest.mark.parametrize("parts", [("Part I", "Part II"), ("PART 1", "PART 2")])
@pytest.mark.parametrize("border", [", ", " — ", "\t", "\n"])
def test_items_that_name_their_part_and_its_title_first(parts: tuple[str, str], border: str):
    first, second = (
        f"{part}. {word} Information{border}" for part, word in zip(parts, ("Financial", "Other"), strict=True)
    )
    text = f"Cover\n{first}Item 1.\n{BODY}\n{first}Item 2.\n{BODY}\n{second}Item 1.\n{BODY}\n{second}Item 2.\n{BODY}"
    assert titles(text, "10-Q") == [
        "Preamble",
        *(f"Part {part}, Item {item}" for part in ("I", "II") for item in (1, 2)),
    ]
    assert all(text[one.start :].startswith(parts) for one in sections_of(text, "10-Q")[1:])


def test_item_4a_of_a_20_f_is_none_of_the_parts_of_its_item_4():
    heads = ["Item 4. Information", *(f"Item 4.{part} Part {part}" for part in "ABCD")]
    heads += ["Item 4A. Unresolved Staff Comments", "Item 5. Review"]
    assert numbers("".join(f"{one}\n{BODY}\n" for one in heads), "20-F") == ["4", "4A", "4B", "4C", "4D", "4A", "5"]


INDEX = "\n".join(f"Item {number}.\t{title}\t{at}-{at + 4}, {at + 9}" for at, (number, title) in enumerate(ITEMS, 3))


@pytest.mark.parametrize("before", [True, False])
def test_items_known_from_an_index_and_headed_by_their_titles_alone(before: bool):
    body = "\n".join(f"{title.upper()}\n{BODY}" for _, title in ITEMS)
    text = f"Cover\n{INDEX}\n{body}" if before else f"Cover\n{body}\n{INDEX}\n"
    found = [one for one in sections_of(text, "10-K") if one.number]
    assert [one.number for one in found] == [number for number, _ in ITEMS]
    assert all(text[one.start :].startswith(title.upper()) for one, (_, title) in zip(found, ITEMS, strict=True))


def test_an_index_of_items_names_no_sections_where_the_filing_heads_none():
    assert titles(f"Cover\n{INDEX}\n{BODY * 5}", "10-K") == [""]


def test_incorporated_by_reference_is_flagged():
    text = (
        f"Item 1. Business\n{BODY}\nItem 7. Discussion\nThis is incorporated herein by reference to the 2024 Annual "
        f"Report to Shareholders.\nItem 8. Statements\n{BODY}"
    )
    assert [one.flags for one in sections_of(text, "10-K")] == [(), ("incorporated_by_reference",), ()]


def test_a_section_that_dwarfs_the_rest_is_cut():
    found = sections_of(f"Item 1. Business\n{BODY * 3}\nItem 2. Properties\n{BODY}")
    assert [one.number for one in found] == ["1", "1", "2"]
    assert "continued" in found[1].flags


def test_no_piece_of_a_section_dwarfs_the_rest():
    text = (
        f"Item 1. Business\n{'Words. ' * 700}\nA CAPITAL HEADING LATE\n{'Words. ' * 260}\nItem 2. Properties\nNone.\n"
    )
    found = sections_of(text, "10-K")
    assert max(one.end - one.start for one in found) <= 0.6 * len(text)


def test_statements_behind_the_signatures_are_a_section():
    text = f"{ten_k(ITEMS)}\nSIGNATURES\nSigned.\nIndex to Financial Statements\n{BODY}"
    assert titles(text)[-2:] == ["Signatures", "Index to financial statements"]


def test_capital_headings_where_there_are_no_items():
    text = "".join(f"PROPOSAL NUMBER {word}\n{BODY * 2}\n" for word in ("ONE", "TWO", "THREE"))
    assert titles(text) == ["PROPOSAL NUMBER ONE", "PROPOSAL NUMBER TWO", "PROPOSAL NUMBER THREE"]


def page(number: int, head: str = "") -> list[str]:
    return [*([head] if head else []), *(f"Line {number}.{at} of prose." for at in range(20)), str(number), BREAK]


def test_page_numbers_and_running_heads_go():
    lines = [line for number in range(1, 9) for line in page(number, "Acme Corp | Form 10-K")]
    kept = without_furniture(lines)
    assert kept[0] == "Acme Corp | Form 10-K"  # the first is the cover's
    assert kept[1:] == [line for number in range(1, 9) for line in page(number)[:20]]


def test_numbers_that_count_up_go_without_page_borders():
    lines = [line for number in range(1, 9) for line in page(number)[:-1]]
    assert not any(line.isdigit() for line in without_furniture(lines))


def test_data_stays():
    rows = ["Total\t5", "5\t6", "2023", "12", "Not applicable."]
    lines = ["Prose."] * 10 + rows + ["Prose."] * 10
    assert without_furniture(lines) == lines
    notes = [line for at in range(1, 9) for line in [f"{at}.", *["Prose."] * 12]]
    assert without_furniture(notes) == notes
    opinion = [line for part in ("I", "II", "III") for line in [*["Prose."] * 12, BREAK, part]]
    assert [line for line in without_furniture(opinion) if line != "Prose."] == ["I", "II", "III"]
    list_items = ["1", "First", "2", "Second", "3", "Third"]
    assert without_furniture(list_items) == list_items


def test_only_the_first_table_of_contents_stays():
    lines = [line for number in range(1, 6) for line in ["Table of Contents", *page(number)]]
    assert without_furniture(lines).count("Table of Contents") == 1


def test_sentences_beside_page_borders_stay():
    note = "The accompanying notes are an integral part of these statements."
    lines = [line for number in range(1, 9) for line in [note, *page(number)]]
    assert without_furniture(lines).count(note) == 8


def test_ownership_forms_put_a_transaction_on_a_line():
    source = """<?xml version="1.0"?><ownershipDocument><documentType>4</documentType>
    <periodOfReport>2025-02-12</periodOfReport>
    <issuer><issuerCik>0000007536</issuerCik><issuerName>ARROW ELECTRONICS, INC.</issuerName></issuer>
    <nonDerivativeTable><nonDerivativeTransaction><securityTitle><value>Common Stock</value></securityTitle>
    <transactionShares><value>2193</value></transactionShares></nonDerivativeTransaction></nonDerivativeTable></ownershipDocument>"""
    parsed = parse(source.encode(), "form4.xml")
    assert "Security Title Common Stock\tTransaction Shares 2193" in parsed.documents[0].text
    known = parsed.provenance
    assert (known.form, known.cik, known.company, known.period) == (
        "4",
        "7536",
        "ARROW ELECTRONICS, INC.",
        "2025-02-12",
    )


SUBMISSION = b"""<SEC-DOCUMENT>0000000001-24-000001.txt : 20240102
<SEC-HEADER>0000000001-24-000001.hdr.sgml : 20240102
ACCESSION NUMBER:\t\t0000000001-24-000001
CONFORMED SUBMISSION TYPE:\t4
FILED AS OF DATE:\t\t20240102

REPORTING-OWNER:
\tOWNER DATA:
\t\tCOMPANY CONFORMED NAME:\t\t\tDoe Jane
\t\tCENTRAL INDEX KEY:\t\t\t0000000009

ISSUER:
\tCOMPANY DATA:
\t\tCOMPANY CONFORMED NAME:\t\t\tACME CORP
\t\tCENTRAL INDEX KEY:\t\t\t0000000007
</SEC-HEADER>
<DOCUMENT>
<TYPE>4
<SEQUENCE>1
<FILENAME>a.txt
<TEXT>
Some words here.
</TEXT>
</DOCUMENT>
</SEC-DOCUMENT>
"""


def test_a_filing_is_about_its_issuer_not_about_the_owner_who_reports():
    known = parse(SUBMISSION, "a.txt").provenance
    assert (known.company, known.cik, known.filed) == ("ACME CORP", "7", "2024-01-02")


def test_a_header_spells_its_names_out():
    known = parse(SUBMISSION.replace(b"ACME CORP", b"ACME &amp; SONS CO"), "a.txt").provenance
    assert known.company == "ACME & SONS CO"


def test_source_offsets_point_at_the_text():
    document = parse(SUBMISSION, "a.txt").documents[0]
    assert SUBMISSION[document.source_start : document.source_end].strip() == b"Some words here."


def test_json_round_trip():
    parsed = parse(SUBMISSION, "a.txt")
    text = json.dumps(parsed.to_json(), ensure_ascii=False)
    assert Parsed.from_json(text) == parsed == Parsed.from_json(parsed.to_json())
    assert {"documents", "provenance", "set_aside"} == json.loads(text).keys()


def test_a_large_document_is_set_aside_by_itself(monkeypatch):
    monkeypatch.setattr("toolsmith.documents.filing.MAX_DOCUMENT", 1000)
    large = SUBMISSION.replace(
        b"</SEC-DOCUMENT>", b"<DOCUMENT>\n<TYPE>EX-1\n<TEXT>\n" + b"word " * 300 + b"</TEXT>\n</DOCUMENT>\n"
    )
    parsed = parse(large, "a.txt")
    assert [bool(one.text) for one in parsed.documents] == [True, False]
    assert [one.reason for one in parsed.set_aside] == ["too_large"]


@pytest.mark.parametrize(
    ("heads", "found"),
    [
        (["ITEM 1—BUSINESS", "ITEM 1A—RISK FACTORS", "ITEM 2 – PROPERTIES"], ["1", "1A", "2"]),
        (["Item 1.Business", "ITEM1A. RISK FACTORS", "Item 7.MANAGEMENT'S DISCUSSION"], ["1", "1A", "7"]),
        (["Items 1 and 2. Business and Properties", "Item 1A. Risks", "Item 3. Legal"], ["1", "1A", "3"]),
        (["ITEM 1. AND ITEM 2. BUSINESS", "ITEM 3. LEGAL", "Items 10, 11, 12, 13 and 14. Directors"], ["1", "3", "10"]),
        (["Item 8. Statements", "Item 9A(T). Controls and Procedures", "Item 9B. Other"], ["8", "9A", "9B"]),
        (
            ["Item 1(a). Name of Issuer:", "Item 1(b). Address", "Item 2(a). Person", "Item 4. Owned"],
            ["1", "2", "4"],
        ),
        (["ITEM I. BUSINESS", "ITEM II. PROPERTIES", "ITEM IV. VOTES"], ["1", "2", "4"]),
        (["Item One. Business", "Item Two. Properties", "Item Fourteen. Exhibits"], ["1", "2", "14"]),
        (["Item\n1.\nBusiness", "Item\n1A.\nRisk Factors", "Item\n7.\nDiscussion"], ["1", "1A", "7"]),
        (["I T E M 1. BUSINESS", "I TEM 2. PROPERTIES", "ITE M 7. DISCUSSION"], ["1", "2", "7"]),
        (["* Item 1. Business", "(Item 2) Properties", "Item No. 3. Legal"], ["1", "2", "3"]),
        (
            ["ITEM 5. REVIEW", "Item 5.A. Results", "Item 5.B. Liquidity", "ITEM 16K. CYBERSECURITY"],
            ["5", "5A", "5B", "16K"],
        ),
        (["Item 5.02(b), (c) and (e). Departure", "Item 9.01(d) Exhibits"], ["5.02", "9.01"]),
        (["Item 2. 02 Results", "Item 9 .01 Exhibits"], ["2.02", "9.01"]),
        (["Item 1. Business", "Item 1(A). Risk Factors", "Item 9(A) Controls and Procedures"], ["1", "1A", "9A"]),
        (["Item 4. (Removed and Reserved)", "Item 6. [Reserved]", "Item 7. Discussion"], ["4", "6", "7"]),
    ],
)
def test_items_as_filers_write_them(heads: list[str], found: list[str]):
    assert numbers("\n".join(f"{head}\n{BODY}" for head in heads)) == found


@pytest.mark.parametrize(
    "prose",
    [
        "Item 405 of Regulation S-K is not contained herein.",
        "Item 601(b) of Regulation S-K lists exhibits.",
        "This is discussed in\nItem 14(a). These statements are the responsibility of the management.",
        "Item 8 “Statements” has the figures.",
        "Item 8(a) and (b) are omitted.",
        "Items 8 and 9 of this report say more.",
        "Item 5.02 Departure of Directors was reported on another form.",
        f"Item 7. Management's Discussion and Analysis contains statements that look ahead. {BODY}",
        f"Item 8. These are the words of a paragraph, however long. {BODY}",
    ],
)
def test_prose_that_begins_a_line_with_an_item_is_no_heading(prose: str):
    text = ten_k(ITEMS[:4], f"{BODY}\n{prose}\n{BODY}")
    assert numbers(text, "10-K") == [number for number, _ in ITEMS[:4]]


@pytest.mark.parametrize(
    "listed", ["• Item 8. Statements; and\n• our website.", "• our website;\n• Item 8. Statements."]
)
def test_an_item_begins_at_its_heading_and_not_in_a_list_before_it(listed: str):
    text = f"Item 7. Discussion\n{BODY}\nMore is said in:\n{listed}\n{BODY}\nItem 8. Statements\n{BODY}"
    found = next(one for one in sections_of(text, "10-K") if one.number == "8")
    assert text[found.start :] == f"Item 8. Statements\n{BODY}"


def test_a_title_after_a_wide_colon():
    assert titles(f"Item 1：Business\n{BODY}\nItem 2：Properties\n{BODY}") == ["Item 1. Business", "Item 2. Properties"]


def test_a_combined_item_says_so_in_its_title():
    text = f"Items 1 and 2. Business and Properties\n{BODY}\nItem 3. Legal\n{BODY}"
    assert titles(text) == ["Items 1 and 2. Business and Properties", "Item 3. Legal"]


def test_a_document_in_its_wrapper_alone_is_known_by_its_cover():
    source = (
        b"<DOCUMENT>\n<TYPE>10-Q\n<SEQUENCE>1\n<FILENAME>a.htm\n<TEXT>\n<html><body><p>FORM 10-Q</p><p>ACME CORP</p>"
        b"<p>(Exact name of registrant as specified in its charter)</p></body></html>\n</TEXT>\n</DOCUMENT>\n"
    )
    known = parse(source, "000109690600000193.txt").provenance
    assert (known.form, known.company, known.accession) == ("10-Q", "ACME CORP", "0001096906-00-000193")


def test_an_amended_form_is_known_as_amended():
    source = "<html><body><p>FORM 10-K/A</p><p>(Amendment No. 1)</p><p>Words.</p></body></html>"
    assert parse(source.encode(), "a.htm").provenance.form == "10-K/A"
