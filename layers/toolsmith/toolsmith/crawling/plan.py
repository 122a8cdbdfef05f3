"""From a request to the list of things to fetch. No network: what must be looked up becomes a listing item."""

from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from toolsmith.crawling.request import CfrWish, CrawlRequest, EdgarWish, OpinionWish

EDGAR_FILES = "https://www.sec.gov/Archives/edgar/data"
EDGAR_LISTS = "https://data.sec.gov/submissions"
ECFR = "https://www.ecfr.gov/api/versioner/v1/full"
COURTLISTENER = "https://www.courtlistener.com/api/rest/v4"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to fetch.

    kind: "document" (kept under incoming/<source>/<name>), "filings" (an EDGAR list of a company's filings) or
    "opinions" (a page of search results); the last two only lead to documents.
    select: what to take from a list. refresh: ask again, conditionally, even though the document is held.
    """

    source: str
    kind: str
    url: str
    name: str = ""
    select: dict[str, Any] = field(default_factory=dict)
    refresh: bool = False

    @property
    def key(self) -> str:
        return f"incoming/{self.source}/{self.name}"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> "Item":
        return cls(**{name: raw[name] for name in cls.__slots__ if name in raw})


def plan(request: CrawlRequest) -> list[Item]:
    """Every item of a request, each once, in the order of the request."""
    wanted = [
        *(_edgar(one, request.refresh) for one in request.edgar),
        *(_cfr(one, request.refresh) for one in request.ecfr),
        *(_opinions(one, request.refresh) for one in request.courtlistener),
    ]
    return list({(one.url, str(one.select)): one for one in wanted}.values())


def filing(cik: int, accession: str, refresh: bool = False) -> Item:
    """The full submission, one request a filing. accession: "0000320193-24-000123"."""
    folder = accession.replace("-", "")
    url = f"{EDGAR_FILES}/{cik}/{folder}/{accession}.txt"
    return Item("edgar", "document", url, f"{accession}.txt", refresh=refresh)


def opinion(number: int, refresh: bool = False) -> Item:
    """One opinion as the REST API gives it."""
    url = f"{COURTLISTENER}/opinions/{number}/?format=json"
    return Item("courtlistener", "document", url, f"cl_{number}.json", refresh=refresh)


def company_filings(cik: int, select: dict[str, Any], page: str = "", refresh: bool = False) -> Item:
    """The list of a company's filings, or an older page of it named in that list."""
    name = page or f"CIK{cik:010d}.json"
    return Item("edgar", "filings", f"{EDGAR_LISTS}/{quote(name, safe='')}", "", {"cik": cik, **select}, refresh)


def _edgar(wish: EdgarWish, refresh: bool) -> Item:
    if wish.accession:
        return filing(wish.cik or int(wish.accession[:10]), wish.accession, refresh)
    select = {
        "forms": list(wish.forms),
        "from": str(wish.since or ""),
        "to": str(wish.until or ""),
        "limit": wish.limit,
    }
    assert wish.cik is not None
    return company_filings(wish.cik, select, refresh=refresh)


def _cfr(wish: CfrWish, refresh: bool) -> Item:
    url = f"{ECFR}/{wish.date}/title-{wish.title}.xml?" + urlencode({"part": wish.part})
    return Item("ecfr", "document", url, f"title-{wish.title}-part-{wish.part}-{wish.date}.xml", refresh=refresh)


def _opinions(wish: OpinionWish, refresh: bool) -> Item:
    if wish.opinion is not None:
        return opinion(wish.opinion, refresh)
    query = {"q": wish.query, "type": "o", "order_by": "dateFiled desc", "format": "json"}
    if wish.court:
        query["court"] = wish.court
    if wish.filed_after:
        query["filed_after"] = str(wish.filed_after)
    select = {"limit": wish.limit}
    return Item("courtlistener", "opinions", f"{COURTLISTENER}/search/?{urlencode(query)}", "", select, refresh)
