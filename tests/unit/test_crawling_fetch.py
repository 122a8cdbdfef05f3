"""The crawler against a loopback server that replays how the sources really behave."""

import email.utils
import gzip
import io
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.unit.crawling_stage import PUBLIC, START, Stage, VirtualClock, answer, stage
from toolsmith.crawling import Item, responses
from toolsmith.crawling.faults import SourceUnavailable
from toolsmith.crawling.plan import filing, opinion
from toolsmith.crawling.sources import SOURCES
from toolsmith.errors import InvalidInput

SUBMISSION = b"<SEC-DOCUMENT>0000000001-24-000001.txt : 20240101\n<DOCUMENT>\n<TYPE>8-K\n</DOCUMENT>\n"
BLOCKED = b"<!DOCTYPE html>\n<html><head><title>SEC.gov | Request Rate Threshold Exceeded</title></head></html>"
UNDECLARED = b"<html><body><h1>Your Request Originates from an Undeclared Automated Tool</h1></body></html>"
ABSENT = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>No</Message></Error>'
ONE = filing(1, "0000000001-24-000001")


def run(here: Stage, *items: Item) -> Counter[str]:
    return here.fetcher().fetch_all(items or (ONE,))


def test_a_document_is_kept_with_what_is_known_of_it() -> None:
    with stage(answer(200, SUBMISSION, ETag='"a-gzip"', Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")) as here:
        assert run(here)["fetched"] == 1
    assert here.shelf.documents == {"incoming/edgar/0000000001-24-000001.txt": SUBMISSION}
    noted = here.shelf.noted[ONE.key]
    assert (noted["url"], noted["etag"], noted["fetched"]) == (ONE.url, '"a-gzip"', "2023-11-14T22:13:20+00:00")


def test_the_source_is_told_who_asks_and_gzip_is_welcome() -> None:
    with stage(answer(200, SUBMISSION)) as here:
        run(here)
    (_, host, path, headers) = here.asked[0]
    assert host == "www.sec.gov" and path.endswith("0000000001-24-000001.txt")
    assert "crawl@toolsmith.example" in headers["user-agent"] and headers["accept-encoding"] == "gzip"


def test_nobody_crawls_without_a_contact() -> None:
    with stage(answer(200)) as here, pytest.raises(InvalidInput, match="ContactEmail"):
        here.fetcher(contact="nobody")


def test_what_is_held_is_not_asked_for_again() -> None:
    with stage(answer(200, SUBMISSION)) as here:
        assert run(here) + run(here) == Counter(fetched=1, held=1)
        assert len(here.asked) == 1


def test_refresh_asks_conditionally_and_304_keeps_what_is_held() -> None:
    def play(to: BaseHTTPRequestHandler) -> None:
        known = to.headers.get("If-None-Match") == '"v1"' and to.headers.get("If-Modified-Since") == "yesterday"
        body = b"" if known else SUBMISSION
        answer(304 if known else 200, body, ETag='"v1"', Last_Modified="yesterday")(to)

    with stage(play) as here:
        assert run(here)["fetched"] == 1
        again = filing(1, "0000000001-24-000001", refresh=True)
        assert run(here, again)["held"] == 1
        assert len(here.asked) == 2


def test_refresh_with_the_same_bytes_writes_nothing() -> None:
    with stage(answer(200, SUBMISSION)) as here:
        run(here)
        here.shelf.noted[ONE.key]["fetched"] = "long ago"
        assert run(here, filing(1, "0000000001-24-000001", refresh=True))["held"] == 1
        assert here.shelf.noted[ONE.key]["fetched"] == "long ago"


@pytest.mark.parametrize("status", [200, 403, 429, 503])
@pytest.mark.parametrize("page", [BLOCKED, UNDECLARED], ids=["rate", "undeclared"])
def test_a_block_page_stops_all_workers_for_ten_minutes_at_least(status: int, page: bytes) -> None:
    with stage(answer(status, page, Content_Type="text/html")) as here:
        with pytest.raises(SourceUnavailable, match="block_page"):
            run(here)
        here.script = answer(200, SUBMISSION)
        here.clock.jump(599)
        with pytest.raises(SourceUnavailable, match="stopped for all workers"):
            run(here)
        assert len(here.asked) == 1
        here.clock.jump(100)
        assert run(here)["fetched"] == 1


def test_a_short_retry_after_does_not_shorten_the_stop_of_a_block_page() -> None:
    with stage(answer(429, BLOCKED, Retry_After="5")) as here:
        with pytest.raises(SourceUnavailable):
            run(here)
        assert here.gate.stopped_until(SOURCES["edgar"]) >= START + 600


@pytest.mark.parametrize("name", ["rate-exceeded.html", "SEC.AutomatedTool.html"])
def test_the_real_block_pages_are_recognised_as_200(shared: Path, name: str) -> None:
    body = (shared / "data/edgar" / name).read_bytes()
    with stage(answer(200, body, Content_Type="text/html")) as here, pytest.raises(SourceUnavailable, match="block"):
        run(here)
    assert not here.shelf.documents


def test_a_stop_of_one_source_leaves_the_others_alone() -> None:
    def play(to: BaseHTTPRequestHandler) -> None:
        answer(*((429, BLOCKED) if "sec.gov" in to.headers["Host"] else (200, b'{"id": 3}')))(to)

    with stage(play) as here:
        with pytest.raises(SourceUnavailable):
            run(here)
        assert run(here, opinion(3))["fetched"] == 1


def test_403_with_xml_means_absent() -> None:
    with stage(answer(403, ABSENT, Content_Type="application/xml")) as here:
        assert run(here) == Counter(absent=1, fetched=0, held=0, refused=0)
        assert here.gate.stopped_until(SOURCES["edgar"]) == 0


def test_the_real_absent_answers(shared: Path) -> None:
    for name, status in (("http403_full-index_2099.xml", 403), ("http404_submissions.xml", 404)):
        with stage(answer(status, (shared / "data/edgar" / name).read_bytes())) as here:
            assert run(here)["absent"] == 1


def test_403_with_html_stops() -> None:
    with stage(answer(403, b"<html><title>Forbidden</title></html>")) as here:
        with pytest.raises(SourceUnavailable, match="http_403"):
            run(here)
        assert here.gate.stopped_until(SOURCES["edgar"]) >= START + 600


@pytest.mark.parametrize("value", ["45", email.utils.formatdate(START + 45, usegmt=True)], ids=["seconds", "date"])
def test_retry_after_is_honoured_for_everybody(value: str) -> None:
    with stage(answer(429, b"slow down", Retry_After=value)) as here:
        with pytest.raises(SourceUnavailable) as caught:
            run(here)
        assert caught.value.wait_seconds == pytest.approx(45, abs=1)
        here.script = answer(200, SUBMISSION)
        here.clock.jump(43)
        with pytest.raises(SourceUnavailable):
            run(here)
        here.clock.jump(3)
        assert run(here)["fetched"] == 1


def test_429_without_retry_after_stops_for_ten_minutes() -> None:
    with stage(answer(429, b"slow down")) as here:
        with pytest.raises(SourceUnavailable):
            run(here)
        assert here.gate.stopped_until(SOURCES["edgar"]) >= START + 600


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e9", "Mon, 99 Foo"])
def test_an_unreadable_retry_after_is_no_retry_after(value: str) -> None:
    assert responses.retry_after(value, START) is None


def test_503_past_the_end_of_the_feed_is_an_end(shared: Path) -> None:
    feed = Item("edgar", "document", "https://www.sec.gov/cgi-bin/browse-edgar?action=getcurrent&start=5000", "feed")
    with stage(answer(503, (shared / "data/edgar/http503_getcurrent.html").read_bytes())) as here:
        assert run(here, feed)["absent"] == 1


def test_503_elsewhere_is_worth_another_try_and_stops_nobody() -> None:
    with stage(answer(503, b"busy")) as here:
        with pytest.raises(SourceUnavailable, match="http_503"):
            run(here)
        here.script = answer(200, SUBMISSION)
        assert run(here)["fetched"] == 1


def test_an_html_page_is_never_kept_as_a_document() -> None:
    with stage(answer(200, b"<!DOCTYPE html><html><title>Sorry, maintenance</title>")) as here:
        assert run(here)["refused:html_page"] == 1
        assert not here.shelf.documents


def test_gzip_is_unpacked() -> None:
    with stage(answer(200, gzip.compress(SUBMISSION * 500), Content_Encoding="gzip")) as here:
        run(here)
    assert here.shelf.documents[ONE.key] == SUBMISSION * 500


def test_gzip_of_several_members_is_unpacked_whole() -> None:
    body = gzip.compress(SUBMISSION) + gzip.compress(b"more")
    with stage(answer(200, body, Content_Encoding="gzip")) as here:
        run(here)
    assert here.shelf.documents[ONE.key] == SUBMISSION + b"more"


def test_truncated_gzip_is_never_kept() -> None:
    body = gzip.compress(SUBMISSION * 500)[:-12]
    script = answer(200, body, Content_Encoding="gzip")
    with stage(script) as here, pytest.raises(SourceUnavailable, match="ends early"):
        run(here)
    assert not here.shelf.documents


def test_a_body_cut_short_of_its_length_is_never_kept() -> None:
    def play(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Length", str(len(SUBMISSION) + 100))
        to.end_headers()
        to.wfile.write(SUBMISSION)

    with stage(play) as here, pytest.raises(SourceUnavailable):
        run(here)
    assert not here.shelf.documents


def test_a_gzip_bomb_is_given_up_before_it_is_unpacked(shared: Path) -> None:
    bomb = (shared / "data/nasty/gzip_bomb_100MB.gz").read_bytes()
    with stage(answer(200, bomb, Content_Encoding="gzip")) as here:
        assert run(here)["refused:gzip_ratio"] == 1


def test_a_body_longer_than_allowed_is_refused_before_it_is_read() -> None:
    def play(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Length", str(226 * 1024 * 1024 * 2))
        to.end_headers()

    with stage(play) as here:
        assert run(here)["refused:too_large"] == 1


def endless(to: BaseHTTPRequestHandler) -> None:
    """A body without an announced length that goes on until the asker hangs up."""
    to.send_response(200)
    to.end_headers()
    try:
        while True:
            to.wfile.write(SUBMISSION * 10_000)
    except OSError:
        return


def test_an_endless_body_is_given_up_at_the_limit() -> None:
    with stage(endless) as here:
        assert run(here, opinion(9))["refused:too_large"] == 1


def test_a_body_of_226_megabytes_passes_through_without_filling_memory() -> None:
    piece, pieces = b"x" * (1024 * 1024), 226

    def play(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Length", str(len(piece) * pieces))
        to.end_headers()
        for _ in range(pieces):
            to.wfile.write(piece)

    class Counting:
        longest = total = 0

        def facts(self, key: str) -> None:
            return None

        def keep(self, key: str, body: io.BufferedIOBase, facts: object) -> None:
            while part := body.read(len(piece)):
                self.total += len(part)

    with stage(play) as here:
        here.shelf = counting = Counting()  # type: ignore[assignment]
        assert run(here)["fetched"] == 1
        assert counting.total == len(piece) * pieces


def test_a_slow_body_is_given_up_at_the_deadline() -> None:
    def play(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Length", "100")
        to.end_headers()
        try:
            for _ in range(100):
                to.wfile.write(b"x")
                to.wfile.flush()
                here.clock.jump(20)
        except OSError:
            return

    with stage(play) as here, pytest.raises(SourceUnavailable, match="not finished within 180 s|bytes arrived"):
        run(here)


def redirect(location: str) -> object:
    def play(to: BaseHTTPRequestHandler) -> None:
        if to.path == "/final.txt":
            answer(200, SUBMISSION)(to)
        else:
            answer(302, b"", Location=location)(to)

    return play


def test_a_relative_redirect_is_followed_at_its_own_turn() -> None:
    with stage(redirect("/final.txt")) as here:
        assert run(here)["fetched"] == 1
    first, second = (one[0] for one in here.asked)
    assert second - first >= 0.125


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://www.sec.gov/final.txt", "scheme"),
        ("https://169.254.169.254/latest/meta-data/", "host"),
        ("https://[::1]/final.txt", "host"),
        ("https://2130706433/final.txt", "host"),
        ("https://0x7f000001/final.txt", "host"),
        ("https://10.0.0.7/", "host"),
        ("https://www.sec.gov@evil.example/", "userinfo"),
        ("https://www.sec.gov.evil.example/", "host"),
        ("https://www.sec.gov:8443/final.txt", "port"),
        ("https://www.sec.gov:99999/", "url"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://www.sec.gov/_x", "scheme"),
        ("//evil.example/final.txt", "host"),
    ],
)
def test_a_redirect_off_the_list_is_never_followed(location: str, reason: str) -> None:
    with stage(redirect(location)) as here:  # type: ignore[arg-type]
        assert run(here)[f"refused:{reason}"] == 1
        assert len(here.asked) == 1


def test_redirects_end() -> None:
    with stage(redirect("/again")) as here:  # type: ignore[arg-type]
        assert run(here)["refused:redirects"] == 1
        assert len(here.asked) == SOURCES["edgar"].max_redirects + 1


def test_being_sent_to_the_unblock_page_is_a_block() -> None:
    item = Item("ecfr", "document", "https://www.ecfr.gov/api/x.xml", "x.xml")
    with stage(redirect("https://unblock.federalregister.gov/")) as here:  # type: ignore[arg-type]
        with pytest.raises(SourceUnavailable, match="block_redirect"):
            run(here, item)
        assert here.gate.stopped_until(SOURCES["ecfr"]) >= START + 600


@pytest.mark.parametrize(
    "answers",
    [
        ["10.1.2.3"],
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["fd00::1"],
        ["::ffff:192.168.0.1"],
        ["::ffff:93.184.216.34"],
        ["64:ff9b::a00:1"],
        ["100.64.0.1"],
        ["0.0.0.0"],
        ["224.0.0.1"],
        ["localhost"],
        [PUBLIC, "192.168.1.1"],
    ],
    ids=lambda one: one[-1],
)
def test_a_private_dns_answer_is_refused_before_anything_is_sent(answers: list[str]) -> None:
    with stage(answer(200, SUBMISSION)) as here:
        here.answers["www.sec.gov"] = answers
        assert run(here)["refused:private_address"] == 1
        assert not here.asked


def test_an_answer_that_turns_private_after_a_redirect_is_refused() -> None:
    with stage(redirect("/final.txt")) as here:  # type: ignore[arg-type]
        told = iter([[PUBLIC], ["10.0.0.1"]])
        here.resolve = lambda host: next(told)  # type: ignore[method-assign]
        assert run(here)["refused:private_address"] == 1
        assert len(here.asked) == 1


def test_a_name_that_does_not_resolve_is_worth_another_try() -> None:
    def fails(host: str) -> list[str]:
        raise OSError("no such host")

    with stage(answer(200)) as here, pytest.raises(SourceUnavailable):
        here.resolve = fails  # type: ignore[method-assign]
        run(here)


def most_in_a_second(times: list[float]) -> int:
    """The fullest window of one second, whatever its start. Ties at the far border are outside it."""
    times = sorted(times)
    return max(sum(1 for one in times if start <= one < start + 1 - 1e-6) for start in times)


def together(here: Stage, shares: list[list[Item]]) -> list[object]:
    """Each share fetched by a worker of its own, all at once."""
    ends: list[object] = []

    def work(share: list[Item]) -> None:
        try:
            ends.append(here.fetcher().fetch_all(share))
        except SourceUnavailable as stopped:
            ends.append(stopped)
        finally:
            here.clock.leave()

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    return ends


def test_eight_workers_share_one_rate() -> None:
    shares = [[filing(worker + 1, f"{worker:010d}-24-{n:06d}") for n in range(12)] for worker in range(8)]
    with stage(answer(200, SUBMISSION), workers=8) as here:
        ends = together(here, shares)
    assert sum(one["fetched"] for one in ends) == 96  # type: ignore[call-overload, misc]
    times = [one[0] for one in here.asked]
    assert most_in_a_second(times) <= 8
    assert max(times) - min(times) < 96 / 8 + 1, "the rate is used, not only kept"


def test_after_a_block_page_no_worker_sends_anything_until_the_stop_is_over() -> None:
    lock, served = threading.Lock(), [0]

    def play(to: BaseHTTPRequestHandler) -> None:
        with lock:
            served[0] += 1
            blocked = served[0] == 20
        answer(200, BLOCKED if blocked else SUBMISSION)(to)

    shares = [[filing(worker + 1, f"{worker:010d}-24-{n:06d}") for n in range(12)] for worker in range(8)]
    with stage(play, workers=8) as here:
        ends = together(here, shares)
        assert all(isinstance(one, SourceUnavailable) for one in ends)
        at = sorted(one[0] for one in here.asked)[19]
        late = [one[0] for one in here.asked if one[0] > at + 1e-6]
        assert not late
        here.clock = VirtualClock()
        assert here.gate.stopped_until(SOURCES["edgar"]) >= at + 600


def test_slow_windows_send_the_worker_home_instead_of_waiting() -> None:
    with stage(answer(200, b'{"id": 1}')) as here:
        assert run(here, *[opinion(n) for n in range(1, 51)])["fetched"] == 50
        with pytest.raises(SourceUnavailable, match="windows are full"):
            run(here, opinion(51))
    times = [one[0] for one in here.asked]
    for start in times:
        assert sum(1 for one in times if start <= one < start + 60 - 1e-6) <= 5


def test_lists_are_walked_and_a_list_that_is_blocked_stops() -> None:
    listed = (
        b'{"filings": {"recent": {"accessionNumber": ["0000000001-24-000001", "0000000001-24-000002"],'
        b' "form": ["8-K", "10-K"], "filingDate": ["2024-01-01", "2024-02-01"]}, "files": []}}'
    )

    def play(to: BaseHTTPRequestHandler) -> None:
        answer(200, listed if "submissions" in to.path else SUBMISSION)(to)

    select = {"cik": 1, "forms": ["8-K"], "from": "", "to": "", "limit": 5}
    item = Item("edgar", "filings", "https://data.sec.gov/submissions/CIK0000000001.json", "", select)
    with stage(play) as here:
        assert run(here, item)["fetched"] == 1
        assert list(here.shelf.documents) == ["incoming/edgar/0000000001-24-000001.txt"]
        here.script = answer(200, b"not json")
        assert run(here, item)["refused:not_a_list"] == 1
        here.script = answer(200, BLOCKED)
        with pytest.raises(SourceUnavailable):
            run(here, item)


def test_an_item_of_no_known_source_is_an_error() -> None:
    with stage(answer(200)) as here, pytest.raises(InvalidInput):
        run(here, Item("gopher", "document", "gopher://x", "x"))
