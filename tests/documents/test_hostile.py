"""Hostile files: each ends within limits in a fresh process; each is read, or refused with its reason."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsmith.documents import chunk, chunks_of, parse
from toolsmith.errors import DocumentRejected

LIMIT_SECONDS = 2
LIMIT_BYTES = 512 * 1024 * 1024
# Parses every file named on stdin in a child of its own, so that limits hold for one file at a time.
RUNNER = """
import json, os, pathlib, resource, sys
from toolsmith.documents import chunks_of, parse
from toolsmith.errors import DocumentRejected

def one(path):
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    data = pathlib.Path(path).read_bytes()
    try:
        parsed = parse(data, os.path.basename(path))
    except DocumentRejected as error:
        return {"reason": error.reason}
    lines = chunks_of(parsed, parsed.provenance.digest, 1500, 150)
    json.dumps([parsed.to_json(), lines]).encode("utf-8")
    return {"characters": sum(len(part.text) for part in parsed.documents)}

for path in json.load(sys.stdin):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, json.dumps(one(path)).encode())
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 4096)
    status = os.waitpid(child, 0)[1]
    print(json.dumps({"path": path, "status": status, **json.loads(said or b"{}")}), flush=True)
"""


@pytest.fixture(scope="session")
def nasty(data: Path) -> Path:
    return data / "nasty"


def read(folder: Path, name: str):
    return parse((folder / name).read_bytes(), name)


def text_of(folder: Path, name: str) -> str:
    return "\n".join(one.text for one in read(folder, name).documents)


def reason_of(folder: Path, name: str) -> str:
    with pytest.raises(DocumentRejected) as caught:
        read(folder, name)
    return caught.value.reason


def test_every_hostile_file_ends_within_its_limits(nasty: Path):
    names = [line.split("\t")[0] for line in (nasty / "NASTY.tsv").read_text().splitlines()[1:]]
    script = RUNNER.replace("SECONDS", str(LIMIT_SECONDS)).replace("BYTES", str(LIMIT_BYTES))
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps([str(nasty / one) for one in names]),
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) == len(names) > 60
    assert [one for one in outcomes if one["status"] or not ("reason" in one or one["characters"])] == []


def test_the_limits_bite():
    """The runner reports a child that runs out of memory instead of passing it."""
    script = RUNNER.replace("SECONDS", str(LIMIT_SECONDS)).replace("BYTES", str(LIMIT_BYTES))
    script = script.replace("data = pathlib", "bytearray(BYTES_TOO_MANY); data = pathlib").replace(
        "BYTES_TOO_MANY", str(2 * LIMIT_BYTES)
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps([__file__]),
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode or json.loads(done.stdout.splitlines()[-1])["status"]


REASONS = {
    "empty.txt": "empty",
    "whitespace_only.htm": "no_text",
    "trunc_in_header.txt": "truncated",
    "xml_billion_laughs.xml": "dtd",
    "xml_quadratic.xml": "dtd",
    "xml_xxe_file.xml": "dtd",
    "xml_xxe_http.xml": "dtd",
    "xml_deep.xml": "too_deep",
    "cl_deep_nested.json": "too_deep",
    "cl_all_text_empty.json": "no_text",
    "gzip_bomb_100MB.gz": "compression_bomb",
    "gzip_truncated.gz": "gzip_truncated",
    "gzip_crc_bad.gz": "gzip_corrupt",
    "zip_slip.zip": "archive",
    "index_bad_rows.idx": "index",
    "submissions_columnar_ragged.json": "not_a_document",
    "html_block_page_200.htm": "block_page",
}


@pytest.mark.parametrize("name", REASONS)
def test_refused_with_a_reason(nasty: Path, name: str):
    assert reason_of(nasty, name) == REASONS[name]


@pytest.mark.parametrize(
    "name",
    [
        "enc_declared_utf8_bytes_cp1252.htm",
        "enc_declared_latin1_bytes_utf8.htm",
        "enc_undeclared_cp1252.htm",
        "enc_utf16le_bom.htm",
    ],
)
def test_bytes_decide_the_encoding(nasty: Path, name: str):
    text = text_of(nasty, name)
    assert "“Smart quotes”" in text and "’s" in text and "–" in text
    assert not set("\ufffdâ\x93") & set(text)


def test_mixed_and_broken_encodings(nasty: Path):
    twice = text_of(nasty, "enc_double_utf8.htm")
    assert "“Smart" in twice and "’s" in twice and "naïve" in twice and "Ã" not in twice
    assert "\ufffd" not in text_of(nasty, "enc_mixed_lines.txt")
    assert "\x00" not in text_of(nasty, "enc_nul_bytes.txt")
    assert "\ufeff" not in text_of(nasty, "enc_utf8_bom_mid.htm")
    assert "\ufffd" not in text_of(nasty, "trunc_utf8_char.htm")
    assert text_of(nasty, "cl_lone_surrogate.json").encode("utf-8")


def test_entities(nasty: Path):
    text = text_of(nasty, "entities_malformed.htm")
    assert all(one in text for one in ("–", "“", "€", "R&D", "AT&T"))


def test_unseen_characters_are_gone_from_item_headings(nasty: Path):
    text = text_of(nasty, "zero_width_chars.htm")
    assert text.startswith("Item 1A. Risk Factors")
    assert read(nasty, "zero_width_chars.htm").documents[0].sections[0].number == "1A"


def test_hidden_text_stays_hidden(nasty: Path):
    text = text_of(nasty, "prompt_injection_hidden.htm")
    assert "CANARY" not in text and "visible end" in text and "recognizes revenue" in text


def test_visible_orders_are_flagged(nasty: Path):
    assert "instruction_like" in read(nasty, "prompt_injection_visible.htm").documents[0].flags
    assert "instruction_like" in read(nasty, "prompt_injection_opinion.json").documents[0].flags


def test_inline_xbrl_headers_and_excluded_text(nasty: Path):
    assert text_of(nasty, "ix_header_hidden.htm") == "Revenue was 1,234 million continued text."


@pytest.mark.parametrize(
    "name", ["deep_div_100k.htm", "deep_inline_font.htm", "huge_attribute.htm", "many_attributes.htm"]
)
def test_bombs_of_markup_keep_their_text(nasty: Path, name: str):
    parsed = read(nasty, name)
    assert parsed.documents[0].text.strip()


def test_text_swallowed_by_an_unclosed_element_is_flagged(nasty: Path):
    for name in ("unclosed_comment.htm", "unclosed_script_style.htm"):
        assert "low_yield" in read(nasty, name).documents[0].flags


def test_wide_table_keeps_its_numbers_in_order(nasty: Path):
    rows = [line for line in text_of(nasty, "wide_table.htm").split("\n") if "\t" in line]
    assert sum(line.count("\t") + 1 for line in rows) >= 4000
    assert not any("\t\t" in line for line in rows)


def test_submissions_survive_damage(nasty: Path):
    assert len(read(nasty, "sgml_no_closing_document.txt").documents) == 3
    lower = read(nasty, "sgml_lowercase_and_attrs.txt")
    assert (lower.documents[0].type, lower.documents[0].text, lower.provenance.accession) == (
        "10-K",
        "lower",
        "0009474354-24-907796",
    )
    odd = read(nasty, "sgml_header_values_odd.txt").provenance
    assert odd.cik is None and odd.filed is None and {"bad_cik", "bad_filed_date"} <= set(odd.flags)
    cut = read(nasty, "trunc_mid_uuencode.txt")
    assert "truncated" in cut.documents[-1].flags and "truncated" not in cut.documents[0].flags
    assert "truncated" in {one.reason for one in cut.set_aside}


def test_file_names_are_safe(nasty: Path):
    for one in read(nasty, "sgml_path_traversal.txt").documents:
        assert "/" not in one.filename and "\\" not in one.filename and ".." not in one.filename[:2]
        assert len(one.filename) <= 128


def test_typed_text_with_mixed_line_ends(nasty: Path):
    text = text_of(nasty, "sgml_crlf_cr_mixed.txt")
    assert "\r" not in text and "\n3\n" not in text
    assert "Revenue        $ 1,234   $ 999" in text


def test_pem_escapes_are_undone(nasty: Path):
    assert "\n-----------\n" in text_of(nasty, "pem_wrapped_1994.txt")


def test_uuencoded_parts_are_left_out_but_prose_is_not(nasty: Path):
    assert "begin 644" in text_of(nasty, "uu_lookalike_prose.txt")
    parsed = read(nasty, "uu_pdf_in_TEXT.txt")
    assert {"binary", "data"} & {one.reason for one in parsed.set_aside}
    assert not any(
        line.startswith("M") and len(line) == 61 for line in text_of(nasty, "uu_pdf_in_TEXT.txt").split("\n")
    )
    corrupt = read(nasty, "uu_corrupt_no_end.txt")
    assert corrupt.documents[0].text and corrupt.set_aside


def test_tables_of_contents_are_not_sections(nasty: Path):
    parsed = read(nasty, "toc_and_body_items.htm").documents[0]
    assert [one.number for one in parsed.sections if one.number] == ["1", "1A", "7"]
    parsed = read(nasty, "split_item_headings.htm").documents[0]
    assert [one.number for one in parsed.sections] == ["1", "1A", "1B", "7", "7A", "8"]


def test_odd_ecfr(nasty: Path):
    parsed = read(nasty, "ecfr_odd.xml")
    numbered = [one for one in parsed.documents[0].sections if one.number]
    assert "240.10b-5" in [one.number for one in numbered]
    assert any("reserved" in one.flags for one in numbered)
    text = parsed.documents[0].text
    assert "Employment of manipulative devices." in text and "(1)(i)(A) nested marker" in text


def test_opinion_json_oddities(nasty: Path):
    assert text_of(nasty, "cl_script_in_html.json") == "Opinion text"
    assert text_of(nasty, "cl_star_pagination.json") == "The rule 485 U.S. 224"
    assert read(nasty, "cl_star_pagination.json").documents[0].facts["pages"] == "513-513"
    assert text_of(nasty, "cl_dup_keys_nan.json") == "y"


@pytest.mark.parametrize("name", ["one_line_no_break.txt", "redos_bait.txt", "repeating_separators.txt"])
def test_chunks_of_hostile_text_hold_their_size(nasty: Path, name: str):
    parsed = read(nasty, name)
    pieces = chunk(parsed.documents[0], 4000, 200)
    assert max(len(one.text) for one in pieces) <= 4000
    assert all(any(c.isalnum() for c in line["text"]) for line in chunks_of(parsed, "d" * 32, 4000, 200))


SEEDS = (
    b"<html><body><p>Item 1. Business</p><table><tr><td>a</td><td>1</td></tr></table></body></html>",
    b"<SEC-DOCUMENT>x\n<SEC-HEADER>\nACCESSION NUMBER:\t0000000001-24-000001\n</SEC-HEADER>\n<DOCUMENT>\n<TYPE>10-K\n"
    b"<SEQUENCE>1\n<FILENAME>a.htm\n<TEXT>\n<p>words</p>\n</TEXT>\n</DOCUMENT>\n",
    b'{"id": 1, "type": "010combined", "html": "<p>Foo v. Bar</p>", '
    b'"citations": [{"cite": "1 U.S. 1"}], "opinions": [1]}',
    b'{"name": "A v. B", "casebody": {"opinions": [{"text": "Held.", "type": "majority"}], "head_matter": "A v. B"}}',
    b'{"sectionNumber": "230.501", "citation": "17 CFR 230.501", "text": "As used", "subsection": [{"text": "x"}]}',
    b'<?xml version="1.0"?><ECFR><DIV5 N="240" TYPE="PART"><HEAD>PART 240</HEAD>'
    b'<DIV8 N="240.1" TYPE="SECTION">'
    b"<HEAD>\xc2\xa7 240.1 Scope.</HEAD><P>Text.</P></DIV8></DIV5></ECFR>",
    b"<ownershipDocument><issuer><issuerCik>1</issuerCik></issuer></ownershipDocument>",
    b"-----BEGIN PRIVACY-ENHANCED MESSAGE-----\n<IMS-HEADER>\n<DOCUMENT>\n<TEXT>\n"
    b"begin 644 a.b\nM'\n<PAGE>\n- --\n</TEXT>",
)
NAMES = st.sampled_from(["a.htm", "a.json", "a.xml", "a.txt", "title-17.xml"])


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=6)), max_size=6), NAMES)
def test_damaged_files_are_read_or_refused(seed: bytes, damage: list[tuple[int, bytes]], name: str):
    for at, put in damage:
        seed = seed[:at] + put + seed[at + len(put) // 2 :]
    settles(seed, name)


@given(st.binary(max_size=300), NAMES)
def test_any_bytes_are_read_or_refused(data: bytes, name: str):
    settles(data, name)


KEYS = st.sampled_from(
    [
        "casebody",
        "opinions",
        "citations",
        "court",
        "html",
        "plain_text",
        "case_name",
        "data",
        "text",
        "absolute_url",
        "results",
        "fields",
        "cluster",
        "type",
        "sectionNumber",
        "citation",
        "cite",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_json_is_read_or_refused(raw: dict):
    settles(json.dumps(raw).encode(), "a.json")


def settles(data: bytes, name: str) -> None:
    """A file ends in text that can be stored, or in a reason."""
    try:
        parsed = parse(data, name)
    except DocumentRejected as error:
        assert error.reason
        return
    assert json.dumps([parsed.to_json(), chunks_of(parsed, "d" * 32, 200, 20)]).encode("utf-8")
    assert any(one.text.strip() for one in parsed.documents)
