"""Keeps the emulator's state on disk while it works.

MiniStack writes S3 objects at once but every other service only at a clean stop. Items of DynamoDB and messages of SQS,
which state machines go on from, are written to redo logs before they are answered: a kill loses none. For the rest each
request marks the service it changed, and a thread writes marked services a moment later: a kill loses that moment of
rules, parameters and logs.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from local.cloud import emulator, tap
from local.cloud.redo import RedoLog

logger = logging.getLogger("local.cloud.persistence")

# What requests of the redone services change items or messages alone: the redo logs have it.
_REDONE = {
    "dynamodb": re.compile(r"(Put|Update|Delete)Item|BatchWriteItem|TransactWriteItems"),
    "sqs": re.compile(r"(Send|Receive|Delete|ChangeMessage)(Message|Visibility)(Batch)?"),
}
_REDO_BYTES = 1 << 20  # a redo log larger than this and than the last snapshot is followed by a snapshot
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
    redone = service in _REDONE and _REDONE[service].fullmatch(target.rpartition(".")[2])
    if service in _NOT_HERE or invoked or object_written or redone:
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
        self._sizes: dict[str, int] = {}
        self._stacks: dict[str, str] = {}
        self._on_loop: Callable | None = None
        self._redo = {name: RedoLog(folder, name) for name in _REDONE}
        self._thread = threading.Thread(target=self._work, name="saver", daemon=True)

    def attach(self) -> None:
        """Have the emulator fill the redo logs, and repeat them when it loads its state. Before it starts."""
        tap.tap_items(self._redo["dynamodb"].append, self._redo["dynamodb"].changes)
        tap.tap_messages(self._redo["sqs"].append, self._redo["sqs"].changes)

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
            self._write(name, *self._snapshot(name, reader))

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
        wait = _SLOW.get(name, 0.0)
        if name in self._changed and time.monotonic() - self._last.get(name, -wait) >= wait:
            return True
        return name in self._redo and self._redo[name].size > max(_REDO_BYTES, self._sizes.get(name, 0))

    def _save(self, name: str, reader: Callable) -> None:
        self._write(name, *self._on_loop(lambda: self._snapshot(name, reader)))
        self._last[name] = time.monotonic()

    def _snapshot(self, name: str, reader: Callable) -> tuple[str | None, Callable | None]:
        """A service's state, and what drops the redo log up to it; nothing may change the state meanwhile."""
        drop = self._redo[name].cut() if name in self._redo else None
        return emulator.state_text(name, reader), drop

    def _write(self, name: str, text: str | None, drop: Callable | None) -> None:
        if text is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f"{name}.json.part"
        partial.write_text(text)
        partial.replace(self._folder / f"{name}.json")
        self._sizes[name] = len(text)
        if drop:
            drop()
