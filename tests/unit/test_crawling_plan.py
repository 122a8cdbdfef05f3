"""Requests say which key is wrong; plans name the right addresses; lists lead to documents."""

import json
from pathlib import Path

import pytest

from toolsmith.crawling import Item, plan, read_request
from toolsmith.crawling.faults import BodyRefused
from toolsmith.crawling.listing import expand
from toolsmith.errors import InvalidInput


def request(**keys: object) -> bytes:
    return json.dumps(keys).encode()


def planned(**keys: object) -> list[Item]:
    return plan(read_request(request(**keys), "requests/r.json"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "object"),
        (request(), "at least one of"),
        (request(edgr=[]), 'key "edgr" is unknown; did you mean "edgar"?'),
        (request(edgar=[{"cik": 1, "form": ["10-K"]}]), 'key "edgar[0].form" is unknown; did you mean "forms"?'),
        (request(edgar=[{"forms": ["10-K"]}]), 'key "edgar[0]": name a "cik" or an "accession"'),
        (request(edgar=[{"accession": "320193-24-1"}]), 'key "edgar[0].accession"'),
        (request(edgar=[{"cik": 1, "from": "2024-02-30"}]), 'key "edgar[0].from"'),
        (request(edgar=[{"cik": 1, "from": 20240101}]), 'key "edgar[0].from": give a date as'),
        (request(edgar=[{"cik": 1, "from": "2024-02-01", "to": "2024-01-01"}]), "later than"),
        (request(edgar=[{"cik": -1}]), 'key "edgar[0].cik"'),
        (request(ecfr=[{"part": "230"}]), 'key "ecfr[0].date"'),
        (request(ecfr=[{"part": "../230", "date": "2024-01-01"}]), 'key "ecfr[0].part"'),
        (request(ecfr=[{"part": "230", "date": "2016-12-31"}]), 'key "ecfr[0].date"'),
        (request(courtlistener=[{}]), 'either an "opinion" or a "query"'),
        (request(courtlistener=[{"opinion": 5, "query": "fraud"}]), "either"),
        (request(courtlistener=[{"query": "fraud", "limit": 9999}]), 'key "courtlistener[0].limit"'),
        (request(refresh=3, ecfr=[]), 'key "refresh"'),
    ],
)
def test_a_wrong_key_is_named(wrong: bytes, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_request(wrong, "requests/r.json")
    assert said in str(caught.value)
    assert str(caught.value).startswith("requests/r.json: ")


def test_every_wrong_key_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_request(request(edgar=[{"cik": 0}], ecfr=[{"part": "x", "date": "2024-01-01"}]), "r.json")
    assert "edgar[0].cik" in str(caught.value) and "ecfr[0].part" in str(caught.value)


def test_a_filing_is_asked_for_whole_under_the_archive_path() -> None:
    (item,) = planned(edgar=[{"cik": 320193, "accession": "0000320193-24-000123"}])
    assert item.url == (
        "https://www.sec.gov/Archives/edgar/data/320193/000032019324000123/0000320193-24-000123.txt"
    )
    assert item.key == "incoming/edgar/0000320193-24-000123.txt"


def test_the_filer_of_an_accession_number_stands_in_for_a_missing_cik() -> None:
    (item,) = planned(edgar=[{"accession": "0000320193-24-000123"}])
    assert "/data/320193/" in item.url


def test_a_company_is_asked_for_by_ten_digits() -> None:
    (item,) = planned(edgar=[{"cik": 1750, "forms": ["10-K"], "from": "2023-01-01"}])
    assert (item.kind, item.url) == ("filings", "https://data.sec.gov/submissions/CIK0000001750.json")


def test_a_part_is_asked_for_as_it_stood_on_a_date() -> None:
    (item,) = planned(ecfr=[{"part": "240", "date": "2024-10-01"}])
    assert item.url == "https://www.ecfr.gov/api/versioner/v1/full/2024-10-01/title-17.xml?part=240"
    assert item.key == "incoming/ecfr/title-17-part-240-2024-10-01.xml"


def test_a_query_cannot_smuggle_parameters() -> None:
    (item,) = planned(courtlistener=[{"query": "fraud&type=r#x", "court": "ca2"}])
    assert "q=fraud%26type%3Dr%23x&type=o" in item.url


def test_the_same_thing_twice_is_planned_once() -> None:
    assert len(planned(courtlistener=[{"opinion": 7}, {"opinion": 7}, {"opinion": 8}])) == 2


def test_items_survive_json() -> None:
    items = planned(edgar=[{"cik": 5, "forms": ["8-K"]}], courtlistener=[{"query": "scienter"}], refresh=True)
    assert [Item.from_dict(json.loads(json.dumps(one.to_dict()))) for one in items] == items


def test_real_company_list_leads_to_filings_and_older_pages(shared: Path) -> None:
    listed = (shared / "data/edgar/submissions_CIK0001324424.json").read_bytes()
    wish = {"cik": 1324424, "forms": ["10-K"], "to": "2017-12-31", "limit": 200}
    (item,) = planned(edgar=[wish])
    found, following = expand(item, listed)
    rows = json.loads(listed)["filings"]["recent"]
    right = [
        one
        for one, form, filed in zip(rows["accessionNumber"], rows["form"], rows["filingDate"], strict=True)
        if form == "10-K" and filed <= "2017-12-31"
    ]
    assert [one.name.removesuffix(".txt") for one in found] == right
    assert following is not None and following.url.endswith("/CIK0001324424-submissions-001.json")
    older, end = expand(following, (shared / "data/edgar/submissions_CIK0001324424-submissions-001.json").read_bytes())
    assert older and end is None
    assert all("/data/1324424/" in one.url for one in older)


def test_a_limit_ends_the_list() -> None:
    columns = {
        "accessionNumber": [f"0000000001-24-{n:06d}" for n in range(9)],
        "form": ["8-K"] * 9,
        "filingDate": ["2024-05-01"] * 8,  # ragged: the shortest column counts
    }
    files = [{"name": "CIK0000000001-submissions-001.json", "filingFrom": "2001-01-01", "filingTo": "2010-01-01"}]
    body = json.dumps({"filings": {"recent": columns, "files": files}}).encode()
    (few,) = planned(edgar=[{"cik": 1, "limit": 3}])
    (many,) = planned(edgar=[{"cik": 1, "limit": 100}])
    assert (len(expand(few, body)[0]), expand(few, body)[1]) == (3, None)
    found, following = expand(many, body)
    assert len(found) == 8 and following is not None and following.select["limit"] == 92


def test_a_page_name_from_outside_is_not_trusted() -> None:
    files = [{"name": "../../evil.json", "filingFrom": "2001-01-01", "filingTo": "2010-01-01"}]
    columns: dict[str, list[str]] = {"accessionNumber": ["../x"], "form": ["8-K"], "filingDate": ["2024-01-01"]}
    (item,) = planned(edgar=[{"cik": 1}])
    assert expand(item, json.dumps({"filings": {"recent": columns, "files": files}}).encode()) == ([], None)


def test_search_results_lead_to_opinions_and_the_next_page() -> None:
    (item,) = planned(courtlistener=[{"query": "lock-up agreement", "limit": 3}])
    page = {"results": [{"opinions": [{"id": 4}, {"id": 5}]}, {"opinions": [{"id": 4}]}], "next": "https://x/?c=2"}
    found, following = expand(item, json.dumps(page).encode())
    assert [one.name for one in found] == ["cl_4.json", "cl_5.json"]
    assert following is not None and (following.url, following.select) == ("https://x/?c=2", {"limit": 1})


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"results": 3}', b'{"filings": null}', b"[" * 100_000])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    (item,) = planned(courtlistener=[{"query": "fraud"}])
    with pytest.raises(BodyRefused, match="not_a_list"):
        expand(item, body)
