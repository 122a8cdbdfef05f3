"""Fetches items: asks only what is not held, waits for its turn, keeps what came, counts what became of each."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import BinaryIO, Protocol

from toolsmith.crawling import responses
from toolsmith.crawling.faults import BodyCut, BodyRefused, SourceUnavailable, UrlRefused
from toolsmith.crawling.listing import expand
from toolsmith.crawling.plan import Item
from toolsmith.crawling.rate import Clock, RateGate
from toolsmith.crawling.responses import Response
from toolsmith.crawling.sources import MIB, SOURCES, Source
from toolsmith.crawling.transport import Transport
from toolsmith.errors import InvalidInput

OUTCOMES = ("fetched", "held", "absent", "refused")
_MAX_PAGES = 50
_MAX_LIST = 32 * MIB


class Shelf(Protocol):
    """Where documents are kept."""

    def facts(self, key: str) -> Mapping[str, str] | None:
        """What was noted beside the document (url, etag, last-modified, sha256 ...), None when it isn't held."""

    def keep(self, key: str, body: BinaryIO, facts: Mapping[str, str]) -> None:
        """Write a document and what is known of it."""


class Fetcher:
    """One worker. contact: the e-mail address that sources are told in the User-Agent."""

    def __init__(self, transport: Transport, gate: RateGate, shelf: Shelf, clock: Clock, contact: str) -> None:
        if "@" not in contact:
            raise InvalidInput("the contact must be an e-mail address: set the ContactEmail parameter")
        self._transport, self._gate, self._shelf, self._clock = transport, gate, shelf, clock
        self._agent = f"Toolsmith {contact}"

    def fetch_all(self, items: Iterable[Item]) -> Counter[str]:
        """How many documents were fetched, held, absent, refused; "refused:<reason>" counts the reasons.

        Raises SourceUnavailable; what was fetched until then is held and is not asked for again.
        """
        counts: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        for item in items:
            for outcome in self._outcomes(item):
                counts[outcome.partition(":")[0]] += 1
                if ":" in outcome:
                    counts[outcome] += 1
        return counts

    def _outcomes(self, item: Item) -> Iterable[str]:
        if item.source not in SOURCES or item.kind not in ("document", "filings", "opinions"):
            raise InvalidInput(f"unknown source or kind in item {item.source!r} {item.kind!r}")
        if item.kind == "document":
            yield self._document(item)
            return
        page: Item | None = item
        for _ in range(_MAX_PAGES):
            if page is None:
                return
            found, page = self._list(page)
            if isinstance(found, str):
                yield found
                return
            for one in found:
                yield self._document(one)

    def _list(self, item: Item) -> tuple[list[Item] | str, Item | None]:
        """The documents of a list and its next page, or the outcome of a list that could not be had."""
        try:
            response = self._ask(item, {})
            with response.body:
                meaning = self._meaning(item, response)
                if meaning.kind != "document":
                    return _outcome(meaning), None
                if response.length > _MAX_LIST:
                    return "refused:too_large", None
                return expand(item, response.body.read())
        except (UrlRefused, BodyRefused) as refusal:
            return f"refused:{refusal.reason}", None

    def _document(self, item: Item) -> str:
        held = self._shelf.facts(item.key)
        if held is not None and not item.refresh:
            return "held"
        try:
            response = self._ask(item, _conditions(held or {}))
            with response.body:
                return self._settle(item, held, response)
        except (UrlRefused, BodyRefused) as refusal:
            return f"refused:{refusal.reason}"

    def _settle(self, item: Item, held: Mapping[str, str] | None, response: Response) -> str:
        meaning = self._meaning(item, response)
        if meaning.kind != "document":
            return _outcome(meaning)
        digest = hashlib.file_digest(response.body, "sha256").hexdigest()  # type: ignore[arg-type]
        response.body.seek(0)
        if held is not None and held.get("sha256") == digest:
            return "held"
        self._shelf.keep(item.key, response.body, self._facts(item, response, digest))
        return "fetched"

    def _facts(self, item: Item, response: Response, digest: str) -> dict[str, str]:
        fetched = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="seconds")
        known = {"url": item.url, "source": item.source, "sha256": digest, "fetched": fetched}
        known |= {name: response.headers.get(name, "") for name in ("etag", "last-modified")}
        return {name: value for name, value in known.items() if value and value.isascii()}

    def _ask(self, item: Item, conditions: Mapping[str, str]) -> Response:
        source = SOURCES[item.source]
        headers = {"User-Agent": self._agent, "Accept": "*/*", "Connection": "close", **conditions}
        try:
            return self._transport.get(item.url, headers, source, lambda: self._admit(source))
        except BodyCut as cut:
            raise SourceUnavailable(source.name, str(cut), 60.0) from cut
        except UrlRefused as refusal:
            if refusal.reason == "host" and "unblock." in str(refusal):  # the eCFR sends blocked askers there
                raise self._stop(source, "block_redirect", responses.BLOCK_STOP_SECONDS) from refusal
            raise

    def _admit(self, source: Source) -> None:
        """Wait for our turn, then look once more whether another worker has met a block page meanwhile."""
        slot = self._gate.reserve(source)
        now = self._clock.now()
        if slot > now:
            self._clock.sleep(slot - now)
        until, now = self._gate.stopped_until(source), self._clock.now()
        if until > now:
            raise SourceUnavailable(source.name, "stopped for all workers", until - now)

    def _meaning(self, item: Item, response: Response) -> responses.Meaning:
        """Raises SourceUnavailable, after stopping all workers where the source asks for it."""
        source, meaning = SOURCES[item.source], responses.read(response, self._clock.now())
        if meaning.kind == "stop":
            raise self._stop(source, meaning.reason, meaning.seconds)
        if meaning.kind == "down":
            raise SourceUnavailable(source.name, meaning.reason, meaning.seconds)
        return meaning

    def _stop(self, source: Source, reason: str, seconds: float) -> SourceUnavailable:
        self._gate.stop(source, self._clock.now() + seconds)
        return SourceUnavailable(source.name, reason, seconds)


def _outcome(meaning: responses.Meaning) -> str:
    if meaning.kind == "refused":
        return f"refused:{meaning.reason}"
    return {"unchanged": "held", "absent": "absent"}[meaning.kind]


def _conditions(held: Mapping[str, str]) -> dict[str, str]:
    """Ask only for what changed since. The etag's "-gzip" suffix stays: the source put it there."""
    asked = {"If-None-Match": held.get("etag", ""), "If-Modified-Since": held.get("last-modified", "")}
    return {name: value for name, value in asked.items() if value}
