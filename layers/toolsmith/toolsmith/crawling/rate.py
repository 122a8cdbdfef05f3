"""One rate for all workers: sliding windows over the times at which requests were granted."""

import threading
from collections.abc import Sequence
from typing import Protocol

from toolsmith.crawling.faults import SourceUnavailable
from toolsmith.crawling.sources import Source, Window

PATIENCE_SECONDS = 60.0
"""A worker waits at most this long for its turn; a longer wait is the state machine's, which costs nothing."""


class Clock(Protocol):
    """Seconds since 1970, and waiting."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class RateGate(Protocol):
    """Admission to a source, shared by every worker."""

    def reserve(self, source: Source) -> float:
        """A time at which one request may be sent. Raises SourceUnavailable when it's too far away."""

    def stopped_until(self, source: Source) -> float:
        """Nothing may be sent before this time (0 when there's no stop)."""

    def stop(self, source: Source, until: float) -> None:
        """Nobody sends before `until`; an earlier end than one already set changes nothing."""


def earliest(granted: Sequence[float], windows: Sequence[Window], now: float) -> float:
    """First time from `now` on at which one more grant keeps every window. granted: ascending."""
    slot = now
    for window in windows:
        if len(granted) >= window.count:
            slot = max(slot, granted[-window.count] + window.seconds)
    return slot


def keep(granted: Sequence[float], windows: Sequence[Window], now: float) -> list[float]:
    """The grants that can still matter."""
    longest = max(window.seconds for window in windows)
    most = max(window.count for window in windows)
    return [one for one in granted if one > now - longest][-most:]


def slot_or_refuse(source: Source, granted: Sequence[float], stopped: float, now: float) -> float:
    """The next slot. Raises SourceUnavailable while stopped, or when it lies beyond PATIENCE_SECONDS."""
    if stopped > now:
        raise SourceUnavailable(source.name, "stopped for all workers", stopped - now)
    slot = earliest(granted, source.windows, now)
    if slot - now > PATIENCE_SECONDS:
        raise SourceUnavailable(source.name, "its request windows are full", slot - now)
    return slot


class MemoryGate:
    """The gate for one process: tests and a single worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._granted: dict[str, list[float]] = {}
        self._stops: dict[str, float] = {}

    def reserve(self, source: Source) -> float:
        with self._lock:
            now = self._clock.now()
            granted = keep(self._granted.get(source.name, ()), source.windows, now)
            slot = slot_or_refuse(source, granted, self._stops.get(source.name, 0.0), now)
            self._granted[source.name] = [*granted, slot]
            return slot

    def stopped_until(self, source: Source) -> float:
        return self._stops.get(source.name, 0.0)

    def stop(self, source: Source, until: float) -> None:
        with self._lock:
            self._stops[source.name] = max(until, self._stops.get(source.name, 0.0))
