"""Time and stopping: the only places where the interpreter sleeps."""

import threading
import time
from typing import Any

from local.states.errors import Cancelled


class Clock:
    """Wall clock whose Wait and Retry delays are multiplied by `scale` (1.0 = as on AWS, 0.0 = none)."""

    def __init__(self, scale: float = 1.0):
        self.scale = scale

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def after(self, seconds: float) -> float:
        """The absolute moment at which a delay of `seconds` ends, scaled."""
        return self.now() + max(0.0, seconds) * self.scale

    def wait(self, event: threading.Event, until: float | None) -> bool:
        """Wait for `event`, at most until the moment `until`; whether the event came."""
        return event.wait(None if until is None else max(0.0, until - self.now()))


class Cancel:
    """A stop signal that reaches everything below it: an execution, its branches, their waits."""

    def __init__(self, parent: "Cancel | None" = None):
        self._lock = threading.Lock()
        self._listeners: set[Any] = set()
        self.reason: str | None = None
        self._parent = parent
        if parent:
            parent.attach(self)

    def set(self, reason: str = "aborted") -> None:
        """Stop everything that listens; only the first reason counts."""
        with self._lock:
            if self.reason:
                return
            self.reason = reason
            listeners = list(self._listeners)
        for listener in listeners:
            listener.set(reason) if isinstance(listener, Cancel) else listener.set()

    def attach(self, listener: "threading.Event | Cancel") -> None:
        """Set `listener` when this signal comes, at once if it has come already."""
        with self._lock:
            if not self.reason:
                self._listeners.add(listener)
                return
        listener.set(self.reason) if isinstance(listener, Cancel) else listener.set()

    def detach(self, listener: "threading.Event | Cancel") -> None:
        with self._lock:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Forget the parent: this part ended by itself."""
        if self._parent:
            self._parent.detach(self)

    def check(self) -> None:
        """Raises Cancelled once the signal has come."""
        if self.reason:
            raise Cancelled(self.reason)


def sleep_until(clock: Clock, until: float, cancel: Cancel) -> None:
    """Sleep to the moment `until`; Cancelled if the signal comes first."""
    event = threading.Event()
    cancel.attach(event)
    try:
        clock.wait(event, until)
    finally:
        cancel.detach(event)
    cancel.check()
