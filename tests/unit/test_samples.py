"""The sample corpus is what its README says: true formats, distinct companies, citations that resolve."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from toolsmith import documents

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FILINGS = sorted((SAMPLES / "edgar").iterdir())
REGULATIONS = sorted((SAMPLES / "regulations").iterdir())
OPINIONS = sorted((SAMPLES / "caselaw").iterdir())
EVERY = [*FILINGS, *REGULATIONS, *OPINIONS]
REPORTER = re.compile(r"\b(\d{3} (?:F\.4th|A\.3d|F\. Supp\. 3d) \d+)\b")
CFR = re.compile(r"\b17 C\.?F\.?R\.? (?:§ )?(2\d\d\.\d+[A-Za-z]*\d*(?:(?:\(\w+\))*-\d+)?)")


def text_of(path: Path) -> str:
    return " ".join(one.text for one in documents.parse(path.read_bytes(), path.name).documents)


def section_numbers(path: Path) -> list[str]:
    root = ET.parse(path).getroot()
    if root.tag == "CFRDOC":
        return [one.findtext("SECTNO", "").strip("§ ") for one in root.iter("SECTION")]
    return [one.get("N", "").strip("§ ") for one in root.iter("DIV8")]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {path.name: text_of(path) for path in EVERY}


@pytest.fixture(scope="module")
def sections() -> set[str]:
    return {number for path in REGULATIONS for number in section_numbers(path)}


@pytest.fixture(scope="module")
def opinion_citations() -> set[str]:
    """The citation that each opinion carries as its own, in caption, metadata or first page."""
    found = set()
    for path in OPINIONS:
        parsed = documents.parse(path.read_bytes(), path.name)
        head = " ".join(one.text for one in parsed.documents)[:700] + " ".join(parsed.provenance.citations)
        found.update(REPORTER.findall(path.read_text("utf-8")[:2000] + head)[:1] or REPORTER.findall(head)[:1])
    return found


def test_corpus_is_large_enough() -> None:
    assert (len(FILINGS), len(REGULATIONS), len(OPINIONS)) >= (30, 16, 16)


@pytest.mark.parametrize("path", EVERY, ids=lambda p: p.name)
def test_file_is_small_and_rich(path: Path) -> None:
    assert 2_500 <= path.stat().st_size <= 18_000


@pytest.mark.parametrize("path", [p for p in FILINGS if p.suffix == ".txt"], ids=lambda p: p.name)
def test_submission_has_the_sgml_frame(path: Path) -> None:
    raw = path.read_text("cp1252" if path.name.startswith("0009900027") else "utf-8")
    stated = int(re.search(r"PUBLIC DOCUMENT COUNT:\s+(\d+)", raw)[1])
    assert raw.count("\n<DOCUMENT>\n") == raw.count("\n</DOCUMENT>\n") == stated
    assert re.search(r"ACCESSION NUMBER:\s+([\d-]+)", raw)[1] == path.stem
    assert [int(n) for n in re.findall(r"<SEQUENCE>(\d+)", raw)] == list(range(1, stated + 1))
    assert "</SEC-HEADER>" in raw and raw.rstrip().endswith(("</SEC-DOCUMENT>", "PRIVACY-ENHANCED MESSAGE-----"))


@pytest.mark.parametrize("path", [p for p in FILINGS if p.suffix == ".htm"], ids=lambda p: p.name)
def test_html_is_balanced_and_inline_xbrl_is_xml(path: Path) -> None:
    raw = path.read_text("utf-8")
    opened: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in {"meta", "hr", "br"}:
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            return None

    Balance().feed(raw)
    assert not opened
    if "ix:header" in raw:
        ET.fromstring(raw)


@pytest.mark.parametrize("path", [p for p in EVERY if p.suffix == ".xml"], ids=lambda p: p.name)
def test_xml_is_well_formed(path: Path) -> None:
    assert len(ET.parse(path).getroot())


@pytest.mark.parametrize("path", [p for p in OPINIONS if p.suffix == ".json"], ids=lambda p: p.name)
def test_opinion_json_fills_a_text_field_and_says_that_it_is_fiction(path: Path) -> None:
    record = json.loads(path.read_text("utf-8"))
    assert "invented" in record["toolsmith_notice"]
    filled = [name for name in record if name.startswith(("plain_text", "html", "xml_")) and record[name]]
    assert filled or record["casebody"]["opinions"][0]["text"]


@pytest.mark.parametrize("path", EVERY, ids=lambda p: p.name)
def test_every_file_says_what_is_invented(path: Path) -> None:
    raw = path.read_text("cp1252" if path.name.startswith("0009900027") else "utf-8")
    assert re.search(r"invented|paraphrase|CENTRAL INDEX KEY:\s+00099", raw)


def test_every_file_parses_to_text(texts: dict[str, str]) -> None:
    short = {name: len(text) for name, text in texts.items() if len(text) < 1_500}
    assert not short


def test_companies_are_distinct_and_lie_in_the_free_range() -> None:
    found = []
    for path in FILINGS:
        raw = path.read_text("cp1252" if path.name.startswith("0009900027") else "utf-8")
        found += re.findall(r"CENTRAL INDEX KEY:\s+000(\d{7})", raw) or re.findall(r">000(99\d{5})<", raw)[:1]
    assert len(found) == len(set(found)) >= 25
    assert all(cik.startswith("99000") for cik in found)


def test_section_numbers_are_unique_and_belong_to_their_part() -> None:
    for path in REGULATIONS:
        numbers = section_numbers(path)
        part = re.search(r"part-?(\d+)", path.name)[1]
        assert len(numbers) == len(set(numbers)) >= 3
        assert all(number.startswith(part + ".") for number in numbers)


def test_every_cited_section_is_in_the_sample_regulations(texts: dict[str, str], sections: set[str]) -> None:
    cited = {(name, number) for name, text in texts.items() for number in CFR.findall(text)}
    assert len(cited) > 100
    assert not {(name, number) for name, number in cited if number not in sections}


def test_every_cited_opinion_is_a_sample(texts: dict[str, str], opinion_citations: set[str]) -> None:
    assert len(opinion_citations) == len(OPINIONS)
    bare = {name: re.sub(r"\[\d{3} [^\]]+\]", "", text) for name, text in texts.items()}  # star pages
    cited = {(name, one) for name, text in bare.items() for one in REPORTER.findall(text)}
    assert len({one for _, one in cited}) >= 16
    assert not {(name, one) for name, one in cited if one not in opinion_citations}


def test_no_two_filings_or_opinions_share_a_long_sentence(texts: dict[str, str]) -> None:
    owner: dict[str, str] = {}
    shared = []
    for path in [*FILINGS, *OPINIONS]:
        for sentence in re.split(r"(?<=[.;:])\s+", texts[path.name]):
            key = " ".join(sentence.split())
            fixed = any(words in key for words in ("duly caused", "Fictional", "invented", "Proxy Statement Pursuant"))
            if len(key) > 70 and not fixed and owner.setdefault(key, path.name) != path.name:
                shared.append((owner[key], path.name, key))
    assert not shared
