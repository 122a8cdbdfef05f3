"""Keeps the emulator's state on disk while it works, so that a kill loses next to nothing.

MiniStack writes S3 objects at once but every other service only at a clean stop. Here each request
marks the service it changed; a thread writes marked services a moment later.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from local.cloud import emulator

logger = logging.getLogger("local.cloud.persistence")

# Changed from inside as well (event delivery, polling): looked at on every round.
_INNER = ("sqs",)
# Bulky and of little worth after a crash: seconds between two writes.
_SLOW = {"cloudwatch_logs": 10.0, "cloudwatch": 30.0}
# Services that keep their own records, and stacks, which are saved when a deployment has ended.
_NOT_HERE = {"states", "sagemaker", "bedrock", "servicequotas", "sts", "cloudformation"}
_READS = re.compile(r"(Get|List|Describe|Query|Scan|BatchGet|Head|Receive|Lookup|Search|Filter)")
_STATE_FILE = {"logs": "cloudwatch_logs", "monitoring": "cloudwatch", "events": "eventbridge"}
_SCOPE = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/")


def changed_by(method: str, path: str, authorization: str, target: str) -> str | None:
    """The state file that a request may have made stale, or None."""
    scope = _SCOPE.search(authorization)
    if not scope or method in ("GET", "HEAD") or _READS.match(target.rpartition(".")[2]):
        return None
    service = scope[1]
    invoked = service == "lambda" and "/invocations" in path
    object_written = service == "s3" and "/" in path.strip("/")  # the emulator writes objects at once
    if service in _NOT_HERE or invoked or object_written:
        return None
    return _STATE_FILE.get(service, service)


class Saver:
    """Writes changed services to the state folder `folder`.

    interval: seconds between a change and its write, at the least.
    """

    def __init__(self, folder: Path, interval: float = 0.1) -> None:
        self._folder = folder
        self._interval = interval
        self._changed: set[str] = set()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._last: dict[str, float] = {}
        self._written: dict[str, str] = {}
        self._stacks: dict[str, str] = {}
        self._on_loop: Callable | None = None
        self._thread = threading.Thread(target=self._work, name="saver", daemon=True)

    def start(self, on_loop: Callable) -> None:
        """on_loop(function) runs it on the event loop, where no request is half done, and returns its result."""
        self._on_loop = on_loop
        self._stacks = emulator.stacks()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._wake.set()
        self._thread.join(30)

    def note(self, method: str, path: str, authorization: str, target: str) -> None:
        """Mark what a finished request may have changed."""
        name = changed_by(method, path, authorization, target)
        if name:
            self._changed.add(name)
            self._wake.set()

    def save_all(self, readers: dict[str, Callable]) -> None:
        """Write everything now. A service that has nothing to tell keeps its file."""
        for name, reader in readers.items():
            text = emulator.state_text(name, reader)
            if text is not None:
                self._write(name, text)

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
        self._look_at_stacks(readers)
        for name in [name for name in readers if self._due(name)]:
            self._changed.discard(name)
            try:
                self._save(name, readers[name])
            except Exception:
                self._changed.add(name)
                raise

    def _look_at_stacks(self, readers: dict[str, Callable]) -> None:
        """A deployment changes every service from inside: all are saved when it has ended."""
        stacks = emulator.stacks()
        if stacks != self._stacks and not any("_IN_PROGRESS" in status for status in stacks.values()):
            self._stacks = stacks
            self._changed.update(readers)

    def _due(self, name: str) -> bool:
        if name in _INNER:
            return True
        wait = _SLOW.get(name, 0.0)
        return name in self._changed and time.monotonic() - self._last.get(name, -wait) >= wait

    def _save(self, name: str, reader: Callable) -> None:
        text = self._on_loop(lambda: emulator.state_text(name, reader))
        if text is None or text == self._written.get(name):
            return
        if name in _INNER:
            self._written[name] = text
        self._write(name, text)
        self._last[name] = time.monotonic()

    def _write(self, name: str, text: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f"{name}.json.part"
        partial.write_text(text)
        partial.replace(self._folder / f"{name}.json")
