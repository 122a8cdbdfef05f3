"""What a list leads to: documents, and further pages of the list."""

import json
import re
from collections.abc import Iterator
from typing import Any

from toolsmith.crawling.faults import BodyRefused
from toolsmith.crawling.plan import Item, company_filings, filing, opinion

_ACCESSION = re.compile(r"\d{10}-\d{2}-\d{6}")
_PAGE = re.compile(r"CIK\d{10}-submissions-\d{3}\.json")


def expand(item: Item, body: bytes) -> tuple[list[Item], Item | None]:
    """(documents, next page or None) of a list. Raises BodyRefused("not_a_list") for anything else."""
    try:
        listed = json.loads(body)
        if item.kind == "filings":
            return _filings(item, listed)
        return _opinions(item, listed)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BodyRefused("not_a_list", f"{item.url}: {type(error).__name__}") from None


def _filings(item: Item, listed: dict[str, Any]) -> tuple[list[Item], Item | None]:
    """EDGAR's columns (parallel arrays); older pages have the columns at the top."""
    wanted, select = [], item.select
    top = listed.get("filings")
    for accession, form, filed in _rows(top["recent"] if top else listed):
        if _chosen(select, form, filed) and _ACCESSION.fullmatch(accession):
            wanted.append(filing(int(select["cik"]), accession, item.refresh))
    limit = int(select["limit"])
    pages = list(select.get("pages", ())) if not top else _older_pages(top.get("files", ()), select)
    rest = limit - len(wanted[:limit])
    if rest == 0 or not pages:
        return wanted[:limit], None
    left = {**select, "limit": rest, "pages": pages[1:]}
    return wanted, company_filings(int(left.pop("cik")), left, pages[0], item.refresh)


def _rows(columns: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Ragged columns end with the shortest."""
    return zip(columns["accessionNumber"], columns["form"], columns["filingDate"], strict=False)


def _chosen(select: dict[str, Any], form: str, filed: str) -> bool:
    forms, since, until = select["forms"], select["from"], select["to"]
    return (not forms or form in forms) and (not since or filed >= since) and (not until or filed <= until)


def _older_pages(files: Any, select: dict[str, Any]) -> list[str]:
    """Names of the older pages whose dates overlap what is wanted."""
    since, until = select["from"], select["to"]
    return [
        one["name"]
        for one in files
        if _PAGE.fullmatch(one["name"])
        and (not since or one["filingTo"] >= since)
        and (not until or one["filingFrom"] <= until)
    ]


def _opinions(item: Item, listed: dict[str, Any]) -> tuple[list[Item], Item | None]:
    numbers = [int(one["id"]) for result in listed["results"] for one in result["opinions"]]
    limit = int(item.select["limit"])
    found = [opinion(number, item.refresh) for number in dict.fromkeys(numbers)][:limit]
    following, rest = listed.get("next"), limit - len(found)
    if not following or rest == 0 or not found:
        return found, None
    return found, Item(item.source, item.kind, str(following), "", {"limit": rest}, item.refresh)
