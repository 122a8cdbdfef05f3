"""Keeps the emulator's state on disk while it works, so that a kill loses next to nothing.

MiniStack writes S3 objects at once but every other service only at a clean stop. Here each request
marks the service it changed; a thread writes marked services a moment later.
"""

import logging
import re
import threading
import time
from collections.abc import Callable

from local.cloud import emulator

logger = logging.getLogger("local.cloud.persistence")

# Services that are changed from inside as well (event delivery, polling), looked at on every round.
_INNER = ("sqs",)
# Bulky and of little worth after a crash: seconds between two writes.
_SLOW = {"cloudwatch_logs": 10.0, "cloudwatch": 30.0}
_READS = re.compile(r"(Get|List|Describe|Query|Scan|BatchGet|Head|Receive|Lookup|Search|Filter)")
_STATE_FILE = {
    "logs": "cloudwatch_logs",
    "monitoring": "cloudwatch",
    "events": "eventbridge",
    "states": "stepfunctions",
}
_SCOPE = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/")


class Saver:
    """Writes changed services to the state folder.

    interval: seconds between a change and its write, at the least.
    """

    def __init__(self, interval: float = 0.1) -> None:
        self._interval = interval
        self._changed: set[str] = set()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._last: dict[str, float] = {}
        self._written: dict[str, int] = {}
        self._on_loop: Callable | None = None
        self._thread = threading.Thread(target=self._work, name="saver", daemon=True)

    def start(self, on_loop: Callable) -> None:
        """on_loop(function) runs it on the event loop, where no request is half done, and returns its result."""
        self._on_loop = on_loop
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._wake.set()
        self._thread.join(30)

    def note(self, method: str, authorization: str, target: str) -> None:
        """Mark what a finished request may have changed."""
        scope = _SCOPE.search(authorization)
        if not scope or method in ("GET", "HEAD") or _READS.match(target.rpartition(".")[2]):
            return
        service = scope[1]
        self.mark(*(emulator.state_readers() if service == "cloudformation" else [_STATE_FILE.get(service, service)]))

    def mark(self, *names: str) -> None:
        self._changed.update(names)
        self._wake.set()

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait(0.5)
            self._wake.clear()
            started = time.monotonic()
            try:
                self._round()
            except Exception:
                logger.exception("a state save failed; it is tried again")
            self._stopped.wait(max(self._interval, 2 * (time.monotonic() - started)))

    def _round(self) -> None:
        readers = emulator.state_readers()
        if emulator.deploying():
            self._changed.update(readers)
        due = [name for name in readers if self._due(name)]
        for name in due:
            self._changed.discard(name)
            try:
                self._save(name, readers[name])
            except Exception:
                self._changed.add(name)
                raise

    def _due(self, name: str) -> bool:
        if name in _INNER:
            return True
        wait = _SLOW.get(name, 0.0)
        return name in self._changed and time.monotonic() - self._last.get(name, -wait) >= wait

    def _save(self, name: str, reader: Callable) -> None:
        state = self._on_loop(reader)
        if state is None:
            return
        if name in _INNER:
            digest = hash(repr(state))
            if digest == self._written.get(name):
                return
            self._written[name] = digest
        emulator.save_state(name, state)
        self._last[name] = time.monotonic()
