"""The three sources as data: hosts, rates, limits. Facts with their origin; nothing here does anything."""

from dataclasses import dataclass

MIB = 1024 * 1024
BLOCK_STOP_SECONDS = 660.0
"""After a block page. EDGAR limits access for 10 minutes and extends that for whoever goes on asking."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` requests in any `seconds` seconds, all workers together."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Source:
    """hosts: exact names that may be asked, redirects included. max_bytes: of a decoded body."""

    name: str
    hosts: frozenset[str]
    windows: tuple[Window, ...]
    max_bytes: int
    deadline_seconds: float = 180.0
    max_redirects: int = 5
    max_ratio: int = 200


SOURCES = {
    one.name: one
    for one in (
        # sec.gov fair access: 10 a second in all, whatever the number of machines; we stay at 8, evenly spaced.
        Source(
            "edgar",
            frozenset({"www.sec.gov", "data.sec.gov"}),
            (Window(1, 0.125), Window(8, 1.0)),
            max_bytes=256 * MIB,
        ),
        # ecfr.gov publishes no limit and blocks addresses that scrape.
        Source("ecfr", frozenset({"www.ecfr.gov"}), (Window(1, 0.5), Window(2, 1.0)), max_bytes=64 * MIB),
        # courtlistener.com throttles of 2026-04: 5 a minute, 50 an hour; 100 a day without an account.
        Source(
            "courtlistener",
            frozenset({"www.courtlistener.com"}),
            (Window(1, 2.0), Window(5, 60.0), Window(50, 3600.0), Window(100, 86_400.0)),
            max_bytes=32 * MIB,
        ),
    )
}
